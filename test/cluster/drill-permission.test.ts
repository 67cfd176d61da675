import {
  drillTags,
  judgeDrillPermission,
  parseFreezeWindows,
  renderFreezeWindows,
} from '../../cluster/drill-permission';
import { DRILL_FREEZE_TAG, DRILL_SWITCH_TAG } from '../../cluster/ids';

const NOW = Date.parse('2026-11-22T02:30:00Z');
const stateOf = (tags: Record<string, string>, at = NOW) => judgeDrillPermission(tags, at).state;

describe('the safety switch', () => {
  it.each<[string, Record<string, string>, string]>([
    ['was never used', {}, 'allowed'],
    ['was set back', { [DRILL_SWITCH_TAG]: 'allowed by ada at 2026-11-20T10:00Z: done' }, 'allowed'],
    ['is closed', { [DRILL_SWITCH_TAG]: 'stopped by ada at 2026-11-20T10:00Z: month end' }, 'forbidden'],
    ['was closed in the portal', { [DRILL_SWITCH_TAG]: 'stop' }, 'forbidden'],
    ['says something that nobody foresaw', { [DRILL_SWITCH_TAG]: 'maybe' }, 'forbidden'],
    ['is empty', { [DRILL_SWITCH_TAG]: '' }, 'forbidden'],
    ['only begins like the good word', { [DRILL_SWITCH_TAG]: 'allowedness' }, 'forbidden'],
    ['was written with another case', { 'HADB-Drills': 'stop' }, 'forbidden'],
  ])('that %s', (_, tags, state) => {
    expect(stateOf(tags)).toBe(state);
  });

  it('stops and allows by what an order writes, and tells who and why', () => {
    const stopped = drillTags({ order: 'stop', by: 'ada', reason: 'month end' }, NOW);
    const allowed = drillTags({ order: 'allow', by: 'bob', reason: 'over' }, NOW);

    expect(judgeDrillPermission(stopped, NOW)).toEqual({
      state: 'forbidden',
      reason: 'drills are stopped (tag hadb-drills: stopped by ada at 2026-11-22T02:30Z: month end)',
    });
    expect(stateOf({ ...stopped, ...allowed })).toBe('allowed');
  });

  it('holds whatever somebody gives as a reason, in a tag that Azure takes', () => {
    const tags = drillTags({ order: 'stop', by: 'ada', reason: 'allowed '.repeat(100) }, NOW);

    expect(tags[DRILL_SWITCH_TAG]?.length).toBe(256);
    expect(stateOf(tags)).toBe('forbidden');
  });
});

describe('a freeze window', () => {
  const freeze = { [DRILL_FREEZE_TAG]: '2026-11-20T00:00Z/2026-11-22T02:31Z 2026-12-20T00:00Z/2027-01-04T06:00Z' };

  it.each([
    ['2026-11-19T23:59:59Z', 'allowed'],
    ['2026-11-20T00:00:00Z', 'forbidden'],
    ['2026-11-22T02:30:59Z', 'forbidden'],
    ['2026-11-22T02:31:00Z', 'allowed'],
    ['2026-12-24T18:00:00Z', 'forbidden'],
    ['2027-01-04T06:00:00Z', 'allowed'],
  ])('at %s leaves a drill %s', (time, state) => {
    expect(stateOf(freeze, Date.parse(time))).toBe(state);
  });

  it('does not open the switch', () => {
    expect(stateOf({ ...freeze, [DRILL_SWITCH_TAG]: 'stop' }, Date.parse('2026-12-01T00:00Z'))).toBe('forbidden');
  });

  it.each([
    'over christmas',
    '2026-12-20/2027-01-04',
    '2026-12-20T00:00/2027-01-04T06:00',
    '2026-12-20T00:00Z',
    '2027-01-04T06:00Z/2026-12-20T00:00Z',
    '2026-02-30T00:00Z/2027-01-04T06:00Z',
    '2026-12-20T00:00Z/2027-01-04T06:00Z/2028-01-04T06:00Z',
  ])('that nobody can read, such as "%s", is neither open nor past', (value) => {
    expect(stateOf({ [DRILL_FREEZE_TAG]: value })).toBe('unreadable');
  });

  it('is written as it is read, and none is none', () => {
    const text = '2026-12-20T00:00Z/2027-01-04T06:00Z 2027-03-31T12:00Z/2027-04-02T00:00Z';

    expect(renderFreezeWindows(parseFreezeWindows(text) ?? [])).toBe(text);
    expect(parseFreezeWindows('')).toEqual([]);
    expect(stateOf(drillTags({ order: 'freeze', windows: '' }, NOW))).toBe('allowed');
  });

  it('ahead is named when a drill is allowed', () => {
    expect(judgeDrillPermission(freeze, Date.parse('2026-11-23T00:00Z'))).toEqual({
      state: 'allowed',
      observed: 'the safety switch was never used; freeze windows ahead: 2026-12-20T00:00Z/2027-01-04T06:00Z',
    });
  });
});
