import type { LedgerEntry } from '../../cluster/verdict/write-ledger';

/**
 * The client that writes while a fault happens. Open loop: attempt i is due at its time whatever became of the earlier ones, so that an outage of 20 s
 * is 200 attempts and not one long one. A row is never tried twice.
 */
export interface WriterOptions {
  drill: string;
  writer: number;
  intervalMs: number;
  /** For a connection, counted from the time an attempt is due; and for the answer, counted from the time it is sent. */
  deadlineMs: number;
  /** Attempts that may hang at the same time; more of them are skipped, and noted. */
  mostInFlight: number;
  /** Ends by itself then: nobody may be left to end it. */
  lifetimeMs: number;
}

export interface WriterWorld {
  /** Milliseconds since the epoch, by a monotonic clock. */
  now(): number;
  note(entry: LedgerEntry): void;
  /**
   * Writes the row; `onSend` comes right before anything of it is sent. Throws `ConnectFailed` when nothing was.
   */
  write(row: RowToWrite): Promise<void>;
  /** Resolves after the time, or at once when the writer is told to end. */
  pause(ms: number): Promise<void>;
  isEnding(): boolean;
}

export interface RowToWrite {
  seq: number;
  connectWithinMs: number;
  answerWithinMs: number;
  onSend: () => void;
}

/** A timer that fires this much late tells of a process that was held up. */
const LAG_MS = 50;

/** Writes until it is told to end or its lifetime is over, waits for what is in flight, and notes its end. */
export async function runWriter(options: WriterOptions, world: WriterWorld): Promise<void> {
  const { drill, writer, intervalMs, deadlineMs } = options;
  const startedAt = world.now();
  world.note({ kind: 'start', at: startedAt, drill, writer, intervalMs, deadlineMs });
  const inFlight = new Set<Promise<void>>();
  for (let seq = 1; !world.isEnding() && world.now() - startedAt < options.lifetimeMs; seq += 1) {
    const due = startedAt + (seq - 1) * intervalMs;
    await world.pause(due - world.now());
    if (world.isEnding()) break;
    const late = world.now() - due;
    if (late > LAG_MS) world.note({ kind: 'lag', at: world.now(), ms: Math.round(late) });
    if (late >= deadlineMs || inFlight.size >= options.mostInFlight) {
      world.note({ kind: 'skip', seq, at: world.now() });
      continue;
    }
    const attempt = attemptOnce(seq, due, options, world).finally(() => void inFlight.delete(attempt));
    inFlight.add(attempt);
  }
  await Promise.all(inFlight);
  world.note({ kind: 'end', at: world.now() });
}

async function attemptOnce(seq: number, due: number, { deadlineMs }: WriterOptions, world: WriterWorld): Promise<void> {
  const onSend = (): void => world.note({ kind: 'intent', seq, at: world.now(), due });
  try {
    await world.write({ seq, connectWithinMs: due + deadlineMs - world.now(), answerWithinMs: deadlineMs, onSend });
    world.note({ kind: 'ack', seq, at: world.now() });
  } catch (error) {
    const why = describe(error);
    const kind = isNamed(error, 'ConnectFailed') ? 'fail' : 'unknown';
    world.note({ kind, seq, at: world.now(), why });
  }
}

function describe(error: unknown): string {
  const text =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  return text.slice(0, 160);
}

/** By name: Jest has classes of its own. */
function isNamed(error: unknown, name: string): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === name;
}
