import { getClient } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { RunbookName } from '../../cluster/step';

/** Kept on the lock's workflow, for people who look at it. */
export interface LockMemo {
  holder: string;
  run: string;
  runbook: RunbookName;
}

export interface DescribeLockHolderInput {
  lockId: string;
  /** Workflow id of the operation that asks. */
  workflowId: string;
}

/**
 * `leaked`: the lock is open though nobody can end it any more. A reset leaves it so: the old run's lock is not the new
 * run's child, and no parent close policy reaches it.
 */
export type LockHolder =
  | { state: 'free' }
  | { state: 'held'; holder: string; runbook?: string }
  | { state: 'leaked'; holder: string; lockRunId: string };

export interface LockActivities {
  describeLockHolder(input: DescribeLockHolderInput): Promise<LockHolder>;
  terminateLeakedLock(input: { lockId: string; lockRunId: string }): Promise<void>;
}

/** Needs a worker of Temporal: the client is the worker's own, so namespace and connection are the right ones. */
export function createLockActivities(connect: () => Client = getClient): LockActivities {
  return {
    async describeLockHolder({ lockId, workflowId }) {
      const client = connect();
      const lock = await describeOpen(client, lockId);
      if (lock === undefined) return { state: 'free' };
      const parent = lock.parentExecution;
      if (parent?.workflowId === undefined || parent.workflowId === null) {
        return { state: 'held', holder: `${lockId} (started by hand)` };
      }
      const holder = parent.workflowId;
      // The caller is the only open run of its id, so a lock under its id belongs to an earlier run of it.
      const leaked = holder === workflowId || (await describeOpen(client, holder)) === undefined;
      if (leaked) return { state: 'leaked', holder, lockRunId: lock.runId };
      const runbook = lock.memo?.['runbook'];
      return { state: 'held', holder, ...(typeof runbook === 'string' && { runbook }) };
    },

    async terminateLeakedLock({ lockId, lockRunId }) {
      try {
        await connect()
          .workflow.getHandle(lockId, lockRunId)
          .terminate('its operation has ended or was reset, so nothing else would ever end this lock');
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
  };
}

async function describeOpen(client: Client, workflowId: string) {
  try {
    const description = await client.workflow.getHandle(workflowId).describe();
    return description.closeTime === undefined ? description : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
