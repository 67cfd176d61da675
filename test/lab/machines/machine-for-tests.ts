import type { Machine } from '../../../lab/model';

export function machineForTests(directory: string): Machine {
  return {
    id: '5f3cd5f2-7c34-4a1b-9c39-0123456789ab',
    name: 'hadb01',
    directory,
    memoryMiB: 1024,
    cpu: 1,
    osDisk: '/state/os.img',
    dataDisks: [
      { lun: 0, file: '/state/lun0.img' },
      { lun: 3, file: '/state/lun3.img' },
    ],
    provisioningDisk: '/state/provisioning.tar',
    nic: {
      mac: '00:0d:3a:00:00:01',
      wiring: { switchPort: 21001, machinePort: 22001, machineCookie: 'fedcba98', switchCookie: '1a2b3c4d' },
    },
  };
}
