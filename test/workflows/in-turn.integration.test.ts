import { CompleteAsyncError } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { eventually } from './runs';
import { startTemporalForTests, type TemporalForTests } from './temporal-for-tests';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests();
});
afterAll(() => temporal.stop());

const activities = {
  change: async () => ({}),
  completedFromOutside: async () => {
    throw new CompleteAsyncError();
  },
};

/** Names given to `change`, in the order of their requests. */
async function requested(workflowId: string): Promise<string[]> {
  const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => {
    const [input] = scheduled?.input?.payloads ?? [];
    return scheduled?.activityType?.name === 'change' && input?.data
      ? [(JSON.parse(Buffer.from(input.data).toString()) as { name: string }).name]
      : [];
  });
}

const eventTypes = async (workflowId: string): Promise<string[]> => {
  const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap((event) => Object.keys(event).filter((key) => key.endsWith('EventAttributes')));
};

it('two results that come while no worker lives are followed up in their order, however they come to it', async () => {
  const first = await temporal.startWorker(activities);
  const handle = await first.start('branchesOfUnequalDepth', {});
  await eventually(async () =>
    expect(await eventTypes(handle.workflowId)).toContain('activityTaskScheduledEventAttributes'),
  );
  await first.stop();
  await eventually(async () => expect(await eventTypes(handle.workflowId)).toContain('timerFiredEventAttributes'));
  const { runId } = await handle.describe();
  const completion = { workflowId: handle.workflowId, runId, activityId: '1' };
  await eventually(() =>
    temporal.client.activity.complete(completion, undefined).catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }),
  );

  const second = await temporal.startWorker(activities, first.taskQueue);
  await handle.result();
  await second.stop();

  expect(await requested(handle.workflowId)).toEqual(['after the timer', 'after the activity']);
});
