import { CHART_WIDTHS, type ChartWidth } from './charts';
import type { DrillOutcome } from './drill-record';
import type { JournalEntry } from './journal-schema';
import { element, escapeMarkup, number } from './markup';
import { PAGE_STYLE, STANDALONE_STYLE } from './page-style';
import { linearScale, logScale, shortNumber } from './scale';

/** How the outages of each kind of drill went over the nights, and how long ago each kind passed. */

export interface Trend {
  /** Worst first: what has not passed for longest. */
  kinds: TrendKind[];
  drills: TrendDrill[];
}

export interface TrendKind {
  kind: string;
  drills: number;
  passed: number;
  failed: number;
  unknown: number;
  /** Refused, cancelled, or not brought to their end. */
  withoutVerdict: number;
  /** RFC 3339; null when it has never passed here. */
  lastPass: string | null;
  daysSinceLastPass: number | null;
  /** Seconds; null when none was measured. */
  lastOutage: number | null;
  medianOutage: number | null;
  worstOutage: number | null;
  /** Of the latest drill. */
  limitSeconds: number | null;
}

export interface TrendDrill {
  drill: string;
  kind: string;
  cluster: string;
  at: string;
  outcome: DrillOutcome;
  /** Null when none was measured. */
  outageSeconds: number | null;
  /** No pause was long enough to be told from none: the outage is at most this long. */
  isBelowResolution: boolean;
  limitSeconds: number | null;
}

const A_DAY_MS = 86_400_000;

/** `kinds` are all that there are: one that was never drilled is the one to know about. */
export function trendOf(
  journals: readonly JournalEntry[],
  { now, kinds }: { now: number; kinds: readonly string[] },
): Trend {
  const drills = journals.map(drillOf).sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
  const names = [...new Set([...kinds, ...drills.map(({ kind }) => kind)])];
  const rows = names.map((kind) =>
    kindOf(
      kind,
      drills.filter((drill) => drill.kind === kind),
      now,
    ),
  );
  const age = ({ daysSinceLastPass }: TrendKind) => daysSinceLastPass ?? Infinity;
  return { drills, kinds: rows.sort((one, other) => (age(one) === age(other) ? 0 : age(other) > age(one) ? 1 : -1)) };
}

function drillOf({ start, hadb }: JournalEntry): TrendDrill {
  const { drill, kind, cluster, outcome, writes, limitSeconds, faultAt } = hadb;
  // A drill that never broke anything has measured nothing, whatever its client noted.
  const measured = writes !== null && faultAt !== null && OUTCOMES_WITH_VERDICT.includes(outcome);
  return {
    drill,
    kind,
    cluster,
    at: start,
    outcome,
    outageSeconds: measured ? (writes.outageSeconds ?? writes.resolutionSeconds) : null,
    isBelowResolution: measured && writes.outageSeconds === null,
    limitSeconds,
  };
}

const OUTCOMES_WITH_VERDICT: readonly DrillOutcome[] = ['passed', 'failed', 'unknown'];

function kindOf(kind: string, drills: readonly TrendDrill[], now: number): TrendKind {
  const count = (outcome: DrillOutcome) => drills.filter((drill) => drill.outcome === outcome).length;
  const lastPass = drills.findLast(({ outcome }) => outcome === 'passed')?.at ?? null;
  const measured = drills.flatMap(({ outageSeconds }) => outageSeconds ?? []);
  const sorted = [...measured].sort((one, other) => one - other);
  const [passed, failed, unknown] = [count('passed'), count('failed'), count('unknown')];
  return {
    kind,
    drills: drills.length,
    passed,
    failed,
    unknown,
    withoutVerdict: drills.length - passed - failed - unknown,
    lastPass,
    daysSinceLastPass: lastPass === null ? null : Math.max(0, Math.floor((now - Date.parse(lastPass)) / A_DAY_MS)),
    lastOutage: measured.at(-1) ?? null,
    medianOutage: median(sorted),
    worstOutage: sorted.at(-1) ?? null,
    limitSeconds: drills.findLast((drill) => drill.limitSeconds !== null)?.limitSeconds ?? null,
  };
}

function median(sorted: readonly number[]): number | null {
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? null : Math.round(((low + high) / 2) * 100) / 100;
}

export const TREND_HEAD = [
  'kind',
  'drills',
  'passed',
  'failed',
  'unknown',
  'no verdict',
  'last pass',
  'days since',
  'last',
  'median',
  'worst',
  'limit',
] as const;

/** The cells of the table, as text. */
export function trendRows({ kinds }: Trend): string[][] {
  const inSeconds = (value: number | null) => (value === null ? '\u2013' : `${value} s`);
  return kinds.map((row) => [
    row.kind,
    ...[row.drills, row.passed, row.failed, row.unknown, row.withoutVerdict].map(String),
    row.lastPass?.slice(0, 10) ?? 'never',
    row.daysSinceLastPass === null ? '\u2013' : String(row.daysSinceLastPass),
    ...[row.lastOutage, row.medianOutage, row.worstOutage, row.limitSeconds].map(inSeconds),
  ]);
}

interface Size {
  width: ChartWidth;
  standalone: boolean;
}

/** One strip for each kind, above each other on the same time axis: no colour is needed to tell them apart. */
export function renderTrendChart(
  trend: Trend,
  { width, standalone }: Size = { width: 'wide', standalone: true },
): string {
  const measured = trend.drills.filter(({ outageSeconds }) => outageSeconds !== null);
  const kinds = [...new Set(measured.map(({ kind }) => kind))].sort();
  const strip = 132;
  const [left, right] = [52, CHART_WIDTHS[width] - 14];
  const height = Math.max(1, kinds.length) * strip + 30;
  const times = measured.map(({ at }) => Date.parse(at));
  const [first = 0, last = first] = times.length === 0 ? [] : [Math.min(...times), Math.max(...times)];
  const days = linearScale(
    { from: 0, to: Math.max(1, (last - first) / A_DAY_MS) },
    { from: left + 10, to: right - 10 },
    Math.floor((right - left) / 110),
  );
  const x = (at: number) => days((at - first) / A_DAY_MS);
  const id = `trend-${width}`;
  const strips = kinds.map((kind, index) =>
    renderStrip(
      measured.filter((drill) => drill.kind === kind),
      { kind, top: index * strip + 22, bottom: index * strip + strip - 6, left, right, x },
    ),
  );
  const ticks = days.ticks
    .filter(({ value }) => Number.isInteger(value))
    .map(({ value }) => {
      const at = days(value);
      const label = new Date(first + value * A_DAY_MS).toISOString().slice(width === 'wide' ? 0 : 5, 10);
      // Half of a date is 32 pixels wide: at the edge it stays inside.
      const anchor = right - at < 24 ? 'end' : 'middle';
      return element('text', { class: 'tick', x: at, y: height - 8, 'text-anchor': anchor }, label);
    });
  const empty = element('text', { class: 'label', x: left, y: 60 }, 'No drill has measured an outage yet.');
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: `chart ${width}`,
      viewBox: `0 0 ${CHART_WIDTHS[width]} ${height}`,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
    },
    element('title', { id: `${id}-title` }, 'Outages of failover drills over time') +
      element('desc', { id: `${id}-description` }, escapeMarkup(describeTrend(trend))) +
      (standalone ? element('style', {}, STANDALONE_STYLE) : '') +
      (kinds.length === 0 ? empty : strips.join('') + ticks.join('')),
  );
}

interface Strip {
  kind: string;
  top: number;
  bottom: number;
  left: number;
  right: number;
  x: (at: number) => number;
}

function renderStrip(drills: readonly TrendDrill[], { kind, top, bottom, left, right, x }: Strip): string {
  const values = drills.flatMap(({ outageSeconds }) => outageSeconds ?? []);
  const limits = drills.flatMap(({ limitSeconds }) => limitSeconds ?? []);
  const limit = limits.at(-1);
  const y = logScale(
    { from: Math.max(0.1, Math.min(...values, limit ?? Infinity) / 1.6), to: Math.max(1, ...values, limit ?? 1) * 1.6 },
    { from: bottom, to: top },
    (seconds) => `${shortNumber(seconds)} s`,
  );
  // Labels of a logarithmic axis crowd: one for each 18 pixels is enough.
  const ticks = y.ticks.filter(
    ({ value }, index) => index === 0 || Math.abs(y(value) - y(y.ticks[index - 1]?.value ?? value)) >= 14,
  );
  const grid = ticks.map(
    ({ value, label }) =>
      element('line', { class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value) }) +
      element('text', { class: 'tick', x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, escapeMarkup(label)),
  );
  const slo =
    limit === undefined
      ? ''
      : element('line', { class: 'limit', x1: left, x2: right, y1: y(limit), y2: y(limit) }) +
        element(
          'text',
          { class: 'label', x: right, y: y(limit) - 4, 'text-anchor': 'end' },
          escapeMarkup(`limit ${limit} s`),
        );
  const points = drills.map((drill) => {
    const { outcome, outageSeconds, at, isBelowResolution } = drill;
    const label = `${at.slice(0, 10)}: ${isBelowResolution ? 'at most ' : ''}${outageSeconds} s, ${outcome}`;
    return element(
      'path',
      { class: `point ${outcome}`, d: pointPath(outcome, x(Date.parse(at)), y(outageSeconds ?? 0)) },
      element('title', {}, escapeMarkup(label)),
    );
  });
  return [
    element('text', { class: 'label strong', x: left, y: top - 8 }, escapeMarkup(kind)),
    ...grid,
    element('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    slo,
    ...points,
  ].join('');
}

/** Round when passed, a square when failed, a triangle when it could not be told. */
function pointPath(outcome: DrillOutcome, x: number, y: number): string {
  if (outcome === 'passed') return `M${number(x - 4.5)} ${number(y)}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z`;
  if (outcome === 'failed') return `M${number(x - 5)} ${number(y - 5)}h10v10h-10z`;
  return `M${number(x)} ${number(y - 6)}l6 11h-12z`;
}

function describeTrend({ kinds }: Trend): string {
  const parts = kinds.map(({ kind, drills, passed, medianOutage, worstOutage, limitSeconds, daysSinceLastPass }) => {
    const outage =
      medianOutage === null ? 'no outage measured' : `median outage ${medianOutage} s, worst ${worstOutage} s`;
    const limit = limitSeconds === null ? '' : `, limit ${limitSeconds} s`;
    const pass = daysSinceLastPass === null ? 'never passed' : `last passed ${daysSinceLastPass} days ago`;
    return `${kind}: ${passed} of ${drills} passed, ${outage}${limit}, ${pass}`;
  });
  return `Each point is a drill: round when passed, square when failed, a triangle when it could not be told. ${parts.join('. ')}.`;
}

/** The same as a page, for a wide and a narrow screen, with the table. */
export function renderTrendPage(trend: Trend, now: number): string {
  const rows = trendRows(trend).map((cells) =>
    element(
      'tr',
      {},
      cells
        .map((cell, index) => element('td', { class: index === 0 ? undefined : 'number' }, escapeMarkup(cell)))
        .join(''),
    ),
  );
  const head = TREND_HEAD.map((title, index) =>
    element('th', { scope: 'col', class: index === 0 ? undefined : 'number' }, title),
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Failover drills</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>Failover drills</h1>
<p class="soft">${escapeMarkup(`${trend.drills.length} drills, as of ${new Date(now).toISOString().slice(0, 16).replace('T', ' ')} UTC`)}</p>
<figure>
${(['wide', 'narrow'] as const).map((width) => renderTrendChart(trend, { width, standalone: false })).join('\n')}
<figcaption>Outage for a client, on a logarithmic scale. Round: passed; square: failed; triangle: could not be told. Dashed: the limit.</figcaption>
</figure>
<div class="scroll"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>
</main>
</body>
</html>
`;
}
