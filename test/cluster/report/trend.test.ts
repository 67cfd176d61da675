import { XMLValidator } from 'fast-xml-parser';
import type { DrillRecord } from '../../../cluster/report/drill-record';
import { renderJournal } from '../../../cluster/report/journal';
import { parseJournal, type JournalEntry } from '../../../cluster/report/journal-schema';
import { renderTrendChart, renderTrendPage, trendOf, trendRows } from '../../../cluster/report/trend';
import { ZERO, specimenDrill, specimenLedger } from './specimen-drill';

const A_DAY = 86_400_000;
const night = (daysAgo: number, over: Parameters<typeof specimenDrill>[0] = {}): JournalEntry =>
  entry({ ...specimenDrill(over), startedAt: ZERO - daysAgo * A_DAY });

function entry(record: DrillRecord): JournalEntry {
  const parsed = parseJournal(JSON.stringify(renderJournal(record)));
  if (parsed === undefined) throw new Error('no journal');
  return parsed;
}

const away = (seconds: number) =>
  specimenLedger({ seconds: 75, away: { from: 10.2, to: 10.2 + seconds, how: 'refuses' } });
const { verdict: _, writes: __, faultAt: ___, ...refused } = specimenDrill({ entries: [] });

const NIGHTS = [
  night(2, { entries: away(20) }),
  night(9, { entries: away(8) }),
  night(5, { entries: away(14) }),
  night(1, { lostRows: [4] }),
  night(3, { kind: 'switchover', entries: specimenLedger({ seconds: 75 }), limitSeconds: 90 }),
  entry({ ...refused, startedAt: ZERO - A_DAY / 2, failure: { code: 'GateNotMet', message: 'offline' } }),
];
const trend = trendOf(NIGHTS, { now: ZERO, kinds: ['standby', 'switchover', 'node-power-off'] });
const kind = (name: string) => trend.kinds.find((row) => row.kind === name);

it('counts the nights of each kind, and since when it has not passed', () => {
  expect(kind('node-power-off')).toMatchObject({
    drills: 5,
    passed: 3,
    failed: 1,
    unknown: 0,
    withoutVerdict: 1,
    daysSinceLastPass: 2,
    limitSeconds: 300,
  });
  expect(kind('switchover')).toMatchObject({ drills: 1, passed: 1, daysSinceLastPass: 3, limitSeconds: 90 });
  expect(kind('standby')).toMatchObject({ drills: 0, lastPass: null, daysSinceLastPass: null, medianOutage: null });
});

it('puts first what has not passed for longest', () => {
  expect(trend.kinds.map((row) => row.kind)).toEqual(['standby', 'switchover', 'node-power-off']);
});

it('takes outages in the order of the nights, and none of a drill that broke nothing', () => {
  const outages = trend.drills
    .filter((drill) => drill.kind === 'node-power-off')
    .map(({ outageSeconds }) => outageSeconds);

  expect(outages).toEqual([
    expect.closeTo(8.1, 1),
    expect.closeTo(14.1, 1),
    expect.closeTo(20.1, 1),
    expect.closeTo(12.1, 1),
    null,
  ]);
  expect(kind('node-power-off')).toMatchObject({
    lastOutage: 12.1,
    medianOutage: expect.closeTo(13.1, 1) as number,
    worstOutage: expect.closeTo(20.1, 1) as number,
  });
});

it('an outage that was too short to be seen is at most as long as the resolution', () => {
  expect(trend.drills.find((drill) => drill.kind === 'switchover')).toMatchObject({
    isBelowResolution: true,
    outageSeconds: 1.1,
  });
});

it('the table has a row for each kind and says never of one that never passed', () => {
  expect(trendRows(trend).map(([name, , , , , , last]) => [name, last])).toEqual([
    ['standby', 'never'],
    ['switchover', '2026-11-19'],
    ['node-power-off', '2026-11-20'],
  ]);
});

it('the chart is well-formed, stands alone, and has a strip with its limit for each kind that was measured', () => {
  const svg = renderTrendChart(trend);

  expect(XMLValidator.validate(svg)).toBe(true);
  expect(svg).toContain('prefers-color-scheme:dark');
  expect([...svg.matchAll(/>limit (\d+) s</g)].map(([, limit]) => limit)).toEqual(['300', '90']);
  expect(svg.match(/class="point passed"/g)).toHaveLength(4);
  expect(svg.match(/class="point failed"/g)).toHaveLength(1);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

it.each([
  ['without a drill', []],
  ['with a single one', NIGHTS.slice(0, 1)],
])('chart and page are fit to be seen %s', (_name, nights) => {
  const small = trendOf(nights, { now: ZERO, kinds: ['switchover'] });

  expect(XMLValidator.validate(renderTrendChart(small))).toBe(true);
  expect(renderTrendPage(small, ZERO)).not.toMatch(/NaN|Infinity|undefined/);
});

it('the last date stays inside the chart', () => {
  const week = trendOf([night(5), night(0)], { now: ZERO, kinds: [] });

  expect(renderTrendChart(week)).toMatch(/<text class="tick" x="876" y="\d+" text-anchor="end">2026-11-22</);
});
