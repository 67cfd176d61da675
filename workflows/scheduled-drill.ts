import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  ParentClosePolicy,
  executeChild,
  isCancellation,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { LockActivities } from '../activities/coordination/lock';
import { MOST_SKIPPED_NIGHTS, kindOfNight, utcDay } from '../cluster/drill-schedule';
import type { FailureCode } from '../cluster/errors';
import { clusterLockId, drillWorkflowId } from '../cluster/ids';
import type { Progress, StepOutcome, Verdict } from '../cluster/step';
import { stepActivities } from './activity-proxies';
import { drill as client } from './chapters/activities';
import { readDrillPermissionClosed } from './drill-permission';
import { describeFailure, isCancelOfTheRun, toApplicationFailure } from './failures';
import { ScheduledDrill } from './inputs';
import type { DrillKind, FailoverDrillInput, ScheduledDrillInput } from './messages';
import { runRunbook, type Run } from './runbook';

const lock = stepActivities<LockActivities>();

/**
 * What a schedule starts: the drill of this night as a run of its own. It fails when the drill does not pass or finds the pair unhealthy, so that the
 * schedule pauses; it completes as skipped when drills are not wanted now or another operation holds the cluster, but not a third time in a row.
 */
export const scheduledDrill = (input: ScheduledDrillInput): Promise<Progress> =>
  runScheduledDrill(input, ScheduledDrill);

export const runScheduledDrill = (
  input: ScheduledDrillInput,
  schema: z.ZodType<z.infer<typeof ScheduledDrill>>,
): Promise<Progress> =>
  runRunbook({
    runbook: 'scheduledDrill',
    input,
    schema,
    // The drill itself takes it.
    lock: 'none',
    body: (run, { schedule, kinds, deadlineMinutes }) => {
      const due = dueTime();
      const night: Night = {
        run,
        schedule,
        due,
        kind: kindOfNight(kinds, due.getTime()),
        deadlineMinutes,
        specification: input.specification,
      };
      return run.chapter('Scheduled drill', () => drillOfTheNight(night));
    },
  });

interface Night extends Omit<ScheduledDrillInput, 'kinds'> {
  run: Run;
  kind: DrillKind;
  /** When the schedule wanted it: a late start after midnight does not change the kind. */
  due: Date;
}

async function drillOfTheNight(night: Night): Promise<void> {
  const { run, schedule, kind } = night;
  upsertMemo({ schedule, kind });
  let drilled = false;
  const obstacle = await run.withUndo(
    async () => {
      const found = (await forbidden(night)) ?? (await heldBy(night));
      if (found !== undefined) return found;
      const { skipped } = await run.step({ id: 'drill' }, `Make the drill of this night, ${drillIdOf(night)}`, () =>
        drillAsChild(night, () => {
          drilled = true;
        }),
      );
      return skipped;
    },
    async () => {
      if (!drilled) return;
      await run.step({ id: 'end-skipped-nights' }, 'End the count of skipped nights', (step) =>
        client.clearSkippedNights({ ...step, schedule }),
      );
    },
  );
  if (obstacle !== undefined) await skip(night, obstacle);
}

/** Why no drill is wanted now; fails when that cannot be told. */
async function forbidden({ run }: Night): Promise<string | undefined> {
  const { reason } = await run.step(
    { id: 'allowed' },
    'See that drills are allowed: neither stopped nor in a freeze window',
    async (step): Promise<StepOutcome & { reason?: string }> => {
      try {
        return await readDrillPermissionClosed(step);
      } catch (error) {
        const { code, message } = describeFailure(error);
        if (code !== 'DrillsForbidden') throw error;
        return { result: 'unchanged', observed: message, reason: message };
      }
    },
  );
  return reason;
}

async function heldBy({ run }: Night): Promise<string | undefined> {
  const { reason } = await run.step(
    { id: 'free' },
    'See that no other operation holds the cluster',
    async ({ specification, operation }): Promise<StepOutcome & { reason?: string }> => {
      const lockId = clusterLockId(specification.name);
      const found = await lock.describeLockHolder({ lockId, workflowId: operation.workflowId });
      // What has leaked is put aside by the drill when it takes the lock.
      if (found.state !== 'held') return { result: 'unchanged', observed: 'nobody holds it' };
      const held = `cluster ${specification.name} is held by ${found.holder}`;
      return { result: 'unchanged', observed: held, reason: held };
    },
  );
  return reason;
}

/** Codes of a drill that has done nothing and found nothing wrong with the cluster. */
const NOT_NOW: readonly FailureCode[] = ['ClusterLocked', 'DrillsForbidden'];

/** Throws what the drill failed with; `onEnd` is called when it was made, whatever came of it. */
async function drillAsChild(night: Night, onEnd: () => void): Promise<StepOutcome & { skipped?: string }> {
  const { run, kind, deadlineMinutes, specification } = night;
  const workflowId = drillIdOf(night);
  const untilDeadline = new CancellationScope({ cancellable: true, timeout: `${deadlineMinutes} minutes` });
  try {
    const progress = await untilDeadline.run(() =>
      executeChild<(input: FailoverDrillInput) => Promise<Progress>>('failoverDrill', {
        workflowId,
        args: [{ specification, kind, onFailure: 'fail' }],
        staticSummary: `Failover drill ${kind} on ${run.specification.name}, by schedule ${night.schedule}`,
        memo: { startedBy: `schedule ${night.schedule}` },
        // Also when this run is terminated or times out, the fault is undone.
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      }),
    );
    onEnd();
    run.verdict(
      progress.verdict ?? {
        passed: false,
        unknown: true,
        summary: `${workflowId} ended without a verdict`,
        checks: [],
      },
    );
    return { result: 'changed', observed: workflowId, done: progress.sentence };
  } catch (error) {
    if (isCancelOfTheRun(error)) throw error;
    if (error instanceof WorkflowExecutionAlreadyStartedError) return skipped(`${workflowId} is open already`);
    if (untilDeadline.consideredCancelled) {
      onEnd();
      throw toApplicationFailure({
        code: 'NotReady',
        message: `${workflowId} was not done within ${deadlineMinutes} minutes, and was cancelled`,
        whatNow: `look at ${workflowId} for what it waited for, and at the cluster, before the schedule is unpaused`,
      });
    }
    if (error instanceof ChildWorkflowFailure && !(error.cause instanceof ApplicationFailure)) {
      throw toApplicationFailure({
        code: 'Aborted',
        message: `${workflowId} ended before it had a verdict: ${isCancellation(error) ? 'it was cancelled' : (error.cause?.message ?? error.message)}`,
        whatNow: 'look at the cluster, then unpause the schedule',
      });
    }
    const failure = describeFailure(error);
    if (NOT_NOW.some((code) => code === failure.code)) return skipped(failure.message);
    onEnd();
    const verdict = verdictIn(error);
    if (verdict !== undefined) run.verdict(verdict);
    throw toApplicationFailure({
      ...failure,
      whatNow: failure.whatNow ?? `look at ${workflowId}, put right what it names, then unpause the schedule`,
    });
  }
}

function skipped(reason: string): StepOutcome & { skipped: string } {
  return { result: 'unchanged', observed: reason, skipped: reason };
}

async function skip({ run, schedule, due }: Night, reason: string): Promise<void> {
  const { nights } = await run.step({ id: 'count-skipped-night' }, 'Count the skipped night', (step) =>
    client.noteSkippedNight({ ...step, schedule, day: utcDay(due.getTime()) }),
  );
  if (nights.length >= MOST_SKIPPED_NIGHTS) {
    upsertMemo({ outcome: `skipped too often: ${reason}` });
    throw toApplicationFailure({
      code: 'AssertionFailed',
      message: `${nights.length} nights in a row were skipped (${nights.join(', ')}), this one because ${reason}`,
      whatNow: 'make room for a drill, or pause the schedule for as long as none is wanted; then unpause it',
    });
  }
  upsertMemo({ outcome: `skipped: ${reason}` });
  run.skip(reason);
}

/** What the server notes on what a schedule starts; without it (started by hand) the start of the run counts. */
function dueTime(): Date {
  const { searchAttributes, startTime } = workflowInfo();
  const [due] = searchAttributes['TemporalScheduledStartTime'] ?? [];
  return due instanceof Date ? due : startTime;
}

const drillIdOf = ({ run, kind, due }: Night): string =>
  drillWorkflowId(run.specification.name, kind, due.toISOString().replace(/[-:]|\.\d+/g, ''));

/** The verdict in the details of a failed drill. */
function verdictIn(error: unknown): Verdict | undefined {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : undefined;
  const progress =
    cause instanceof ApplicationFailure ? (cause.details?.[0] as Partial<Progress> | undefined) : undefined;
  return progress?.verdict;
}
