import type { Progress, StepWait } from '../cluster/step';
import type { Clock } from './clock';
import { parseStepWait } from './progress-payload';
import { diffProgress } from './run-events';
import type { RunEvent } from './run-events';
import { isOpen, isTemporalUnreachable } from './watched-run';
import type { RunEnding, RunLook, WatchedRun } from './watched-run';

/** Watches a run to its end: asks again and again, and tells what has changed. Survives restarts of server and worker. */

export interface FollowOptions {
  run: WatchedRun;
  clock: Clock;
  /** Aborted when the user wants to stop watching; the run goes on. */
  stop: AbortSignal;
  pollMs: number;
  onEvent: (event: RunEvent) => void;
  /** After every look, with what can be shown as the present state. */
  onLook?: (progress: Progress | undefined, waits: readonly StepWait[]) => void;
}

export type FollowEnd = { kind: 'ended'; ending: RunEnding } | { kind: 'detached'; progress?: Progress };

/** Shorter silences are restarts, or a worker that bundles its workflows (some 10 s on a busy machine): not worth a word. */
const SILENCE_MS = 15_000;
/** A workflow task that fails once is retried at once; one that fails so often does not fit its history. */
const FAILING_TASK_ATTEMPTS = 3;
const MAX_BACKOFF_MS = 5_000;
/** A moving percentage is told at most so often. */
const WAIT_EVENT_MS = 1_000;

export async function follow(options: FollowOptions): Promise<FollowEnd> {
  const { run, clock, stop, pollMs, onEvent } = options;
  const state: FollowState = {
    progress: undefined,
    waits: new Map(),
    silent: {},
    failures: 0,
    taskFailing: false,
  };

  while (!stop.aborted) {
    try {
      const look = await run.look();
      temporalAnswers(state, onEvent);
      state.firstRunId ??= look.firstRunId;
      const replaced = look.firstRunId !== state.firstRunId;
      if (replaced || !isOpen(look.status)) {
        const ending = await readEnding(run, state, look, replaced);
        if (ending.progress !== undefined) update(state, ending.progress, onEvent);
        return { kind: 'ended', ending };
      }
      state.runId = look.runId;
      await observe(options, state, look);
    } catch (error) {
      if (!isTemporalUnreachable(error)) throw error;
      temporalSilent(state, clock, error.message, onEvent);
    }
    options.onLook?.(
      state.progress,
      [...state.waits.values()].map(({ wait }) => wait),
    );
    await clock.sleep(Math.min(pollMs * 2 ** Math.min(state.failures, 10), Math.max(pollMs, MAX_BACKOFF_MS)), stop);
  }
  return { kind: 'detached', ...(state.progress === undefined ? {} : { progress: state.progress }) };
}

/** A cancelled or terminated run returns nothing, but its step table can still be asked for. */
async function readEnding(run: WatchedRun, state: FollowState, look: RunLook, replaced: boolean): Promise<RunEnding> {
  const ending = await run.ending(replaced ? (state.runId ?? look.firstRunId) : look.runId);
  if (ending.progress !== undefined || replaced) return ending;
  const progress = await run.progress();
  return progress === undefined ? ending : { ...ending, progress };
}

interface FollowState {
  /** The run on show; a reset goes on under another id but with the same first one. */
  runId?: string;
  firstRunId?: string;
  progress: Progress | undefined;
  waits: Map<string, { wait: StepWait; toldAt: number; told: string }>;
  silent: { temporalSince?: number; temporalTold?: true; workerSince?: number; workerTold?: true };
  /** Looks in a row that failed. */
  failures: number;
  taskFailing: boolean;
}

async function observe(options: FollowOptions, state: FollowState, look: RunLook): Promise<void> {
  const { run, clock, onEvent } = options;
  const asked = clock.now();
  const progress = await run.progress();
  if (progress === undefined) {
    state.silent.workerSince ??= asked;
    await unanswered(options, state, look);
    return;
  }
  if (state.silent.workerTold) onEvent({ type: 'notice', code: 'HADB_I3002', message: 'a worker answers again' });
  delete state.silent.workerSince;
  delete state.silent.workerTold;
  if (state.taskFailing) {
    state.taskFailing = false;
    onEvent({ type: 'notice', code: 'HADB_I3006', message: `${run.workflowId} goes on` });
  }
  update(state, progress, onEvent);
  tellWaits(state, look, clock, onEvent);
}

function update(state: FollowState, progress: Progress, onEvent: FollowOptions['onEvent']): void {
  for (const event of diffProgress(state.progress, progress)) onEvent(event);
  state.progress = progress;
}

function tellWaits(state: FollowState, look: RunLook, clock: Clock, onEvent: FollowOptions['onEvent']): void {
  const seen = new Set<string>();
  for (const activity of look.pending) {
    const wait = parseStepWait(activity.heartbeat);
    if (wait === undefined) continue;
    seen.add(wait.step);
    const text = JSON.stringify(wait);
    const known = state.waits.get(wait.step);
    const due = known === undefined || clock.now() - known.toldAt >= WAIT_EVENT_MS;
    if (due && known?.told !== text) {
      state.waits.set(wait.step, { wait, toldAt: clock.now(), told: text });
      onEvent({ type: 'wait', code: 'HADB_I2002', wait });
    } else if (known !== undefined) {
      known.wait = wait;
    }
  }
  for (const step of state.waits.keys()) if (!seen.has(step)) state.waits.delete(step);
}

/** Nobody answers the query: either the workflow's task fails again and again, or there is no worker. */
async function unanswered({ run, clock, onEvent }: FollowOptions, state: FollowState, look: RunLook): Promise<void> {
  if (state.taskFailing) return;
  const failure = await readTaskFailure(run, look);
  if (failure !== undefined) {
    state.taskFailing = true;
    onEvent({ type: 'notice', code: 'HADB_E3005', message: failingTask(run.workflowId, failure) });
    return;
  }
  const { workerSince = clock.now(), workerTold } = state.silent;
  if (workerTold || clock.now() - workerSince < SILENCE_MS) return;
  state.silent.workerTold = true;
  onEvent({
    type: 'notice',
    code: 'HADB_W3001',
    message: `no worker answers for ${run.workflowId}; the run waits. With the embedded pieces: hadb up`,
  });
}

/** Why the run's workflow task keeps failing; undefined when it does not. Without a worker it has tries, but no failure. */
export async function readTaskFailure(run: WatchedRun, look: RunLook): Promise<string | undefined> {
  return look.workflowTaskAttempt < FAILING_TASK_ATTEMPTS ? undefined : run.workflowTaskFailure();
}

/** What is said of a run whose workflow task keeps failing, and the ways out. */
export function failingTask(workflowId: string, cause: string): string {
  return [
    `the workflow task of ${workflowId} keeps failing: ${cause}.`,
    'Most likely this hadb is newer or older than the one that began the run. Either run the worker of that version',
    `(the run then goes on by itself), or end the run with: hadb cancel ${workflowId} --terminate`,
    '(nothing is lost: starting it again observes what is done and goes on from there).',
  ].join(' ');
}

function temporalSilent(state: FollowState, clock: Clock, message: string, onEvent: FollowOptions['onEvent']): void {
  state.failures += 1;
  state.silent.temporalSince ??= clock.now();
  if (state.silent.temporalTold || clock.now() - state.silent.temporalSince < SILENCE_MS) return;
  state.silent.temporalTold = true;
  onEvent({ type: 'notice', code: 'HADB_W3003', message: `${message}; trying again` });
}

function temporalAnswers(state: FollowState, onEvent: FollowOptions['onEvent']): void {
  if (state.silent.temporalTold) onEvent({ type: 'notice', code: 'HADB_I3004', message: 'Temporal answers again' });
  state.failures = 0;
  delete state.silent.temporalSince;
  delete state.silent.temporalTold;
}
