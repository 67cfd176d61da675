import { expectation, servedWithin, withExpectations } from '../../../cluster/verdict/expectations';
import type { Verdict } from '../../../cluster/step';

const passed: Verdict = { passed: true, summary: '900 writes acknowledged', checks: [] };
const failed: Verdict = { ...passed, passed: false };
const unknown: Verdict = { ...failed, unknown: true };
const holds = expectation({ name: 'nothing moved', problems: [], detail: 'seen 60 times' });
const broken = expectation({ name: 'nothing moved', problems: ['hadb02 was fenced'], detail: '' });
const unseen = expectation({ name: 'nothing moved', problems: [], detail: 'seen 0 times', unknown: true });

describe('a verdict with what was expected besides', () => {
  it.each([
    [passed, holds, { passed: true }],
    [passed, broken, { passed: false }],
    [passed, unseen, { passed: false, unknown: true }],
    [failed, holds, { passed: false }],
    [failed, unseen, { passed: false }],
    [unknown, holds, { passed: false, unknown: true }],
    [unknown, unseen, { passed: false, unknown: true }],
    [unknown, broken, { passed: false }],
  ] as const)('of %j and %j is %j: failed before unknown before passed', (verdict, check, expected) => {
    const { passed: ok, unknown: open, checks } = withExpectations(verdict, [check]);

    expect({ passed: ok, ...(open !== undefined && { unknown: open }) }).toEqual(expected);
    expect(checks).toEqual([check]);
  });

  it('says which expectation did not come true', () => {
    expect(withExpectations(passed, [broken]).summary).toBe('900 writes acknowledged; failed: nothing moved');
    expect(withExpectations(passed, [unseen]).summary).toBe('900 writes acknowledged; not known: nothing moved');
    expect(withExpectations(passed, [])).toBe(passed);
  });

  it('fails what was seen to be wrong although little was seen', () => {
    const check = expectation({ name: 'x', problems: ['it moved'], detail: '', unknown: true });

    expect(check).toEqual({ name: 'x', passed: false, detail: 'it moved' });
  });

  it.each([
    [35_000, true],
    [35_040, true],
    [35_100, false],
  ])('holds a time against its limit (%d ms)', (to, ok) => {
    expect(servedWithin({ from: 0, to, limitSeconds: 35, by: 'hadb01' })).toMatchObject({ passed: ok });
  });
});
