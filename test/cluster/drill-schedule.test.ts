import {
  NEVER_SCHEDULED,
  addSkippedNight,
  kindOfNight,
  parseSkippedNights,
  parseTimeOfDay,
  renderTimeOfDay,
  utcDay,
  utcDayNumber,
} from '../../cluster/drill-schedule';
import { ScheduledDrill } from '../../workflows/inputs';
import { DRILL_KINDS, ROTATION } from '../../workflows/messages';

const at = (time: string): number => Date.parse(time);

describe('the kind of a night', () => {
  const kinds = ['a', 'b', 'c'] as const;

  it.each([
    ['1970-01-01T02:30:00Z', 0, 'a'],
    ['1970-01-02T02:30:00Z', 1, 'b'],
    ['1970-01-04T00:00:00Z', 3, 'a'],
    ['2026-11-22T23:59:59.999Z', 20_779, 'b'],
    ['2026-11-23T00:00:00Z', 20_780, 'c'],
  ])('at %s is the entry of UTC day %d modulo the length', (time, day, kind) => {
    expect(utcDayNumber(at(time))).toBe(day);
    expect(kindOfNight(kinds, at(time))).toBe(kind);
  });

  it('takes its turn: as many nights as there are kinds make each of them once', () => {
    const nights = kinds.map((_, night) => at('2028-02-28T02:30:00Z') + night * 86_400_000);

    expect(new Set(nights.map((night) => kindOfNight(kinds, night)))).toEqual(new Set(kinds));
  });

  it('is the only one there is', () => {
    expect(kindOfNight(['only'], at('2026-11-22T02:30:00Z'))).toBe('only');
  });
});

it('the rotation has kinds that a drill knows, each once, and none that ends with a person', () => {
  expect(new Set(ROTATION).size).toBe(ROTATION.length);
  expect(ROTATION.filter((kind) => !DRILL_KINDS.includes(kind))).toEqual([]);
  const rotated: readonly string[] = ROTATION;
  expect(NEVER_SCHEDULED.filter((kind) => rotated.includes(kind))).toEqual([]);
});

describe('skipped nights', () => {
  it('are counted by UTC day: two runs of one day are one night', () => {
    const first = addSkippedNight([], utcDay(at('2026-11-21T02:30:00Z')));
    const second = addSkippedNight(first, utcDay(at('2026-11-22T02:30:00Z')));
    const again = addSkippedNight(second, utcDay(at('2026-11-22T23:00:00Z')));

    expect(again).toEqual(['2026-11-21', '2026-11-22']);
  });

  it.each([
    [undefined, []],
    ['none', []],
    ['2026-11-21 2026-11-22', ['2026-11-21', '2026-11-22']],
    ['2026-11-21 nonsense', ['2026-11-21']],
  ])('are read from %p', (value, nights) => {
    expect(parseSkippedNights(value)).toEqual(nights);
  });

  it('fit into a tag however many there are', () => {
    const days = Array.from({ length: 400 }, (_, day) => utcDay(day * 86_400_000));

    const nights = days.reduce<string[]>(addSkippedNight, []);

    expect(nights.join(' ').length).toBeLessThanOrEqual(256);
    expect(nights.at(-1)).toBe(days.at(-1));
  });
});

describe('a time of day', () => {
  it.each(['00:00', '02:30', '23:59'])('%s is read and written alike', (text) => {
    const time = parseTimeOfDay(text);

    expect(time && renderTimeOfDay(time)).toBe(text);
  });

  it.each(['24:00', '2:30', '02:60', '02.30', '', '02:30Z'])('is not %p', (text) => {
    expect(parseTimeOfDay(text)).toBeUndefined();
  });
});

it.each(NEVER_SCHEDULED)('a night of kind %s is refused by the workflow as well, whoever made the schedule', (kind) => {
  const night = {
    specification: { network: { clients: ['203.0.113.0/24'], administrators: ['198.51.100.0/24'] } },
    schedule: 'nightly',
  };

  expect(ScheduledDrill.safeParse({ ...night, kinds: ['switchover'] }).success).toBe(true);
  expect(ScheduledDrill.safeParse({ ...night, kinds: ['switchover', kind] }).success).toBe(false);
});
