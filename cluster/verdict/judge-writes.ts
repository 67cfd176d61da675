import type { Verdict, VerdictCheck } from '../step';
import { attemptsOf, type Attempt } from './attempts';
import {
  judgeLimit,
  serviceTimes,
  sustainedSince,
  type ClassTimes,
  type Interval,
  type Outage,
  type ServiceTimes,
} from './service-times';
import type { LedgerEntry } from './write-ledger';

/**
 * The proof of a drill, after Jepsen's set checker: acknowledged rows that are not there are lost, rows that nobody tried to write are unexpected, rows whose
 * fate was unknown may be there or not. Without a final read nothing is proved, and without writes on both sides of the fault neither: the verdict is
 * unknown then, unless something else is known to be wrong (Jepsen's order: false, unknown, true).
 */
export interface WritesInput {
  entries: readonly LedgerEntry[];
  /** Every row of the drill as read at the end through the load balancer; undefined when it could not be read. */
  finalRead: readonly Row[] | undefined;
  /** The same as the primary itself tells it, by its local socket: what the balancer leads to must be what the pair holds. */
  primaryRead: readonly Row[] | undefined;
  /** Nodes that called themselves primary at the end, when there were several: then nobody was read, and that is no mere lack of knowledge. */
  primaries?: readonly string[];
  /** Longest acceptable outage. */
  limitSeconds: number;
  /** When the fault was ordered, by the clock of the probe's host. */
  faultAt?: number;
}

/** A row of the drill as the database has it. */
export interface Row {
  writer: number;
  seq: number;
}

export interface WriteCounts {
  lost: number;
  unexpected: number;
  duplicates: number;
  outages: number;
}

export interface WritesReport {
  attempts: number;
  acknowledged: number;
  unknown: number;
  lost: number[];
  /** Rows that nobody tried to write, or that are known not to have been applied and are there. */
  unexpected: number[];
  /** Rows that are there more than once. */
  duplicates: number[];
  /** Rows of unknown fate that are there. */
  recovered: number;
  /** How many there are of what is listed: a list may be shortened on its way, its count never is. */
  counts: WriteCounts;
  /** Times in which a client was without service, whether it kept its connection or made a new one. */
  outages: Outage[];
  longestOutageSeconds: number;
  /** Sum of all outages. */
  unavailableSeconds: number;
  newConnections: ClassTimes;
  existingSessions: ClassTimes;
  /** From the order of the fault until every client is answered steadily; absent without a fault, and where service did not become steady. */
  sustainedSeconds?: number;
  /** How exact the outages are: one interval and one deadline. */
  resolutionSeconds: number;
  /** Time for which the probe cannot vouch, because it was held up itself for more than an interval. */
  voidSeconds: number;
  /** Longest time for which the probe's own process was held up. */
  lagMs: number;
  verdict: Verdict;
}

/** The check that says whether anything is known of the rows. */
export const FINAL_READ = 'final read';
/** Fewer acknowledged writes on either side of the fault prove nothing. */
const LEAST_WRITES = 10;

export function judgeWrites(input: WritesInput): WritesReport {
  const { entries, finalRead, faultAt } = input;
  const attempts = attemptsOf(entries);
  const times = serviceTimes(entries);
  const { outages, voids, newConnections, existingSessions, resolutionSeconds } = times;
  const sustained = faultAt === undefined ? undefined : sustainedAfter(input, times, faultAt);
  const rows = judgeRows(attempts, finalRead);
  const report = {
    attempts: attempts.length,
    acknowledged: attempts.filter(isAcknowledged).length,
    unknown: attempts.filter(({ fate }) => fate === 'unknown').length,
    ...rows,
    counts: {
      lost: rows.lost.length,
      unexpected: rows.unexpected.length,
      duplicates: rows.duplicates.length,
      outages: outages.length,
    },
    outages,
    longestOutageSeconds: Math.max(0, ...outages.map(({ seconds }) => seconds)),
    unavailableSeconds: round(outages.reduce((sum, { seconds }) => sum + seconds, 0)),
    newConnections,
    existingSessions,
    ...(sustained !== undefined && { sustainedSeconds: sustained }),
    resolutionSeconds,
    voidSeconds: round(voids.reduce((sum, { from, to }) => sum + to - from, 0) / 1000),
    lagMs: entries.reduce((most, entry) => (entry.kind === 'lag' ? Math.max(most, entry.ms) : most), 0),
  };
  return { ...report, verdict: verdictOf(input, report, { attempts, voids }) };
}

const isAcknowledged = ({ fate }: Attempt): boolean => fate === 'acknowledged';
const keyOf = ({ writer, seq }: Row): string => `${writer}/${seq}`;

/** Jepsen's definitions. Nothing is said of rows that were not read. */
function judgeRows(
  attempts: readonly Attempt[],
  rows: readonly Row[] | undefined,
): Pick<WritesReport, 'lost' | 'unexpected' | 'duplicates' | 'recovered'> {
  if (rows === undefined) return { lost: [], unexpected: [], duplicates: [], recovered: 0 };
  const present = new Set(rows.map(keyOf));
  const possible = new Set(attempts.filter(({ fate }) => fate !== 'failed').map(keyOf));
  const [seen, twice] = [new Set<string>(), new Set<number>()];
  for (const row of rows) {
    if (seen.has(keyOf(row))) twice.add(row.seq);
    seen.add(keyOf(row));
  }
  return {
    lost: attempts.filter((attempt) => isAcknowledged(attempt) && !present.has(keyOf(attempt))).map(({ seq }) => seq),
    unexpected: [...new Set(rows.filter((row) => !possible.has(keyOf(row))).map(({ seq }) => seq))],
    duplicates: [...twice],
    recovered: attempts.filter((attempt) => attempt.fate === 'unknown' && present.has(keyOf(attempt))).length,
  };
}

/** The outage that the fault made: the longest that was not over before it. */
export function faultOutage(outages: readonly Outage[], faultAt: number | undefined): Outage | undefined {
  return outages
    .filter(({ to }) => faultAt === undefined || to >= faultAt)
    .reduce<Outage | undefined>(
      (worst, outage) => (worst === undefined || outage.seconds > worst.seconds ? outage : worst),
      undefined,
    );
}

function sustainedAfter({ entries }: WritesInput, { outages }: ServiceTimes, faultAt: number): number | undefined {
  const since = sustainedSince(entries, faultOutage(outages, faultAt)?.to ?? faultAt);
  return since === undefined ? undefined : round(Math.max(0, since - faultAt) / 1000);
}

type Figures = Omit<WritesReport, 'verdict'>;

interface Seen {
  attempts: readonly Attempt[];
  voids: readonly Interval[];
}

function verdictOf(input: WritesInput, report: Figures, seen: Seen): Verdict {
  const { finalRead } = input;
  const ended = input.entries.some(({ kind }) => kind === 'end');
  const checks: VerdictCheck[] = [
    {
      name: FINAL_READ,
      ...(finalRead === undefined ? UNKNOWN : HOLDS),
      detail: finalRead === undefined ? 'the rows could not be read at the end' : `${finalRead.length} rows read`,
    },
    primaryCheck(input),
    {
      name: 'the client wrote to its end',
      ...(ended ? HOLDS : UNKNOWN),
      detail: ended
        ? 'its ledger is closed'
        : 'its ledger is not closed: it was killed, and what it did not note is unknown',
    },
    bothSidesCheck(input, report, seen),
    {
      name: 'no acknowledged row lost',
      ...judged(finalRead, report.counts.lost === 0),
      detail: `${report.counts.lost} of ${report.acknowledged} lost${list(report.lost)}`,
    },
    {
      name: 'no row that nobody wrote',
      ...judged(finalRead, report.counts.unexpected === 0),
      detail: `${report.counts.unexpected} unexpected${list(report.unexpected)}; ${report.recovered} of ${report.unknown} unknown ones are there`,
    },
    {
      name: 'no row twice',
      ...judged(finalRead, report.counts.duplicates === 0),
      detail: `${report.counts.duplicates} more than once${list(report.duplicates)}`,
    },
    limitCheck('new connections', report.newConnections, input, report, seen),
    limitCheck('existing sessions', report.existingSessions, input, report, seen),
  ];
  const open = checks.filter(({ passed }) => !passed);
  const failed = open.filter(({ unknown }) => unknown !== true);
  const lost = finalRead === undefined ? 'losses unknown' : `${report.counts.lost} lost`;
  const { newConnections, existingSessions } = report;
  const figures = `${report.acknowledged} writes acknowledged, ${lost}, longest outage ${newConnections.longestSeconds} s for new connections, ${existingSessions.longestSeconds} s for existing sessions`;
  return {
    passed: open.length === 0,
    ...(open.length > 0 && failed.length === 0 && { unknown: true as const }),
    summary: [
      figures,
      ...named('failed', failed),
      ...named(
        'not known',
        open.filter((check) => !failed.includes(check)),
      ),
    ].join('; '),
    checks,
  };
}

const CLASSES = { fresh: 'new connections', kept: 'existing sessions' } as const;

/** Both kinds of clients must have been served before the fault and after it: who never was proves nothing. */
function bothSidesCheck(input: WritesInput, report: Figures, { attempts }: Seen): VerdictCheck {
  const split = input.faultAt ?? report.outages[0]?.from;
  const acknowledged = attempts.filter(isAcknowledged);
  const sides = (['fresh', 'kept'] as const).map((kind) => {
    const own = acknowledged.filter(({ connection }) => connection === kind);
    const before = own.filter(({ ackAt = 0 }) => split === undefined || ackAt <= split).length;
    const after = own.filter(({ startedAt }) => split !== undefined && startedAt > split).length;
    return { name: CLASSES[kind], before, after };
  });
  const enough = sides.every(
    ({ before, after }) => before >= LEAST_WRITES && (split === undefined || after >= LEAST_WRITES),
  );
  const counts = sides.map(({ name, before, after }) => `${before} by ${name} before, ${after} after`);
  return {
    name: 'writes before and after the fault',
    ...(enough ? HOLDS : UNKNOWN),
    detail: `acknowledged were ${counts.join('; ')}; at least ${LEAST_WRITES} of each are needed`,
  };
}

function limitCheck(
  clients: string,
  { acknowledged, outages, longestSeconds, unavailableSeconds }: ClassTimes,
  { limitSeconds }: WritesInput,
  { voidSeconds }: Figures,
  { voids }: Seen,
): VerdictCheck {
  const name = `${clients} without service for at most ${limitSeconds} s`;
  if (acknowledged === 0 && outages.length === 0) return { name, ...UNKNOWN, detail: 'none was ever served' };
  const worst = faultOutage(outages, undefined);
  const verdict = judgeLimit(outages, { voids, limitSeconds });
  const disturbed =
    voidSeconds === 0 ? '' : `; the probe itself was held up for ${voidSeconds} s, for which it cannot vouch`;
  const open = outages.every(({ ended }) => ended === true) ? '' : '; the last one had not ended';
  return {
    name,
    ...(verdict === 'not known' ? UNKNOWN : { passed: verdict === 'within' }),
    detail:
      worst === undefined
        ? `no outage was seen${disturbed}`
        : `longest ${longestSeconds} s ± ${worst.resolutionSeconds} s, ${unavailableSeconds} s in all${open}${disturbed}`,
  };
}

const HOLDS = { passed: true } as const;
const UNKNOWN = { passed: false, unknown: true } as const;

/** What is said of the rows is said only when they were read. */
const judged = (read: unknown, holds: boolean): Pick<VerdictCheck, 'passed' | 'unknown'> =>
  read === undefined ? UNKNOWN : { passed: holds };

const named = (word: string, checks: readonly VerdictCheck[]): string[] =>
  checks.length === 0 ? [] : [`${word}: ${checks.map(({ name }) => name).join(', ')}`];

function primaryCheck({ finalRead, primaryRead, primaries = [] }: WritesInput): VerdictCheck {
  const name = 'final read at the primary itself';
  if (primaries.length > 1) return { name, passed: false, detail: `${primaries.join(' and ')} are both primary` };
  if (primaryRead === undefined) return { name, ...UNKNOWN, detail: 'the rows could not be read there' };
  const rows = `${primaryRead.length} rows read at its socket`;
  if (finalRead === undefined) return { name, ...UNKNOWN, detail: `${rows}, nothing to compare them with` };
  const [missing, more] = [difference(finalRead, primaryRead), difference(primaryRead, finalRead)];
  if (missing.length === 0 && more.length === 0) {
    return { name, passed: true, detail: `${rows}, the same as through the load balancer` };
  }
  const differences = [
    ...(missing.length === 0
      ? []
      : [`${missing.length} that the load balancer's server has are missing${list(missing)}`]),
    ...(more.length === 0 ? [] : [`${more.length} that it does not have are there${list(more)}`]),
  ];
  return { name, passed: false, detail: `${rows}: ${differences.join('; ')}` };
}

/** Numbers of the rows of the first that the second does not have. */
function difference(some: readonly Row[], others: readonly Row[]): number[] {
  const known = new Set(others.map(keyOf));
  return some.filter((row) => !known.has(keyOf(row))).map(({ seq }) => seq);
}

/** True when both have the same rows. */
export const areSameRows = (some: readonly Row[], others: readonly Row[]): boolean =>
  difference(some, others).length === 0 && difference(others, some).length === 0;

/** `: 41..44, 99`, as integer ranges: it shows whether a loss is clustered in time. */
function list(numbers: readonly number[]): string {
  if (numbers.length === 0) return '';
  const ranges: [number, number][] = [];
  for (const number of [...numbers].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  const shown = ranges.slice(0, 10).map(([from, to]) => (from === to ? String(from) : `${from}..${to}`));
  return `: ${shown.join(', ')}${ranges.length > 10 ? ', …' : ''}`;
}

const round = (value: number): number => Math.round(value * 100) / 100;
