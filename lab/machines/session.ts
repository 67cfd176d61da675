import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { readRecord, type OwnedProcess } from '../../processes/owned-process';
import { readProcessStat } from '../../processes/process-stat';

/**
 * The processes of a machine are a session, not a group: user-mode Linux makes a session of its own unless it leads a
 * group already, so the supervisor gives it a group, and the session holds both. A session's id is not given away while
 * any member lives, also when the leader is gone.
 */
interface Member {
  pid: number;
  group: number;
  state: string;
}

export function isSessionRunning(recordFile: string): boolean {
  return listSession(recordFile).length > 0;
}

/**
 * True while the machine's processes are stopped by job control. One that has just started a program by "vfork" waits
 * (D) until the program has begun, so a stopped program keeps it waiting: it computes as little as the stopped ones (T).
 */
export function isSessionPaused(recordFile: string): boolean {
  const states = listSession(recordFile).map(({ state }) => state);
  return states.includes('T') && states.every((state) => state === 'T' || state === 'D');
}

export function signalSession(recordFile: string, signal: NodeJS.Signals): void {
  const leader = readRecord(recordFile)?.pid;
  const groups = [...new Set(listSession(recordFile).map(({ group }) => group))];
  // The supervisor goes last when stopping or killing, lest it sees its child end, and first when going on.
  groups.sort((one, other) => Number(one === leader) - Number(other === leader));
  if (signal === 'SIGCONT') groups.reverse();
  for (const group of groups) {
    try {
      process.kill(-group, signal);
    } catch {
      // The group has ended meanwhile.
    }
  }
}

/** Kills all members and waits until none is left; what they had not written is lost, as with a power cut. */
export async function killSession(recordFile: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (isSessionRunning(recordFile)) {
    signalSession(recordFile, 'SIGKILL');
    if (performance.now() > deadline) {
      throw new Error(`the processes of ${recordFile} do not end after SIGKILL`);
    }
    await sleep(10);
  }
}

function listSession(recordFile: string): Member[] {
  const record = readRecord(recordFile);
  if (record === undefined || record.bootId !== readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    return [];
  return isStranger(record)
    ? []
    : readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => {
          const process = readProcessStat(Number(name));
          if (process?.session !== record.pid || process.state === 'Z' || process.state === 'X') return [];
          return [{ pid: Number(name), group: process.group, state: process.state }];
        });
}

/** The id of a session that has ended may name another process since. */
function isStranger(record: OwnedProcess): boolean {
  const leader = readProcessStat(record.pid);
  return leader !== undefined && leader.startTicks !== record.startTicks;
}
