import type { Milestone } from '../../../cluster/logs/milestones';
import { redundancyCheck } from '../../../cluster/verdict/redundancy';

const FAULT = Date.parse('2026-11-22T02:30:00Z');
const after = (seconds: number): number => FAULT + seconds * 1000;
const restored = (seconds: number, errorMs = 20): Milestone[] => [
  { name: 'redundant', seen: { at: after(seconds), errorMs, node: 'hadb01', line: 'kernel: drbd r0' } },
];
const UNTOLD: Milestone[] = [{ name: 'redundant' }];

describe('redundancy', () => {
  it.each([
    ['restored in time', restored(61), undefined, { passed: true }],
    ['restored too late', restored(901), after(905), { passed: false }],
    ['restored at the limit, as far as the clocks can tell', restored(900), after(905), { unknown: true }],
    ['of which no log tells, with a pair that was whole in time', UNTOLD, after(80), { passed: true }],
    ['of which no log tells, with a pair that was seen whole too late', UNTOLD, after(901), { unknown: true }],
    ['of which nothing tells', UNTOLD, undefined, { unknown: true }],
  ])('%s', (_, milestones, wholeAt, expected) => {
    const seen = { milestones, faultAt: FAULT, ...(wholeAt !== undefined && { wholeAt }) };

    const { passed, unknown } = redundancyCheck(seen, { limitSeconds: 900 });

    expect({ passed, unknown }).toEqual({ passed: false, unknown: undefined, ...expected });
  });

  it('is told with how exact it is, and whose log tells it', () => {
    expect(redundancyCheck({ milestones: restored(61.24), faultAt: FAULT }, { limitSeconds: 900 })).toEqual({
      name: 'redundancy restored within 900 s',
      passed: true,
      detail: 'both copies were current again 61.2 s ± 20 ms after the fault, by the log of hadb01',
    });
  });

  it('that was restored before the pair was called whole counts from the log, not from the drill', () => {
    const { passed } = redundancyCheck(
      { milestones: restored(890), faultAt: FAULT, wholeAt: after(930) },
      { limitSeconds: 900 },
    );

    expect(passed).toBe(true);
  });
});
