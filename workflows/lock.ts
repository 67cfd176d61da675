import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { CancellationScope, ParentClosePolicy, startChild, type ChildWorkflowHandle } from '@temporalio/workflow';
import type { LockActivities, LockHolder, LockMemo } from '../activities/coordination/lock';
import { clusterLockId } from '../cluster/ids';
import type { Operation } from '../cluster/step';
import { stepActivities } from './activity-proxies';
import { toApplicationFailure } from './failures';

/**
 * One operation at a time for a cluster: a child workflow with a fixed id, of which Temporal allows only one to be open. It ends with its
 * parent, however that ends (parent close policy). What it orders is workflows; effects on the nodes are ordered by their owner files.
 */

const activities = stepActivities<LockActivities>();

/** Leaked locks that are put aside before the lock counts as held; more than one only when resets follow one another. */
const TRIES = 3;

export interface HeldLock {
  /** True once somebody has ended the lock while the operation still runs. */
  isLost(): boolean;
}

/** The child: open for as long as its parent is. */
export async function clusterLock(): Promise<void> {
  await CancellationScope.current().cancelRequested;
}

/** Takes the lock for the rest of this run, or fails with `ClusterLocked`, naming the holder. */
export async function takeClusterLock(cluster: string, operation: Operation): Promise<HeldLock> {
  const lockId = clusterLockId(cluster);
  for (let attempt = 1; ; attempt += 1) {
    const lock = await startLock(lockId, operation);
    if (lock !== undefined) return watch(lock);
    const found = await activities.describeLockHolder({ lockId, workflowId: operation.workflowId });
    if (found.state === 'held' || attempt === TRIES) throw locked(cluster, found);
    if (found.state === 'leaked') await activities.terminateLeakedLock({ lockId, lockRunId: found.lockRunId });
  }
}

function locked(cluster: string, found: LockHolder): Error {
  const holder = found.state === 'free' ? 'operations that follow one another closely' : found.holder;
  return toApplicationFailure({
    code: 'ClusterLocked',
    message: `cluster ${cluster} is held by ${holder}`,
    whatNow: 'wait until it has ended, or cancel it, then start again',
  });
}

async function startLock(
  lockId: string,
  operation: Operation,
): Promise<ChildWorkflowHandle<typeof clusterLock> | undefined> {
  const memo: LockMemo = { holder: operation.workflowId, run: operation.run, runbook: operation.runbook };
  try {
    // Out of reach of a cancel: what is undone after a cancel still needs the lock.
    return await CancellationScope.nonCancellable(() =>
      startChild(clusterLock, {
        workflowId: lockId,
        parentClosePolicy: ParentClosePolicy.TERMINATE,
        memo: { ...memo },
        staticSummary: `held by ${operation.workflowId}`,
      }),
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

function watch(lock: ChildWorkflowHandle<typeof clusterLock>): HeldLock {
  let lost = false;
  const end = () => {
    lost = true;
  };
  void lock.result().then(end, end);
  return { isLost: () => lost };
}
