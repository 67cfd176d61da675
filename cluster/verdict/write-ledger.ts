import { assertNever } from '../errors';

/**
 * What the clients of a drill note while a fault happens, one line of JSON each. An intent is on disk before anything of its row is sent, so that a probe that
 * dies cannot lose an acknowledgement. Times are milliseconds since the epoch by one monotonic clock.
 */
export type LedgerEntry =
  | LedgerStart
  /** Right before the row is sent. */
  | { kind: 'intent'; seq: number; at: number; due: number }
  /** The server has confirmed the commit. */
  | { kind: 'ack'; seq: number; at: number }
  /** Known not to be applied: nothing of it was sent (then there may be no intent), or the server refused it. */
  | { kind: 'fail'; seq: number; at: number; why: string }
  /** Indeterminate: sent, and no answer within the deadline; it may be there or not. */
  | { kind: 'unknown'; seq: number; at: number; why: string }
  /** Never tried, for reasons of the client's own: it tells nothing about the service. */
  | { kind: 'skip'; seq: number; at: number; why?: string }
  /** Until `at` the probe itself was held up this long: by its processor, or by the disk of its ledger. */
  | { kind: 'lag'; at: number; ms: number; of?: 'disk' }
  | { kind: 'end'; at: number };

export interface LedgerStart {
  kind: 'start';
  at: number;
  drill: string;
  /** Of each writer. */
  intervalMs: number;
  /** Of each attempt, from the time it is due. */
  deadlineMs: number;
  /** How writer 1, 2, … reach the database. */
  writers: readonly ConnectionKind[];
}

/** `kept`: one connection, used as long as it works. `fresh`: another one for each attempt. */
export type ConnectionKind = 'kept' | 'fresh';

/** Attempts are numbered in one row over all writers, so that a number alone names one, and gaps show when rows were lost. */
export const seqOf = ({ writers }: Pick<LedgerStart, 'writers'>, tick: number, writer: number): number =>
  tick * writers.length + writer;

export const writerOf = ({ writers }: Pick<LedgerStart, 'writers'>, seq: number): number =>
  ((seq - 1) % writers.length) + 1;

/** Each writer is due at the same time: what they note then reaches the disk together. */
export const dueOf = ({ at, intervalMs, writers }: LedgerStart, seq: number): number =>
  at + Math.floor((seq - 1) / writers.length) * intervalMs;

export const startOf = (entries: readonly LedgerEntry[]): LedgerStart | undefined =>
  entries.find((entry): entry is LedgerStart => entry.kind === 'start');

export const formatEntry = (entry: LedgerEntry): string => `${JSON.stringify(entry)}\n`;

/** The last line may be torn: its writer was killed. */
export function parseLedger(text: string): LedgerEntry[] {
  const complete = text.slice(0, text.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerEntry);
}

export interface LedgerCounts {
  attempts: number;
  acknowledged: number;
  failed: number;
  unknown: number;
  skipped: number;
  /** Acknowledged one after the other until now, over all writers. */
  consecutive: number;
  /** Time of the last acknowledgement. */
  lastAckAt?: number;
  /** Start of the run of acknowledgements that still goes on. */
  consecutiveSince?: number;
  ended: boolean;
}

export function countEntries(entries: readonly LedgerEntry[]): LedgerCounts {
  const counts: LedgerCounts = {
    attempts: 0,
    acknowledged: 0,
    failed: 0,
    unknown: 0,
    skipped: 0,
    consecutive: 0,
    ended: false,
  };
  for (const entry of entries) count(counts, entry);
  // An attempt that never got as far as sending has only its end.
  const attempted = entries.flatMap((entry) => ('seq' in entry && entry.kind !== 'skip' ? entry.seq : []));
  return { ...counts, attempts: new Set(attempted).size };
}

function count(counts: LedgerCounts, entry: LedgerEntry): void {
  switch (entry.kind) {
    case 'ack':
      counts.acknowledged += 1;
      if (counts.consecutive === 0) counts.consecutiveSince = entry.at;
      counts.consecutive += 1;
      counts.lastAckAt = entry.at;
      return;
    case 'fail':
      counts.failed += 1;
      counts.consecutive = 0;
      return;
    case 'unknown':
      counts.unknown += 1;
      counts.consecutive = 0;
      return;
    case 'skip':
      counts.skipped += 1;
      return;
    case 'end':
      counts.ended = true;
      return;
    case 'start':
    case 'intent':
    case 'lag':
      return;
    default:
      assertNever(entry);
  }
}

/** `412 acknowledged, 3 failed, 1 unknown`. */
export function describeCounts(counts: LedgerCounts): string {
  const parts = [`${counts.acknowledged} acknowledged`, `${counts.failed} failed`, `${counts.unknown} unknown`];
  if (counts.skipped > 0) parts.push(`${counts.skipped} skipped`);
  return parts.join(', ');
}
