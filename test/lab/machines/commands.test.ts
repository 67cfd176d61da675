import { renderQemuCommand } from '../../../lab/machines/qemu';
import { readAllowedCpus, renderUmlCommand } from '../../../lab/machines/uml';
import { machineForTests } from './machine-for-tests';

const machine = machineForTests('/state/machine');
const uml = (given = machine, cpus = [0, 1]) =>
  renderUmlCommand(given, '/cache/linux.uml', { cpus, memory: '/dev/shm' });

describe('the command of a user-mode Linux machine', () => {
  it('names each disk by its serial number, provisioning last and read-only', () => {
    expect(uml().command.filter((word) => word.startsWith('ubd'))).toEqual([
      'ubd0d=/state/os.img,,os',
      'ubd1d=/state/lun0.img,,lun0',
      'ubd2d=/state/lun3.img,,lun3',
      'ubd3dr=/state/provisioning.tar,,provision',
    ]);
  });

  it("sends with the cookie the switch expects and accepts the switch's", () => {
    const nic = uml().files?.[0]?.content.toString('latin1');

    expect(nic).toContain('tx_cookie=0xfedcba98,rx_cookie=0x1a2b3c4d');
    expect(nic).toContain('srcport=22001,dstport=21001');
  });

  it('shows no cookie to other users of this computer', () => {
    expect(uml().command.join(' ')).not.toMatch(/fedcba98|1a2b3c4d/);
  });

  it('is pinned to its CPU, or to one that is allowed where that is not', () => {
    expect(uml().command.slice(0, 3)).toEqual(['taskset', '-c', '1']);
    expect(uml(machine, [4, 5]).command.slice(0, 3)).toEqual(['taskset', '-c', '5']);
  });

  it("refuses what the kernel's command line cannot say", () => {
    expect(() => uml({ ...machine, osDisk: '/a,b/os.img' })).toThrow(/cannot use a disk file/);
    expect(() => uml({ ...machine, dataDisks: Array.from({ length: 7 }, (_, lun) => ({ lun, file: '/d' })) })).toThrow(
      /at most 6/,
    );
  });

  it('may use at least one CPU of this computer', () => {
    expect(readAllowedCpus().length).toBeGreaterThan(0);
    expect(readAllowedCpus().every(Number.isInteger)).toBe(true);
  });
});

describe('the command of a QEMU machine', () => {
  const kernel = { kernel: '/cache/vmlinuz', initrd: '/cache/initrd.img' };
  const qemu = (accelerator: 'kvm' | 'tcg') => renderQemuCommand(machine, accelerator, kernel).command;

  it('names each disk by its serial number', () => {
    const devices = qemu('tcg').filter((word) => word.startsWith('virtio-blk-pci'));

    expect(devices.map((device) => /serial=(\w+)/.exec(device)?.[1])).toEqual(['os', 'lun0', 'lun3', 'provision']);
  });

  it('differs between the accelerators in processor and accelerator only', () => {
    const differing = qemu('kvm').filter((word) => !qemu('tcg').includes(word));

    expect(differing).toEqual(['kvm', 'host']);
  });

  it("sends with the cookie the switch expects and accepts the switch's", () => {
    const netdev = renderQemuCommand(machine, 'tcg', kernel).files?.[0]?.content;

    expect(netdev).toContain('txcookie = "0xfedcba98"\n  rxcookie = "0x1a2b3c4d"');
    expect(netdev).toContain('srcport = "22001"\n  dstport = "21001"');
  });

  it('shows no cookie to other users of this computer', () => {
    expect(qemu('tcg').join(' ')).not.toMatch(/fedcba98|1a2b3c4d/);
  });

  it('doubles the commas of a file name', () => {
    const { command } = renderQemuCommand({ ...machine, osDisk: '/a,b/os.img' }, 'tcg', kernel);

    expect(command.find((word) => word.includes('id=os,'))).toMatch(/^file=\/a,,b\/os\.img,if=none/);
  });
});
