import { dueOf, startOf, writerOf, type ConnectionKind, type LedgerEntry } from './write-ledger';

/** One row that a client tried to write, as its ledger tells it. */
export interface Attempt {
  seq: number;
  writer: number;
  connection: ConnectionKind;
  due: number;
  /** When it was sent, or due if it never was. */
  startedAt: number;
  ackAt?: number;
  /** When its fate was known, or its deadline if it has none. */
  endedAt: number;
  /** An attempt without any end was cut off with its probe: it may have been sent. */
  fate: 'acknowledged' | 'failed' | 'unknown';
}

/** In the order of their numbers. Whatever was acknowledged stays so; a slot that was skipped is no attempt. */
export function attemptsOf(entries: readonly LedgerEntry[]): Attempt[] {
  const start = startOf(entries);
  const attempts = new Map<number, Attempt>();
  for (const entry of entries) {
    if (entry.kind !== 'intent' && entry.kind !== 'ack' && entry.kind !== 'fail' && entry.kind !== 'unknown') continue;
    const { seq, at } = entry;
    const attempt = attempts.get(seq) ?? newAttempt(seq);
    attempts.set(seq, attempt);
    if (entry.kind === 'intent') {
      attempt.due = entry.due;
      attempt.startedAt = at;
      continue;
    }
    attempt.endedAt = at;
    if (entry.kind === 'ack') {
      attempt.fate = 'acknowledged';
      attempt.ackAt = at;
    }
    if (entry.kind === 'fail' && attempt.fate !== 'acknowledged') {
      attempt.fate = 'failed';
    }
  }
  return [...attempts.values()].sort((one, other) => one.seq - other.seq);

  function newAttempt(seq: number): Attempt {
    const writer = start === undefined ? 1 : writerOf(start, seq);
    const due = start === undefined ? 0 : dueOf(start, seq);
    const connection = start?.writers[writer - 1] ?? 'kept';
    return { seq, writer, connection, due, startedAt: due, endedAt: due + (start?.deadlineMs ?? 0), fate: 'unknown' };
  }
}
