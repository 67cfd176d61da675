import type { FailureCode } from '../errors';
import { MILESTONES, type Milestone, type MilestoneName } from '../logs/milestones';
import type { StepFailure, StepRecord, Verdict } from '../step';
import { FINAL_READ, faultOutage, judgeWrites, type WritesReport } from '../verdict/judge-writes';
import { sustainedSince } from '../verdict/service-times';
import { dueOf, startOf, writerOf, type ConnectionKind, type LedgerEntry } from '../verdict/write-ledger';

/** All that is known of one drill once it has ended: what its report is rendered from. */
export interface DrillRecord {
  /** What names the drill's rows, its ledger and its directory. */
  drill: string;
  kind: string;
  cluster: string;
  /** Step table of the drill alone: from the first look at whether it may begin to its verdict. */
  steps: readonly StepRecord[];
  verdict?: Verdict;
  /** Why it ended without a verdict. */
  failure?: StepFailure;
  cancelled?: boolean;
  /** What the judgement counted; absent when it never came to one. */
  writes?: WritesFigures;
  /** Longest acceptable outage. */
  limitSeconds?: number;
  /** When the fault was ordered, ms since the epoch by the clock of the writer's host. */
  faultAt?: number;
  /** The writer's ledger; empty when there is none. */
  entries: readonly LedgerEntry[];
  workflow: { workflowId: string; runId: string; url?: string };
  /** ms since the epoch, by the workflow's clock. */
  startedAt: number;
  endedAt: number;
  /** Names and values, as they are to be read. */
  settings: readonly NamedValue[];
  versions: readonly NamedValue[];
  states: readonly ClusterStateFile[];
  /** What the logs of the nodes tell of the failover; absent where they were not fetched. */
  milestones?: readonly Milestone[];
  /** Those logs, relative to the report. */
  logs?: readonly string[];
  ledger?: { file: string; bytes: number; sha256: string };
  /** Host and program that measured. */
  reporter: { hadb: string; node: string; platform: string };
}

export type WritesFigures = Omit<WritesReport, 'verdict'>;

export interface NamedValue {
  name: string;
  value: string;
}

/** What the nodes said of themselves, each in a file beside the report. */
export interface ClusterStateFile {
  when: (typeof STATE_TIMES)[number];
  node: string;
  /** Relative to the report. */
  file: string;
  text: string;
}

export const STATE_TIMES = ['before', 'during', 'after'] as const;

/** Files of a drill's directory, beside its ledger. */
export const REPORT_FILES = {
  page: 'report.html',
  journal: 'journal.json',
  junit: 'junit.xml',
  ledger: 'ledger.jsonl.gz',
  states: 'state',
  logs: 'logs',
} as const;

/** In the same directory: the record of the process that writes while the drill goes on. */
export const WRITER_RECORD = 'writer.json';

export const DRILL_OUTCOMES = ['passed', 'failed', 'unknown', 'refused', 'cancelled', 'error'] as const;
/** `error`: it could not be brought to its end, so that there is no verdict. `refused`: its gate was not met or drills are forbidden, nothing was broken. */
export type DrillOutcome = (typeof DRILL_OUTCOMES)[number];

const REFUSALS: readonly FailureCode[] = ['GateNotMet', 'DrillsForbidden', 'ClusterLocked'];

export function outcomeOf({
  verdict,
  failure,
  cancelled,
}: Pick<DrillRecord, 'verdict' | 'failure' | 'cancelled'>): DrillOutcome {
  if (cancelled === true) return 'cancelled';
  if (failure !== undefined) return REFUSALS.some((code) => code === failure.code) ? 'refused' : 'error';
  if (verdict === undefined) return 'error';
  if (verdict.passed) return 'passed';
  return verdict.unknown === true ? 'unknown' : 'failed';
}

/** The verdict in words, for somebody who was asleep. */
export const OUTCOME_WORDS: Record<DrillOutcome, { word: string; mark: string; meaning: string }> = {
  passed: { word: 'Passed', mark: '✓', meaning: 'Every check holds.' },
  failed: { word: 'Failed', mark: '✗', meaning: 'A check does not hold.' },
  unknown: {
    word: 'Unknown',
    mark: '?',
    meaning: 'Nothing is known to be wrong, and too little was seen to call it well.',
  },
  refused: {
    word: 'Refused',
    mark: '⊘',
    meaning: 'The gate was not met, or drills are forbidden: nothing was broken, and nothing is proved.',
  },
  cancelled: { word: 'Cancelled', mark: '■', meaning: 'Somebody ended the drill: nothing is proved.' },
  error: { word: 'No verdict', mark: '!', meaning: 'The drill did not come to its end: nothing is proved.' },
};

/** The figures of the judgement, or what the ledger alone tells when there was none. */
export function figuresOf(record: Pick<DrillRecord, 'writes' | 'entries' | 'limitSeconds'>): WritesFigures {
  if (record.writes !== undefined) return record.writes;
  const { verdict: _, ...figures } = judgeWrites({
    entries: record.entries,
    finalRead: undefined,
    primaryRead: undefined,
    limitSeconds: record.limitSeconds ?? 0,
  });
  return figures;
}

/** True when the rows were read at the end: without that nothing is known of losses. */
export const wasRead = ({ writes, verdict }: Pick<DrillRecord, 'writes' | 'verdict'>): boolean =>
  writes !== undefined && verdict?.checks.some(({ name, passed }) => name === FINAL_READ && passed) === true;

/** A stretch of the drill; the clock tells how far it may be compared with the others. */
export interface Phase {
  name: string;
  /** ms since the epoch. */
  from: number;
  to: number;
  /** Part of the time in which not every client is served. */
  isOutage: boolean;
  clock: (typeof PHASE_CLOCKS)[number];
}

export const PHASE_CLOCKS = [
  'client',
  'workflow',
  'client and workflow',
  'node',
  'client and node',
  'node and workflow',
] as const;

/**
 * From the fault to a whole pair. Times of the client come from its ledger, and those of the nodes from their logs, by measured offsets of their clocks; where the
 * logs tell nothing of the outage, the workflow's step table does, whose clock is the Temporal server's and which sees things up to a second late.
 */
export function phasesOf(record: DrillRecord): Phase[] {
  const { faultAt, entries, steps } = record;
  const outage = faultOutage(figuresOf(record).outages, faultAt);
  const phases: Phase[] = [];
  const add = (
    name: string,
    from: number | undefined,
    to: number | undefined,
    rest: Omit<Phase, 'name' | 'from' | 'to'>,
  ) => {
    if (from !== undefined && to !== undefined && to > from) phases.push({ name, from, to, ...rest });
  };
  const serves = endOf(steps, 'take-over');
  const sustained = outage === undefined ? undefined : sustainedSince(entries, outage.to);
  if (outage !== undefined) {
    add(PHASES.order, faultAt, outage.from, { isOutage: false, clock: 'client' });
    const moments = momentsWithin(record.milestones ?? [], outage);
    if (moments.length > 0) {
      let from: { at: number; isNode: boolean } = { at: outage.from, isNode: false };
      const served = outage.ended === true ? PHASES.served : PHASES.notServed;
      for (const { name, at, isNode } of [...moments, { name: served, at: outage.to, isNode: false }]) {
        add(name, from.at, at, { isOutage: true, clock: clockOf(from.isNode, isNode) });
        from = { at, isNode };
      }
    } else if (serves !== undefined && serves > outage.from && serves < outage.to) {
      add(PHASES.seenToServe, outage.from, serves, {
        isOutage: true,
        clock: 'client and workflow',
      });
      add(PHASES.servedThroughBalancer, serves, outage.to, {
        isOutage: true,
        clock: 'client and workflow',
      });
    } else {
      const name = outage.ended === true ? PHASES.served : PHASES.notServed;
      add(name, outage.from, outage.to, { isOutage: true, clock: 'client' });
    }
    add(PHASES.steady, outage.to, sustained, { isOutage: false, clock: 'client' });
  }
  const whole = endOf(steps, 'healthy');
  const since = sustained ?? outage?.to ?? serves ?? faultAt;
  const redundant = momentOf(record, 'redundant');
  const isRedundant = redundant !== undefined && since !== undefined && redundant > since;
  if (isRedundant) add(UNTIL.redundant, since, redundant, { isOutage: false, clock: 'client and node' });
  add(PHASES.whole, isRedundant ? redundant : since, whole, {
    isOutage: false,
    clock: isRedundant ? 'node and workflow' : 'client and workflow',
  });
  return phases;
}

/** Those that end otherwise. */
export const PHASES = {
  order: 'from the order to the last acknowledged write',
  seenToServe: 'until the other node is seen to serve',
  servedThroughBalancer: 'until the load balancer serves every client',
  served: 'until every client is served again',
  notServed: 'not every client was served again',
  steady: 'until every client is answered steadily',
  whole: 'until the pair is whole again',
} as const;

/** By our clock; undefined where it was not seen. */
const momentOf = ({ milestones = [] }: DrillRecord, wanted: MilestoneName): number | undefined =>
  milestones.find(({ name }) => name === wanted)?.seen?.at;

function clockOf(isNodeBefore: boolean, isNodeAfter: boolean): Phase['clock'] {
  if (isNodeBefore !== isNodeAfter) return 'client and node';
  return isNodeBefore ? 'node' : 'client';
}

/**
 * What the nodes saw while not every client was served, in the order of time. Once the database is up and the balancer's probe is answered, nothing is missing
 * but that the balancer notices: what is left until a client gets through is its time. It may be all of the outage that is left.
 */
function momentsWithin(
  milestones: readonly Milestone[],
  { from, to }: { from: number; to: number },
): { name: string; at: number; isNode: boolean }[] {
  const within = milestones
    .flatMap(({ name, seen }) => (seen === undefined ? [] : [{ name, at: seen.at, isNode: seen.node !== undefined }]))
    .filter(({ name, at, isNode }) => name !== 'redundant' && at > from && (isNode ? at < to : at <= to))
    .sort((one, other) => one.at - other.at);
  const nodes = within.filter(({ isNode }) => isNode);
  const up = nodes.findLast(({ name }) => name === 'databaseUp' || name === 'probeAnswered')?.at ?? Infinity;
  const client = within.find(({ name, at }) => name === 'firstWrite' && at > up);
  const seen = client === undefined ? nodes : [...nodes, client].sort((one, other) => one.at - other.at);
  return seen.map(({ name, ...moment }) => ({ name: UNTIL[name], ...moment }));
}

/** Phases that end with a moment of the failover. */
export const UNTIL: Record<MilestoneName, string> = {
  detected: 'until the loss is detected',
  ordered: 'until the fencing is ordered',
  delayed: 'until the fencing delay is over',
  fenced: 'until the lost node is fenced',
  released: 'until DRBD lets writes go on',
  promoted: 'until DRBD is promoted',
  mounted: 'until the file system is mounted',
  recovered: 'until InnoDB has recovered',
  databaseUp: 'until the database is up',
  probeAnswered: 'until the responder to the probe runs',
  firstWrite: 'until the load balancer leads clients there',
  redundant: 'until both copies are current again',
};

/** One line for each moment that a failover may have, those that were not seen among them. */
export const milestoneLabels = (milestones: readonly Milestone[]): (Milestone & { label: string })[] =>
  milestones.map((milestone) => ({ ...milestone, label: MILESTONES[milestone.name] }));

/** Ids of a drill's steps begin with its kind. */
function endOf(steps: readonly StepRecord[], name: string): number | undefined {
  const step = steps.find(({ id, state }) => id.endsWith(`-${name}`) && state === 'done');
  return step?.endedAt === undefined ? undefined : Date.parse(step.endedAt);
}

/** One write as the charts show it. */
export interface WriteSample {
  seq: number;
  connection: ConnectionKind;
  fate: 'acknowledged' | 'unknown' | 'failed' | 'skipped';
  due: number;
  /** When it was known what became of it. */
  endedAt: number;
}

/** Every attempt of the ledger, also those that were never sent; one without any end lasted until its writer's deadline. */
export function samplesOf(entries: readonly LedgerEntry[]): WriteSample[] {
  const start = startOf(entries) ?? { ...UNKNOWN_START, at: entries[0]?.at ?? 0 };
  const { writers, deadlineMs } = start;
  const samples = new Map<number, WriteSample>();
  for (const entry of entries) {
    if (!('seq' in entry)) continue;
    const { seq, at } = entry;
    const connection = writers[writerOf(start, seq) - 1] ?? 'kept';
    if (entry.kind === 'intent') {
      samples.set(seq, { seq, connection, fate: 'unknown', due: entry.due, endedAt: entry.due + deadlineMs });
      continue;
    }
    const sample = samples.get(seq) ?? { seq, connection, due: dueOf(start, seq) };
    samples.set(seq, { ...sample, fate: FATES[entry.kind], endedAt: at });
  }
  return [...samples.values()].sort((one, other) => one.due - other.due);
}

const UNKNOWN_START = { kind: 'start', drill: '', intervalMs: 100, deadlineMs: 1000, writers: ['kept'] } as const;

const FATES = { ack: 'acknowledged', fail: 'failed', unknown: 'unknown', skip: 'skipped' } as const;

/** How long commits take, from the time they are due, in one stretch of the drill. */
export interface LatencyRow {
  stretch: string;
  commits: number;
  /** Milliseconds; absent without commits. */
  p50?: number;
  p95?: number;
  p99?: number;
  longest?: number;
}

/**
 * What replication costs: commits before the fault go to two disks, those after it to one, until the peer is back. Only of clients that keep their connection:
 * a new one costs more than the commit.
 */
export function latencyTable(record: DrillRecord): LatencyRow[] {
  const { faultAt, steps } = record;
  const commits = samplesOf(record.entries).filter(
    ({ fate, connection }) => fate === 'acknowledged' && connection === 'kept',
  );
  if (faultAt === undefined) return [latencyRow('all', commits)];
  const outage = faultOutage(figuresOf(record).outages, faultAt);
  const whole = endOf(steps, 'healthy');
  const again = outage?.to ?? faultAt;
  return [
    latencyRow(
      'before the fault, both copies written',
      commits.filter(({ due }) => due < faultAt),
    ),
    latencyRow(
      'after the outage, until the pair is whole',
      commits.filter(({ due }) => due >= again && (whole === undefined || due < whole)),
    ),
    ...(whole === undefined
      ? []
      : [
          latencyRow(
            'whole again',
            commits.filter(({ due }) => due >= whole),
          ),
        ]),
  ];
}

function latencyRow(stretch: string, commits: readonly WriteSample[]): LatencyRow {
  const sorted = commits.map(({ due, endedAt }) => Math.max(0, endedAt - due)).sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  const [p50, p95, p99, longest] = [at(0.5), at(0.95), at(0.99), sorted.at(-1)];
  return {
    stretch,
    commits: sorted.length,
    ...(p50 !== undefined &&
      p95 !== undefined &&
      p99 !== undefined &&
      longest !== undefined && { p50, p95, p99, longest }),
  };
}
