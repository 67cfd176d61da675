import { seqOf, type ConnectionKind, type LedgerEntry } from '../../cluster/verdict/write-ledger';

/**
 * The clients that write while a fault happens. Open loop: an attempt is due at its time whatever became of the earlier ones, so that an outage of 20 s is 200
 * attempts of each and not one long one. A row is never tried twice.
 */
export interface WriterOptions {
  drill: string;
  /** One for each writer; all are due at the same time. */
  writers: readonly ConnectionKind[];
  intervalMs: number;
  /** Of an attempt with all that it takes, counted from the time it is due. */
  deadlineMs: number;
  /** Attempts of one writer that may hang at the same time; more of them are skipped, and noted. */
  mostInFlight: number;
  /** Ends by itself then: nobody may be left to end it. */
  lifetimeMs: number;
}

export interface WriterWorld {
  /** Milliseconds since the epoch, by a monotonic clock. */
  now(): number;
  /** Resolves when the entry is on disk. */
  note(entry: LedgerEntry): Promise<void>;
  /**
   * Writes the row; `beforeSend` comes right before anything of it is sent, and nothing is sent until it has resolved. Throws `NotApplied` when the row is
   * known not to be there, `NotTried` when the client itself had no room for it.
   */
  write(row: RowToWrite): Promise<void>;
  /** Resolves after the time, or at once when the writers are told to end. */
  pause(ms: number): Promise<void>;
  isEnding(): boolean;
}

export interface RowToWrite {
  seq: number;
  writer: number;
  connection: ConnectionKind;
  /** When the attempt is over, by the clock of the world. */
  deadlineAt: number;
  beforeSend: () => Promise<void>;
}

/** Nothing of the row was sent, or the server has refused it: it is not there. */
export class NotApplied extends Error {
  override readonly name = 'NotApplied';
}

/** The client had no room for the attempt, while the service answered. */
export class NotTried extends Error {
  override readonly name = 'NotTried';
}

/** Writes until it is told to end or its lifetime is over, waits for what is in flight, and notes its end. */
export async function runWriters(options: WriterOptions, world: WriterWorld): Promise<void> {
  const { drill, writers, intervalMs, deadlineMs } = options;
  const startedAt = world.now();
  await world.note({ kind: 'start', at: startedAt, drill, intervalMs, deadlineMs, writers });
  const inFlight = writers.map(() => new Set<Promise<void>>());
  for (let tick = 0; !world.isEnding() && world.now() - startedAt < options.lifetimeMs; tick += 1) {
    const due = startedAt + tick * intervalMs;
    await world.pause(due - world.now());
    if (world.isEnding()) break;
    // The next one is due already: this probe was held up, and what it does late it does not measure.
    const isLate = world.now() - due >= intervalMs;
    writers.forEach((connection, index) => {
      const seq = seqOf(options, tick, index + 1);
      const own = inFlight[index] ?? new Set();
      if (isLate || own.size >= options.mostInFlight) {
        const why = isLate ? 'the probe was held up' : 'too many attempts hang';
        void world.note({ kind: 'skip', seq, at: world.now(), why });
        return;
      }
      const attempt = attemptOnce({ seq, writer: index + 1, connection, deadlineAt: due + deadlineMs }, due, world);
      own.add(attempt);
      void attempt.finally(() => own.delete(attempt));
    });
  }
  await Promise.all(inFlight.flatMap((own) => [...own]));
  await world.note({ kind: 'end', at: world.now() });
}

async function attemptOnce(row: Omit<RowToWrite, 'beforeSend'>, due: number, world: WriterWorld): Promise<void> {
  const { seq, deadlineAt } = row;
  const beforeSend = async (): Promise<void> => {
    await world.note({ kind: 'intent', seq, at: world.now(), due });
    if (world.now() >= deadlineAt) throw new NotApplied('its intent was on disk only after its deadline');
  };
  let end: LedgerEntry;
  try {
    await world.write({ ...row, beforeSend });
    end = { kind: 'ack', seq, at: world.now() };
  } catch (error) {
    end = { kind: fateOf(error), seq, at: world.now(), why: describe(error) };
  }
  await world.note(end);
}

/** By name: Jest has classes of its own. What is not known to be harmless is unknown. */
function fateOf(error: unknown): 'fail' | 'skip' | 'unknown' {
  const name = typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined;
  if (name === 'NotTried') return 'skip';
  return name === 'NotApplied' || name === 'ConnectFailed' || name === 'QueryRefused' ? 'fail' : 'unknown';
}

function describe(error: unknown): string {
  const text =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  return text.slice(0, 160);
}
