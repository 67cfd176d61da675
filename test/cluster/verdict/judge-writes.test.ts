import fc from 'fast-check';
import { judgeWrites, type WritesInput } from '../../../cluster/verdict/judge-writes';
import type { LedgerEntry } from '../../../cluster/verdict/write-ledger';

const INTERVAL = 100;
const START: LedgerEntry = { kind: 'start', at: 0, drill: 'd', writer: 1, intervalMs: INTERVAL, deadlineMs: 1000 };

/** What really became of one write; the writer knows the first two for certain, of the others it sees only silence. */
type Fate = 'acknowledged' | 'refused' | 'applied in silence' | 'not applied in silence';

function entriesOf(seq: number, fate: Fate): LedgerEntry[] {
  const at = seq * INTERVAL;
  const intent: LedgerEntry = { kind: 'intent', seq, at, due: at };
  switch (fate) {
    case 'acknowledged':
      return [intent, { kind: 'ack', seq, at: at + 5 }];
    case 'refused':
      return [intent, { kind: 'fail', seq, at: at + 5, why: 'ECONNREFUSED' }];
    case 'applied in silence':
      return [intent, { kind: 'unknown', seq, at: at + 1000, why: 'deadline' }];
    case 'not applied in silence':
      // The writer was cut off: not even the silence was noted.
      return [intent];
    default:
      throw new Error(fate);
  }
}

const ledgerOf = (fates: readonly Fate[]): LedgerEntry[] => [
  START,
  ...fates.flatMap((fate, seq) => entriesOf(seq, fate)),
];
const appliedOf = (fates: readonly Fate[]): number[] =>
  fates.flatMap((fate, seq) => (fate === 'acknowledged' || fate === 'applied in silence' ? [seq] : []));
const run = (count: number, fate: Fate): Fate[] => Array.from({ length: count }, () => fate);
/** Twenty writes, ten silent ones while the node is down, twenty again. */
const FAILOVER = [...run(20, 'acknowledged'), ...run(10, 'refused'), ...run(20, 'acknowledged')];

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
    expect(report).toMatchObject({ acknowledged: 40, lost: [], unexpected: [], longestOutageSeconds: 1.1 });
    expect(report.outages).toEqual([{ from: 1905, to: 3000, seconds: 1.1 }]);
  });

  it('agrees with what really happened, for every history and every corruption of the final read', () => {
    const fate = fc.constantFrom<Fate>('acknowledged', 'refused', 'applied in silence', 'not applied in silence');
    const history = fc.array(fate, { maxLength: 120 }).chain((fates) =>
      fc.record({
        fates: fc.constant(fates),
        vanished: fc.subarray(appliedOf(fates)),
        invented: fc.array(fc.integer({ min: 1000, max: 2000 }), { maxLength: 4 }),
      }),
    );

    fc.assert(
      fc.property(history, ({ fates, vanished, invented }) => {
        const finalRead = [...appliedOf(fates).filter((seq) => !vanished.includes(seq)), ...new Set(invented)];

        const report = judge({
          entries: ledgerOf(fates),
          finalRead,
          limitSeconds: 10_000,
          faultAt: fates.length * 50,
        });

        const acknowledged = fates.flatMap((fate, seq) => (fate === 'acknowledged' ? [seq] : []));
        expect(report.lost).toEqual(acknowledged.filter((seq) => vanished.includes(seq)));
        expect(new Set(report.unexpected)).toEqual(new Set(invented));
        expect(report.recovered).toBe(
          fates.filter((fate, seq) => fate === 'applied in silence' && !vanished.includes(seq)).length,
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
    const finalRead = appliedOf(FAILOVER).filter((seq) => ![3, 17, 18, 19].includes(seq));

    const { verdict } = judge({ entries: ledgerOf(FAILOVER), finalRead, limitSeconds: 5, faultAt: 1950 });

    expect(verdict.passed).toBe(false);
    expect(verdict.checks.find(({ name }) => name === 'no acknowledged row lost')?.detail).toBe(
      '4 of 40 lost: 3, 17..19',
    );
  });

  it('compares what the balancer leads to with what the primary itself has, and tells the difference', () => {
    const rows = appliedOf(FAILOVER);
    const primaryRead = [...rows.filter((seq) => ![4, 5, 9].includes(seq)), 700];

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
          "38 rows read at its socket: 3 that the load balancer's server has are missing: 4..5, 9; 1 that it does not have are there: 700",
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
      'longest outage',
    ],
    [
      'when the outage never ended',
      {
        entries: ledgerOf([...run(30, 'acknowledged'), ...run(30, 'refused')]),
        finalRead: appliedOf(run(30, 'acknowledged')),
        limitSeconds: 1,
      },
      'longest outage',
    ],
  ])('proves nothing %s', (_, input, check) => {
    const { verdict } = judge(input);

    expect(verdict.passed).toBe(false);
    expect(verdict.checks.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual(
      expect.arrayContaining([expect.stringContaining(check)]),
    );
  });

  it('says when the writer itself was held up, which makes its figures doubtful', () => {
    const entries: LedgerEntry[] = [...ledgerOf(FAILOVER), { kind: 'lag', at: 2000, ms: 900 }];

    const { verdict } = judge({ entries, finalRead: appliedOf(FAILOVER), limitSeconds: 5, faultAt: 1950 });

    expect(verdict.checks.at(-1)?.detail).toContain('held up for 900 ms');
  });

  it('takes an acknowledgement that came after the deadline for one', () => {
    const entries: LedgerEntry[] = [
      ...ledgerOf(FAILOVER),
      { kind: 'intent', seq: 50, at: 5000, due: 5000 },
      { kind: 'unknown', seq: 50, at: 6000, why: 'deadline' },
      { kind: 'ack', seq: 50, at: 6050 },
    ];

    const { lost } = judge({ entries, finalRead: appliedOf(FAILOVER), limitSeconds: 5, faultAt: 1950 });

    expect(lost).toEqual([50]);
  });
});
