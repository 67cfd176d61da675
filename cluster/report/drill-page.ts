import type { StepRecord, VerdictCheck } from '../step';
import { faultOutage } from '../verdict/judge-writes';
import { sustainedSince, type ClassTimes, type Outage } from '../verdict/service-times';
import {
  commitRate,
  describeSamples,
  latencyScatter,
  phaseBar,
  type Band,
  type ChartWidth,
  type Moment,
  type TimeFrame,
} from './charts';
import {
  OUTCOME_WORDS,
  REPORT_FILES,
  STATE_TIMES,
  figuresOf,
  latencyTable,
  milestoneLabels,
  outcomeOf,
  phasesOf,
  samplesOf,
  wasRead,
  type DrillRecord,
  type NamedValue,
} from './drill-record';
import { durationBetween, formatDuration } from './duration';
import { renderJournal } from './journal';
import { element, escapeMarkup } from './markup';
import { PAGE_STYLE } from './page-style';
import { describeState } from './step-table';

/** The report of one drill as one page that needs nothing else: no script, no font, no picture from elsewhere. */
export function renderDrillPage(record: DrillRecord): string {
  const outcome = outcomeOf(record);
  const { word } = OUTCOME_WORDS[outcome];
  const title = `Drill ${record.kind} of ${record.cluster}: ${word}`;
  const journal = JSON.stringify(renderJournal(record)).replaceAll('<', '\\u003c');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${[
  heading(record),
  figures(record),
  section('What holds, and what does not', checks(record)),
  ...charts(record),
  section('What was done', steps(record.steps)),
  section('The cluster before, during and after', states(record)),
  section('Versions and settings', pairs('Versions', record.versions) + pairs('Settings', record.settings)),
  section('Evidence', evidence(record)),
]
  .filter((part) => part !== '')
  .join('\n')}
</main>
<script type="application/json" id="journal">${journal}</script>
</body>
</html>
`;
}

const paragraph = (content: string, attributes = {}): string => element('p', attributes, escapeMarkup(content));

function section(title: string, content: string): string {
  return content === '' ? '' : element('section', {}, `${element('h2', {}, escapeMarkup(title))}\n${content}`);
}

/** `2026-11-22 02:30:01 UTC`. */
const utc = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function heading(record: DrillRecord): string {
  const outcome = outcomeOf(record);
  const { word, mark, meaning } = OUTCOME_WORDS[outcome];
  const { verdict, failure, startedAt, endedAt, writes } = record;
  const lost = writes?.counts.lost ?? 0;
  const sentences = [
    // What a cluster like this is there to prevent comes first.
    lost > 0
      ? `${lost} ${lost === 1 ? 'write was acknowledged and is' : 'writes were acknowledged and are'} lost.`
      : meaning,
    ...(verdict === undefined ? [] : [`${verdict.summary}.`]),
    ...(failure === undefined ? [] : [`${failure.code}: ${failure.message}`]),
    ...(failure?.observed === undefined ? [] : [`Seen: ${failure.observed}`]),
    ...(failure?.whatNow === undefined ? [] : [`What now: ${failure.whatNow}`]),
    ...(isWithoutFencing(record) ? [NO_FENCING] : []),
  ];
  return [
    element('h1', {}, escapeMarkup(`Failover drill ${record.kind} of ${record.cluster}`)),
    paragraph(`${utc(startedAt)}, ${formatDuration(endedAt - startedAt)}`, { class: 'soft' }),
    element(
      'div',
      { class: `verdict ${outcome}` },
      element('strong', {}, escapeMarkup(`${mark} ${word}`)) +
        sentences.map((sentence) => paragraph(sentence)).join(''),
    ),
  ].join('\n');
}

/** Said with every verdict, so that nobody takes a pair without fencing for more than it is. */
const NO_FENCING = 'Fencing: none, so a lost node is not switched off before the other one takes over.';

const isWithoutFencing = ({ settings }: DrillRecord): boolean =>
  settings.some(({ name, value }) => name === 'fencing' && value === 'none');

/** What a reader wants first. Nothing is shown that was not measured: without a fault there is no outage of it. */
function figures(record: DrillRecord): string {
  if (record.entries.length === 0 || record.faultAt === undefined) return '';
  const { counts, acknowledged, outages, unavailableSeconds, voidSeconds, ...times } = figuresOf(record);
  const { faultAt, limitSeconds, steps: list } = record;
  const outage = faultOutage(outages, faultAt);
  const isRead = wasRead(record);
  const steady = outage === undefined ? undefined : sustainedSince(record.entries, outage.to);
  const whole = list.find(({ id, state }) => id.endsWith('-healthy') && state === 'done')?.endedAt;
  const limit = limitSeconds === undefined ? '' : `, at most ${limitSeconds} s allowed`;
  const recovery = ({ outages: own }: ClassTimes): [string, string] => {
    const worst = faultOutage(own, faultAt);
    return worst === undefined
      ? [`below ${times.resolutionSeconds} s`, `± ${times.resolutionSeconds} s${limit}`]
      : [`${worst.seconds} s${worst.ended === true ? '' : ' or more'}`, `± ${worst.resolutionSeconds} s${limit}`];
  };
  const tiles: [string, string, string][] = [
    ['Outage for new connections (RTO)', ...recovery(times.newConnections)],
    ['Outage for existing sessions (RTO)', ...recovery(times.existingSessions)],
    ['Acknowledged rows lost', isRead ? String(counts.lost) : 'not known', `of ${acknowledged} acknowledged`],
    [
      'Without service in all',
      `${unavailableSeconds} s`,
      `± ${uncertaintyOf(outages, counts.outages, times.resolutionSeconds)} s, ${counts.outages} ${counts.outages === 1 ? 'outage' : 'outages'}${voidSeconds === 0 ? '' : `; the probe cannot vouch for ${voidSeconds} s`}`,
    ],
  ];
  if (isRead) tiles.push(['Rows that nobody wrote', String(counts.unexpected), `${counts.duplicates} rows twice`]);
  if (steady !== undefined && faultAt !== undefined) {
    tiles.push([
      'Steady service after',
      formatDuration(steady - faultAt),
      `± ${times.resolutionSeconds} s, since the fault was ordered`,
    ]);
  }
  const redundant = record.milestones?.find(({ name }) => name === 'redundant')?.seen;
  if (redundant !== undefined && faultAt !== undefined) {
    const error = `± ${Math.ceil(redundant.errorMs)} ms, by the log of ${redundant.node ?? 'a node'}`;
    tiles.push(['Both copies current after', formatDuration(redundant.at - faultAt), error]);
  } else if (whole !== undefined && faultAt !== undefined) {
    const note = 'both copies current again, as the drill saw it: up to a second late';
    tiles.push(['Whole pair after', formatDuration(Date.parse(whole) - faultAt), note]);
  }
  return element(
    'dl',
    { class: 'figures' },
    tiles
      .map(([name, value, note]) =>
        element(
          'div',
          {},
          element('dt', {}, escapeMarkup(name)) +
            element('dd', {}, escapeMarkup(value) + element('small', {}, escapeMarkup(note))),
        ),
      )
      .join(''),
  );
}

/** Each outage may have been so much longer or shorter; those that are not listed count with the probe's own resolution. */
function uncertaintyOf(outages: readonly Outage[], count: number, resolutionSeconds: number): number {
  const listed = outages.reduce((sum, outage) => sum + outage.resolutionSeconds, 0);
  // Without any there may be one that is too short to be seen.
  const others = Math.max(count, 1) - outages.length;
  return Math.round((listed + others * resolutionSeconds) * 100) / 100;
}

interface Cell {
  html: string;
  className?: string;
}
const plain = (content: string): Cell => ({ html: escapeMarkup(content) });
/** Of a node, which is not to be broken in two. */
const unbroken = (content: string): Cell => ({ html: escapeMarkup(content), className: 'unbroken' });
const roomy = (content: string): Cell => ({ html: escapeMarkup(content), className: 'roomy' });
const numeric = (content: string): Cell => ({ html: escapeMarkup(content), className: 'number' });

function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { caption, stack }: { caption?: string; stack?: true } = {},
): string {
  const numbers = new Set(rows[0]?.flatMap(({ className }, index) => (className === 'number' ? [index] : [])));
  const titles = head.map((title, index) =>
    element('th', { scope: 'col', class: numbers.has(index) ? 'number' : undefined }, escapeMarkup(title)),
  );
  const body = rows.map((cells) =>
    element('tr', {}, cells.map(({ html, className }) => element('td', { class: className }, html)).join('')),
  );
  return element(
    'div',
    { class: 'scroll' },
    element(
      'table',
      { class: stack === true ? 'stack' : undefined },
      (caption === undefined ? '' : element('caption', {}, escapeMarkup(caption))) +
        element('thead', {}, element('tr', {}, titles.join(''))) +
        element('tbody', {}, body.join('\n')),
    ),
  );
}

function checkState({ passed, unknown, notRun }: VerdictCheck): Cell {
  if (notRun === true) return { html: '– not run', className: 'state doubt' };
  if (passed) return { html: '✓ holds', className: 'state good' };
  return unknown === true
    ? { html: '? not known', className: 'state doubt' }
    : { html: '✗ does not hold', className: 'state bad' };
}

function checks({ verdict }: DrillRecord): string {
  if (verdict === undefined || verdict.checks.length === 0) return '';
  return table(
    ['', 'check', 'detail'],
    verdict.checks.map((check) => [checkState(check), plain(check.name), plain(check.detail)]),
    { stack: true },
  );
}

const WIDTHS: readonly ChartWidth[] = ['wide', 'narrow'];

function charts(record: DrillRecord): string[] {
  const { entries, faultAt } = record;
  const samples = samplesOf(entries);
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return [];
  const { outages } = figuresOf(record);
  const zero = faultAt ?? first.due;
  const frame: TimeFrame = {
    zero,
    from: Math.min(first.due, zero),
    to: Math.max(last.due, last.endedAt, zero + 1000),
  };
  const marked: Band[] = [
    ...faultBand(record, frame),
    ...outages.map(({ from, to }): Band => ({ kind: 'outage', from, to })),
  ];
  const events = momentsOf(record);
  const both = (draw: (width: ChartWidth) => string) => WIDTHS.map(draw).join('\n');
  const chart = { frame, bands: marked, moments: events, samples };
  const phases = phasesOf(record);
  const counted = `Seconds are counted from ${faultAt === undefined ? 'the first write' : 'the order of the fault'}.`;
  return [
    phases.length === 0
      ? ''
      : section(
          'Where the time went',
          element(
            'figure',
            {},
            `${both((width) => phaseBar({ width, phases, zero }))}${element('figcaption', {}, escapeMarkup(PHASE_NOTE))}`,
          ) +
            table(
              ['', 'phase', 'lasts', 'from', 'to', 'clock'],
              phases.map((phase, index) => [
                numeric(String(index + 1)),
                plain(phase.name),
                numeric(formatDuration(phase.to - phase.from)),
                numeric(since(phase.from, zero)),
                numeric(since(phase.to, zero)),
                plain(phase.clock),
              ]),
            ),
        ),
    milestones(record, zero),
    section(
      'Latency of every write',
      element(
        'figure',
        {},
        both((width) => latencyScatter({ ...chart, width })) +
          element(
            'figcaption',
            {},
            legend(['acknowledged', 'unknown', 'failed', 'skipped']) +
              escapeMarkup(`${describeSamples(samples)}. ${counted} `) +
              momentList(events, zero),
          ),
      ) + latencies(record),
    ),
    section(
      'Commits per second',
      element(
        'figure',
        {},
        both((width) => commitRate({ ...chart, width })) +
          element(
            'figcaption',
            {},
            legend(['acknowledged', 'unknown', 'failed', 'skipped'], true) + escapeMarkup(counted),
          ),
      ) + outageTable(record, zero),
    ),
  ];
}

const PHASE_NOTE =
  'Times of clients are from the ledger of the writer, which one clock keeps; those of nodes from their logs, by the measured offsets of their clocks; others are from the step table of the workflow, which sees things up to a second late.';

/** What is not seen is said, too: nobody shall take it for zero. */
function milestones({ milestones: seen = [] }: DrillRecord, zero: number): string {
  if (seen.length === 0) return '';
  const rows = milestoneLabels(seen).map(({ label, seen: moment }) =>
    moment === undefined
      ? [plain(label), numeric('not seen'), numeric(''), plain(''), plain('')]
      : [
          plain(label),
          numeric(since(moment.at, zero)),
          numeric(moment.node === undefined ? '' : `± ${Math.ceil(moment.errorMs)} ms`),
          unbroken(moment.node ?? 'clients'),
          plain(moment.line ?? 'from the ledger'),
        ],
  );
  return section(
    'What the nodes wrote of it',
    table(['moment', 'after the fault', 'exact to', 'node', 'line'], rows, { stack: true }),
  );
}

function since(at: number, zero: number): string {
  const seconds = (Math.abs(at - zero) / 1000).toFixed(1);
  const sign = seconds === '0.0' ? '' : at < zero ? '\u2212' : '+';
  return `${sign}${seconds} s`;
}

/** From the order until nothing was broken any more: the wait for a whole pair begins then. */
function faultBand({ faultAt, steps: list, endedAt }: DrillRecord, frame: TimeFrame): Band[] {
  if (faultAt === undefined) return [];
  const repaired = list.find(({ id }) => id.endsWith('-healthy'))?.startedAt;
  return [
    { kind: 'fault', from: faultAt, to: Math.min(frame.to, repaired === undefined ? endedAt : Date.parse(repaired)) },
  ];
}

/** Steps whose end tells something that the charts show. */
const MOMENTS: readonly [string, string][] = [
  ['take-over', 'the other node was seen to serve'],
  ['served-again', 'a server was seen to serve again'],
  ['alone', 'the primary was seen to go on alone'],
  ['one-survivor', 'one node was left, the other one off'],
  ['served-diskless', 'the database was served with the copy that is left'],
  ['left-diskless', 'the node that has a disk had had the time to take over'],
  ['start', 'the machine was started again'],
  ['standby-off', 'the node left standby'],
  ['clear-move', 'the constraint of the move was taken back'],
  ['healthy', 'the pair was whole again'],
];

function momentsOf({ steps: list }: DrillRecord): Moment[] {
  return MOMENTS.flatMap(([name, label]) => {
    const ended = list.find(({ id, state }) => id.endsWith(`-${name}`) && state === 'done')?.endedAt;
    return ended === undefined ? [] : [{ at: Date.parse(ended), label }];
  }).sort((one, other) => one.at - other.at);
}

const momentList = (events: readonly Moment[], zero: number): string =>
  escapeMarkup(
    events.length === 0
      ? ''
      : `Dashed lines: ${events.map(({ at, label }, index) => `${index + 1} ${label} (${since(at, zero)})`).join('; ')}.`,
  );

const WORDS = { acknowledged: 'acknowledged', unknown: 'unanswered', failed: 'refused', skipped: 'skipped' } as const;
const SYMBOLS = {
  acknowledged: '<path class="mark acknowledged" d="M7 7h0" style="stroke-width:7"/>',
  unknown: '<path class="mark unknown" d="M7 1l6 12h-12z"/>',
  failed: '<path class="mark failed" d="M2 2l10 10m0-10l-10 10"/>',
  skipped: '<path class="mark skipped" d="M7 2v10"/>',
} as const;
const GROUNDS = {
  acknowledged: '<rect class="bar acknowledged" width="14" height="14"/>',
  unknown:
    '<rect class="ground unknown" width="14" height="14"/><path class="hatch" d="M0 7l7-7M0 14l14-14M7 14l7-7"/>',
  failed:
    '<rect class="ground failed" width="14" height="14"/><path class="hatch" d="M0 0l14 14M0 14l14-14M7 0l7 7M0 7l7 7"/>',
  skipped: '<rect class="ground skipped" width="14" height="14"/><path class="hatch" d="M4 0v14M10 0v14"/>',
} as const;

function legend(fates: readonly (keyof typeof WORDS)[], isBar = false): string {
  const keys = fates.map((fate) =>
    element(
      'span',
      { class: 'key' },
      `<svg class="chart" viewBox="0 0 14 14" aria-hidden="true">${isBar ? GROUNDS[fate] : SYMBOLS[fate]}</svg>${WORDS[fate]}`,
    ),
  );
  return element('div', {}, keys.join(''));
}

function latencies(record: DrillRecord): string {
  const milliseconds = (value: number | undefined) =>
    numeric(value === undefined ? '\u2013' : `${value.toFixed(1)} ms`);
  return table(
    ['commits', 'number', 'median', '95 %', '99 %', 'longest'],
    latencyTable(record).map(({ stretch, commits, p50, p95, p99, longest }) => [
      plain(stretch),
      numeric(String(commits)),
      milliseconds(p50),
      milliseconds(p95),
      milliseconds(p99),
      milliseconds(longest),
    ]),
    { caption: 'How long an acknowledged commit took, from the time it was due' },
  );
}

function outageTable(record: DrillRecord, zero: number): string {
  const { outages, counts } = figuresOf(record);
  if (outages.length === 0)
    return paragraph(`No pause between acknowledged writes was long enough to count as an outage.`);
  const shown = outages.length < counts.outages ? `The longest ${outages.length} of ${counts.outages}` : undefined;
  return table(
    ['outage', 'seconds', 'last acknowledgement', 'next write that was acknowledged'],
    outages.map(({ from, to, seconds, resolutionSeconds }, index) => [
      numeric(String(index + 1)),
      numeric(`${seconds} ± ${resolutionSeconds}`),
      numeric(since(from, zero)),
      numeric(since(to, zero)),
    ]),
    shown === undefined ? {} : { caption: shown },
  );
}

function steps(list: readonly StepRecord[]): string {
  if (list.length === 0) return '';
  return table(
    ['phase', 'step', 'node', 'state', 'time', 'evidence'],
    list.map((step) => [
      plain(step.chapter),
      roomy(step.sentence),
      unbroken(step.node ?? ''),
      { html: escapeMarkup(describeState(step).replaceAll('*', '')), className: 'state' },
      { html: escapeMarkup(durationBetween(step.startedAt, step.endedAt) ?? ''), className: 'number' },
      plain(evidenceOf(step)),
    ]),
    { stack: true },
  );
}

function evidenceOf({ outcome, failure, decidedBy }: StepRecord): string {
  return [
    ...(decidedBy === undefined ? [] : [`${decidedBy.decision} by ${decidedBy.by}: ${decidedBy.reason}`]),
    ...(failure === undefined ? [] : [`${failure.code}: ${failure.message}`]),
    ...(outcome === undefined
      ? []
      : [outcome.observed, outcome.done, outcome.verified].filter((part) => part !== undefined && part !== '')),
  ].join('; ');
}

function states({ states: files }: DrillRecord): string {
  return STATE_TIMES.flatMap((when) => files.filter((state) => state.when === when))
    .map(({ when, node, text }) =>
      element(
        'details',
        {},
        `${element('summary', {}, escapeMarkup(`${when} the fault: ${node}`))}${element('pre', { tabindex: 0 }, escapeMarkup(text))}`,
      ),
    )
    .join('\n');
}

function pairs(caption: string, list: readonly NamedValue[]): string {
  if (list.length === 0) return '';
  return table(
    ['name', 'value'],
    list.map(({ name, value }) => [plain(name), plain(value)]),
    { caption, stack: true },
  );
}

function evidence({ workflow, drill, ledger, reporter, states: files, logs = [] }: DrillRecord): string {
  const { workflowId, runId, url } = workflow;
  const run = `${workflowId}, run ${runId}`;
  const lines = [
    `Workflow: ${url === undefined ? escapeMarkup(run) : element('a', { href: url }, escapeMarkup(run))}`,
    `Rows of this drill in the database: <code>${escapeMarkup(drill)}</code>`,
    ...(ledger === undefined
      ? ['No ledger: no client wrote.']
      : [
          `Every attempt of the client: ${element('a', { href: ledger.file }, escapeMarkup(ledger.file))}, ${ledger.bytes} bytes, SHA-256 <code>${ledger.sha256}</code>`,
        ]),
    `For programs: ${[REPORT_FILES.journal, REPORT_FILES.junit].map((file) => element('a', { href: file }, file)).join(', ')}`,
    ...(files.length === 0
      ? []
      : [
          `State of the nodes: ${files.map(({ file }) => element('a', { href: file }, escapeMarkup(file))).join(', ')}`,
        ]),
    ...(logs.length === 0
      ? []
      : [`Logs of the nodes: ${logs.map((file) => element('a', { href: file }, escapeMarkup(file))).join(', ')}`]),
    escapeMarkup(`Written by hadb ${reporter.hadb} on ${reporter.node} (${reporter.platform})`),
  ];
  return element('ul', {}, lines.map((content) => element('li', {}, content)).join('\n'));
}
