import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  findOwnedProcess,
  isGroupRunning,
  readRecord,
  signalGroup,
  startOwnedProcess,
  stopOwnedProcess,
} from '../../processes/owned-process';
import type { EngineName } from '../../settings';
import type { Machine, MachineDriver, MachineState } from '../model';
import { consoleLogFile, readBootConsole, readConsoleTail, rotateConsoleLog } from './console';
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
}

export class MachineError extends Error {
  override readonly name = 'MachineError';
  constructor(
    readonly code: 'MachineDidNotStart' | 'MachineNotProvisioned' | 'MachineNotRunning',
    readonly machine: string,
    message: string,
  ) {
    super(message);
  }
}

const FIRST_KERNEL_LINE = /Linux version \d/;
const POLL_MS = 50;

export function createProcessDriver(engine: Engine): MachineDriver {
  const driver: MachineDriver = {
    engine: engine.name,

    async start(machine) {
      if (driver.state(machine) !== 'stopped') return;
      await stopOwnedProcess(recordFile(machine), { graceMs: 0 });
      mkdirSync(machine.directory, { recursive: true, mode: 0o700 });
      rmSync(join(machine.directory, STOPPING_MARK), { force: true });
      rotateConsoleLog(machine);
      const script = join(machine.directory, 'run.sh');
      writeFileSync(script, renderSupervisor(engine.command(machine)), { mode: 0o700 });
      startOwnedProcess({
        recordFile: recordFile(machine),
        logFile: consoleLogFile(machine),
        command: 'sh',
        args: [script],
        cwd: machine.directory,
      });
      await awaitKernel(machine, engine);
    },

    async stop(machine, how, graceMs) {
      if (driver.state(machine) === 'stopped') return;
      // Without the mark, a guest that is just rebooting would be started again.
      writeFileSync(join(machine.directory, STOPPING_MARK), '');
      if (how === 'graceful') {
        await driver.resume(machine);
        await engine.pressPowerButton(machine);
        await waitUntil(() => driver.state(machine) === 'stopped', graceMs);
      }
      await stopOwnedProcess(recordFile(machine), { graceMs: 0 });
    },

    async reset(machine) {
      await driver.stop(machine, 'hard', 0);
      await driver.start(machine);
    },

    state: readState,

    async pause(machine) {
      signalRunning(machine, 'SIGSTOP');
      await waitUntil(() => readState(machine) !== 'running', 5000);
    },

    async resume(machine) {
      signalRunning(machine, 'SIGCONT');
      await waitUntil(() => readState(machine) !== 'paused', 5000);
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
  };
  return driver;
}

async function awaitKernel(machine: Machine, engine: Engine): Promise<void> {
  const started = (): boolean => FIRST_KERNEL_LINE.test(readBootConsole(machine));
  await waitUntil(() => started() || readState(machine) === 'stopped', engine.firstLineTimeoutMs);
  if (started()) return;
  const tail = readConsoleTail(machine);
  await stopOwnedProcess(recordFile(machine), { graceMs: 0 });
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
  const record = readRecord(recordFile(machine));
  if (record === undefined) return 'stopped';
  const leader = findOwnedProcess(recordFile(machine));
  if (leader === undefined) return isGroupRunning(record) ? 'running' : 'stopped';
  return isStopped(leader.pid) ? 'paused' : 'running';
}

/** Whether job control has stopped the process (state T in /proc/PID/stat). */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  } catch {
    return false;
  }
}

/**
 * Stops or continues the whole group: to its neighbours that is a frozen virtual machine, and its clock catches up at once
 * when it goes on, as Hyper-V's time synchronisation does after a memory-preserving update.
 */
function signalRunning(machine: Machine, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const owned = findOwnedProcess(recordFile(machine));
  if (owned === undefined) {
    throw new MachineError(
      'MachineNotRunning',
      machine.name,
      `${machine.name} is not running, so there is nothing to signal`,
    );
  }
  signalGroup(owned, signal);
}

async function waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
