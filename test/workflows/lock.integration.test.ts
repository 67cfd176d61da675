import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { clusterLockId } from '../../cluster/ids';
import type { Progress } from '../../cluster/step';
import { failWith, ScriptedActivities, succeed, untilCancelled, waitFor } from './fake-activities';
import { eventually, failureOf, reset, stepOf } from './runs';
import {
  specificationFor,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests();
}, 240_000);
afterAll(() => temporal?.stop());

/** A holder in the middle of its first step, which ends when `release` is called. */
async function holding(worker: RunningWorker, fakes: ScriptedActivities, cluster: string): Promise<WorkflowHandle> {
  const holder = await worker.start('oneStep', inputFor(cluster), `build-cluster/${cluster}`);
  await eventually(async () => expect(fakes.named('first')).toHaveLength(1));
  return holder;
}

function inputFor(cluster: string) {
  return { specification: specificationFor(cluster), onFailure: 'fail' };
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

const newCluster = () => `c${randomUUID().slice(0, 8)}`;

async function endOfNextOperation(worker: RunningWorker, cluster: string): Promise<Progress['state']> {
  const next = await worker.start('twoSteps', inputFor(cluster), `switchover/${cluster}`);
  const progress: Progress = await next.result();
  return progress.state;
}

describe('the lock of a cluster', () => {
  it('refuses a second operation with the id of the holder, and lets another cluster go on', async () => {
    const { opened, open } = gate();
    const fakes = new ScriptedActivities({ first: [waitFor(opened), succeed] });
    const cluster = newCluster();

    await temporal.withWorker(fakes, async (worker) => {
      const holder = await holding(worker, fakes, cluster);
      const second = await worker.start('twoSteps', inputFor(cluster), `switchover/${cluster}`);
      const refusal = await failureOf(second);
      expect(await endOfNextOperation(worker, newCluster())).toBe('completed');
      open();
      await holder.result();

      expect(refusal.type).toBe('ClusterLocked');
      expect(refusal.nonRetryable).toBe(true);
      expect(refusal.message).toBe(`cluster ${cluster} is held by build-cluster/${cluster}`);
      expect(fakes.named('second')).toHaveLength(1);
    });
  });

  it('names its holder in its memo, for people who look at it', async () => {
    const { opened, open } = gate();
    const fakes = new ScriptedActivities({ first: [waitFor(opened)] });
    const cluster = newCluster();

    await temporal.withWorker(fakes, async (worker) => {
      const holder = await holding(worker, fakes, cluster);
      const lock = await temporal.client.workflow.getHandle(clusterLockId(cluster)).describe();
      open();
      await holder.result();

      expect(lock.memo).toEqual({
        holder: `build-cluster/${cluster}`,
        run: expect.stringMatching(/^[0-9a-f-]{36}$/),
        runbook: 'buildCluster',
      });
    });
  });

  it('is free for the next operation as soon as the holder has completed, ten times in a row', async () => {
    const cluster = newCluster();

    await temporal.withWorker(new ScriptedActivities(), async (worker) => {
      for (let round = 0; round < 10; round += 1) {
        expect(await endOfNextOperation(worker, cluster)).toBe('completed');
      }
    });
  });

  it('is free after the holder has failed', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused'), succeed] });
    const cluster = newCluster();

    await temporal.withWorker(fakes, async (worker) => {
      const holder = await worker.start('oneStep', inputFor(cluster), `build-cluster/${cluster}`);
      await failureOf(holder);
      expect(await endOfNextOperation(worker, cluster)).toBe('completed');
    });
  });

  it.each(['cancelled', 'terminated', 'timed out'])('is free after the holder was %s', async (how) => {
    const { opened } = gate();
    const fakes = new ScriptedActivities({ first: [waitFor(opened), succeed] });
    const cluster = newCluster();

    await temporal.withWorker(fakes, async (worker) => {
      const holder =
        how === 'timed out' ? await startedWithTimeout(worker, fakes, cluster) : await holding(worker, fakes, cluster);
      if (how === 'cancelled') await holder.cancel();
      if (how === 'terminated') await holder.terminate();
      await expect(holder.result()).rejects.toMatchObject({ name: 'WorkflowFailedError' });
      expect(await endOfNextOperation(worker, cluster)).toBe('completed');
    });
  });

  it('goes with the holder when that continues as new', async () => {
    const { opened, open } = gate();
    const fakes = new ScriptedActivities({ after: [waitFor(opened)] });
    const cluster = newCluster();

    await temporal.withWorker(fakes, async (worker) => {
      const { onFailure: _, ...input } = inputFor(cluster);
      const holder = await worker.start('continuing', { ...input, again: true }, `build-cluster/${cluster}`);
      await eventually(async () => expect(fakes.named('after')).toHaveLength(1));
      const refused = await failureOf(await worker.start('twoSteps', inputFor(cluster), `switchover/${cluster}`));
      open();
      await holder.result();
      expect(await endOfNextOperation(worker, cluster)).toBe('completed');

      expect(refused.message).toContain(`build-cluster/${cluster}`);
    });
  });

  it.each(['first task', 'last task'] as const)(
    'stays with a holder that was reset to its %s, and is free after that has ended',
    async (task) => {
      const { opened, open } = gate();
      const fakes = new ScriptedActivities({ first: [waitFor(opened), waitFor(opened), succeed] });
      const cluster = newCluster();

      await temporal.withWorker(fakes, async (worker) => {
        await holding(worker, fakes, cluster);
        const again = await reset(temporal.client, `build-cluster/${cluster}`, task);
        await eventually(async () => expect(fakes.named('first')).toHaveLength(2));
        const refused = await failureOf(await worker.start('twoSteps', inputFor(cluster), `switchover/${cluster}`));
        open();
        const progress = (await again.result()) as Progress;
        expect(await endOfNextOperation(worker, cluster)).toBe('completed');

        expect(refused.type).toBe('ClusterLocked');
        expect(stepOf(progress, 'first').state).toBe('done');
      });
    },
  );

  it.each(['first task', 'last task'] as const)(
    'is free after a holder that had completed was reset to its %s and completed again',
    async (task) => {
      const cluster = newCluster();

      await temporal.withWorker(new ScriptedActivities(), async (worker) => {
        const holder = await worker.start('oneStep', inputFor(cluster), `build-cluster/${cluster}`);
        await holder.result();
        const again = await reset(temporal.client, `build-cluster/${cluster}`, task);
        await again.result();
        expect(await endOfNextOperation(worker, cluster)).toBe('completed');
        const rebuilt = await worker.start('oneStep', inputFor(cluster), `build-cluster/${cluster}`);
        await rebuilt.result();
      });
    },
  );

  it('stays with a holder that was cancelled until that has undone what it did', async () => {
    const { opened, open } = gate();
    const fakes = new ScriptedActivities({ inject: [untilCancelled(() => undefined)], undo: [waitFor(opened)] });
    const cluster = newCluster();

    const refused = await temporal.withWorker(fakes, async (worker) => {
      const holder = await worker.start('undoing', inputFor(cluster), `drill/${cluster}`);
      await eventually(async () => expect(fakes.named('inject')).toHaveLength(1));
      await holder.cancel();
      await eventually(async () => expect(fakes.named('undo')).toHaveLength(1));
      const refused = await failureOf(await worker.start('twoSteps', inputFor(cluster), `switchover/${cluster}`));
      open();
      await expect(holder.result()).rejects.toMatchObject({ name: 'WorkflowFailedError' });
      expect(await endOfNextOperation(worker, cluster)).toBe('completed');
      return refused;
    });

    expect(refused.message).toBe(`cluster ${cluster} is held by drill/${cluster}`);
  });

  it('that somebody ends stops its holder before the next step', async () => {
    const { opened, open } = gate();
    const fakes = new ScriptedActivities({ first: [waitFor(opened)] });
    const cluster = newCluster();

    const error = await temporal.withWorker(fakes, async (worker) => {
      const holder = await worker.start('twoSteps', inputFor(cluster), `build-cluster/${cluster}`);
      await eventually(async () => expect(fakes.named('first')).toHaveLength(1));
      await temporal.client.workflow.getHandle(clusterLockId(cluster)).terminate('by hand');
      open();
      return failureOf(holder);
    });

    expect(error.type).toBe('ClusterLocked');
    expect(error.message).toContain('was ended while this operation ran');
    expect(fakes.named('second')).toEqual([]);
  });
});

async function startedWithTimeout(
  worker: RunningWorker,
  fakes: ScriptedActivities,
  cluster: string,
): Promise<WorkflowHandle> {
  const handle = await temporal.client.workflow.start('oneStep', {
    taskQueue: worker.taskQueue,
    workflowId: `build-cluster/${cluster}`,
    workflowExecutionTimeout: '3 seconds',
    args: [inputFor(cluster)],
  });
  await eventually(async () => expect(fakes.named('first')).toHaveLength(1));
  return handle;
}
