import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { clusterLockId } from '../../cluster/ids';
import { kindOfNight } from '../../cluster/drill-schedule';
import type { Progress, Verdict } from '../../cluster/step';
import { ROTATION, progressQuery } from '../../workflows/messages';
import { failWith } from './fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster } from './fake-cluster';
import { eventually, failureOf, progressIn, stepOf } from './runs';
import {
  specificationFor,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

/** What a schedule starts, without the schedule: that is in `test/client/schedules.integration.test.ts`. */

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests({
    workflowsPath: require.resolve('./impatient-night'),
    workflowInterceptorModules: [require.resolve('../../workflows/interceptors')],
  });
}, 240_000);
afterAll(() => temporal?.stop());

async function withCluster<Result>(
  work: (worker: RunningWorker, cluster: FakeCluster) => Promise<Result>,
): Promise<{ result: Result; cluster: FakeCluster }> {
  const cluster = createFakeCluster();
  const result = await temporal.withWorker(cluster.activities, (worker) => work(worker, cluster));
  return { result, cluster };
}

const nightly = (over: object = {}) => ({
  specification: specificationFor(),
  schedule: 'nightly',
  kinds: ['switchover'],
  ...over,
});

const memoOf = async (handle: WorkflowHandle) => (await handle.describe()).memo ?? {};

const held = async (worker: RunningWorker, cluster: FakeCluster, name: string): Promise<WorkflowHandle> => {
  cluster.answers['ensureAvailabilitySet'] = [hangUntilCancelled];
  const build = await worker.start(
    'buildCluster',
    { specification: specificationFor(name), onFailure: 'fail' },
    `build-cluster/${name}`,
  );
  await eventually(async () => expect(cluster.order()).toContain('ensureAvailabilitySet'));
  return build;
};

describe('the drill of a night', () => {
  it('is a run of its own, whose verdict is the night’s', async () => {
    const name = `c${randomUUID().slice(0, 8)}`;
    const { result, cluster } = await withCluster(async (worker, cluster) => {
      cluster.skippedNights = ['2026-11-20', '2026-11-21'];
      const handle = await worker.start('scheduledDrill', nightly({ specification: specificationFor(name) }));
      const progress: Progress = await handle.result();
      return { progress, memo: await memoOf(handle) };
    });

    expect(result.progress).toMatchObject({ state: 'completed', runbook: 'scheduledDrill', cluster: name });
    expect(result.progress.verdict).toMatchObject({ passed: true });
    expect(result.progress.skipped).toBeUndefined();
    const { observed } = stepOf(result.progress, 'drill').outcome ?? {};
    expect(observed).toMatch(new RegExp(`^drill/${name}/switchover/\\d{8}T\\d{6}Z$`));
    const child = await temporal.client.workflow.getHandle(observed ?? '').describe();
    expect(child).toMatchObject({ type: 'failoverDrill', status: { name: 'COMPLETED' } });
    expect(result.memo).toEqual({ schedule: 'nightly', kind: 'switchover' });
    expect(cluster.skippedNights).toEqual([]);
  });

  it('is the kind of its UTC day', async () => {
    const { result } = await withCluster(async (worker) => {
      const handle = await worker.start('scheduledDrill', nightly({ kinds: ROTATION }));
      await handle.result();
      const { startTime } = await handle.describe();
      return { kind: (await memoOf(handle))['kind'], expected: kindOfNight(ROTATION, startTime.getTime()) };
    });

    expect(result.kind).toBe(result.expected);
  });

  it.each([
    ['a kind that is no drill', { kinds: ['fence-loss'] }],
    ['no kind', { kinds: [] }],
    ['a deadline within which no drill ends', { deadlineMinutes: 1 }],
  ])('with %s is refused before anything is done', async (_, over) => {
    const { result: error, cluster } = await withCluster(async (worker) =>
      failureOf(await worker.start('scheduledDrill', nightly(over))),
    );

    expect(error.type).toBe('BadSpecification');
    expect(cluster.calls).toEqual([]);
  });
});

describe('a drill of a night that fails', () => {
  it('fails the night with the same code and verdict', async () => {
    const verdict: Verdict = { passed: false, summary: '3 of 900 lost', checks: [] };
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.skippedNights = ['2026-11-21'];
      cluster.answers['judgeDrill'] = [async () => ({ result: 'unchanged', observed: '', verdict })];
      return failureOf(await worker.start('scheduledDrill', nightly()));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(error.message).toContain('3 of 900 lost');
    expect(progressIn(error).verdict).toMatchObject({ passed: false, summary: 'switchover: 3 of 900 lost' });
    expect(cluster.skippedNights).toEqual([]);
  });

  it.each(['readDrillGate', 'readDrillPermission'])(
    'because nobody can say that it may begin (%s) is a failed night and not a skipped one',
    async (activity) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        cluster.answers[activity] = [failWith('GateNotMet', 'hadb02 is offline')];
        return failureOf(await worker.start('scheduledDrill', nightly()));
      });

      expect(error.type).toBe('GateNotMet');
      expect(error.message).toContain('hadb02 is offline');
      expect(cluster.order()).not.toContain('noteSkippedNight');
    },
  );

  it('because a person ended it fails the night: it has no verdict', async () => {
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitPrimary'] = [hangUntilCancelled];
      const name = `c${randomUUID().slice(0, 8)}`;
      const handle = await worker.start('scheduledDrill', nightly({ specification: specificationFor(name) }));
      await eventually(async () => expect(cluster.order()).toContain('awaitPrimary/hadb02'));
      const { memo } = await temporal.client.workflow.getHandle(clusterLockId(name)).describe();
      await temporal.client.workflow.getHandle(String(memo?.['holder'])).cancel();
      return failureOf(handle);
    });

    expect(error.type).toBe('Aborted');
    expect(error.message).toContain('it was cancelled');
  });
});

describe('a night that is skipped', () => {
  it('because another operation holds the cluster completes, says so, and starts no drill', async () => {
    const name = `c${randomUUID().slice(0, 8)}`;
    const { result, cluster } = await withCluster(async (worker, cluster) => {
      const build = await held(worker, cluster, name);
      const handle = await worker.start('scheduledDrill', nightly({ specification: specificationFor(name) }));
      const progress: Progress = await handle.result();
      await build.cancel();
      return { progress, memo: await memoOf(handle) };
    });

    const reason = `cluster ${name} is held by build-cluster/${name}`;
    expect(result.progress).toMatchObject({ state: 'completed', skipped: reason, sentence: `Skipped: ${reason}` });
    expect(result.memo).toMatchObject({ outcome: `skipped: ${reason}` });
    expect(cluster.order()).not.toContain('readDrillGate');
    expect(cluster.skippedNights).toHaveLength(1);
  });

  it('because no drill is wanted completes and says so, also when that is found only by the drill itself', async () => {
    const forbidden = failWith('DrillsForbidden', 'a freeze window is open');
    const { result: progresses, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillPermission'] = [
        forbidden,
        async () => ({ result: 'unchanged', observed: '' }),
        forbidden,
      ];
      const ends: Progress[] = [];
      for (let night = 0; night < 2; night += 1) {
        ends.push(await (await worker.start('scheduledDrill', nightly())).result());
      }
      return ends;
    });

    expect(progresses.map(({ state }) => state)).toEqual(['completed', 'completed']);
    for (const { skipped } of progresses) expect(skipped).toContain('a freeze window is open');
    expect(cluster.order()).not.toContain('readDrillGate');
  });

  it('for the third time in a row fails, and names the nights', async () => {
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.skippedNights = ['2026-11-20', '2026-11-21'];
      cluster.answers['readDrillPermission'] = [failWith('DrillsForbidden', 'drills are stopped')];
      return failureOf(await worker.start('scheduledDrill', nightly()));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(error.message).toMatch(
      /^3 nights in a row were skipped \(2026-11-20, 2026-11-21, \d{4}-\d\d-\d\d\), this one because drills are stopped/,
    );
  });
});

describe('the end of a night by force', () => {
  async function inTheMiddle(
    worker: RunningWorker,
    cluster: FakeCluster,
    workflow = 'scheduledDrill',
  ): Promise<WorkflowHandle> {
    cluster.answers['awaitPrimary'] = [hangUntilCancelled];
    const handle = await worker.start(workflow, nightly({ kinds: ['node-power-off'] }));
    await eventually(async () => expect(cluster.power['hadb01']).toBe('stopped'));
    return handle;
  }

  it('by a cancel undoes the fault and ends as cancelled', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster) => {
      const handle = await inTheMiddle(worker, cluster);
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      return await handle.query(progressQuery);
    });

    expect(progress.state).toBe('cancelled');
    expect(cluster.power['hadb01']).toBe('running');
    expect(cluster.order().slice(-4)).toEqual([
      'stopWriter',
      'recordClusterState',
      'recordNodeLogs',
      'writeDrillReport',
    ]);
  });

  it('by its deadline undoes the fault and fails', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) =>
      failureOf(await inTheMiddle(worker, cluster, 'impatientNight')),
    );

    expect(error.type).toBe('NotReady');
    expect(error.message).toMatch(/was not done within 0\.4 minutes, and was cancelled$/);
    expect(cluster.power['hadb01']).toBe('running');
  });

  it('by a termination undoes the fault all the same: its drill is asked to stop', async () => {
    const { cluster } = await withCluster(async (worker, cluster) => {
      const handle = await inTheMiddle(worker, cluster);
      await handle.terminate('by hand');
      await eventually(async () =>
        expect(cluster.order().slice(-4)).toEqual([
          'stopWriter',
          'recordClusterState',
          'recordNodeLogs',
          'writeDrillReport',
        ]),
      );
    });

    expect(cluster.power['hadb01']).toBe('running');
  });
});

describe('an order about drills', () => {
  it.each([
    [{ order: 'stop', by: 'ada', reason: 'month end' }, 'No drill begins any more'],
    [{ order: 'allow', by: 'ada', reason: 'over' }, 'Drills are allowed again'],
    [{ order: 'freeze', windows: '' }, 'There is no freeze window any more'],
  ])('%p is carried out while another operation holds the cluster', async (order, sentence) => {
    const name = `c${randomUUID().slice(0, 8)}`;
    const { result: progress, cluster } = await withCluster(async (worker, cluster) => {
      const build = await held(worker, cluster, name);
      const handle = await worker.start('orderDrills', { specification: specificationFor(name), order });
      const ended: Progress = await handle.result();
      await build.cancel();
      return ended;
    });

    expect(progress.sentence).toBe(`${sentence} on cluster ${name}`);
    expect(cluster.order()).toContain('orderDrills');
  });
});
