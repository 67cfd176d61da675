import { z } from 'zod';

import type { EngineName } from '../../settings';
import type { Image } from '../images/image';
import type { DiskFault, Machine, MachineDriver } from '../model';
import { connectQmp, type Qmp } from '../wire/qmp';
import { createProcessDriver } from './machine-process';
import type { SupervisedCommand } from './supervisor';

export type Accelerator = Exclude<EngineName, 'uml'>;

type QemuKernel = Image['kernel']['qemu'];

/** errno(3) of an input/output error. */
const EIO = 5;

const QMP_SOCKET = 'qmp.sock';

/** Configuration file of the interface, with the cookies of its wire. */
const WIRE = 'interface.cfg';

/** `-no-reboot`: a guest's reboot ends the process, as with user-mode Linux; the supervisor starts it again. */
const CONSTANT_ARGUMENTS = [
  '-machine q35 -smp 1 -rtc base=utc,clock=host -no-reboot',
  '-nodefaults -no-user-config -display none -monitor none',
  '-chardev file,id=console,path=console.log,append=on -serial chardev:console',
  `-qmp unix:${QMP_SOCKET},server=on,wait=off`,
].flatMap((line) => line.split(' '));

/** A PC by QEMU, on the processor (`kvm`) or emulated (`tcg`: anywhere, slowly). */
export function createQemuDriver(accelerator: Accelerator, kernelOf: (machine: Machine) => QemuKernel): MachineDriver {
  return createProcessDriver({
    name: accelerator,
    firstLineTimeoutMs: accelerator === 'kvm' ? 10_000 : 60_000,
    command: (machine) => renderQemuCommand(machine, accelerator, kernelOf(machine)),
    pressPowerButton: async (machine) => {
      const qmp = await connectQmp(machine.directory, QMP_SOCKET);
      await qmp.command('system_powerdown').finally(() => qmp.close());
    },
    possibleDiskFaults: async () => ({ possible: ['read-errors', 'write-errors', 'slow'] }),
    setDiskFault,
  });
}

export function renderQemuCommand(machine: Machine, accelerator: Accelerator, kernel: QemuKernel): SupervisedCommand {
  const disks = [
    // The root disk is a copy: what a crash of this computer takes from it, a new copy gives back.
    { id: 'os', file: machine.osDisk, options: 'cache=unsafe,discard=unmap' },
    ...machine.dataDisks.map(({ lun, file }) => ({ id: `lun${lun}`, file, options: 'cache=writeback,discard=unmap' })),
    { id: 'provision', file: machine.provisioningDisk, options: 'readonly=on' },
  ];
  return {
    environment: {},
    command: [
      'qemu-system-x86_64',
      ...CONSTANT_ARGUMENTS,
      ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
      '-m',
      String(machine.memoryMiB),
      '-uuid',
      machine.id,
      '-kernel',
      kernel.kernel,
      '-initrd',
      kernel.initrd,
      '-append',
      kernelArguments(machine),
      // Serial numbers name the disks in the guest: their order depends on QEMU's mood.
      ...disks.flatMap(({ id, file, options }) => [
        '-drive',
        `file=${file.replaceAll(',', ',,')},if=none,id=${id},node-name=${nodeName(id)},format=raw,${options}`,
        '-device',
        `virtio-blk-pci,drive=${id},serial=${id},id=${deviceName(id)}`,
      ]),
      '-readconfig',
      WIRE,
      '-device',
      `virtio-net-pci,netdev=nic,mac=${machine.nic.mac}`,
      '-device',
      'virtio-rng-pci',
    ],
    files: [{ name: WIRE, content: renderWire(machine) }],
  };
}

function renderWire({ nic: { wiring } }: Machine): string {
  const options = {
    type: 'l2tpv3',
    src: '127.0.0.1',
    dst: '127.0.0.1',
    udp: 'on',
    srcport: wiring.machinePort,
    dstport: wiring.switchPort,
    txsession: 1,
    rxsession: 1,
    txcookie: `0x${wiring.machineCookie}`,
    rxcookie: `0x${wiring.switchCookie}`,
    counter: 'off',
  };
  const lines = Object.entries(options).map(([name, value]) => `  ${name} = "${value}"\n`);
  return `[netdev "nic"]\n${lines.join('')}`;
}

function kernelArguments(machine: Machine): string {
  return [
    'root=/dev/disk/by-id/virtio-os',
    'rootflags=noinit_itable',
    'rw',
    'console=ttyS0',
    'earlyprintk=ttyS0,115200',
    'net.ifnames=0',
    'mitigations=off',
    // A panic ends the machine, as with user-mode Linux: it restarts at once, and -no-reboot makes an end of that.
    'panic=-1',
    `systemd.hostname=${machine.name}`,
  ].join(' ');
}

const nodeName = (disk: string): string => `disk-${disk}`;
const deviceName = (disk: string): string => `device-${disk}`;

/**
 * Slow disks by QEMU's throttling; failing ones by a blkdebug node put between device and file. Both ends of the change
 * are idempotent: what an earlier, half-done change left is taken off first.
 */
export async function setDiskFault(machine: Machine, lun: number, fault: DiskFault | undefined): Promise<void> {
  const disk = `lun${lun}`;
  if (!machine.dataDisks.some((data) => data.lun === lun)) throw new Error(`${machine.name} has no data disk ${lun}`);
  const device = `/machine/peripheral/${deviceName(disk)}/virtio-backend`;
  const failing = `failing-${disk}`;
  const qmp = await connectQmp(machine.directory, QMP_SOCKET);
  const plugIn = async (node: string): Promise<void> => {
    // QEMU 7.2 aborts when a device is given the node it has (assertion in bdrv_replace_child_noperm).
    if ((await readNode(qmp, disk)) === node) return;
    await qmp.execute('qom-set', { path: device, property: 'drive', value: node });
  };
  try {
    await plugIn(nodeName(disk));
    await qmp.execute('blockdev-del', { 'node-name': failing }).catch(() => undefined);
    const iops = fault?.kind === 'slow' ? fault.operationsPerSecond : 0;
    const unlimited = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
    await qmp.execute('block_set_io_throttle', { id: device, ...unlimited, iops });
    if (fault?.kind !== 'failing') return;
    const always = { event: 'none', errno: EIO, once: false, iotype: fault.operations };
    const node = { driver: 'blkdebug', 'node-name': failing, image: nodeName(disk), 'inject-error': [always] };
    await qmp.execute('blockdev-add', node);
    await plugIn(failing);
  } finally {
    qmp.close();
  }
}

const Blocks = z.array(z.object({ device: z.string(), inserted: z.object({ 'node-name': z.string() }).optional() }));

/** The node that answers for a drive now. */
async function readNode(qmp: Qmp, disk: string): Promise<string | undefined> {
  const blocks = Blocks.parse(await qmp.execute('query-block'));
  return blocks.find(({ device }) => device === disk)?.inserted?.['node-name'];
}
