import type { StepRecord, Verdict, VerdictCheck } from '../step';
import { faultOutage } from '../verdict/judge-writes';
import { sustainedSince, type ClassTimes, type Outage } from '../verdict/service-times';
import {
  figuresOf,
  latencyTable,
  outcomeOf,
  phasesOf,
  REPORT_FILES,
  wasRead,
  type DrillOutcome,
  type DrillRecord,
} from './drill-record';
import {
  JOURNAL_VERSION,
  type Journal,
  type JournalActivity,
  type JournalWrites,
  type SteadyState,
} from './journal-schema';

/**
 * The drill as a journal of the Chaos Toolkit's open format (its reference `api/journal` and `api/experiment`), so that `chaos report` and other readers
 * know it, and with what hadb knows beyond that under `hadb`. `docs/journal.schema.json` is made from the same knowledge and holds in a test.
 */
export function renderJournal(record: DrillRecord): Journal {
  const { steps, startedAt, endedAt, reporter, kind, cluster } = record;
  const outcome = outcomeOf(record);
  const [gate, rest] = [steps.filter(isGate), steps.filter((step) => !isGate(step))];
  const isUndo = ({ id }: StepRecord) => id.includes('-undo-');
  return {
    experiment: experimentOf(record, rest),
    status: STATUS[outcome],
    deviated: outcome === 'failed' || outcome === 'unknown',
    start: iso(startedAt),
    end: iso(endedAt),
    duration: (endedAt - startedAt) / 1000,
    node: reporter.node,
    platform: reporter.platform,
    steady_states: {
      before:
        gate.length === 0
          ? null
          : { steady_state_met: gate.every(wentWell), probes: gate.map((step) => probeOf(step, kind)) },
      after: record.verdict === undefined ? null : hypothesisOf(record.verdict, kind, endedAt),
      during: [],
    },
    run: rest.filter((step) => !isUndo(step)).map((step) => activityOf(step, kind)),
    rollbacks: rest.filter(isUndo).map((step) => activityOf(step, kind)),
    hadb: {
      version: JOURNAL_VERSION,
      hadb: reporter.hadb,
      drill: record.drill,
      kind,
      cluster,
      outcome,
      workflow: record.workflow,
      verdict: record.verdict ?? null,
      failure: record.failure ?? null,
      faultAt: record.faultAt === undefined ? null : iso(record.faultAt),
      limitSeconds: record.limitSeconds ?? null,
      writes: record.entries.length === 0 ? null : writesOf(record),
      phases: phasesOf(record).map(({ from, to, ...phase }) => ({
        ...phase,
        from: iso(from),
        to: iso(to),
        seconds: seconds(to - from),
      })),
      ...(record.milestones !== undefined && {
        milestones: record.milestones.map(({ name, seen }) => ({
          name,
          at: seen === undefined ? null : iso(seen.at),
          errorSeconds: seen === undefined ? null : seconds(seen.errorMs),
          node: seen?.node ?? null,
          line: seen?.line ?? null,
        })),
      }),
      latency: record.entries.length === 0 ? [] : latencyTable(record),
      settings: [...record.settings],
      versions: [...record.versions],
      files: {
        page: REPORT_FILES.page,
        junit: REPORT_FILES.junit,
        ledger: record.ledger ?? null,
        states: record.states.map(({ file }) => file),
        ...(record.logs !== undefined && { logs: [...record.logs] }),
      },
    },
  };
}

/** As the Chaos Toolkit means them: `failed` is a hypothesis that did not hold before anything was done. */
const STATUS: Record<DrillOutcome, Journal['status']> = {
  passed: 'completed',
  failed: 'completed',
  unknown: 'completed',
  refused: 'failed',
  error: 'aborted',
  cancelled: 'interrupted',
};

const iso = (at: number): string => new Date(at).toISOString();
const seconds = (ms: number): number => Math.round(ms) / 1000;
const wentWell = ({ state }: StepRecord): boolean => state === 'done' || state === 'skipped';
const isGate = ({ id }: StepRecord): boolean => id.endsWith('-gate');

type Provider = JournalActivity['activity']['provider'];

/** The format wants a Python, HTTP or process provider: it names the command that makes this drill. The steps are not to be run one by one. */
const providerOf = (kind: string): Provider => ({
  type: 'process',
  path: 'hadb',
  arguments: ['drill', kind, '--wait'],
});

function experimentOf(
  { kind, cluster, verdict, settings }: DrillRecord,
  steps: readonly StepRecord[],
): Journal['experiment'] {
  const provider = providerOf(kind);
  return {
    version: '1.0.0',
    title: `Failover drill ${kind} of ${cluster}`,
    description: `One fault, ${kind}, on a healthy pair that a client writes to all the while: no acknowledged row may be lost, the outage stays within its limit, and the pair is whole again at the end.`,
    tags: ['hadb', 'mysql', 'drbd', 'pacemaker', kind],
    contributions: { reliability: 'high' },
    configuration: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
    'steady-state-hypothesis': {
      title: 'The pair is healthy, and what was acknowledged is there',
      probes: (verdict?.checks ?? []).map(({ name }) => ({
        type: 'probe' as const,
        name,
        tolerance: true as const,
        provider,
      })),
    },
    method: steps.map((step) => ({ type: typeOf(step), name: nameOf(step), provider })),
    rollbacks: [],
  };
}

/** A step that changes nothing is a probe. */
const typeOf = ({ outcome }: StepRecord): 'probe' | 'action' => (outcome?.result === 'unchanged' ? 'probe' : 'action');
/** The phase of the drill, what is done, and where. */
const nameOf = ({ chapter, sentence, node }: StepRecord): string =>
  `${chapter}: ${sentence}${node === undefined ? '' : ` (${node})`}`;

function activityOf(step: StepRecord, kind: string): JournalActivity {
  const { startedAt, endedAt = startedAt, outcome, failure } = step;
  return {
    activity: { type: typeOf(step), name: nameOf(step), provider: providerOf(kind) },
    status: wentWell(step) ? 'succeeded' : 'failed',
    start: startedAt,
    end: endedAt,
    duration: seconds(Date.parse(endedAt) - Date.parse(startedAt)),
    output:
      outcome === undefined ? null : [outcome.observed, outcome.done, outcome.verified].filter(Boolean).join('; '),
    ...(failure !== undefined && { exception: [`${failure.code}: ${failure.message}`] }),
  };
}

function probeOf(step: StepRecord, kind: string): JournalActivity {
  const result = activityOf(step, kind);
  return { ...result, activity: { ...result.activity, type: 'probe', tolerance: true }, tolerance_met: wentWell(step) };
}

function hypothesisOf({ passed, checks }: Verdict, kind: string, at: number): SteadyState {
  const probe = (check: VerdictCheck): JournalActivity => ({
    activity: { type: 'probe', name: check.name, provider: providerOf(kind), tolerance: true },
    status: check.notRun === true ? 'skipped' : 'succeeded',
    start: iso(at),
    end: iso(at),
    duration: 0,
    output: check.detail,
    ...(check.notRun !== true && { tolerance_met: check.passed }),
  });
  return { steady_state_met: passed, probes: checks.map(probe) };
}

function writesOf(record: DrillRecord): JournalWrites {
  const { faultAt, entries } = record;
  const { attempts, acknowledged, unknown, lost, unexpected, duplicates, recovered, counts, outages, ...rest } =
    figuresOf(record);
  const isRead = wasRead(record);
  const outage = faultOutage(outages, faultAt);
  const steady = outage === undefined ? undefined : sustainedSince(entries, outage.to);
  const when = ({ from, to, seconds: length }: Outage) => ({ from: iso(from), to: iso(to), seconds: length });
  return {
    attempts,
    acknowledged,
    unknown,
    lost: isRead ? lost : null,
    unexpected: isRead ? unexpected : null,
    duplicates: isRead ? duplicates : null,
    recovered: isRead ? recovered : null,
    counts: {
      lost: isRead ? counts.lost : null,
      unexpected: isRead ? counts.unexpected : null,
      duplicates: isRead ? counts.duplicates : null,
      outages: counts.outages,
    },
    outageSeconds: outage?.seconds ?? null,
    unavailableSeconds: rest.unavailableSeconds,
    sustainedSeconds: steady === undefined ? null : seconds(steady - (faultAt ?? outage?.from ?? steady)),
    newConnections: classOf(rest.newConnections, faultAt),
    existingSessions: classOf(rest.existingSessions, faultAt),
    resolutionSeconds: rest.resolutionSeconds,
    voidSeconds: rest.voidSeconds,
    lagMs: rest.lagMs,
    outages: outages.map(when),
  };
}

function classOf(
  { outages, unavailableSeconds, attempts, acknowledged }: ClassTimes,
  faultAt: number | undefined,
): JournalWrites['newConnections'] {
  const outage = faultOutage(outages, faultAt);
  return {
    attempts,
    acknowledged,
    outageSeconds: outage?.seconds ?? null,
    resolutionSeconds: outage?.resolutionSeconds ?? null,
    unavailableSeconds,
  };
}
