import { runWriters, type RowToWrite, type WriterOptions, type WriterWorld } from '../../../activities/drill/writer';
import type { LedgerEntry } from '../../../cluster/verdict/write-ledger';

const OPTIONS: WriterOptions = {
  drill: 'd',
  writers: ['kept'],
  intervalMs: 100,
  deadlineMs: 1000,
  mostInFlight: 3,
  lifetimeMs: 500,
};

/** A world whose clock moves only when the writers pause. */
class FakeWorld implements WriterWorld {
  readonly ledger: LedgerEntry[] = [];
  readonly written: RowToWrite[] = [];
  time = 0;
  ending = false;
  /** How the disk takes what is noted. */
  disk: (entry: LedgerEntry) => Promise<void> = async () => undefined;
  constructor(
    private readonly answer: (row: RowToWrite) => Promise<void>,
    private readonly onPause: (world: FakeWorld) => void = () => undefined,
  ) {}

  now = () => this.time;
  note = async (entry: LedgerEntry) => {
    this.ledger.push(entry);
    await this.disk(entry);
  };
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

const acknowledge = async ({ beforeSend }: RowToWrite) => beforeSend();
const named = (name: string) => Object.assign(new Error('because'), { name });

describe('the writers', () => {
  it('make each attempt at its time, note it before and after, and end with their lifetime', async () => {
    const world = new FakeWorld(acknowledge);

    await runWriters(OPTIONS, world);

    expect(world.written.map(({ seq, deadlineAt }) => [seq, deadlineAt])).toEqual(
      [1, 2, 3, 4, 5, 6].map((seq) => [seq, 900 + seq * 100]),
    );
    expect(world.ledger[0]).toEqual({
      kind: 'start',
      at: 0,
      drill: 'd',
      intervalMs: 100,
      deadlineMs: 1000,
      writers: ['kept'],
    });
    expect(world.ledger.filter(({ kind }) => kind === 'intent').map(({ at }) => at)).toEqual([
      0, 100, 200, 300, 400, 500,
    ]);
    expect(world.kinds().filter((kind) => kind === 'ack')).toHaveLength(6);
    expect(world.kinds().at(-1)).toBe('end');
  });

  it('are all due at the same time, and never use a number twice', async () => {
    const world = new FakeWorld(acknowledge);

    await runWriters({ ...OPTIONS, writers: ['kept', 'kept', 'fresh'], lifetimeMs: 200 }, world);

    expect(world.written.map(({ seq, writer, connection }) => [seq, writer, connection])).toEqual(
      [0, 3, 6].flatMap((before) => [
        [before + 1, 1, 'kept'],
        [before + 2, 2, 'kept'],
        [before + 3, 3, 'fresh'],
      ]),
    );
  });

  it('send nothing before the intent is on disk', async () => {
    const sent: number[] = [];
    let release = (): void => undefined;
    const world = new FakeWorld(
      async ({ seq, beforeSend }) => {
        await beforeSend();
        sent.push(seq);
      },
      (world) => void (world.time >= 400 && release()),
    );
    const onDisk = new Promise<void>((resolve) => (release = resolve));
    const before: number[][] = [];
    world.disk = async (entry) => {
      if (entry.kind !== 'intent' || entry.seq !== 1) return;
      await onDisk;
      before.push([...sent]);
    };

    await runWriters(OPTIONS, world);

    expect(before).toEqual([[2, 3]]);
    expect(sent).toContain(1);
  });

  it('send nothing whose intent came to the disk only after its deadline, and know that', async () => {
    const sent: number[] = [];
    const world = new FakeWorld(async ({ seq, beforeSend }) => {
      await beforeSend();
      sent.push(seq);
    });
    world.disk = async (entry) => {
      if (entry.kind === 'intent' && entry.seq === 1) world.time += 1000;
    };

    await runWriters({ ...OPTIONS, lifetimeMs: 50 }, world);

    expect(sent).toEqual([]);
    expect(world.ledger.filter((entry) => 'seq' in entry && entry.seq === 1).map(({ kind }) => kind)).toEqual([
      'intent',
      'fail',
    ]);
  });

  it.each([
    ['ConnectFailed', 'fail'],
    ['QueryRefused', 'fail'],
    ['QueryUnanswered', 'unknown'],
    ['Error', 'unknown'],
    ['NotTried', 'skip'],
  ])('note an attempt that ends with %s as %s', async (name, kind) => {
    const world = new FakeWorld(async ({ beforeSend }) => {
      await beforeSend();
      throw named(name);
    });

    await runWriters({ ...OPTIONS, lifetimeMs: 1 }, world);

    expect(world.ledger.slice(1, 3)).toEqual([
      { kind: 'intent', seq: 1, at: 0, due: 0 },
      { kind, seq: 1, at: expect.any(Number) as number, why: 'because' },
    ]);
  });

  it('go on while attempts hang, each up to a number, and note those that they skip', async () => {
    let release = (): void => undefined;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    const world = new FakeWorld(
      async ({ beforeSend, writer }) => {
        await beforeSend();
        if (writer === 1) await hanging;
      },
      (world) => void (world.time >= 400 && release()),
    );

    await runWriters({ ...OPTIONS, writers: ['kept', 'fresh'] }, world);

    expect(world.ledger.filter(({ kind }) => kind === 'skip')).toEqual([
      { kind: 'skip', seq: 7, at: 300, why: 'too many attempts hang' },
    ]);
  });

  it('do not make up for attempts that they missed because they were held up themselves', async () => {
    const world = new FakeWorld(acknowledge, (world) => {
      if (world.time === 100) world.time += 350;
    });

    await runWriters({ ...OPTIONS, lifetimeMs: 700 }, world);

    expect(world.ledger.flatMap((entry) => (entry.kind === 'skip' ? [entry.seq] : []))).toEqual([2, 3, 4]);
    expect(world.written.map(({ seq }) => seq)).toEqual([1, 5, 6, 7, 8]);
  });

  it('that are told to end begin nothing new and wait for what they have begun', async () => {
    const world = new FakeWorld(acknowledge, (world) => {
      world.ending = world.time >= 200;
    });

    await runWriters(OPTIONS, world);

    expect(world.written.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(world.kinds().at(-1)).toBe('end');
  });
});
