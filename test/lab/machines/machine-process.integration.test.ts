import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { consoleLogFile } from '../../../lab/machines/console';
import { findWriteFailures, setWriteFailure } from '../../../lab/machines/failing-disk';
import { createProcessDriver, MachineError } from '../../../lab/machines/machine-process';
import type { SupervisedCommand } from '../../../lab/machines/supervisor';
import type { Machine, MachineDriver } from '../../../lab/model';
import { eventually } from '../../eventually';
import { readProcesses, type ProcessEntry } from '../../process-table';
import { machineForTests } from './machine-for-tests';

/** A kernel of ten lines of shell: says what the tests have put into files, and does what they say. */
const KERNEL = `
echo "Linux version 0.0 (test) boot $(wc -l <boots 2>/dev/null || echo 0)"
echo booted >>boots
cat says 2>/dev/null
trap 'echo "reboot: Power down"; exit 0' USR1
sh -c 'while :; do sleep 0.1; done' &
while :; do
  [ ! -e end ] || { cat end; rm end; exit 1; }
  sleep 0.02
done
`;

const driverOf = (command: SupervisedCommand, pressPowerButton: () => void = () => undefined): MachineDriver =>
  createProcessDriver({
    name: 'uml',
    firstLineTimeoutMs: 5000,
    command: () => command,
    pressPowerButton: async () => pressPowerButton(),
    possibleDiskFaults: findWriteFailures,
    setDiskFault: setWriteFailure,
  });

describe('a machine as processes', () => {
  let directory: string;
  let machine: Machine;
  let driver: MachineDriver;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-process-'));
    machine = machineForTests(directory);
    // As user-mode Linux does: a session of its own, unless it leads a group.
    driver = driverOf({ environment: { KERNEL }, command: ['sh', '-c', 'eval "$KERNEL"'] }, () => {
      for (const { pid } of readSession().filter(isKernel)) process.kill(pid, 'SIGUSR1');
    });
  });
  afterEach(async () => {
    await driver.stop(machine, 'hard', 0);
    rmSync(directory, { recursive: true, force: true });
  });

  const readLeader = (): number =>
    (JSON.parse(readFileSync(join(directory, 'process.json'), 'utf8')) as { pid: number }).pid;
  const readSession = (): ProcessEntry[] =>
    readProcesses().filter(({ session, state }) => session === leader && state !== 'Z');
  let leader = 0;
  const start = async (): Promise<void> => {
    await driver.start(machine);
    leader = readLeader();
  };
  const end = (lastWords: string): void => {
    writeFileSync(join(directory, 'next'), lastWords);
    renameSync(join(directory, 'next'), join(directory, 'end'));
  };
  const isKernel = ({ words }: ProcessEntry): boolean => words.join(' ').includes('eval');
  const boots = (): number => readFileSync(join(directory, 'boots'), 'utf8').trim().split('\n').length;

  it('is stopped before its first start, and running after it', async () => {
    expect(driver.state(machine)).toBe('stopped');

    await start();

    expect(driver.state(machine)).toBe('running');
    expect(readFileSync(consoleLogFile(machine), 'utf8')).toContain('Linux version');
  });

  it.each(['reboot: Restarting system', 'sysrq: Resetting', 'softdog: Initiating system reboot'])(
    'starts its kernel again after "%s"',
    async (lastWords) => {
      await start();

      end(lastWords);

      await eventually('it has booted again', () => boots() === 2);
      expect(driver.state(machine)).toBe('running');
    },
  );

  it.each(['reboot: Power down', 'Kernel panic - not syncing: sysrq triggered crash', ''])(
    'is stopped, with all that it started, after "%s"',
    async (lastWords) => {
      await start();

      end(lastWords);

      await eventually('it has stopped', () => driver.state(machine) === 'stopped');
      expect(readSession()).toEqual([]);
      expect(boots()).toBe(1);
    },
  );

  it('does not start again when an earlier boot, not this one, ended in a reboot', async () => {
    await start();
    end('reboot: Restarting system');
    await eventually('it has booted again', () => boots() === 2);

    end('reboot: Power down');

    await eventually('it has stopped', () => driver.state(machine) === 'stopped');
    expect(boots()).toBe(2);
  });

  it('leaves no process when its power is cut', async () => {
    await start();

    await driver.stop(machine, 'hard', 0);

    expect(driver.state(machine)).toBe('stopped');
    expect(readSession()).toEqual([]);
  });

  it('stops by its power button, and by force when the guest does not listen', async () => {
    await start();
    await driver.stop(machine, 'graceful', 5000);
    expect(readFileSync(consoleLogFile(machine), 'utf8')).toContain('reboot: Power down');

    await start();
    const deaf = driverOf({ environment: {}, command: [] });
    await deaf.stop(machine, 'graceful', 50);

    expect(driver.state(machine)).toBe('stopped');
  });

  it('ends as a whole when only its supervisor is killed', async () => {
    await start();

    process.kill(readLeader(), 'SIGKILL');

    await eventually('the kernel has ended', () => !readSession().some(isKernel));
    expect(readSession().filter(isKernel)).toEqual([]);
  });

  it('is paused as a whole, and goes on', async () => {
    await start();

    await driver.pause(machine);

    expect(driver.state(machine)).toBe('paused');
    await driver.resume(machine);
    expect(driver.state(machine)).toBe('running');
    end('reboot: Power down');
    await eventually('it has stopped', () => driver.state(machine) === 'stopped');
  });

  it('is paused also at the moment at which its kernel starts a program by vfork', async () => {
    // Until the child has begun another program, which it never does here, the parent waits for it, stopped or not.
    const clone = process.arch === 'arm64' ? 220 : 56;
    const kernel = `$| = 1; print "Linux version 0.0\\n"; syscall(${clone}, 0x4000 | 17, 0, 0, 0, 0); sleep 60`;
    const forking = driverOf({ environment: {}, command: ['perl', '-e', kernel] });
    await forking.start(machine);
    leader = readLeader();
    await eventually('the kernel waits for its child', () => readSession().some(({ state }) => state === 'D'));

    await forking.pause(machine);

    expect(forking.state(machine)).toBe('paused');
    await forking.resume(machine);
    expect(forking.state(machine)).toBe('running');
  });

  it('is not taken for ended while its kernel alone is paused', async () => {
    await start();
    const kernel = readSession().find(isKernel)?.pid ?? 0;

    process.kill(kernel, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(kernel, 'SIGCONT');

    end('reboot: Restarting system');
    await eventually('it has booted again', () => boots() === 2);
    expect(driver.state(machine)).toBe('running');
  });

  it('cannot be paused when it does not run', async () => {
    await expect(driver.pause(machine)).rejects.toMatchObject({ code: 'MachineNotRunning' });
  });

  it('is not provisioned by what an earlier boot said', async () => {
    writeFileSync(join(directory, 'says'), `hadb-lab: provisioned ${machine.id} boot-1\n`);
    await start();
    await driver.awaitProvisioned(machine, 5000);
    await driver.stop(machine, 'hard', 0);
    writeFileSync(join(directory, 'says'), '');

    await start();

    await expect(driver.awaitProvisioned(machine, 100)).rejects.toMatchObject({ code: 'MachineNotProvisioned' });
  });

  it('says that it stopped, with its last words, when it ends before it is provisioned', async () => {
    await start();
    end('Kernel panic - not syncing: no root');

    const provisioned = driver.awaitProvisioned(machine, 10_000);

    await expect(provisioned).rejects.toThrow(MachineError);
    await expect(provisioned).rejects.toThrow(/stopped before.*Kernel panic/s);
  });

  it('fails to start, with the reason, when the kernel says nothing', async () => {
    const broken = driverOf({ environment: {}, command: ['sh', '-c', 'echo no such disk; exit 1'] });

    await expect(broken.start(machine)).rejects.toThrow(/did not start.*no such disk/s);

    expect(broken.state(machine)).toBe('stopped');
  });

  it('takes a record of a process that is gone, or of another boot, for stopped', async () => {
    await start();
    const record = JSON.parse(readFileSync(join(directory, 'process.json'), 'utf8')) as object;
    await driver.stop(machine, 'hard', 0);
    writeFileSync(join(directory, 'process.json'), JSON.stringify({ ...record, pid: process.pid }));
    expect(driver.state(machine)).toBe('stopped');

    writeFileSync(join(directory, 'process.json'), JSON.stringify({ ...record, bootId: 'another' }));

    expect(driver.state(machine)).toBe('stopped');
    await driver.stop(machine, 'hard', 0);
    expect(existsSync(`/proc/${process.pid}`)).toBe(true);
  });
});
