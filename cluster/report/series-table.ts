import { DRILL_OUTCOMES, type DrillOutcome } from './drill-record';
import { lostRowsOf, type JournalEntry } from './journal-schema';
import { phaseTable, type SeriesPhase } from './series-phases';

/** What a series of drills has shown, by kind. */

/** One drill of a series, as its journal tells it. */
export interface SeriesDrill {
  kind: string;
  outcome: DrillOutcome;
  /** Acknowledged rows that are not there; null when that is not known. */
  lost: number | null;
  twoPrimaries: 'never' | 'seen' | 'unknown';
  /** RTO in seconds; 0 when no outage was noticed, null when none could be. */
  newConnections: number | null;
  existingSessions: number | null;
  /** From the order of its fault to a whole pair; none where none was judged. */
  phases: SeriesPhase[];
}

/** What every drill judges by the roles that both nodes were heard to have. */
const NEVER_TWO = ['never two primaries', 'never two database servers'];

export function seriesDrillOf({ hadb }: Pick<JournalEntry, 'hadb'>): SeriesDrill {
  const { kind, outcome, writes, faultAt, verdict } = hadb;
  const judged = verdict !== null && writes !== null && faultAt !== null;
  const rto = (times: { outageSeconds: number | null } | undefined): number | null =>
    judged && times !== undefined ? (times.outageSeconds ?? 0) : null;
  return {
    kind,
    outcome,
    lost: writes === null ? null : lostRowsOf(writes),
    twoPrimaries: twoPrimariesOf(verdict?.checks ?? []),
    newConnections: rto(writes?.newConnections),
    existingSessions: rto(writes?.existingSessions),
    phases: judged ? hadb.phases.map(({ name, seconds }) => ({ name, seconds })) : [],
  };
}

type Checks = NonNullable<JournalEntry['hadb']['verdict']>['checks'];

function twoPrimariesOf(checks: Checks): SeriesDrill['twoPrimaries'] {
  const found = checks.filter(({ name }) => NEVER_TWO.includes(name));
  if (found.some(({ passed, unknown }) => !passed && unknown !== true)) return 'seen';
  return found.length > 0 && found.every(({ passed }) => passed) ? 'never' : 'unknown';
}

/** Of a drill whose report is not here: how it ended is known, what it measured is not. */
export const unreportedDrill = (kind: string, outcome: DrillOutcome): SeriesDrill => ({
  kind,
  outcome,
  lost: null,
  twoPrimaries: 'unknown',
  newConnections: null,
  existingSessions: null,
  phases: [],
});

export const isDrillOutcome = (word: string): word is DrillOutcome => DRILL_OUTCOMES.some((known) => known === word);

export const SERIES_HEAD = [
  'kind',
  'drills',
  'passed',
  'lost rows',
  'two primaries',
  'new connections: median',
  'worst',
  'existing sessions: median',
  'worst',
] as const;

/** The cells of the table, as text: kinds by name. */
export function seriesRows(drills: readonly SeriesDrill[]): string[][] {
  const kinds = [...new Set(drills.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const own = drills.filter((drill) => drill.kind === kind);
    const passed = own.filter(({ outcome }) => outcome === 'passed').length;
    return [
      `\`${kind}\``,
      String(own.length),
      String(passed),
      lostCell(own),
      twoPrimariesCell(own),
      ...rtoCells(own.map(({ newConnections }) => newConnections)),
      ...rtoCells(own.map(({ existingSessions }) => existingSessions)),
    ];
  });
}

/** Rows that are known to be lost count also where other drills know nothing. */
function lostCell(drills: readonly SeriesDrill[]): string {
  const known = drills.flatMap(({ lost }) => lost ?? []);
  const sum = known.reduce((total, lost) => total + lost, 0);
  const open = drills.length - known.length;
  const told = String(sum);
  if (open === 0) return told;
  return known.length === 0 ? 'not known' : `${told}; not known of ${open}`;
}

function twoPrimariesCell(drills: readonly SeriesDrill[]): string {
  const count = (word: SeriesDrill['twoPrimaries']) =>
    drills.filter(({ twoPrimaries }) => twoPrimaries === word).length;
  const [seen, open] = [count('seen'), count('unknown')];
  const told = seen > 0 ? `in ${seen}` : open === drills.length ? '' : 'never';
  if (open === 0) return told;
  return told === '' ? 'not known' : `${told}; not known of ${open}`;
}

const NONE = '\u2013';

function rtoCells(values: readonly (number | null)[]): [string, string] {
  const sorted = values.flatMap((value) => value ?? []).sort((one, other) => one - other);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  const worst = sorted.at(-1);
  if (low === undefined || high === undefined || worst === undefined) return [NONE, NONE];
  return [inSeconds((low + high) / 2), inSeconds(worst)];
}

const inSeconds = (value: number): string => (value === 0 ? 'none seen' : `${Math.round(value * 10) / 10} s`);

/** Columns as wide as their widest cell, as prettier has them. */
export function renderMarkdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, ...[title, ...rows.map((cells) => cells[column] ?? '')].map((cell) => cell.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function renderPhaseTable(drills: readonly SeriesDrill[]): string {
  const { head, rows } = phaseTable(drills);
  return renderMarkdownTable(head, rows);
}

export interface SeriesReport {
  seed: number;
  rounds: number;
  planned: number;
  drills: readonly SeriesDrill[];
  /** ISO 8601; absent when no drill has ended. */
  from?: string;
  to?: string;
  /** Of hadb, Node.js and what runs on the nodes, each once. */
  versions: readonly string[];
  /** What hadb and the machines of the lab ran on. */
  host: string;
}

/** What stands between the markers of `docs/drills.md`. */
export function renderSeriesReport(report: SeriesReport): string {
  const { seed, rounds, planned, drills, from, to, versions, host } = report;
  const passed = drills.filter(({ outcome }) => outcome === 'passed').length;
  const ended = drills.length === planned ? `${planned} drills` : `${drills.length} of ${planned} drills, not finished`;
  const when = from === undefined || to === undefined ? '' : `, ${from.slice(0, 10)} to ${to.slice(0, 10)}`;
  return [
    `${ended}, ${passed} passed; seed ${seed}, at least ${rounds} of each kind${when}.`,
    ...(versions.length === 0 ? [] : ['', `Versions: ${versions.join(', ')}.`]),
    '',
    `Host: ${host}.`,
    '',
    renderMarkdownTable(SERIES_HEAD, seriesRows(drills)),
    '',
    renderPhaseTable(drills),
  ].join('\n');
}

/** Where the table stands in a page. */
export const SERIES_MARKERS = { begin: '<!-- begin of the drills -->', end: '<!-- end of the drills -->' } as const;

/** The page with its table renewed; undefined when it has no place for one. */
export function placeSeriesReport(page: string, report: string): string | undefined {
  const from = page.indexOf(SERIES_MARKERS.begin);
  const to = page.indexOf(SERIES_MARKERS.end);
  if (from < 0 || to < from) return undefined;
  return `${page.slice(0, from + SERIES_MARKERS.begin.length)}\n\n${report}\n\n${page.slice(to)}`;
}

/** `DRBD 8.4.11` once, although each node has told it; a node that has another one is named. */
export function versionsOf(named: readonly { name: string; value: string }[]): string[] {
  const values = new Map<string, Set<string>>();
  for (const { name, value } of named) {
    const program = name.replace(/ \([^)]*\)$/, '');
    values.set(program, (values.get(program) ?? new Set()).add(value));
  }
  return [...values].map(([program, found]) => `${program} ${[...found].join(' and ')}`);
}
