import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { hasProgram } from '../../../lab/images/host-programs';
import { createSparseDisk } from '../../../lab/machines/disks';
import { renderQemuCommand, setDiskFault } from '../../../lab/machines/qemu';
import { connectQmp } from '../../../lab/wire/qmp';
import type { Machine } from '../../../lab/model';
import { machineForTests } from './machine-for-tests';

/** QEMU itself, with the machine's own command line and its processor halted: nothing boots, the monitor answers. */
describe('the monitor of a QEMU machine', () => {
  let directory: string;
  let machine: Machine;
  let qemu: ChildProcess;

  beforeAll(async () => {
    if (!hasProgram('qemu-system-x86_64')) throw new Error('install qemu-system-x86 to run this test');
    directory = mkdtempSync(join(tmpdir(), 'hadb-qemu-'));
    const base = machineForTests(directory);
    machine = {
      ...base,
      memoryMiB: 64,
      osDisk: join(directory, 'os.img'),
      dataDisks: [{ lun: 0, file: join(directory, 'lun0.img') }],
      provisioningDisk: join(directory, 'provisioning.tar'),
    };
    for (const file of [machine.osDisk, join(directory, 'lun0.img'), machine.provisioningDisk]) {
      createSparseDisk(file, 1024 * 1024);
    }
    const { command, files = [] } = renderQemuCommand(machine, 'tcg', { kernel: '', initrd: '' });
    for (const { name, content } of files) writeFileSync(join(directory, name), content);
    const bare = ['-kernel', '-initrd', '-append'];
    const [program = '', ...args] = command.filter(
      (word, index) => !bare.includes(word) && !bare.includes(command[index - 1] ?? ''),
    );
    qemu = spawn(program, ['-S', ...args], { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] });
    const deadline = performance.now() + 60_000;
    while (!existsSync(join(directory, 'qmp.sock')) && performance.now() < deadline) await sleep(50);
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => qemu.once('exit', resolve));
    qemu.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });

  const readDisk = async (): Promise<{ node: string; iops: number }> => {
    const qmp = await connectQmp(directory, 'qmp.sock');
    try {
      const blocks = (await qmp.execute('query-block')) as {
        device: string;
        inserted: { 'node-name': string; iops: number };
      }[];
      const disk = blocks.find(({ device }) => device === 'lun0')?.inserted;
      return { node: disk?.['node-name'] ?? '', iops: disk?.iops ?? -1 };
    } finally {
      qmp.close();
    }
  };

  it('replaces one fault of a disk by another, and lifts it; each step may be repeated', async () => {
    const plain = { node: 'disk-lun0', iops: 0 };
    const failing = { node: 'failing-lun0', iops: 0 };
    const seen: unknown[] = [];
    const faults = [
      undefined,
      { kind: 'failing', operations: 'write' },
      { kind: 'failing', operations: 'read' },
      { kind: 'slow', operationsPerSecond: 20 },
      { kind: 'slow', operationsPerSecond: 20 },
      { kind: 'failing', operations: 'read' },
      undefined,
      undefined,
    ] as const;

    for (const fault of faults) {
      await setDiskFault(machine, 0, fault);
      seen.push(await readDisk());
    }

    const slow = { node: 'disk-lun0', iops: 20 };
    expect(seen).toEqual([plain, failing, failing, slow, slow, failing, plain, plain]);
    expect(qemu.exitCode).toBeNull();
  });

  it('refuses a disk that the machine does not have', async () => {
    await expect(setDiskFault(machine, 3, undefined)).rejects.toThrow('hadb01 has no data disk 3');
  });
});
