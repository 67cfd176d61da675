import type { Verdict, VerdictCheck } from '../step';
import type { LedgerEntry } from './write-ledger';

/**
 * The proof of a drill, after Jepsen's set checker: acknowledged rows that are not there are lost, rows that nobody tried to write are unexpected, rows whose
 * fate was unknown may be there or not. Without a final read nothing is proved, and without writes on both sides of the fault neither: the verdict is
 * unknown then, unless something else is known to be wrong (Jepsen's order: false, unknown, true).
 */
export interface WritesInput {
  entries: readonly LedgerEntry[];
  /** Every row of the drill as read at the end through the load balancer; undefined when it could not be read. */
  finalRead: readonly number[] | undefined;
  /** The same as the primary itself tells it, by its local socket: what the balancer leads to must be what the pair holds. */
  primaryRead: readonly number[] | undefined;
  /** Nodes that called themselves primary at the end, when there were several: then nobody was read, and that is no mere lack of knowledge. */
  primaries?: readonly string[];
  /** Longest acceptable outage. */
  limitSeconds: number;
  /** When the fault was ordered, by the clock of the writer's host. */
  faultAt?: number;
}

export interface Outage {
  /** Last acknowledgement before it, or the first attempt of all. */
  from: number;
  /** Start of the first attempt after it that was acknowledged, or the last attempt of all: it had not ended then. */
  to: number;
  seconds: number;
}

export interface WritesReport {
  attempts: number;
  acknowledged: number;
  unknown: number;
  lost: number[];
  unexpected: number[];
  /** Rows that are there more than once. */
  duplicates: number[];
  /** Rows of unknown fate that are there. */
  recovered: number;
  outages: Outage[];
  longestOutageSeconds: number;
  /** Sum of all outages. */
  unavailableSeconds: number;
  /** How exact the outages are: one interval and one deadline. */
  resolutionSeconds: number;
  /** Longest time for which the writer's own process was held up. */
  lagMs: number;
  verdict: Verdict;
}

/** A pause between acknowledged writes that is longer than a few intervals is an outage. */
const OUTAGE_INTERVALS = 10;
/** The check that says whether anything is known of the rows. */
export const FINAL_READ = 'final read';
/** Fewer acknowledged writes on either side of the fault prove nothing. */
const LEAST_WRITES = 10;

export function judgeWrites(input: WritesInput): WritesReport {
  const { entries, finalRead } = input;
  const start = entries.find((entry) => entry.kind === 'start');
  const intervalMs = start?.kind === 'start' ? start.intervalMs : 100;
  const deadlineMs = start?.kind === 'start' ? start.deadlineMs : 1000;
  const attempts = attemptsOf(entries);
  const acknowledged = attempts.filter((attempt) => attempt.ackAt !== undefined);
  const present = new Set(finalRead);
  const attempted = new Set(attempts.map(({ seq }) => seq));
  const outages = outagesOf(attempts, intervalMs * OUTAGE_INTERVALS);
  const report = {
    attempts: attempts.length,
    acknowledged: acknowledged.length,
    unknown: attempts.filter(({ fate }) => fate === 'unknown').length,
    lost: finalRead === undefined ? [] : acknowledged.map(({ seq }) => seq).filter((seq) => !present.has(seq)),
    unexpected: [...present].filter((seq) => !attempted.has(seq)),
    duplicates: repeated(finalRead ?? []),
    recovered: attempts.filter(({ fate, seq }) => fate === 'unknown' && present.has(seq)).length,
    outages,
    longestOutageSeconds: Math.max(0, ...outages.map(({ seconds }) => seconds)),
    unavailableSeconds: round(outages.reduce((sum, { seconds }) => sum + seconds, 0)),
    resolutionSeconds: round((intervalMs + deadlineMs) / 1000),
    lagMs: Math.max(0, ...entries.map((entry) => (entry.kind === 'lag' ? entry.ms : 0))),
  };
  return { ...report, verdict: verdictOf(input, report, acknowledged) };
}

interface Attempt {
  seq: number;
  startedAt: number;
  ackAt?: number;
  /** An attempt without any end was cut off with its writer: it may have been sent. */
  fate: 'acknowledged' | 'failed' | 'unknown';
}

function attemptsOf(entries: readonly LedgerEntry[]): Attempt[] {
  const attempts = new Map<number, Attempt>();
  for (const entry of entries) {
    if (entry.kind === 'intent') {
      attempts.set(entry.seq, { seq: entry.seq, startedAt: entry.at, fate: 'unknown' });
      continue;
    }
    if (entry.kind !== 'ack' && entry.kind !== 'fail') continue;
    const attempt: Attempt = attempts.get(entry.seq) ?? { seq: entry.seq, startedAt: entry.at, fate: 'failed' };
    attempts.set(entry.seq, attempt);
    attempt.fate = entry.kind === 'ack' ? 'acknowledged' : 'failed';
    if (entry.kind === 'ack') attempt.ackAt = entry.at;
  }
  return [...attempts.values()];
}

function outagesOf(attempts: readonly Attempt[], thresholdMs: number): Outage[] {
  const inOrder = [...attempts].sort((one, other) => one.startedAt - other.startedAt);
  const [first, last] = [inOrder[0], inOrder.at(-1)];
  if (first === undefined || last === undefined) return [];
  const acknowledged = inOrder.filter(({ ackAt }) => ackAt !== undefined);
  const outages: Outage[] = [];
  let lastEnd = first.startedAt;
  // The last attempt of all, whatever became of it, closes an outage that had not ended.
  for (const { startedAt, ackAt = startedAt } of [...acknowledged, last]) {
    if (startedAt - lastEnd > thresholdMs) {
      outages.push({ from: lastEnd, to: startedAt, seconds: round((startedAt - lastEnd) / 1000) });
    }
    lastEnd = Math.max(lastEnd, ackAt);
  }
  return outages;
}

type Figures = Omit<WritesReport, 'verdict'>;

function verdictOf(input: WritesInput, report: Figures, acknowledged: readonly Attempt[]): Verdict {
  const { finalRead, limitSeconds } = input;
  const split = input.faultAt ?? report.outages[0]?.from;
  const before = acknowledged.filter(({ ackAt = 0 }) => split === undefined || ackAt <= split).length;
  const after = acknowledged.filter(({ startedAt }) => split !== undefined && startedAt > split).length;
  const disturbed =
    report.lagMs > 500 ? `, while the writer itself was held up for ${Math.round(report.lagMs)} ms` : '';
  const ended = input.entries.some(({ kind }) => kind === 'end');
  const enough = before >= LEAST_WRITES && (split === undefined || after >= LEAST_WRITES);
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
    {
      name: 'writes before and after the fault',
      ...(enough ? HOLDS : UNKNOWN),
      detail: `${before} acknowledged before, ${after} after; at least ${LEAST_WRITES} of each are needed`,
    },
    {
      name: 'no acknowledged row lost',
      ...judged(finalRead, report.lost.length === 0),
      detail: `${report.lost.length} of ${report.acknowledged} lost${list(report.lost)}`,
    },
    {
      name: 'no row that nobody wrote',
      ...judged(finalRead, report.unexpected.length === 0),
      detail: `${report.unexpected.length} unexpected${list(report.unexpected)}; ${report.recovered} of ${report.unknown} unknown ones are there`,
    },
    {
      name: 'no row twice',
      ...judged(finalRead, report.duplicates.length === 0),
      detail: `${report.duplicates.length} more than once${list(report.duplicates)}`,
    },
    {
      name: `longest outage at most ${limitSeconds} s`,
      passed: report.longestOutageSeconds <= limitSeconds,
      detail: `${report.longestOutageSeconds} s ± ${report.resolutionSeconds} s, ${report.unavailableSeconds} s in all${disturbed}`,
    },
  ];
  const open = checks.filter(({ passed }) => !passed);
  const failed = open.filter(({ unknown }) => unknown !== true);
  const lost = finalRead === undefined ? 'losses unknown' : `${report.lost.length} lost`;
  const figures = `${report.acknowledged} writes acknowledged, ${lost}, longest outage ${report.longestOutageSeconds} s`;
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
  const [outside, inside] = [new Set(finalRead), new Set(primaryRead)];
  const missing = [...outside].filter((seq) => !inside.has(seq));
  const more = [...inside].filter((seq) => !outside.has(seq));
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

function repeated(numbers: readonly number[]): number[] {
  const [once, twice] = [new Set<number>(), new Set<number>()];
  for (const number of numbers) (once.has(number) ? twice : once).add(number);
  return [...twice];
}

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
