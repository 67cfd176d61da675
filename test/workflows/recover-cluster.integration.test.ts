import type { Progress } from '../../cluster/step';
import type { PairFindings } from '../../cluster/recovery/findings';
import { afterANight, findingsOf, survivorOf } from '../cluster/recovery/specimen-findings';
import { failWith } from './fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster } from './fake-cluster';
import { decide, eventually, failureOf, progressIn, stateReached, stepOf } from './runs';
import {
  specificationFor,
  SHIPPED,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

/** What a recovery does about what it sees, in which order, and where it stops. */

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests(SHIPPED);
}, 240_000);
afterAll(() => temporal?.stop());

const input = (over: object = {}) => ({ specification: specificationFor(), onFailure: 'fail', ...over });

async function recovering<Result>(
  looks: PairFindings[],
  work: (worker: RunningWorker, cluster: FakeCluster) => Promise<Result>,
): Promise<{ result: Result; cluster: FakeCluster }> {
  const cluster = createFakeCluster();
  cluster.looks = looks;
  const result = await temporal.withWorker(cluster.activities, (worker) => work(worker, cluster));
  return { result, cluster };
}

const recovered = (looks: PairFindings[]) =>
  recovering(looks, async (worker): Promise<Progress> => (await worker.start('recoverCluster', input())).result());

const refused = (looks: PairFindings[]) =>
  recovering(looks, async (worker) => failureOf(await worker.start('recoverCluster', input())));

const withoutLooks = (cluster: FakeCluster) =>
  cluster.order().filter((call) => !['endLeftWriters', 'readPairDiagnosis'].includes(call));

const STOPPED = findingsOf({ hadb01: survivorOf(), hadb02: { power: 'stopped' } });
const BOTH_DOWN = findingsOf({ hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } });
const PARTED = findingsOf({ hadb01: { drbd: { connection: 'StandAlone', peerDisk: 'DUnknown' } } });

describe('a recovery', () => {
  it('ends the clients of a drill that was terminated, and says so', async () => {
    const { result, cluster } = await recovering([findingsOf()], async (worker, cluster): Promise<Progress> => {
      const done = 'ended the clients of a-run-node-power-off';
      cluster.answers['endLeftWriters'] = [async () => ({ result: 'changed', observed: 'clients', done })];
      return (await worker.start('recoverCluster', input())).result();
    });

    expect(result.sentence).toBe(
      'The pair is whole again; done: end-clients (ended the clients of a-run-node-power-off)',
    );
    expect(cluster.order()).toEqual(['endLeftWriters', 'readPairDiagnosis']);
  });

  it('of a whole pair looks once, owns nothing and does nothing', async () => {
    const { result, cluster } = await recovered([findingsOf()]);

    expect(result).toMatchObject({
      state: 'completed',
      sentence: 'The pair is whole: nothing was found, nothing was done',
      verdict: { passed: true },
    });
    expect(cluster.order()).toEqual(['endLeftWriters', 'readPairDiagnosis']);
  });

  it('puts one thing right after the other, looks again each time, and says what it did', async () => {
    const { result, cluster } = await recovered(afterANight());

    expect(withoutLooks(cluster)).toEqual([
      'readStartGate/hadb02',
      'noteStart/hadb02',
      'submitStart/hadb02',
      'awaitAzureOperation',
      'readPower/hadb02',
      'awaitNodeReachable/hadb02',
      'awaitMember/hadb02',
      'takeOwnership/hadb01',
      'liftStandby/hadb02',
      'awaitCopiesCurrent/hadb01',
      'removeConstraints/hadb01',
      'awaitPairHealthy/hadb01',
    ]);
    expect(result.sentence).toMatch(/^The pair is whole again; done: start hadb02 .*, lift-standby hadb02 /);
    expect(result.verdict?.checks.map(({ name }) => name)).toEqual([
      'start hadb02',
      'await-boot hadb02',
      'await-member hadb02',
      'lift-standby hadb02',
      'await-sync hadb01',
      'remove-constraints hadb01',
      'await-health hadb01',
      'pair whole',
    ]);
    expect(result.steps.map(({ state }) => state)).not.toContain('failed');
  });

  it('takes back what a terminated drill has left, before anything is started', async () => {
    const [way, cut] = (['resource-manager-cut', 'partition'] as const).map((fault) => ({
      fault,
      where: 'node' as const,
    }));
    const look = (...leftFaults: NonNullable<typeof way>[]) =>
      findingsOf({ hadb01: { ...survivorOf(), leftFaults }, hadb02: { power: 'stopped' } });
    if (way === undefined || cut === undefined) throw new Error('no faults');
    const { result, cluster } = await recovered([look(way, cut), look(cut), STOPPED, findingsOf()]);

    expect(withoutLooks(cluster).slice(0, 4)).toEqual([
      'takeOwnership/hadb01',
      'endLeftFaults/hadb01',
      'endLeftFaults/hadb01',
      'readStartGate/hadb02',
    ]);
    expect(result.verdict?.checks.map(({ name }) => name).slice(0, 2)).toEqual([
      'open-way hadb01',
      'end-faults hadb01',
    ]);
  });

  it.each<[string, PairFindings, string]>([
    ['both machines down', BOTH_DOWN, 'both machines are down'],
    ['copies that have parted', PARTED, 'most likely a split brain'],
  ])('before %s does nothing, and is refused with the evidence', async (_what, look, text) => {
    const { result: failure, cluster } = await refused([look]);

    expect(failure.type).toBe('GateNotMet');
    expect(progressIn(failure)).toMatchObject({
      verdict: { passed: false, summary: expect.stringContaining(text) as string },
      failure: {
        message: expect.stringContaining('A person is needed, nothing was done') as string,
        observed: expect.stringContaining('hadb02:') as string,
        whatNow: expect.any(String) as string,
      },
    });
    expect(cluster.order()).toEqual(['endLeftWriters', 'readPairDiagnosis']);
  });

  it('that meets something for a person on its way stops there, and tells what it did before', async () => {
    const { result: failure, cluster } = await refused([STOPPED, PARTED]);

    expect(failure.type).toBe('AssertionFailed');
    expect(failure.message).toMatch(/most likely a split brain.*; done before: start hadb02/);
    expect(withoutLooks(cluster).at(-1)).toBe('awaitAzureOperation');
  });

  it('does the same thing once: a machine that falls again is not started again', async () => {
    const { result: failure, cluster } = await refused([STOPPED]);

    expect(failure.type).toBe('AssertionFailed');
    expect(failure.message).toContain('was done in this run already, and is needed again');
    expect(cluster.order().filter((call) => call.startsWith('submitStart'))).toHaveLength(1);
  });

  it('notes the start before it is made, and starts nothing that its gate refuses', async () => {
    const { result: failure, cluster } = await recovering([STOPPED], async (worker, cluster) => {
      cluster.answers['readStartGate'] = [failWith('GuardRefused', 'hadb02 is being fenced')];
      return failureOf(await worker.start('recoverCluster', input()));
    });

    expect(failure.type).toBe('GuardRefused');
    expect(withoutLooks(cluster)).toEqual(['readStartGate/hadb02']);
  });

  it('that waits for a person looks again when told to retry', async () => {
    const { result } = await recovering([BOTH_DOWN, findingsOf()], async (worker): Promise<Progress> => {
      const handle = await worker.start('recoverCluster', input({ onFailure: 'wait' }));
      const waiting = await stateReached(handle, 'waiting');
      expect(stepOf(waiting, 'look').failure?.message).toContain('both machines are down');
      await decide(handle, { step: 'look', decision: 'retry' });
      return handle.result();
    });

    expect(result).toMatchObject({ state: 'completed', verdict: { passed: true } });
  });

  it('holds the cluster: a drill meanwhile is refused, and it is refused while a drill goes on', async () => {
    const specification = specificationFor();
    const { result: failures } = await recovering([STOPPED], async (worker, cluster) => {
      cluster.answers['awaitAzureOperation'] = [hangUntilCancelled];
      const handle = await worker.start('recoverCluster', input({ specification }));
      await eventually(async () => expect(cluster.order()).toContain('awaitAzureOperation'));
      const drill = await failureOf(await worker.start('failoverDrill', input({ specification, kind: 'switchover' })));
      await handle.cancel();
      await handle.result().catch(() => undefined);

      cluster.answers['readDrillGate'] = [hangUntilCancelled];
      const drilling = await worker.start('failoverDrill', input({ specification, kind: 'switchover' }));
      await eventually(async () => expect(cluster.order()).toContain('readDrillGate'));
      const recovery = await failureOf(await worker.start('recoverCluster', input({ specification })));
      await drilling.cancel();
      await drilling.result().catch(() => undefined);
      return [drill.type, recovery.type];
    });

    expect(failures).toEqual(['ClusterLocked', 'ClusterLocked']);
  });
});
