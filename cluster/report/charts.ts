import { formatDuration } from './duration';
import type { Phase, WriteSample } from './drill-record';
import { element, escapeMarkup, number, type Attributes } from './markup';
import { linearScale, logScale, type Scale } from './scale';

/**
 * The charts of a drill as SVG, without a browser and without a library. Colours are CSS variables of the page around them (light and dark); what a colour
 * says, a shape, a pattern or a word says as well. Each chart is drawn twice, for a wide and a narrow screen, so that its text stays readable.
 */

export const CHART_WIDTHS = { wide: 900, narrow: 360 } as const;
export type ChartWidth = keyof typeof CHART_WIDTHS;

/** A stretch that is marked behind the data: the fault, and the time in which not every client was served. */
export interface Band {
  kind: 'fault' | 'outage';
  from: number;
  to: number;
}

/** A moment that is marked by a line. */
export interface Moment {
  at: number;
  label: string;
}

/** Where time is counted from, and how much of it is shown (ms since the epoch). */
export interface TimeFrame {
  zero: number;
  from: number;
  to: number;
}

interface Frame {
  name: string;
  title: string;
  description: string;
  width: ChartWidth;
  height: number;
}

/** Names the chart for those who do not see it. */
function svg({ name, title, description, width, height }: Frame, content: string): string {
  const id = `${name}-${width}`;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: `chart ${width}`,
      viewBox: `0 0 ${CHART_WIDTHS[width]} ${height}`,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
    },
    element('title', { id: `${id}-title` }, escapeMarkup(title)) +
      element('desc', { id: `${id}-description` }, escapeMarkup(description)) +
      content,
  );
}

const text = (x: number, y: number, content: string, attributes: Attributes = {}): string =>
  element('text', { x, y, ...attributes }, escapeMarkup(content));
const line = (x1: number, y1: number, x2: number, y2: number, attributes: Attributes): string =>
  element('line', { x1, y1, x2, y2, ...attributes });

interface Plot {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Seconds since the fault. */
function timeScale({ zero, from, to }: TimeFrame, { left, right }: Plot): Scale {
  const seconds = { from: (from - zero) / 1000, to: (to - zero) / 1000 };
  const scale = linearScale(
    seconds,
    { from: left, to: right },
    Math.max(3, Math.floor((right - left) / 90)),
    (value) => (value === 0 ? '0 s' : `${value > 0 ? '+' : '\u2212'}${Math.abs(value)} s`),
  );
  return Object.assign((at: number) => scale((at - zero) / 1000), { ticks: scale.ticks });
}

function axes(plot: Plot, zero: number, x: Scale, y: Scale): string {
  const { left, right, top, bottom } = plot;
  const rows = y.ticks.map(
    ({ value, label }) =>
      line(left, y(value), right, y(value), { class: 'grid' }) +
      text(left - 6, y(value) + 4, label, { class: 'tick', 'text-anchor': 'end' }),
  );
  const columns = x.ticks.map(({ value, label }) => {
    const at = x(zero + value * 1000);
    return (
      line(at, bottom, at, bottom + 4, { class: 'axis' }) +
      text(at, bottom + 17, label, { class: 'tick', 'text-anchor': anchor(at, plot, 14) })
    );
  });
  return [
    ...rows,
    ...columns,
    line(left, bottom, right, bottom, { class: 'axis' }),
    line(left, top, left, bottom, { class: 'axis' }),
  ].join('');
}

const BAND_LABELS = { fault: 'fault', outage: 'not all served' } as const;

/** One lane above the plot for each kind, so that a label never lies on data; the band itself reaches down through it. */
function bands(list: readonly Band[], { from, to }: TimeFrame, { left, right, top, bottom }: Plot, x: Scale): string {
  return list
    .filter((band) => band.to > from && band.from < to)
    .map((band) => {
      const [start, end] = [Math.max(left, x(band.from)), Math.min(right, x(band.to))];
      const lane = band.kind === 'fault' ? top - 30 : top - 15;
      const width = Math.max(1, end - start);
      return (
        element('rect', { class: `band ${band.kind}`, x: start, y: lane, width, height: bottom - lane }) +
        line(start, lane, start, bottom, { class: `edge ${band.kind}` }) +
        line(end, lane, end, bottom, { class: `edge ${band.kind}` }) +
        bandLabel(BAND_LABELS[band.kind], { start, end, lane, left, right })
      );
    })
    .join('');
}

/** About 6.3 px a character at 11 px. */
const CHARACTER = 6.3;

/** Inside the band where it has room, else beside it, on the side that has. */
function bandLabel(
  label: string,
  at: { start: number; end: number; lane: number; left: number; right: number },
): string {
  const room = label.length * CHARACTER + 8;
  const y = at.lane + 11;
  if (at.end - at.start >= room) return text(at.start + 4, y, label, { class: 'band-label' });
  if (at.end + room <= at.right) return text(at.end + 4, y, label, { class: 'band-label' });
  return text(at.start - 4, y, label, { class: 'band-label', 'text-anchor': 'end' });
}

const inFrame = ({ from, to }: TimeFrame, at: number): boolean => at >= from && at <= to;

function moments(list: readonly Moment[], frame: TimeFrame, { top, bottom }: Plot, x: Scale): string {
  return list
    .filter(({ at }) => inFrame(frame, at))
    .map(
      ({ at }, index) =>
        line(x(at), top - 30, x(at), bottom, { class: 'moment' }) +
        text(x(at), top - 34, String(index + 1), { class: 'tick', 'text-anchor': 'middle' }),
    )
    .join('');
}

export interface DrillChart {
  width: ChartWidth;
  frame: TimeFrame;
  bands: readonly Band[];
  moments: readonly Moment[];
  samples: readonly WriteSample[];
}

const plotOf = (width: ChartWidth, height: number): Plot => ({
  left: 52,
  right: CHART_WIDTHS[width] - 12,
  top: 50,
  bottom: height - 26,
});

/** Latency of every write, from the time it was due: logarithmic, because an outage is a thousand times longer than a commit. */
export function latencyScatter(chart: DrillChart): string {
  const { width, frame, samples } = chart;
  const height = width === 'wide' ? 330 : 300;
  const plot = plotOf(width, height);
  const shown = samples.filter(({ due, fate }) => fate !== 'skipped' && inFrame(frame, due));
  const latencies = shown.map(latency);
  const y = logScale(
    { from: decade(Math.min(...latencies, 10), Math.floor), to: decade(Math.max(...latencies, 1000), Math.ceil) },
    { from: plot.bottom, to: plot.top },
    (ms) => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`),
  );
  const x = timeScale(frame, plot);
  const points = thinOut(shown.map((sample) => ({ fate: sample.fate, x: x(sample.due), y: y(latency(sample)) })));
  const marks = (['acknowledged', 'unknown', 'failed'] as const).map((fate) => {
    const path = points
      .filter((point) => point.fate === fate)
      .map((point) => MARKS[fate](point.x, point.y))
      .join('');
    return path === '' ? '' : element('path', { class: `mark ${fate}`, d: path });
  });
  const skipped = samples.filter(({ fate, due }) => fate === 'skipped' && inFrame(frame, due));
  const ticks = [...new Set(skipped.map(({ due }) => Math.round(x(due))))]
    .map((at) => `M${at} ${plot.bottom - 5}v5`)
    .join('');
  return svg(
    {
      name: 'latency',
      width,
      height,
      title: 'Latency of every write',
      description: `${describeSamples(shown)}; each point is one write, its height the time from when it was due until its fate was known, on a logarithmic scale. Acknowledged writes are dots, unanswered ones triangles, refused ones crosses.`,
    },
    bands(chart.bands, frame, plot, x) +
      axes(plot, frame.zero, x, y) +
      moments(chart.moments, frame, plot, x) +
      marks.join('') +
      (ticks === '' ? '' : element('path', { class: 'mark skipped', d: ticks })),
  );
}

/** A point of zero length with a round cap is a dot; triangles and crosses are drawn. */
const MARKS = {
  acknowledged: (x: number, y: number) => `M${number(x)} ${number(y)}h0`,
  unknown: (x: number, y: number) => `M${number(x)} ${number(y - 4)}l3.5 6.5h-7z`,
  failed: (x: number, y: number) => `M${number(x - 3)} ${number(y - 3)}l6 6m0-6l-6 6`,
} as const;

const latency = ({ due, endedAt }: WriteSample): number => Math.max(0.1, endedAt - due);
const decade = (value: number, round: (power: number) => number): number => 10 ** round(Math.log10(value));

interface Point {
  fate: WriteSample['fate'];
  x: number;
  y: number;
}

/**
 * Of the acknowledged ones the lowest and the highest in each column of pixels, of the others every one that does not lie on another of its kind: what is
 * out of the ordinary is never dropped.
 */
function thinOut(points: readonly Point[]): Point[] {
  const columns = new Map<number, { low: Point; high: Point }>();
  const others = new Map<string, Point>();
  for (const point of points) {
    if (point.fate !== 'acknowledged') {
      others.set(`${point.fate} ${Math.round(point.x)} ${Math.round(point.y)}`, point);
      continue;
    }
    const column = Math.round(point.x * 2);
    const { low, high } = columns.get(column) ?? { low: point, high: point };
    columns.set(column, { low: point.y > low.y ? point : low, high: point.y < high.y ? point : high });
  }
  return [
    ...[...columns.values()].flatMap(({ low, high }) => (low === high ? [low] : [low, high])),
    ...others.values(),
  ];
}

export function describeSamples(samples: readonly WriteSample[]): string {
  const count = (fate: WriteSample['fate']) => samples.filter((sample) => sample.fate === fate).length;
  return `${samples.length} writes: ${count('acknowledged')} acknowledged, ${count('unknown')} unanswered, ${count('failed')} refused`;
}

const STACK = ['acknowledged', 'unknown', 'failed', 'skipped'] as const;

/** Commits of each second, and what became of the other attempts of it. */
export function commitRate(chart: DrillChart): string {
  const { width, frame, samples } = chart;
  const height = width === 'wide' ? 250 : 240;
  const plot = plotOf(width, height);
  const seconds = bucketSeconds((frame.to - frame.from) / 1000, plot.right - plot.left);
  const buckets = bucketsOf(samples, frame, seconds);
  const highest = Math.max(1, ...buckets.map(({ total }) => total));
  const y = linearScale({ from: 0, to: highest * 1.05 }, { from: plot.bottom, to: plot.top }, 5);
  const x = timeScale(frame, plot);
  const stacks = STACK.map((fate, layer) => {
    const path = buckets.flatMap(({ at, rates }) => {
      const rate = rates[fate];
      if (rate === 0) return [];
      const base = STACK.slice(0, layer).reduce((sum, below) => sum + rates[below], 0);
      const [left, right] = [Math.max(plot.left, x(at)), Math.min(plot.right, x(at + seconds * 1000))];
      const gap = right - left > 4 ? 1 : 0;
      return [`M${number(left)} ${number(y(base))}H${number(right - gap)}V${number(y(base + rate))}H${number(left)}z`];
    });
    const style = fate === 'acknowledged' ? undefined : `fill:url(#rate-${width}-${fate})`;
    return path.length === 0 ? '' : element('path', { class: `bar ${fate}`, d: path.join(''), style });
  });
  const each = seconds === 1 ? 'second' : `${seconds} seconds`;
  return svg(
    {
      name: 'rate',
      width,
      height,
      title: 'Commits per second',
      description: `Bars for each ${each}: acknowledged writes at the bottom, above them unanswered, refused and skipped ones, by the time at which their fate was known. ${describeSamples(samples.filter(({ fate }) => fate !== 'skipped'))}.`,
    },
    patterns('rate', width) +
      bands(chart.bands, frame, plot, x) +
      axes(plot, frame.zero, x, y) +
      stacks.join('') +
      moments(chart.moments, frame, plot, x),
  );
}

/** Bars of at least three pixels. */
function bucketSeconds(span: number, pixels: number): number {
  return [1, 2, 5, 10, 30, 60, 300].find((seconds) => (span / seconds) * 3 <= pixels) ?? 600;
}

interface Bucket {
  at: number;
  total: number;
  rates: Record<(typeof STACK)[number], number>;
}

function bucketsOf(samples: readonly WriteSample[], { zero, from, to }: TimeFrame, seconds: number): Bucket[] {
  const size = seconds * 1000;
  // Counted from the fault, so that no bar stands on both sides of it.
  const first = Math.floor((from - zero) / size);
  const last = Math.floor((to - zero) / size);
  const buckets = Array.from({ length: last - first + 1 }, (_, index): Bucket => ({
    at: zero + (first + index) * size,
    total: 0,
    rates: { acknowledged: 0, unknown: 0, failed: 0, skipped: 0 },
  }));
  for (const { endedAt, fate } of samples) {
    const bucket = buckets[Math.floor((endedAt - zero) / size) - first];
    if (bucket === undefined || endedAt < from || endedAt > to) continue;
    bucket.total += 1 / seconds;
    bucket.rates[fate] += 1 / seconds;
  }
  return buckets;
}

/** Hatchings, so that the bars differ without their colours. */
function patterns(name: string, width: ChartWidth): string {
  const hatch = (fate: string, path: string) =>
    element(
      'pattern',
      { id: `${name}-${width}-${fate}`, width: 6, height: 6, patternUnits: 'userSpaceOnUse' },
      element('rect', { width: 6, height: 6, class: `ground ${fate}` }) + element('path', { d: path, class: 'hatch' }),
    );
  return element(
    'defs',
    {},
    hatch('unknown', 'M-1 1l2-2M0 6l6-6M5 7l2-2') + hatch('failed', 'M0 0l6 6M0 6l6-6') + hatch('skipped', 'M3 0v6'),
  );
}

/** The fault's time as one bar, and below it each phase in its place. */
export function phaseBar({
  width,
  phases,
  zero,
}: {
  width: ChartWidth;
  phases: readonly Phase[];
  zero: number;
}): string {
  const narrow = width === 'narrow';
  const rowHeight = narrow ? 44 : 30;
  const top = 30;
  const plot: Plot = {
    left: narrow ? 12 : 330,
    right: CHART_WIDTHS[width] - (narrow ? 12 : 74),
    top,
    bottom: top + rowHeight * (phases.length + 1) + 4,
  };
  const height = plot.bottom + 26;
  const [from, to] = [
    Math.min(zero, ...phases.map((phase) => phase.from)),
    Math.max(zero + 1000, ...phases.map((phase) => phase.to)),
  ];
  const frame = { zero, from, to };
  const x = timeScale(frame, plot);
  const bar = (phase: Phase, y: number) =>
    element('rect', {
      class: `phase ${phase.isOutage ? 'outage' : 'service'}`,
      x: x(phase.from),
      y,
      width: Math.max(1.5, x(phase.to) - x(phase.from)),
      height: 16,
    });
  const offset = narrow ? 20 : 7;
  const total = phases.filter(({ isOutage }) => isOutage);
  const rows = phases.map((phase, index) => {
    const y = top + rowHeight * (index + 1);
    const seconds = formatDuration(phase.to - phase.from);
    const label = `${index + 1}. ${phase.name}`;
    const caption = narrow
      ? text(plot.left, y + 14, `${label}: ${seconds}`, { class: 'label' })
      : text(plot.left - 8, y + 19, label, { class: 'label', 'text-anchor': 'end' }) +
        text(Math.min(x(phase.to) + 6, plot.right + 6), y + 19, seconds, { class: 'value' });
    return caption + bar(phase, y + offset);
  });
  const sum = formatDuration(total.reduce((all, phase) => all + phase.to - phase.from, 0));
  const all =
    (narrow
      ? text(plot.left, top + 14, `not all clients are served: ${sum}`, { class: 'label strong' })
      : text(plot.left - 8, top + 19, 'not all clients are served', { class: 'label strong', 'text-anchor': 'end' }) +
        text(Math.min(x(Math.max(...total.map((phase) => phase.to), zero)) + 6, plot.right + 6), top + 19, sum, {
          class: 'value strong',
        })) + total.map((phase) => bar(phase, top + offset)).join('');
  const ticks = x.ticks.map(({ value, label }) => {
    const at = x(zero + value * 1000);
    return (
      line(at, top, at, plot.bottom, { class: 'grid' }) +
      text(at, plot.bottom + 17, label, { class: 'tick', 'text-anchor': anchor(at, plot, 14) })
    );
  });
  return svg(
    {
      name: 'phases',
      width,
      height,
      title: 'Where the time went',
      description: `Phases since the fault was ordered: ${phases.map((phase) => `${phase.name}, ${formatDuration(phase.to - phase.from)}`).join('; ')}. In all not every client was served for ${sum}.`,
    },
    ticks.join('') +
      all +
      rows.join('') +
      line(x(zero), top - 6, x(zero), plot.bottom, { class: 'moment' }) +
      text(x(zero), top - 10, 'fault ordered', { class: 'tick', 'text-anchor': anchor(x(zero), plot) }),
  );
}

/** Text at an edge stays inside the chart. */
function anchor(at: number, { left, right }: Plot, room = 40): 'start' | 'middle' | 'end' {
  if (at - left < room) return 'start';
  return right - at < room ? 'end' : 'middle';
}
