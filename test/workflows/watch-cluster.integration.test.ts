import { randomUUID } from 'node:crypto';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { WatchFinding, WatchNote } from '../../cluster/recovery/watch';
import type { PairFindings } from '../../cluster/recovery/findings';
import type { Progress } from '../../cluster/step';
import { findingsOf, survivorOf } from '../cluster/recovery/specimen-findings';
import { failWith } from './fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster } from './fake-cluster';
import { eventually } from './runs';
import {
  specificationFor,
  SHIPPED,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

/** The watch: what it tells, what it hands on from look to look, and when it steps aside. */

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests(SHIPPED);
}, 240_000);
afterAll(() => temporal?.stop());

const WHOLE = findingsOf();
const STOPPED = findingsOf({ hadb01: survivorOf(), hadb02: { power: 'stopped' } });
const BOTH_DOWN = findingsOf({ hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } });
const BOOTING = findingsOf({ hadb01: survivorOf(), hadb02: { power: 'starting' } });

interface Posted {
  state: string;
  findings: WatchFinding[];
}

async function watching<Result>(
  looks: PairFindings[],
  work: (on: { worker: RunningWorker; cluster: FakeCluster; posted: Posted[]; notes: WatchNote[] }) => Promise<Result>,
): Promise<Result> {
  const cluster = createFakeCluster();
  cluster.looks = looks;
  const posted: Posted[] = [];
  const notes: WatchNote[] = [];
  cluster.answers['postAlert'] = [
    async (input) => {
      posted.push(input as unknown as Posted);
      return { result: 'changed', observed: '', told: true };
    },
  ];
  cluster.answers['noteLook'] = [
    async (input) => {
      notes.push((input as unknown as { note: WatchNote }).note);
      return { result: 'unchanged', observed: '' };
    },
  ];
  return temporal.withWorker(cluster.activities, (worker) => work({ worker, cluster, posted, notes }));
}

/** One look after the other, each by the same schedule; returns what each ended with. */
async function looksOf(worker: RunningWorker, count: number, specification = specificationFor()): Promise<Progress[]> {
  const schedule = await temporal.client.schedule.create({
    scheduleId: `watch-${randomUUID()}`,
    spec: {},
    action: {
      type: 'startWorkflow',
      workflowType: 'watchCluster',
      workflowId: `watch/${randomUUID()}`,
      taskQueue: worker.taskQueue,
      args: [{ specification }],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP },
  });
  const ended: Progress[] = [];
  for (let look = 1; look <= count; look += 1) {
    await schedule.trigger(ScheduleOverlapPolicy.SKIP);
    const run = await eventuallyText(async () => {
      const { info } = await schedule.describe();
      return info.recentActions.length === look ? info.recentActions.at(-1)?.action.workflow.workflowId : undefined;
    });
    ended.push((await temporal.client.workflow.getHandle(run).result()) as Progress);
    // The server takes the end of a run into account a moment later.
    await eventually(async () => expect((await schedule.describe()).info.runningActions).toEqual([]));
    // Two triggers within one second would start two runs of one id.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
  }
  await schedule.delete();
  return ended;
}

async function eventuallyText(look: () => Promise<string | undefined>): Promise<string> {
  let found: string | undefined;
  await eventually(async () => {
    found = await look();
    expect(found).toBeDefined();
  });
  return found ?? '';
}

describe('a look of the watch', () => {
  it('at a whole pair only reads, and tells nobody', async () => {
    const { progress, calls, posted } = await watching([WHOLE], async ({ worker, cluster, posted }) => ({
      progress: (await (
        await worker.start('watchCluster', { specification: specificationFor('orders') })
      ).result()) as Progress,
      calls: cluster.order(),
      posted,
    }));

    expect(progress).toMatchObject({ state: 'completed', sentence: 'The pair orders is whole' });
    expect(progress.watch).toEqual({ state: 'whole', findings: [] });
    expect(calls).toEqual(['readPairDiagnosis', 'noteLook']);
    expect(posted).toEqual([]);
  });

  it('at a broken one completes, and tells at once what is wrong and what to do', async () => {
    const { progress, posted } = await watching([BOTH_DOWN], async ({ worker, posted }) => ({
      progress: (await (
        await worker.start('watchCluster', { specification: specificationFor() })
      ).result()) as Progress,
      posted,
    }));

    expect(progress.sentence).toMatch(/^Alert: the pair .* is not whole: both machines are down/);
    expect(progress.watch).toMatchObject({ state: 'wrong', told: { findings: ['both-down'] } });
    expect(posted).toMatchObject([{ state: 'alert', findings: [{ finding: 'both-down' }] }]);
  });

  it('looks aside while an operation holds the cluster, also one that has begun since, and says so', async () => {
    const { before, since, calls } = await watching([STOPPED], async ({ worker, cluster }) => {
      const specification = specificationFor();
      const drill = () => worker.start('failoverDrill', { specification, kind: 'switchover', onFailure: 'fail' });
      const look = async () => (await (await worker.start('watchCluster', { specification })).result()) as Progress;
      cluster.answers['readDrillGate'] = [hangUntilCancelled];
      const first = await drill();
      await eventually(async () => expect(cluster.order()).toContain('readDrillGate'));
      const before = await look();
      const calls = cluster.order().filter((call) => call === 'readPairDiagnosis');
      await first.cancel();
      await first.result().catch(() => undefined);

      const play = cluster.activities['readPairDiagnosis'];
      let second: Awaited<ReturnType<typeof drill>> | undefined;
      cluster.answers['readPairDiagnosis'] = [
        async (input) => {
          second ??= await drill();
          const gates = () => cluster.order().filter((call) => call === 'readDrillGate').length;
          await eventually(async () => expect(gates()).toBe(2));
          delete cluster.answers['readPairDiagnosis'];
          return play?.(input);
        },
      ];
      const since = await look();
      await second?.cancel();
      await second?.result().catch(() => undefined);
      return { before, since, calls };
    });

    expect(before.skipped).toMatch(/is held by run-/);
    expect(before.sentence).toMatch(/^Skipped: cluster /);
    expect(calls).toEqual([]);
    expect(since.skipped).toMatch(/is held by run-/);
    expect(since.watch).toBeUndefined();
  });

  it('that a webhook does not take is told in the log and in the run, and told anew by the next one', async () => {
    const { progress, log } = await watching([STOPPED], async ({ worker, cluster }) => {
      cluster.answers['postAlert'] = [failWith('BadRequest', 'hooks.example.com answers 404 to the alert')];
      const handle = await worker.start('watchCluster', { specification: specificationFor() });
      const progress = (await handle.result()) as Progress;
      return { progress, log: temporal.logs.filter(({ meta }) => meta?.['code'] === 'HADB_W8003') };
    });

    expect(progress).toMatchObject({ state: 'completed', watch: { state: 'wrong' } });
    expect(progress.watch?.told).toBeUndefined();
    expect(progress.warnings).toEqual([expect.stringContaining('hooks.example.com answers 404')]);
    expect(log).toHaveLength(1);
  });
});

describe('looks by a schedule', () => {
  it('tell of a trouble once, and of its end', async () => {
    const { states, posted } = await watching([WHOLE, STOPPED, STOPPED, WHOLE, WHOLE], async ({ worker, posted }) => ({
      states: (await looksOf(worker, 5)).map(({ watch }) => watch?.state),
      posted,
    }));

    expect(states).toEqual(['whole', 'wrong', 'wrong', 'whole', 'whole']);
    expect(posted.map(({ state }) => state)).toEqual(['alert', 'over']);
  });

  it('tell of what is under way, or cannot be seen, when it lasts', async () => {
    const { posted, notes } = await watching([WHOLE, BOOTING, BOOTING], async ({ worker, cluster, posted, notes }) => {
      const specification = specificationFor();
      await looksOf(worker, 3, specification);
      const underWay = posted.splice(0).map(({ findings }) => findings.map(({ finding }) => finding));
      cluster.answers['readPairDiagnosis'] = [failWith('Denied', 'the role was taken away')];
      await looksOf(worker, 2, specification);
      const unseen = posted.map(({ findings }) => findings.map(({ finding }) => finding));
      return { posted: { underWay, unseen }, notes: notes.map(({ state }) => state) };
    });

    expect(notes).toEqual(['whole', 'under-way', 'under-way', 'unseen', 'unseen']);
    expect(posted).toEqual({ underWay: [['not-settled']], unseen: [['cannot-look']] });
  });
});
