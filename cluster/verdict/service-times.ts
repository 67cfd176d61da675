import { attemptsOf, type Attempt } from './attempts';
import { startOf, type ConnectionKind, type LedgerEntry } from './write-ledger';

/**
 * How long clients were without service, from their ledger alone. Clients that keep a connection and clients that make a new one are told apart, because a
 * balancer treats them differently and a dead server gives the first no sign.
 */
export interface ServiceTimes {
  /** Only from connections made anew for each attempt. */
  newConnections: ClassTimes;
  /** From the first session that is not answered until the last one is again. */
  existingSessions: ClassTimes;
  /** Times in which at least one of them was without service. */
  outages: Outage[];
  /** Times that the probe cannot vouch for, because it was held up itself. */
  voids: Interval[];
  /** One interval and one deadline: how exact an outage is where the probe was not held up. */
  resolutionSeconds: number;
}

export interface ClassTimes {
  attempts: number;
  acknowledged: number;
  outages: Outage[];
  /** RTO: the longest outage. */
  longestSeconds: number;
  /** Sum of all outages. */
  unavailableSeconds: number;
}

export interface Interval {
  /** ms since the epoch, by the clock of the ledger. */
  from: number;
  to: number;
}

export interface Outage extends Interval {
  /** `from`: last acknowledgement before it, or the first attempt of all. `to`: when the first attempt that was acknowledged again was sent, or the last attempt of all. */
  seconds: number;
  /** Absent where the outage had not ended when the probe did. */
  ended?: true;
  /** How much longer or shorter it may have been: the probe's resolution, and the time in which it was held up. */
  resolutionSeconds: number;
}

/** A pause of a few intervals in which an attempt was not acknowledged is an outage; a shorter one is below what the probe can see. */
const OUTAGE_INTERVALS = 3;
/** For so long, and so often for each writer, every attempt must be acknowledged: promotions flap. */
export const STEADY = { ms: 2000, ticks: 20 } as const;

const DEFAULT_PACE = { intervalMs: 100, deadlineMs: 1000 };

export function serviceTimes(entries: readonly LedgerEntry[]): ServiceTimes {
  const pace = startOf(entries) ?? DEFAULT_PACE;
  const voids = voidsOf(entries, pace.intervalMs);
  const attempts = attemptsOf(entries);
  const resolutionSeconds = round((pace.intervalMs + pace.deadlineMs) / 1000);
  const complete = (intervals: readonly OpenOutage[]): Outage[] =>
    mergeOutages(intervals).map(({ from, to, ended }) => ({
      from,
      to,
      seconds: round((to - from) / 1000),
      ...(ended && { ended: true as const }),
      resolutionSeconds: round(
        resolutionSeconds + overlapMs({ from: from - pace.intervalMs, to: to + pace.intervalMs }, voids) / 1000,
      ),
    }));
  const classOf = (kind: ConnectionKind): { found: OpenOutage[]; times: ClassTimes } => {
    const own = attempts.filter(({ connection }) => connection === kind);
    const found = [...new Set(own.map(({ writer }) => writer))].flatMap((writer) =>
      outagesOfWriter(
        own.filter((attempt) => attempt.writer === writer),
        { ...pace, voids },
      ),
    );
    const outages = complete(found);
    return {
      found,
      times: {
        attempts: own.length,
        acknowledged: own.filter(({ fate }) => fate === 'acknowledged').length,
        outages,
        longestSeconds: Math.max(0, ...outages.map(({ seconds }) => seconds)),
        unavailableSeconds: round(outages.reduce((sum, { seconds }) => sum + seconds, 0)),
      },
    };
  };
  const [fresh, kept] = [classOf('fresh'), classOf('kept')];
  return {
    newConnections: fresh.times,
    existingSessions: kept.times,
    outages: complete([...fresh.found, ...kept.found]),
    voids,
    resolutionSeconds,
  };
}

interface OpenOutage extends Interval {
  ended: boolean;
}

/** Between an acknowledgement and the next attempt that is sent and acknowledged, where one in between was not, or had to wait for its connection. */
function outagesOfWriter(
  attempts: readonly Attempt[],
  { intervalMs, deadlineMs, voids }: { intervalMs: number; deadlineMs: number; voids: readonly Interval[] },
): OpenOutage[] {
  const [first, last] = [attempts[0], attempts.at(-1)];
  if (first === undefined || last === undefined) return [];
  const leastMs = OUTAGE_INTERVALS * intervalMs;
  const served = attempts
    .flatMap(({ startedAt, ackAt }) => (ackAt === undefined ? [] : [{ startedAt, ackAt }]))
    .sort((one, other) => one.startedAt - other.startedAt);
  // The very first connection was not lost by anybody.
  const begun = served[0]?.startedAt ?? Infinity;
  const missed = attempts.filter(
    (attempt) => attempt.fate !== 'acknowledged' || (attempt.due > begun && hadNoConnection(attempt, leastMs)),
  );
  const outages: OpenOutage[] = [];
  const see = (from: number, to: number, ended: boolean): void => {
    if (to - from <= leastMs) return;
    const inside = missed.filter(({ due }) => due >= from - intervalMs && due <= to);
    const vouchedMs = to - from - overlapMs({ from, to }, voids);
    // What is late and acknowledged is slow, and what was never tried tells nothing.
    // Failures for which the probe cannot vouch count where it alone cannot have made the pause.
    const isKnown = inside.some((attempt) => isVouchedFor(attempt, voids));
    if (isKnown || (inside.length > 0 && vouchedMs > intervalMs + deadlineMs)) outages.push({ from, to, ended });
  };
  let lastEnd = first.due;
  for (const { startedAt, ackAt } of served) {
    see(lastEnd, startedAt, true);
    lastEnd = Math.max(lastEnd, ackAt);
  }
  see(lastEnd, last.due, false);
  return outages;
}

/** A kept connection that works takes a write at once, or right after an answer: the wait was for a new one. A fresh one always takes its time. */
const hadNoConnection = ({ connection, startedAt, due }: Attempt, leastMs: number): boolean =>
  connection === 'kept' && startedAt - due > leastMs;

function mergeOutages(outages: readonly OpenOutage[]): OpenOutage[] {
  const merged: OpenOutage[] = [];
  for (const { from, to, ended } of [...outages].sort((one, other) => one.from - other.from)) {
    const before = merged.at(-1);
    if (before === undefined || from > before.to) {
      merged.push({ from, to, ended });
      continue;
    }
    before.to = Math.max(before.to, to);
    before.ended &&= ended;
  }
  return merged;
}

/** Held up for more than one interval, the probe has missed its own time. */
function voidsOf(entries: readonly LedgerEntry[], intervalMs: number): Interval[] {
  return mergeOutages(
    entries.flatMap((entry) =>
      entry.kind === 'lag' && entry.ms > intervalMs ? [{ from: entry.at - entry.ms, to: entry.at, ended: true }] : [],
    ),
  ).map(({ from, to }) => ({ from, to }));
}

/** The probe was not held up while it was under way: what became of it says something about the service. */
const isVouchedFor = ({ due, endedAt }: Attempt, voids: readonly Interval[]): boolean =>
  overlapMs({ from: due, to: endedAt }, voids) === 0;

export const overlapMs = ({ from, to }: Interval, others: readonly Interval[]): number =>
  others.reduce((sum, other) => sum + Math.max(0, Math.min(to, other.to) - Math.max(from, other.from)), 0);

export type LimitVerdict = 'within' | 'beyond' | 'not known';

/**
 * Whether no outage was longer than the limit. While the probe was held up there may have been service or none: what depends on that is not known, and
 * neither is an outage within the limit that had not ended.
 */
export function judgeLimit(
  outages: readonly Outage[],
  { voids, limitSeconds }: { voids: readonly Interval[]; limitSeconds: number },
): LimitVerdict {
  const limitMs = limitSeconds * 1000;
  if (outages.some((outage) => outage.to - outage.from - overlapMs(outage, voids) > limitMs)) return 'beyond';
  if (outages.some(({ ended }) => ended !== true)) return 'not known';
  if (voids.length === 0) return 'within';
  const worst = mergeOutages([...outages, ...voids].map(({ from, to }) => ({ from, to, ended: true })));
  return worst.every(({ from, to }) => to - from <= limitMs) ? 'within' : 'not known';
}

/** When the first stretch began, from `from` on, in which every attempt of every writer was acknowledged for two seconds. */
export function sustainedSince(entries: readonly LedgerEntry[], from: number): number | undefined {
  const { intervalMs, writers } = startOf(entries) ?? { ...DEFAULT_PACE, writers: ['kept'] };
  let run: { startedAt: number; due: number; acknowledged: number } | undefined;
  let missedDue = -Infinity;
  const voids = voidsOf(entries, intervalMs);
  for (const attempt of attemptsOf(entries)) {
    const { due, startedAt, fate } = attempt;
    if (startedAt < from) continue;
    if (fate !== 'acknowledged') {
      if (!isVouchedFor(attempt, voids)) continue;
      run = undefined;
      missedDue = due;
      continue;
    }
    // Those that are due at the same time as one that was missed are no part of it.
    if (run === undefined && due <= missedDue) continue;
    run ??= { startedAt, due, acknowledged: 0 };
    run.acknowledged += 1;
    const lasted = due - run.due + intervalMs;
    if (lasted >= STEADY.ms && run.acknowledged >= STEADY.ticks * writers.length) return run.startedAt;
  }
  return undefined;
}

const round = (value: number): number => Math.round(value * 100) / 100;
