import type { Progress } from '../cluster/step';

/** A workflow run as its watcher sees it; `temporal.ts` makes one of a real Temporal, tests make theirs. */
export interface WatchedRun {
  readonly workflowId: string;
  /** Address of the run in the Temporal UI, when one is known. */
  readonly url?: string;
  /** Errors: `TemporalUnreachable` (worth another try), `HADB_E4004` as ClientError when there is no such run. */
  look(): Promise<RunLook>;
  /** The step table; undefined when nobody answers (no worker, or its workflow task fails). Errors as `look`. */
  progress(): Promise<Progress | undefined>;
  /** How a closed run ended. Errors as `look`. */
  ending(runId: string): Promise<RunEnding>;
  /** Why the latest workflow task failed; undefined when it did not. Errors as `look`. */
  workflowTaskFailure(): Promise<string | undefined>;
}

export const OPEN_STATUSES = ['RUNNING', 'PAUSED'] as const;

export interface RunLook {
  /** As Temporal names it: RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT … */
  status: string;
  runId: string;
  /** Survives a reset: the same for all runs of one operation. */
  firstRunId: string;
  /** Tries of the present workflow task; more than a few means that it keeps failing. */
  workflowTaskAttempt: number;
  pending: PendingActivity[];
}

export interface PendingActivity {
  type: string;
  /** First heartbeat detail, decoded. */
  heartbeat?: unknown;
}

export interface RunEnding {
  status: string;
  /** The step table as the run left it, from its return value or its failure. */
  progress?: Progress;
  failure?: { code?: string; message: string };
}

export class TemporalUnreachable extends Error {
  override readonly name = 'TemporalUnreachable';
}

export function isTemporalUnreachable(error: unknown): error is TemporalUnreachable {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'TemporalUnreachable';
}

export function isOpen(status: string): boolean {
  return OPEN_STATUSES.some((open) => open === status);
}
