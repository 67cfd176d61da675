import { randomUUID } from 'node:crypto';
import { WorkflowFailedError, type Client, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Progress, StepRecord } from '../../cluster/step';
import { decideUpdate, progressQuery, type DecideInput } from '../../workflows/messages';

/** What tests of runs do with their handles. */

export async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) {
    throw new Error(`the run did not fail with an ApplicationFailure but with ${String(error)}`);
  }
  return error.cause;
}

export function progressIn(failure: ApplicationFailure): Progress {
  return failure.details?.[0] as Progress;
}

export function stepOf(progress: Progress, id: string, node?: string): StepRecord {
  const found = progress.steps.find((step) => step.id === id && (node === undefined || step.node === node));
  if (found === undefined) throw new Error(`no step ${id} among ${progress.steps.map((step) => step.id).join(', ')}`);
  return found;
}

export async function stateReached(handle: WorkflowHandle, state: Progress['state']): Promise<Progress> {
  let progress: Progress | undefined;
  await eventually(async () => {
    progress = await handle.query(progressQuery);
    expect(progress.state).toBe(state);
  });
  return progress as Progress;
}

export async function decide(handle: WorkflowHandle, decision: Pick<DecideInput, 'step' | 'decision'>): Promise<void> {
  await handle.executeUpdate(decideUpdate, { args: [{ ...decision, by: 'the test', reason: 'it says so' }] });
}

export async function currentDetails(handle: WorkflowHandle): Promise<string> {
  const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

/** Resets as the UI's button does; returns the handle of the new run. */
export async function reset(
  client: Client,
  workflowId: string,
  to: 'first task' | 'last task',
): Promise<WorkflowHandle> {
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  const tasks = (history.events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const task = to === 'first task' ? tasks[0] : tasks.at(-1);
  if (task?.eventId === undefined || task.eventId === null) throw new Error(`no task to reset ${workflowId} to`);
  const { runId } = await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    workflowTaskFinishEventId: task.eventId,
    reason: 'a test',
    requestId: randomUUID(),
  });
  return client.workflow.getHandle(workflowId, runId);
}

/** Polls a condition on another process; the deadline only ends a test that has failed. */
export async function eventually(assertion: () => Promise<unknown>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
