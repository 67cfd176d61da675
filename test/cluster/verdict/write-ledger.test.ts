import fc from 'fast-check';
import {
  countEntries,
  describeCounts,
  formatEntry,
  parseLedger,
  type LedgerEntry,
} from '../../../cluster/verdict/write-ledger';

const time = fc.integer({ min: 0, max: 1_000_000 });
const seq = fc.nat(10_000);
const entry: fc.Arbitrary<LedgerEntry> = fc.oneof(
  fc.record({ kind: fc.constant('intent' as const), seq, at: time, due: time }),
  fc.record({ kind: fc.constant('ack' as const), seq, at: time }),
  fc.record({ kind: fc.constant('fail' as const), seq, at: time, why: fc.string() }),
  fc.record({ kind: fc.constant('lag' as const), at: time, ms: time }),
);

describe('the ledger', () => {
  it('reads back what was written, wherever its writer was killed', () => {
    fc.assert(
      fc.property(fc.array(entry), fc.nat(), (entries, cut) => {
        const text = entries.map(formatEntry).join('');
        const torn = text.slice(0, cut % (text.length + 1));

        const complete = torn.split('\n').length - 1;
        expect(parseLedger(text)).toEqual(entries);
        expect(parseLedger(torn)).toEqual(entries.slice(0, complete));
      }),
    );
  });

  it('counts what became of the attempts, and how long the last run of successes is', () => {
    const entries: LedgerEntry[] = [
      { kind: 'intent', seq: 0, at: 0, due: 0 },
      { kind: 'ack', seq: 0, at: 5 },
      { kind: 'intent', seq: 1, at: 100, due: 100 },
      { kind: 'fail', seq: 1, at: 105, why: 'ECONNREFUSED' },
      { kind: 'skip', seq: 2, at: 200 },
      { kind: 'intent', seq: 3, at: 300, due: 300 },
      { kind: 'ack', seq: 3, at: 305 },
      { kind: 'intent', seq: 4, at: 400, due: 400 },
      { kind: 'ack', seq: 4, at: 405 },
      { kind: 'end', at: 500 },
    ];

    const counts = countEntries(entries);

    expect(counts).toEqual({
      attempts: 4,
      acknowledged: 3,
      failed: 1,
      unknown: 0,
      skipped: 1,
      consecutive: 2,
      consecutiveSince: 305,
      lastAckAt: 405,
      ended: true,
    });
    expect(describeCounts(counts)).toBe('3 acknowledged, 1 failed, 0 unknown, 1 skipped');
  });
});
