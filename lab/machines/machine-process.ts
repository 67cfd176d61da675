import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { startOwnedProcess } from '../../processes/owned-process';
import type { EngineName } from '../../settings';
import type { DiskFault, Machine, MachineDriver, MachineState, PossibleDiskFaults } from '../model';
import { beginBootConsole, consoleLogFile, readBootConsole, readConsoleTail } from './console';
import { mendDisks } from './failing-disk';
import { isSessionPaused, isSessionRunning, killSession, signalSession } from './session';
import { STOPPING_MARK, renderSupervisor, type SupervisedCommand } from './supervisor';

/** What an engine adds to the process that both have in common. */
export interface Engine {
  name: EngineName;
  /** How long the kernel may take to its first line on the console. */
  firstLineTimeoutMs: number;
  /** The command that is the running machine; its working directory is the machine's. */
  command(machine: Machine): SupervisedCommand;
  /** Asks the guest for an ordered shutdown, as a press of the power button does. */
  pressPowerButton(machine: Machine): Promise<void>;
  possibleDiskFaults(machine: Machine): Promise<PossibleDiskFaults>;
  /** A fault is a possible one. */
  setDiskFault(machine: Machine, lun: number, fault: DiskFault | undefined): Promise<void>;
}

export class MachineError extends Error {
  override readonly name = 'MachineError';
  constructor(
    readonly code: 'MachineDidNotStart' | 'MachineDidNotPause' | 'MachineNotProvisioned' | 'MachineNotRunning',
    readonly machine: string,
    message: string,
  ) {
    super(message);
  }
}

const FIRST_KERNEL_LINE = /Linux version \d/;
const POLL_MS = 50;
const PAUSE_TIMEOUT_MS = 5000;

export function createProcessDriver(engine: Engine): MachineDriver {
  const driver: MachineDriver = {
    engine: engine.name,

    async start(machine) {
      if (driver.state(machine) !== 'stopped') return;
      await killSession(recordFile(machine));
      mkdirSync(machine.directory, { recursive: true, mode: 0o700 });
      rmSync(join(machine.directory, STOPPING_MARK), { force: true });
      beginBootConsole(machine);
      const supervised = engine.command(machine);
      for (const { name, content } of supervised.files ?? []) {
        writeFileSync(join(machine.directory, name), content, { mode: 0o600 });
      }
      const script = join(machine.directory, 'run.sh');
      writeFileSync(script, renderSupervisor(supervised), { mode: 0o700 });
      startOwnedProcess({
        recordFile: recordFile(machine),
        logFile: consoleLogFile(machine),
        command: 'bash',
        args: [script],
        cwd: machine.directory,
      });
      await awaitKernel(machine, engine);
    },

    async stop(machine, how, graceMs) {
      if (driver.state(machine) === 'stopped') return mendDisks(machine.directory);
      // Without the mark, a guest that is just rebooting would be started again.
      writeFileSync(join(machine.directory, STOPPING_MARK), '');
      if (how === 'graceful') {
        await driver.resume(machine);
        await pressPowerButton(machine, engine);
        await waitUntil(() => driver.state(machine) === 'stopped', graceMs);
      }
      await killSession(recordFile(machine));
      await mendDisks(machine.directory);
    },

    async reset(machine) {
      await driver.stop(machine, 'hard', 0);
      await driver.start(machine);
    },

    state: readState,

    async pause(machine) {
      signalRunning(machine, 'SIGSTOP');
      if (await waitUntil(() => readState(machine) !== 'running', PAUSE_TIMEOUT_MS)) return;
      signalRunning(machine, 'SIGCONT');
      throw new MachineError(
        'MachineDidNotPause',
        machine.name,
        `${machine.name} did not stand still within ${PAUSE_TIMEOUT_MS / 1000} s of SIGSTOP, and was let go on`,
      );
    },

    async resume(machine) {
      signalRunning(machine, 'SIGCONT');
      await waitUntil(() => readState(machine) !== 'paused', PAUSE_TIMEOUT_MS);
    },

    async awaitProvisioned(machine, timeoutMs) {
      const mark = `hadb-lab: provisioned ${machine.id.toLowerCase()} `;
      const provisioned = await waitUntil(
        () => readBootConsole(machine).includes(mark) || readState(machine) === 'stopped',
        timeoutMs,
      );
      if (provisioned && readBootConsole(machine).includes(mark)) return;
      const what = provisioned ? 'stopped before' : `took more than ${timeoutMs / 1000} s until`;
      throw new MachineError(
        'MachineNotProvisioned',
        machine.name,
        `${machine.name} ${what} its provisioning was complete. Last lines of ${consoleLogFile(machine)}:\n${readConsoleTail(machine)}`,
      );
    },

    possibleDiskFaults: (machine) => engine.possibleDiskFaults(machine),

    async setDiskFault(machine, lun, fault) {
      requireRunning(machine);
      await engine.setDiskFault(machine, lun, fault);
    },
  };
  return driver;
}

/** A machine that ends by itself at this very moment has no button any more; any other failure is one. */
async function pressPowerButton(machine: Machine, engine: Engine): Promise<void> {
  try {
    await engine.pressPowerButton(machine);
  } catch (error) {
    if (!(await waitUntil(() => readState(machine) === 'stopped', 2000))) throw error;
  }
}

async function awaitKernel(machine: Machine, engine: Engine): Promise<void> {
  const started = (): boolean => FIRST_KERNEL_LINE.test(readBootConsole(machine));
  await waitUntil(() => started() || readState(machine) === 'stopped', engine.firstLineTimeoutMs);
  if (started()) return;
  const tail = readConsoleTail(machine);
  await killSession(recordFile(machine));
  throw new MachineError(
    'MachineDidNotStart',
    machine.name,
    `the kernel of ${machine.name} (${engine.name}) did not start within ${engine.firstLineTimeoutMs / 1000} s. Last lines of ${consoleLogFile(machine)}:\n${tail}`,
  );
}

function recordFile(machine: Machine): string {
  return join(machine.directory, 'process.json');
}

function readState(machine: Machine): MachineState {
  if (!isSessionRunning(recordFile(machine))) return 'stopped';
  return isSessionPaused(recordFile(machine)) ? 'paused' : 'running';
}

/**
 * Stops or continues all its processes: to its neighbours that is a frozen virtual machine, and its clock catches up at once
 * when it goes on, as Hyper-V's time synchronisation does after a memory-preserving update.
 */
function signalRunning(machine: Machine, signal: 'SIGSTOP' | 'SIGCONT'): void {
  requireRunning(machine);
  signalSession(recordFile(machine), signal);
}

function requireRunning(machine: Machine): void {
  if (readState(machine) !== 'stopped') return;
  throw new MachineError('MachineNotRunning', machine.name, `${machine.name} is not running: start it first`);
}

async function waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
