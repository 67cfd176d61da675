import fc from 'fast-check';
import { judgeLimit, serviceTimes, sustainedSince } from '../../../cluster/verdict/service-times';
import {
  dueOf,
  seqOf,
  type ConnectionKind,
  type LedgerEntry,
  type LedgerStart,
} from '../../../cluster/verdict/write-ledger';

/** `+` acknowledged after 5 ms, `~` after 700 ms, `-` refused, `?` never answered, ` ` never tried; one letter each 100 ms. */
type Lines = Partial<Record<ConnectionKind, string[]>>;

function ledgerOf(lines: Lines, more: readonly LedgerEntry[] = []): LedgerEntry[] {
  const writers = (['kept', 'fresh'] as const).flatMap((kind) => (lines[kind] ?? []).map((line) => ({ kind, line })));
  const start: LedgerStart = {
    kind: 'start',
    at: 0,
    drill: 'd',
    intervalMs: 100,
    deadlineMs: 1000,
    writers: writers.map(({ kind }) => kind),
  };
  const attempts = writers.flatMap(({ line }, index) =>
    line.split('').flatMap((letter, tick) => attemptOf(letter, seqOf(start, tick, index + 1), start)),
  );
  return [start, ...[...attempts, ...more].sort((one, other) => one.at - other.at)];
}

function attemptOf(letter: string, seq: number, start: LedgerStart): LedgerEntry[] {
  const due = dueOf(start, seq);
  const intent: LedgerEntry = { kind: 'intent', seq, at: due, due };
  switch (letter) {
    case '+':
    case '~':
      return [intent, { kind: 'ack', seq, at: due + (letter === '+' ? 5 : 700) }];
    case '-':
      return [{ kind: 'fail', seq, at: due + 1, why: 'refused' }];
    case '?':
      return [intent, { kind: 'unknown', seq, at: due + 1000, why: 'no answer' }];
    default:
      return [{ kind: 'skip', seq, at: due }];
  }
}

const times = (letter: string, count: number): string => letter.repeat(count);

describe('the time without service', () => {
  it('of new connections and of existing sessions is told apart, each with its resolution', () => {
    const seen = serviceTimes(
      ledgerOf({
        fresh: [times('+', 10) + times('-', 5) + times('+', 35)],
        kept: [times('+', 10) + times('?', 20) + times('+', 20), times('+', 11) + times('?', 24) + times('+', 15)],
      }),
    );

    const closed = { ended: true, resolutionSeconds: 1.1 };
    expect(seen.newConnections).toMatchObject({
      outages: [{ from: 905, to: 1500, seconds: 0.6, ...closed }],
      longestSeconds: 0.6,
    });
    // From the first session that is not answered until the last one is again.
    expect(seen.existingSessions.outages).toEqual([{ from: 905, to: 3500, seconds: 2.6, ...closed }]);
    expect(seen.outages).toEqual([{ from: 905, to: 3500, seconds: 2.6, ...closed }]);
  });

  it('is none where writes are slow but answered, and none where nothing was tried', () => {
    const seen = serviceTimes(
      ledgerOf({ fresh: [times('+', 10) + '~' + times(' ', 8) + times('+', 10)], kept: [times('+', 29)] }),
    );

    expect(seen.outages).toEqual([]);
  });

  it('is also there where a client that keeps its connection had to wait for a new one, and every write came through', () => {
    const entries = ledgerOf({ kept: [times('+', 10) + times(' ', 6) + times('+', 10)] }).map((entry): LedgerEntry =>
      'seq' in entry && entry.seq === 17 && entry.kind === 'intent' ? { ...entry, due: 1200 } : entry,
    );

    expect(serviceTimes(entries).existingSessions.outages).toMatchObject([{ from: 905, to: 1600 }]);
  });

  it('does not begin before the first connection that a client makes', () => {
    const entries = ledgerOf({ kept: [times(' ', 5) + times('+', 10)] }).map((entry): LedgerEntry =>
      'seq' in entry && entry.seq === 6 && entry.kind === 'intent' ? { ...entry, due: 0 } : entry,
    );

    expect(serviceTimes(entries).outages).toEqual([]);
  });

  it('adds up over several outages, and does not end with the probe', () => {
    const { newConnections } = serviceTimes(
      ledgerOf({ fresh: [times('+', 10) + times('-', 9) + times('+', 5) + times('?', 10)] }),
    );

    expect(newConnections.outages).toEqual([
      { from: 905, to: 1900, seconds: 1, ended: true, resolutionSeconds: 1.1 },
      { from: 2305, to: 3300, seconds: 1, resolutionSeconds: 1.1 },
    ]);
    expect(newConnections).toMatchObject({ longestSeconds: 1, unavailableSeconds: 2 });
  });

  it('is what a count of letters says, for every history of one writer', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('+', '-', '?', ' '), { maxLength: 80 }), (letters) => {
        const line = `+${letters.join('')}+`;

        const { newConnections } = serviceTimes(ledgerOf({ fresh: [line] }));

        // A gap of three letters is 395 ms long; it must hold one that was tried in vain.
        const expected = [...line.matchAll(/[-? ]{3,}/g)]
          .filter(([gap]) => gap.trim() !== '')
          .map(({ index, 0: { length } }) => [(index - 1) * 100 + 5, (index + length) * 100]);
        expect(newConnections.outages.map(({ from, to }) => [from, to])).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the time in which the probe was held up', () => {
  const outage = { fresh: [times('+', 10) + times('-', 20) + times('+', 30)] };
  const judged = (lags: readonly LedgerEntry[], limitSeconds: number) => {
    const { newConnections, voids } = serviceTimes(ledgerOf(outage, lags));
    return judgeLimit(newConnections.outages, { voids, limitSeconds });
  };

  it('is void, and makes what lies in it less exact', () => {
    const seen = serviceTimes(
      ledgerOf(outage, [
        { kind: 'lag', at: 1500, ms: 400 },
        { kind: 'lag', at: 1700, ms: 300, of: 'disk' },
        { kind: 'lag', at: 5000, ms: 80 },
      ]),
    );

    expect(seen.voids).toEqual([{ from: 1100, to: 1700 }]);
    expect(seen.newConnections.outages).toMatchObject([{ seconds: 2.1, resolutionSeconds: 1.7 }]);
  });

  it('is no time without service, although what was under way then failed', () => {
    const line = `${times('+', 20)}??${times(' ', 13)}${times('+', 25)}`;
    const lags: LedgerEntry[] = [{ kind: 'lag', at: 3500, ms: 1400 }];

    const [without, within] = [
      serviceTimes(ledgerOf({ fresh: [line] })),
      serviceTimes(ledgerOf({ fresh: [line] }, lags)),
    ];

    expect([without.outages.length, within.outages.length]).toEqual([1, 0]);
    expect(sustainedSince(ledgerOf({ fresh: [line] }, lags), 0)).toBe(0);
  });

  it('hides no outage that is longer than it, however often it comes', () => {
    const line = `${times('+', 20)}${times('?', 50)}${times('+', 25)}`;
    const lags = Array.from({ length: 12 }, (_, index): LedgerEntry => ({
      kind: 'lag',
      at: 2100 + index * 500,
      ms: 120,
    }));

    expect(serviceTimes(ledgerOf({ fresh: [line] }, lags)).outages).toMatchObject([{ from: 1905, to: 7000 }]);
  });

  it.each<[string, LedgerEntry[], number, string]>([
    ['without it, an outage within the limit', [], 3, 'within'],
    ['without it, an outage beyond the limit', [], 2, 'beyond'],
    ['an outage that may have been shorter', [{ kind: 'lag', at: 1500, ms: 400 }], 2, 'not known'],
    ['an outage that was too long in any case', [{ kind: 'lag', at: 1500, ms: 400 }], 1.5, 'beyond'],
    ['an outage that may have been longer', [{ kind: 'lag', at: 3800, ms: 900 }], 2.5, 'not known'],
    ['an outage that is short in any case', [{ kind: 'lag', at: 3800, ms: 900 }], 3, 'within'],
    ['a time that may hide an outage', [{ kind: 'lag', at: 9000, ms: 3500 }], 3, 'not known'],
  ])('counts against both answers: %s', (_, lags, limitSeconds, expected) => {
    expect(judged(lags, limitSeconds)).toBe(expected);
  });

  it('has no part in an outage that had not ended: that is not known, or too long already', () => {
    const { newConnections, voids } = serviceTimes(ledgerOf({ fresh: [times('+', 10) + times('-', 20)] }));

    expect([1, 60].map((limitSeconds) => judgeLimit(newConnections.outages, { voids, limitSeconds }))).toEqual([
      'beyond',
      'not known',
    ]);
  });
});

describe('sustained service', () => {
  it('begins with the first stretch of two seconds in which every client is answered', () => {
    const flapping = times('+', 10) + times('-', 10) + times('+', 12) + times('-', 5) + times('+', 30);
    const entries = ledgerOf({ fresh: [flapping], kept: [times('+', 10) + times('?', 35) + times('+', 22)] });

    expect(sustainedSince(entries, 1000)).toBe(4500);
  });

  it.each([
    ['it is too short', times('+', 10) + times('-', 10) + times('+', 15)],
    ['too little was tried', times('+', 10) + times('-', 10) + `+${times(' ', 9)}`.repeat(4)],
  ])('is not there where %s', (_, fresh) => {
    expect(sustainedSince(ledgerOf({ fresh: [fresh] }), 1000)).toBeUndefined();
  });
});
