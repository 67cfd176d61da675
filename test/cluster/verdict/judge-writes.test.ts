import fc from 'fast-check';
import { judgeWrites, type Row, type WritesInput } from '../../../cluster/verdict/judge-writes';
import { dueOf, writerOf, type LedgerEntry, type LedgerStart } from '../../../cluster/verdict/write-ledger';

/** Writer 1 keeps its connection, writer 2 makes a new one each time. */
const START: LedgerStart = {
  kind: 'start',
  at: 0,
  drill: 'd',
  intervalMs: 100,
  deadlineMs: 1000,
  writers: ['kept', 'fresh'],
};
const rowOf = (seq: number): Row => ({ writer: writerOf(START, seq), seq });

/** What really became of one write; the client knows the first two for certain, of the others it sees only silence. */
type Fate = 'acknowledged' | 'refused' | 'applied in silence' | 'not applied in silence';

function entriesOf(seq: number, fate: Fate): LedgerEntry[] {
  const at = dueOf(START, seq);
  const intent: LedgerEntry = { kind: 'intent', seq, at, due: at };
  switch (fate) {
    case 'acknowledged':
      return [intent, { kind: 'ack', seq, at: at + 5 }];
    case 'refused':
      return [intent, { kind: 'fail', seq, at: at + 5, why: 'ECONNREFUSED' }];
    case 'applied in silence':
      return [intent, { kind: 'unknown', seq, at: at + 1000, why: 'deadline' }];
    case 'not applied in silence':
      // The probe was cut off: not even the silence was noted.
      return [intent];
    default:
      throw new Error(fate);
  }
}

/** Numbers begin with 1, and go to both writers in turn. */
const ledgerOf = (fates: readonly Fate[]): LedgerEntry[] => [
  START,
  ...fates.flatMap((fate, index) => entriesOf(index + 1, fate)),
  { kind: 'end', at: (fates.length + 20) * 100 },
];
const appliedOf = (fates: readonly Fate[]): Row[] =>
  fates.flatMap((fate, index) => (fate === 'acknowledged' || fate === 'applied in silence' ? [rowOf(index + 1)] : []));
/** So many of each writer. */
const run = (count: number, fate: Fate): Fate[] => Array.from({ length: 2 * count }, () => fate);
/** Two seconds of writes, one of refusals while the node is down, two of writes again. */
const FAILOVER: Fate[] = [...run(20, 'acknowledged'), ...run(10, 'refused'), ...run(20, 'acknowledged')];

/** Only those who kept their connection are served again. */
const NEVER_NEW = [
  ...FAILOVER.slice(0, 60),
  ...FAILOVER.slice(60).map((fate, index) => (index % 2 === 0 ? fate : 'refused')),
];

/** The primary tells the same, where a test does not say otherwise. */
const judge = (input: Omit<WritesInput, 'primaryRead'> & Partial<WritesInput>) =>
  judgeWrites({ primaryRead: input.finalRead, ...input });

describe('judgeWrites', () => {
  it('passes a failover that lost nothing, and measures its outage', () => {
    const report = judge({
      entries: ledgerOf(FAILOVER),
      finalRead: appliedOf(FAILOVER),
      limitSeconds: 5,
      faultAt: 1950,
    });

    expect(report.verdict.passed).toBe(true);
    expect(report).toMatchObject({
      acknowledged: 80,
      lost: [],
      unexpected: [],
      longestOutageSeconds: 1.1,
      sustainedSeconds: 1.05,
    });
    expect(report.outages).toEqual([{ from: 1905, to: 3000, seconds: 1.1, ended: true, resolutionSeconds: 1.1 }]);
  });

  it('agrees with what really happened, for every history and every corruption of the final read', () => {
    const fate = fc.constantFrom<Fate>('acknowledged', 'refused', 'applied in silence', 'not applied in silence');
    const history = fc.array(fate, { maxLength: 120 }).chain((fates) => {
      const applied = appliedOf(fates).map(({ seq }) => seq);
      return fc.record({
        fates: fc.constant(fates),
        vanished: fc.subarray(applied),
        invented: fc.array(fc.integer({ min: 1000, max: 2000 }), { maxLength: 4 }),
      });
    });

    fc.assert(
      fc.property(history, ({ fates, vanished, invented }) => {
        const finalRead = [
          ...appliedOf(fates).filter((row) => !vanished.includes(row.seq)),
          ...[...new Set(invented)].map(rowOf),
        ];

        const report = judge({
          entries: ledgerOf(fates),
          finalRead,
          limitSeconds: 10_000,
          faultAt: fates.length * 50,
        });

        const acknowledged = fates.flatMap((fate, index) => (fate === 'acknowledged' ? [index + 1] : []));
        expect(report.lost).toEqual(acknowledged.filter((seq) => vanished.includes(seq)));
        expect(new Set(report.unexpected)).toEqual(new Set(invented));
        expect(report.recovered).toBe(
          fates.filter((fate, index) => fate === 'applied in silence' && !vanished.includes(index + 1)).length,
        );
        const damaged = report.lost.length > 0 || invented.length > 0;
        expect(damaged && report.verdict.passed).toBe(false);
      }),
    );
  });

  it('does not call a write lost of which nobody knew that it was made', () => {
    const fates = [...FAILOVER, 'not applied in silence' as const, ...run(12, 'acknowledged')];

    expect(
      judge({ entries: ledgerOf(fates), finalRead: appliedOf(fates), limitSeconds: 5, faultAt: 1950 }),
    ).toMatchObject({
      unknown: 1,
      lost: [],
      verdict: { passed: true },
    });
  });

  it('reports lost rows as ranges, which shows whether they are clustered', () => {
    const finalRead = appliedOf(FAILOVER).filter(({ seq }) => ![3, 17, 18, 19].includes(seq));

    const { verdict } = judge({ entries: ledgerOf(FAILOVER), finalRead, limitSeconds: 5, faultAt: 1950 });

    expect(verdict.passed).toBe(false);
    expect(verdict.checks.find(({ name }) => name === 'no acknowledged row lost')?.detail).toBe(
      '4 of 80 lost: 3, 17..19',
    );
  });

  it('compares what the balancer leads to with what the primary itself has, and tells the difference', () => {
    const rows = appliedOf(FAILOVER);
    const primaryRead = [...rows.filter(({ seq }) => ![4, 5, 9].includes(seq)), rowOf(700)];

    const { verdict } = judge({
      entries: ledgerOf(FAILOVER),
      finalRead: rows,
      primaryRead,
      limitSeconds: 5,
      faultAt: 1950,
    });

    expect(verdict.checks.filter(({ passed }) => !passed)).toEqual([
      {
        name: 'final read at the primary itself',
        passed: false,
        detail:
          "78 rows read at its socket: 3 that the load balancer's server has are missing: 4..5, 9; 1 that it does not have are there: 700",
      },
    ]);
    expect(verdict.summary).toContain('failed: final read at the primary itself');
  });

  it.each<[string, Parameters<typeof judge>[0], string]>([
    [
      'without a final read at the primary',
      {
        entries: ledgerOf(FAILOVER),
        finalRead: appliedOf(FAILOVER),
        primaryRead: undefined,
        limitSeconds: 5,
        faultAt: 1950,
      },
      'final read at the primary',
    ],
    [
      'without a final read',
      { entries: ledgerOf(FAILOVER), finalRead: undefined, limitSeconds: 5, faultAt: 1950 },
      'final read',
    ],
    ['without any write', { entries: [START], finalRead: [], limitSeconds: 5 }, 'writes before and after'],
    ['with an empty ledger', { entries: [], finalRead: [], limitSeconds: 5 }, 'writes before and after'],
    [
      'when nothing was written after the fault',
      {
        entries: ledgerOf(run(30, 'acknowledged')),
        finalRead: appliedOf(run(30, 'acknowledged')),
        limitSeconds: 5,
        faultAt: 2905,
      },
      'writes before and after',
    ],
    [
      'when nothing was written before it',
      {
        entries: ledgerOf(run(30, 'acknowledged')),
        finalRead: appliedOf(run(30, 'acknowledged')),
        limitSeconds: 5,
        faultAt: -1,
      },
      'writes before and after',
    ],
    [
      'when the outage was longer than allowed',
      { entries: ledgerOf(FAILOVER), finalRead: appliedOf(FAILOVER), limitSeconds: 1, faultAt: 1950 },
      'new connections without service',
    ],
    [
      'when the outage never ended',
      {
        entries: ledgerOf([...run(30, 'acknowledged'), ...run(30, 'refused')]),
        finalRead: appliedOf(run(30, 'acknowledged')),
        limitSeconds: 1,
      },
      'existing sessions without service',
    ],
    [
      'when new connections were never served after the fault, whatever the sessions are',
      {
        entries: ledgerOf(NEVER_NEW),
        finalRead: appliedOf(NEVER_NEW),
        limitSeconds: 60,
        faultAt: 1950,
      },
      'writes before and after',
    ],
  ])('proves nothing %s', (_, input, check) => {
    const { verdict } = judge(input);

    expect(verdict.passed).toBe(false);
    expect(verdict.checks.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual(
      expect.arrayContaining([expect.stringContaining(check)]),
    );
  });

  it('says when the probe itself was held up, and knows nothing where the limit depends on it', () => {
    const judged = (ms: number) =>
      judge({
        entries: [...ledgerOf(FAILOVER), { kind: 'lag', at: 3000, ms }],
        finalRead: appliedOf(FAILOVER),
        limitSeconds: 1,
        faultAt: 1950,
      });

    const [short, long] = [judged(90), judged(900)];

    expect(short.verdict).toMatchObject({ passed: false });
    expect(short.verdict.unknown).toBeUndefined();
    expect(long.verdict).toMatchObject({ passed: false, unknown: true });
    expect(long).toMatchObject({ voidSeconds: 0.9, lagMs: 900 });
    expect(long.verdict.checks.at(-1)?.detail).toBe(
      'longest 1.1 s ± 2 s, 1.1 s in all; the probe itself was held up for 0.9 s, for which it cannot vouch',
    );
  });

  it('takes an acknowledgement that came after the deadline for one', () => {
    const entries: LedgerEntry[] = [
      ...ledgerOf(FAILOVER),
      { kind: 'intent', seq: 101, at: 5000, due: 5000 },
      { kind: 'unknown', seq: 101, at: 6000, why: 'deadline' },
      { kind: 'ack', seq: 101, at: 6050 },
    ];

    const { lost } = judge({ entries, finalRead: appliedOf(FAILOVER), limitSeconds: 5, faultAt: 1950 });

    expect(lost).toEqual([101]);
  });
});

describe('judgeWrites beside a brute-force oracle', () => {
  /** What a writer may note of one row, in this order; other rows' lines come in between. */
  const LIVES = {
    acknowledged: ['intent', 'ack'],
    'acknowledged late': ['intent', 'unknown', 'ack'],
    'never answered': ['intent', 'unknown'],
    'cut off': ['intent'],
    refused: ['fail'],
    'refused when sent': ['intent', 'fail'],
    skipped: ['skip'],
  } as const;
  const MOST = 14;
  const life = fc.constantFrom(...(Object.keys(LIVES) as (keyof typeof LIVES)[]));
  const ledger = fc
    .array(
      fc.record({
        life,
        from: fc.nat(1000),
        gaps: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 3, maxLength: 3 }),
      }),
      {
        maxLength: MOST,
      },
    )
    .map((rows) =>
      rows
        .flatMap(({ life: name, from, gaps }, index) =>
          LIVES[name].map((kind, step): LedgerEntry => {
            const seq = index + 1;
            const at = from + gaps.slice(0, step).reduce((sum, gap) => sum + gap, 0);
            if (kind === 'intent') return { kind, seq, at, due: from };
            return kind === 'fail' || kind === 'unknown' ? { kind, seq, at, why: 'test' } : { kind, seq, at };
          }),
        )
        .sort((one, other) => one.at - other.at),
    );
  /** Rows of the ledger, rows of nobody, rows under the name of the other writer, and some of them twice. */
  const read = fc.array(fc.record({ writer: fc.constantFrom(1, 2, 3), seq: fc.integer({ min: 1, max: MOST + 4 }) }), {
    maxLength: 2 * MOST,
  });

  /** The definitions of Jepsen's set checker, word for word, for every row there could be. */
  function oracle(entries: readonly LedgerEntry[], rows: readonly Row[]) {
    const has = (seq: number, ...kinds: LedgerEntry['kind'][]) =>
      entries.some((entry) => 'seq' in entry && entry.seq === seq && kinds.includes(entry.kind));
    const numbers = Array.from({ length: MOST + 4 }, (_, index) => index + 1);
    const times = (seq: number, writer: number) =>
      rows.filter((row) => row.seq === seq && row.writer === writer).length;
    const isThere = (seq: number) => times(seq, writerOf(START, seq)) > 0;
    const isOthers = (seq: number) =>
      [1, 2, 3].some((writer) => writer !== writerOf(START, seq) && times(seq, writer) > 0);
    const isOpen = (seq: number) => has(seq, 'intent') && !has(seq, 'ack', 'fail');
    return {
      lost: numbers.filter((seq) => has(seq, 'ack') && !isThere(seq)),
      unexpected: numbers.filter((seq) => isOthers(seq) || (isThere(seq) && !has(seq, 'ack') && !isOpen(seq))),
      duplicates: numbers.filter((seq) => [1, 2, 3].some((writer) => times(seq, writer) > 1)),
      recovered: numbers.filter((seq) => isThere(seq) && isOpen(seq)).length,
      acknowledged: numbers.filter((seq) => has(seq, 'ack')).length,
      unknown: numbers.filter(isOpen).length,
    };
  }
  const sorted = (numbers: readonly number[]) => [...numbers].sort((one, other) => one - other);

  it('finds the same rows lost, unexpected, twice and recovered, whatever the order of the lines', () => {
    fc.assert(
      fc.property(ledger, read, (entries, finalRead) => {
        const { verdict, lost, unexpected, duplicates, ...report } = judge({
          entries: [START, ...entries, { kind: 'end', at: 9000 }],
          finalRead,
          limitSeconds: 10_000,
        });

        const truth = oracle(entries, finalRead);
        expect({
          lost: sorted(lost),
          unexpected: sorted(unexpected),
          duplicates: sorted(duplicates),
          recovered: report.recovered,
          acknowledged: report.acknowledged,
          unknown: report.unknown,
        }).toEqual(truth);
        const isWrong = truth.lost.length + truth.unexpected.length + truth.duplicates.length > 0;
        expect(isWrong && (verdict.passed || verdict.unknown === true)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what is not known is neither passed nor failed', () => {
  const known = {
    entries: ledgerOf(FAILOVER),
    finalRead: appliedOf(FAILOVER),
    primaryRead: appliedOf(FAILOVER),
    limitSeconds: 5,
    faultAt: 1950,
  };

  it.each<[string, Partial<WritesInput>]>([
    ['without a final read', { finalRead: undefined }],
    ['without one at the primary', { primaryRead: undefined }],
    ['when the client was killed', { entries: ledgerOf(FAILOVER).slice(0, -1) }],
    ['without any write', { entries: [START, { kind: 'end', at: 0 }], finalRead: [], primaryRead: [] }],
  ])('%s', (_, change) => {
    const { verdict } = judgeWrites({ ...known, ...change });

    expect(verdict).toMatchObject({ passed: false, unknown: true });
    expect(verdict.summary).toContain('not known: ');
    expect(verdict.summary).not.toContain('failed');
  });

  it.each<[string, Partial<WritesInput>]>([
    ['an outage that is too long', { finalRead: undefined, limitSeconds: 1 }],
    ['two primaries', { primaryRead: undefined, primaries: ['hadb01', 'hadb02'] }],
    ['a lost row', { finalRead: appliedOf(FAILOVER).slice(1), entries: ledgerOf(FAILOVER).slice(0, -1) }],
    ['a row twice', { finalRead: [...appliedOf(FAILOVER), rowOf(3)] }],
  ])('%s fails the verdict, whatever else is not known', (_, change) => {
    const { verdict } = judgeWrites({ ...known, ...change });

    expect(verdict.passed).toBe(false);
    expect(verdict.unknown).toBeUndefined();
  });
});
