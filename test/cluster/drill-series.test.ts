import fc from 'fast-check';
import { MOST_ROUNDS, mulberry32, planSeries, runsOf, USUAL_ROUNDS } from '../../cluster/drill-series';
import { DRILL_KINDS } from '../../workflows/messages';

const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const kinds = fc.uniqueArray(fc.constantFrom(...DRILL_KINDS), { minLength: 1 });
const count = (plan: readonly string[], kind: string): number => plan.filter((one) => one === kind).length;

describe('the plan of a series', () => {
  it('has each kind three times by default, and the two in which the nodes fight ten times', () => {
    const plan = planSeries({ seed: 4711, rounds: USUAL_ROUNDS, kinds: DRILL_KINDS });

    for (const kind of DRILL_KINDS) {
      const often = kind === 'node-power-off' || kind === 'network-partition';
      expect({ kind, runs: count(plan, kind) }).toEqual({ kind, runs: often ? 10 : 3 });
    }
  });

  it.each([
    ['node-power-off', 1, 1],
    ['node-power-off', 3, 10],
    ['network-partition', 12, 12],
    ['standby', 12, 12],
  ])('makes %s in %d rounds %d times', (kind, rounds, runs) => {
    expect(runsOf(kind, rounds)).toBe(runs);
  });

  it('is the same for the same seed, however the kinds are ordered, and holds each kind as often as it must', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: MOST_ROUNDS }), kinds, (given, rounds, chosen) => {
        const plan = planSeries({ seed: given, rounds, kinds: chosen });

        expect(planSeries({ seed: given, rounds, kinds: [...chosen].reverse() })).toEqual(plan);
        expect(chosen.map((kind) => count(plan, kind))).toEqual(chosen.map((kind) => runsOf(kind, rounds)));
        expect(new Set(plan)).toEqual(new Set(chosen));
      }),
      { numRuns: 50 },
    );
  });

  it('is another one for another seed', () => {
    const plans = [1, 2, 3, 4, 5].map((given) => planSeries({ seed: given, rounds: 3, kinds: DRILL_KINDS }).join());

    expect(new Set(plans).size).toBe(5);
  });

  it('is the same on every machine and in every version: it stands in a report by its seed alone', () => {
    expect(planSeries({ seed: 4711, rounds: 1, kinds: ['standby', 'switchover', 'double', 'manual'] })).toEqual([
      'switchover',
      'double',
      'standby',
      'manual',
    ]);
  });
});

it('mulberry32 gives the numbers of its author', () => {
  const random = mulberry32(1);

  expect([random(), random(), random()]).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
});
