import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readProcessStat } from './process-stat';

/**
 * A detached process group that belongs to a file: whoever finds the file finds the processes, also after a crash of
 * the starter. A process id alone may have been given to somebody else since; with the kernel's start time it cannot.
 */
export interface OwnedProcess {
  pid: number;
  /** Start time in clock ticks since boot (field 22 of /proc/PID/stat). */
  startTicks: string;
  /** Boot of this host; a record of an earlier boot names no process. */
  bootId: string;
  command: string;
  logFile: string;
}

export interface StartOptions {
  /** Where the record is kept; written before the process can do anything that matters to others. */
  recordFile: string;
  logFile: string;
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

/** Names the record to every process of the group, so that one whose record is damaged is found all the same. */
const RECORD_VARIABLE = 'HADB_PROCESS_RECORD';

/** Starts a detached process group and records it. The caller makes sure that the previous one is gone. */
export function startOwnedProcess(options: StartOptions): OwnedProcess {
  mkdirSync(dirname(options.recordFile), { recursive: true });
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const child = spawn(options.command, options.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...options.env, [RECORD_VARIABLE]: resolve(options.recordFile) },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    child.on('error', () => undefined);
    if (child.pid === undefined) throw new Error(`cannot start ${options.command}: is it installed and executable?`);
    // One that has ended already is a zombie until the event loop turns: the caller finds it gone as it would a moment later.
    const startTicks = readProcessStat(child.pid)?.startTicks;
    if (startTicks === undefined) throw new Error(`cannot tell when ${options.command} was started`);
    const owned: OwnedProcess = {
      pid: child.pid,
      startTicks,
      bootId: readBootId(),
      command: [options.command, ...options.args].join(' '),
      logFile: options.logFile,
    };
    writeFileAtomically(options.recordFile, JSON.stringify(owned, undefined, 2));
    child.unref();
    return owned;
  } finally {
    closeSync(log);
  }
}

/** The process of the record if it still runs (a zombie does not), else undefined. */
export function findOwnedProcess(recordFile: string): OwnedProcess | undefined {
  const record = readRecord(recordFile);
  return record !== undefined && isRunning(record) ? record : undefined;
}

/** Those that run whose records are called `recordName`, each in its own directory (`name`) below `directory`; none where there is no such directory. */
export function findOwnedProcessesBelow(
  directory: string,
  recordName: string,
): { name: string; recordFile: string; process: OwnedProcess }[] {
  if (!existsSync(directory)) return [];
  const directories = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return directories.flatMap(({ name }) => {
    const recordFile = join(directory, name, recordName);
    const process = findOwnedProcess(recordFile);
    return process === undefined ? [] : [{ name, recordFile, process }];
  });
}

export function isRunning(owned: OwnedProcess): boolean {
  return owned.bootId === readBootId() && readStartTicks(owned.pid) === owned.startTicks;
}

/** True while any member of the group lives: a leader that died may leave workers behind. */
export function isGroupRunning(owned: OwnedProcess): boolean {
  if (owned.bootId !== readBootId()) return false;
  // The kernel gives no id away that still names a group: a leader with another start time means that ours is gone.
  const leader = readProcessStat(owned.pid);
  if (leader !== undefined && leader.startTicks !== owned.startTicks) return false;
  return listGroup(owned.pid).length > 0;
}

/** Signals the whole group; a group that is gone is fine. */
export function signalGroup(owned: OwnedProcess, signal: NodeJS.Signals): void {
  if (!isGroupRunning(owned)) return;
  try {
    process.kill(-owned.pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Ends the group: TERM, then KILL after `graceMs`, and removes the record once nothing of it lives. */
export async function stopOwnedProcess(recordFile: string, { graceMs }: { graceMs: number }): Promise<void> {
  const record = readRecord(recordFile);
  if (record !== undefined && isGroupRunning(record)) {
    if (graceMs > 0) {
      signalGroup(record, 'SIGTERM');
      await waitUntil(() => !isGroupRunning(record), graceMs);
    }
    signalGroup(record, 'SIGKILL');
    if (!(await waitUntil(() => !isGroupRunning(record), 10_000))) {
      throw new Error(`process group ${record.pid} (${record.command}) does not end after SIGKILL`);
    }
  }
  rmSync(recordFile, { force: true });
}

/**
 * Undefined when there is none. A damaged one is made anew from the process that was started with it, and is as good as none
 * when no such process runs.
 */
export function readRecord(recordFile: string): OwnedProcess | undefined {
  let text: string;
  try {
    text = readFileSync(recordFile, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  return parseRecord(text) ?? findProcessOfRecord(recordFile);
}

function parseRecord(text: string): OwnedProcess | undefined {
  let record: Partial<OwnedProcess> | null;
  try {
    record = JSON.parse(text) as Partial<OwnedProcess> | null;
  } catch {
    return undefined;
  }
  if (typeof record !== 'object' || record === null) return undefined;
  const { pid, startTicks, bootId, command, logFile } = record;
  // A process id of 1 or less would signal others than our group.
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 1) return undefined;
  if (typeof startTicks !== 'string' || typeof bootId !== 'string') return undefined;
  if (typeof command !== 'string' || typeof logFile !== 'string') return undefined;
  return { pid, startTicks, bootId, command, logFile };
}

/** The leader of the session that was started with this record: what it starts itself has the variable, too. */
function findProcessOfRecord(recordFile: string): OwnedProcess | undefined {
  const wanted = `${RECORD_VARIABLE}=${resolve(recordFile)}`;
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const startTicks = readStartTicks(pid);
    if (startTicks === undefined || readProcessStat(pid)?.session !== pid) continue;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (!environment.includes(wanted)) continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1).join(' ');
      return { pid, startTicks, bootId: readBootId(), command, logFile: readlinkSync(`/proc/${pid}/fd/1`) };
    } catch {
      // Somebody else's, or it has just ended.
    }
  }
  return undefined;
}

export function writeFileAtomically(file: string, content: string | Uint8Array, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode, flush: true });
  renameSync(temporary, file);
}

function readStartTicks(pid: number): string | undefined {
  const fields = readProcessStat(pid);
  return fields === undefined || fields.state === 'Z' || fields.state === 'X' ? undefined : fields.startTicks;
}

function listGroup(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const fields = readProcessStat(pid);
      return fields !== undefined && fields.group === group && fields.state !== 'Z' && fields.state !== 'X';
    });
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

async function waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
