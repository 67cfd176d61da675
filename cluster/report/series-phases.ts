import { PHASES, UNTIL } from './drill-record';

/** Where the time of a series of drills went: the median of each phase, by kind. */

/** A phase of one drill, as its journal tells it. */
export interface SeriesPhase {
  name: string;
  seconds: number;
}

/** In their usual order, with the words that a column has room for; those of `drill-record` beside. */
const COLUMNS: readonly (readonly [title: string, ...names: string[]])[] = [
  ['order', PHASES.order],
  ['detected', UNTIL.detected],
  ['ordered to fence', UNTIL.ordered],
  ['fencing delay', UNTIL.delayed],
  ['fenced', UNTIL.fenced],
  ['writes go on', UNTIL.released],
  ['promoted', UNTIL.promoted],
  ['responder', UNTIL.probeAnswered],
  ['mounted', UNTIL.mounted],
  ['recovered', UNTIL.recovered],
  ['database up', UNTIL.databaseUp],
  ['seen to serve', PHASES.seenToServe],
  ['balancer', UNTIL.firstWrite, PHASES.servedThroughBalancer],
  ['all clients', PHASES.served, PHASES.notServed],
  ['steady', PHASES.steady],
  ['both copies', UNTIL.redundant],
  ['whole', PHASES.whole],
];

interface PhasedDrill {
  kind: string;
  phases: readonly SeriesPhase[];
}

/** Kinds by name; only columns of phases that some drill had. */
export function phaseTable(drills: readonly PhasedDrill[]): { head: string[]; rows: string[][] } {
  const seen = new Set(drills.flatMap(({ phases }) => phases.map(({ name }) => name)));
  const known = COLUMNS.flatMap(([, ...names]) => names);
  // Of a journal of another version.
  const others = [...seen].filter((name) => !known.includes(name));
  const columns = [...COLUMNS, ['other', ...others] as const].filter(([, ...names]) =>
    names.some((name) => seen.has(name)),
  );
  const kinds = [...new Set(drills.map(({ kind }) => kind))].sort();
  const rows = kinds.map((kind) => {
    const own = drills.filter((drill) => drill.kind === kind);
    return [
      `\`${kind}\``,
      String(own.filter(({ phases }) => phases.length > 0).length),
      ...columns.map(([, ...names]) => medianCell(own.map(({ phases }) => secondsOf(phases, names)))),
    ];
  });
  return { head: ['median seconds', 'drills', ...columns.map(([title]) => title)], rows };
}

function secondsOf(phases: readonly SeriesPhase[], names: readonly string[]): number | undefined {
  const own = phases.filter(({ name }) => names.includes(name));
  return own.length === 0 ? undefined : own.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** Of the drills that had the phase. */
function medianCell(values: readonly (number | undefined)[]): string {
  const sorted = values.flatMap((value) => value ?? []).sort((one, other) => one - other);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? '\u2013' : ((low + high) / 2).toFixed(1);
}
