import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findWriteFailures, mendDisks, setWriteFailure } from '../../../lab/machines/failing-disk';
import { createProcessDriver } from '../../../lab/machines/machine-process';
import type { Machine, MachineDriver } from '../../../lab/model';
import { eventually } from '../../eventually';
import { machineForTests } from './machine-for-tests';

/** Ends with the words that the tests put into a file. */
const KERNEL = 'echo "Linux version 0.0"; until [ -e end ]; do sleep 0.02; done; cat end; rm end';

/** By means of its own: root, and a file system that asks at each write. */
const canBe = (): boolean => {
  const scratch = mkdtempSync(join(tmpdir(), 'hadb-immutable-'));
  const descriptor = openSync(join(scratch, 'file'), 'w');
  const isSet = spawnSync('chattr', ['+i', join(scratch, 'file')]).status === 0;
  try {
    writeSync(descriptor, 'x');
    return false;
  } catch {
    return isSet;
  } finally {
    closeSync(descriptor);
    spawnSync('chattr', ['-i', join(scratch, 'file')]);
    rmSync(scratch, { recursive: true, force: true });
  }
};

let directory: string;
let machine: Machine;
let file: string;
/** Opened before the fault, as a machine has its disks. */
let disk: number;
let driver: MachineDriver;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-failing-disk-'));
  file = join(directory, 'lun0.img');
  writeFileSync(file, Buffer.alloc(8192));
  disk = openSync(file, 'r+');
  machine = { ...machineForTests(join(directory, 'machine')), dataDisks: [{ lun: 0, file }] };
  driver = createProcessDriver({
    name: 'uml',
    firstLineTimeoutMs: 5000,
    command: () => ({ environment: { KERNEL }, command: ['sh', '-c', 'eval "$KERNEL"'] }),
    pressPowerButton: async () => undefined,
    possibleDiskFaults: findWriteFailures,
    setDiskFault: setWriteFailure,
  });
});
afterEach(async () => {
  closeSync(disk);
  await mendDisks(machine.directory);
  rmSync(directory, { recursive: true, force: true });
});

const write = (): number => writeSync(disk, Buffer.alloc(512), 0, 512, 0);
const read = (): number => readSync(disk, Buffer.alloc(512), 0, 512, 0);
const FAILING = { kind: 'failing', operations: 'write' } as const;
const end = (lastWords: string): void => {
  writeFileSync(join(machine.directory, 'next'), lastWords);
  renameSync(join(machine.directory, 'next'), join(machine.directory, 'end'));
};
const REFUSED = /EPERM|operation not permitted/;
const startWithFault = async (): Promise<void> => {
  await driver.start(machine);
  await driver.setDiskFault(machine, 0, FAILING);
  expect(write).toThrow(REFUSED);
};
const awaitWrites = () =>
  eventually('it can be written again', () => {
    try {
      return write() === 512;
    } catch {
      return false;
    }
  });

if (canBe()) {
  describe('a disk whose writes fail', () => {
    it('is possible here', async () => {
      await expect(driver.possibleDiskFaults(machine)).resolves.toEqual({ possible: ['write-errors'] });
    });

    it('fails writes of whoever has it open, not reads, until it is lifted; each may be repeated', async () => {
      await driver.start(machine);
      for (const fault of [undefined, FAILING, FAILING]) await driver.setDiskFault(machine, 0, fault);
      expect(write).toThrow(REFUSED);
      expect(read()).toBe(512);

      for (const fault of [undefined, undefined]) await driver.setDiskFault(machine, 0, fault);
      expect(write()).toBe(512);
      await driver.stop(machine, 'hard', 0);
    });

    it('is sound again after the power of its machine was cut', async () => {
      await startWithFault();

      await driver.stop(machine, 'hard', 0);

      expect(write()).toBe(512);
    });

    it('is sound again once its guest boots anew', async () => {
      await startWithFault();

      end('reboot: Restarting system');
      await awaitWrites();

      expect(driver.state(machine)).toBe('running');

      await driver.stop(machine, 'hard', 0);
    });

    it('is sound again when its machine had ended by itself, and is told to stop', async () => {
      await startWithFault();
      end('reboot: Power down');
      await eventually('it has ended', () => driver.state(machine) === 'stopped');
      expect(write).toThrow(REFUSED);

      await driver.stop(machine, 'hard', 0);

      expect(write()).toBe(512);
    });

    it('leaves nothing behind when the disk itself is gone', async () => {
      await driver.start(machine);
      await driver.stop(machine, 'hard', 0);
      writeFileSync(join(machine.directory, 'failing-lun0'), join(directory, 'gone.img'));

      await mendDisks(machine.directory);

      expect(existsSync(join(machine.directory, 'failing-lun0'))).toBe(false);
    });
  });
} else {
  process.stderr.write(
    'not run: disks whose writes fail; they need root, and a file system that looks at the immutable flag at each write (ext4)\n',
  );
}
