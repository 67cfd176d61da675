import type { WatchNote } from './recovery/watch';
import type { ClusterSpecification } from './specification/specification';

/** The operation on whose behalf something is done: it names remote jobs and owns the nodes. */
export interface Operation {
  workflowId: string;
  /** First execution run id: survives reset and continue-as-new. */
  run: string;
  runbook: RunbookName;
}

export const RUNBOOKS = [
  'buildCluster',
  'failoverDrill',
  'scheduledDrill',
  'orderDrills',
  'switchover',
  'recoverCluster',
  'destroyCluster',
  'planCluster',
  'watchCluster',
] as const;
export type RunbookName = (typeof RUNBOOKS)[number];

/** What every activity of a step receives besides its own fields. */
export interface StepContext {
  specification: ClusterSpecification;
  operation: Operation;
  /** Identity of the step, node included: `create-drbd-metadata/hadb01`. */
  step: string;
  /** Raised by each `retry` decision, so that a new remote job is not taken for the failed one. */
  generation: number;
}

/** `changedEarlier`: found done, and it was this very operation that did it (the report was lost). */
export type StepResult = 'unchanged' | 'changed' | 'changedEarlier';

/** Evidence of one step, a few hundred bytes: what was observed before, what was done, what was verified after. */
export interface StepOutcome {
  result: StepResult;
  observed: string;
  done?: string;
  verified?: string;
  /** Deviations of a built cluster from its specification; reported, never put right silently. */
  drift?: string[];
  /**
   * When a move that a drill measures from was sent: ms since the epoch, by the worker's clock, with which the drill's ledger is kept. Absent where an earlier
   * try has sent it.
   */
  movedAt?: number;
}

/** What an activity heartbeats (first detail) while it waits, for people who watch; unknown parts are left out. */
export interface StepWait {
  /** Identity of the step, node included. */
  step: string;
  /** Such as "initial sync of r0", in the field's words. */
  waitingFor: string;
  percent?: number;
  rateKiBPerSecond?: number;
  remainingSeconds?: number;
}

export type StepState = 'pending' | 'running' | 'waiting' | 'done' | 'skipped' | 'failed' | 'cancelled';

export const DECISIONS = ['retry', 'skip', 'abort'] as const;
export type Decision = (typeof DECISIONS)[number];

export interface StepFailure {
  code: string;
  message: string;
  observed?: string;
  whatNow?: string;
}

export interface StepRecord {
  id: string;
  node?: string;
  /** One sentence for people. */
  sentence: string;
  /** Chapter of the article it belongs to. */
  chapter: string;
  state: StepState;
  startedAt: string;
  endedAt?: string;
  /** Tries so far; a worker's crash does not count. */
  attempts: number;
  outcome?: StepOutcome;
  /** Of the last try while the step runs or waits; of the step once it has failed. */
  failure?: StepFailure;
  /** While `waiting`: what a person may decide. */
  choices?: Decision[];
  waitingSince?: string;
  /** Set when nobody has decided for a long time and an alert was logged. */
  alertedAt?: string;
  decidedBy?: { decision: Decision; by: string; reason: string };
}

export interface Verdict {
  passed: boolean;
  /** Nothing is known to be wrong, and too little was seen to call it well. Never together with `passed`. */
  unknown?: true;
  /** One sentence. */
  summary: string;
  /** Named figures with units in the name, and assertions. */
  checks: VerdictCheck[];
}

export interface VerdictCheck {
  name: string;
  passed: boolean;
  /** It could not be told. Never together with `passed`. */
  unknown?: true;
  /** It was left out on purpose, and speaks neither for nor against: `passed` is true then. */
  notRun?: true;
  detail: string;
}

/** The step table: the query `progress`, the return value, and (rendered) the current details in the UI. */
export interface Progress {
  version: 1;
  runbook: RunbookName;
  cluster: string;
  state: 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
  /** The run's sentence: what it is doing now or how it ended. */
  sentence: string;
  fencing: 'none' | 'azure';
  /** What people must know and what changes no verdict (a specification that is possible and yet unwise, missing evidence), each as a sentence; absent when there is nothing. */
  warnings?: string[];
  steps: StepRecord[];
  verdict?: Verdict;
  /** Of a watch: what it found, and hands on to its next look. */
  watch?: WatchNote;
  /** Why a scheduled run did nothing this time, though nothing is wrong. */
  skipped?: string;
  failure?: StepFailure;
}
