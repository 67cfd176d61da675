import { runWriter, type RowToWrite, type WriterOptions, type WriterWorld } from '../../../activities/drill/writer';
import type { LedgerEntry } from '../../../cluster/verdict/write-ledger';

const OPTIONS: WriterOptions = {
  drill: 'd',
  writer: 1,
  intervalMs: 100,
  deadlineMs: 1000,
  mostInFlight: 3,
  lifetimeMs: 500,
};

/** A world whose clock moves only when the writer pauses. */
class FakeWorld implements WriterWorld {
  readonly ledger: LedgerEntry[] = [];
  readonly written: RowToWrite[] = [];
  time = 0;
  ending = false;
  constructor(
    private readonly answer: (row: RowToWrite) => Promise<void>,
    private readonly onPause: (world: FakeWorld) => void = () => undefined,
  ) {}

  now = () => this.time;
  note = (entry: LedgerEntry) => void this.ledger.push(entry);
  isEnding = () => this.ending;
  write = async (row: RowToWrite) => {
    this.written.push(row);
    await this.answer(row);
  };
  pause = async (ms: number) => {
    if (ms > 0) this.time += ms;
    this.onPause(this);
    await new Promise((resolve) => setImmediate(resolve));
  };
  kinds = () => this.ledger.map(({ kind }) => kind);
}

const acknowledge = async ({ onSend }: RowToWrite) => onSend();
const named = (name: string) => Object.assign(new Error('because'), { name });

describe('the writer', () => {
  it('makes each attempt at its time, notes it before and after, and ends with its lifetime', async () => {
    const world = new FakeWorld(acknowledge);

    await runWriter(OPTIONS, world);

    expect(world.written.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(world.ledger[0]).toEqual({ kind: 'start', at: 0, drill: 'd', writer: 1, intervalMs: 100, deadlineMs: 1000 });
    expect(world.ledger.filter(({ kind }) => kind === 'intent').map(({ at }) => at)).toEqual([
      0, 100, 200, 300, 400, 500,
    ]);
    expect(world.kinds().filter((kind) => kind === 'ack')).toHaveLength(6);
    expect(world.kinds().at(-1)).toBe('end');
  });

  it('tells what was never sent from what may be there', async () => {
    const world = new FakeWorld(async ({ seq, onSend }) => {
      if (seq === 1) throw named('ConnectFailed');
      onSend();
      if (seq === 2) throw named('QueryUnanswered');
    });

    await runWriter({ ...OPTIONS, lifetimeMs: 200 }, world);

    expect(world.ledger.filter((entry) => 'seq' in entry && entry.seq <= 2)).toEqual([
      { kind: 'fail', seq: 1, at: expect.any(Number), why: 'because' },
      { kind: 'intent', seq: 2, at: 100, due: 100 },
      { kind: 'unknown', seq: 2, at: expect.any(Number), why: 'because' },
    ]);
  });

  it('goes on while attempts hang, up to a number, and notes those that it skips', async () => {
    let release = (): void => undefined;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    const world = new FakeWorld(
      async ({ onSend }) => {
        onSend();
        await hanging;
      },
      (world) => void (world.time >= 400 && release()),
    );

    await runWriter(OPTIONS, world);

    expect(world.ledger.filter(({ kind }) => kind === 'skip')).toEqual([{ kind: 'skip', seq: 4, at: 300 }]);
  });

  it('notes when it was held up itself, and skips what is long overdue', async () => {
    const world = new FakeWorld(acknowledge, (world) => {
      if (world.time === 100) world.time += 1500;
    });

    await runWriter({ ...OPTIONS, lifetimeMs: 2000 }, world);

    expect(world.ledger).toContainEqual({ kind: 'lag', at: 1600, ms: 1500 });
    expect(world.ledger).toContainEqual({ kind: 'skip', seq: 2, at: 1600 });
  });

  it('that is told to end begins nothing new and waits for what it has begun', async () => {
    const world = new FakeWorld(acknowledge, (world) => {
      world.ending = world.time >= 200;
    });

    await runWriter(OPTIONS, world);

    expect(world.written.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(world.kinds().at(-1)).toBe('end');
  });
});
