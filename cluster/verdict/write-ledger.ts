import { assertNever } from '../errors';

/**
 * What a client-side writer notes while a fault happens, one line of JSON each, written before and after every attempt: intents come before anything is
 * sent, so that a writer that dies cannot lose an acknowledgement. Times are milliseconds since the epoch by one monotonic clock.
 */
export type LedgerEntry =
  | { kind: 'start'; at: number; drill: string; writer: number; intervalMs: number; deadlineMs: number }
  /** Right before the row is sent. */
  | { kind: 'intent'; seq: number; at: number; due: number }
  /** The server has confirmed the commit. */
  | { kind: 'ack'; seq: number; at: number }
  /** Known not to be applied: nothing of it was sent. Such an attempt has no intent. */
  | { kind: 'fail'; seq: number; at: number; why: string }
  /** Sent, and no answer: it may be there or not. */
  | { kind: 'unknown'; seq: number; at: number; why: string }
  /** Too many attempts hung already, or the writer itself was held up beyond the deadline. */
  | { kind: 'skip'; seq: number; at: number }
  /** The writer's own process was held up this long. */
  | { kind: 'lag'; at: number; ms: number }
  | { kind: 'end'; at: number };

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
  /** Acknowledged one after the other until now. */
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
      counts.consecutive = 0;
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
