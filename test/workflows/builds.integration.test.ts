import { randomUUID } from 'node:crypto';
import type { Progress } from '../../cluster/step';
import { progressQuery } from '../../workflows/messages';
import { failWith, succeed } from './fake-activities';
import { hangUntilCancelled } from './fake-cluster';
import { among, input, playClusters } from './played-cluster';
import { decide, eventually, failureOf, stateReached } from './runs';
import { specificationFor } from './temporal-for-tests';

const withCluster = playClusters();

describe('a build', () => {
  it('goes through the whole article on new machines', async () => {
    const { result: progress } = await withCluster(async (worker): Promise<Progress> =>
      (await worker.start('buildCluster', input())).result(),
    );

    expect(progress.state).toBe('completed');
    expect(progress.verdict?.passed).toBe(true);
    expect([...new Set(progress.steps.map(({ chapter }) => chapter))]).toEqual([
      'Preparing',
      'Setting up the cluster',
      'Setting up MySQL',
      'Manual failover',
      'Setting up Corosync',
      'Setting up Pacemaker',
      'Tests',
      ...['switchover', 'node-power-off'].flatMap((kind) =>
        ['Gate', 'Baseline', 'Inject', 'Observe', 'Recovered', 'Rejoin', 'Steady state', 'Audits', 'Report'].map(
          (phase) => `Tests, ${kind}: ${phase}`,
        ),
      ),
    ]);
  });

  it('does not wait for a machine that is off: nobody would start it', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.built = true;
      cluster.power['hadb02'] = 'stopped';
      return failureOf(await worker.start('buildCluster', input()));
    });

    expect(error.type).toBe('GateNotMet');
    expect(error.message).toContain('hadb02 is stopped, says Azure');
    expect(among(cluster, ['awaitNodeReachable'])).not.toContain('awaitNodeReachable/hadb02');
  });

  const fencing = () => ({ ...specificationFor(), fencing: 'azure' as const });
  const FENCING = ['ensureFencingRole', 'ensureFencingAssignments', 'installFenceAgent', 'awaitFencingProved'];

  it.each([false, true])(
    'with fencing proves it from both nodes before Pacemaker is told (built: %s)',
    async (built) => {
      const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
        cluster.built = built;
        return (
          await worker.start('buildCluster', input({ specification: { ...fencing(), prove: 'never' } }))
        ).result();
      });

      expect(progress).toMatchObject({ state: 'completed', fencing: 'azure' });
      const order = among(cluster, [
        ...FENCING,
        'installResourceAgents',
        'writeInitialConfiguration',
        'startPacemaker',
      ]);
      expect(order[0]).toBe('ensureFencingRole');
      expect(order.slice(1, 5).sort()).toEqual([
        'ensureFencingAssignments/hadb01',
        'ensureFencingAssignments/hadb02',
        'installFenceAgent/hadb01',
        'installFenceAgent/hadb02',
      ]);
      expect(order.slice(5, 7).sort()).toEqual(['awaitFencingProved/hadb01', 'awaitFencingProved/hadb02']);
      expect(order.slice(7).some((call) => FENCING.some((name) => call.startsWith(name)))).toBe(false);
      expect(order.slice(7)).toContain('startPacemaker/hadb01');
    },
  );

  it('of a cluster that was built without fencing has r0 hold writes up on both nodes, the secondary first, before Pacemaker is told', async () => {
    const { cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.built = true;
      return (await worker.start('buildCluster', input({ specification: { ...fencing(), prove: 'never' } }))).result();
    });

    const order = among(cluster, [
      'awaitFencingProved',
      'changeDrbdFencing',
      'changeClusterFencing',
      'writeResourceFile',
      'writeInitialConfiguration',
    ]);
    expect(order.slice(2, 5)).toEqual([
      'changeDrbdFencing/hadb02',
      'changeDrbdFencing/hadb01',
      'changeClusterFencing/hadb01',
    ]);
    expect(order.slice(5)).toContain('writeResourceFile/hadb01');
  });

  it.each([false, true])('tells every step that needs it of the fence device (built: %s)', async (built) => {
    const told: Record<string, unknown> = {};
    const CONFIGURED = ['writeInitialConfiguration', 'endMaintenance', 'awaitHealthy'];
    const CHANGES = ['changeDrbdFencing', 'changeClusterFencing'];
    await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.built = built;
      for (const name of [...CONFIGURED, ...CHANGES]) {
        cluster.answers[name] = [
          async (given) => {
            told[name] = (given as { fencing?: unknown }).fencing;
            return succeed();
          },
        ];
      }
      return (await worker.start('buildCluster', input({ specification: { ...fencing(), prove: 'never' } }))).result();
    });

    const device = {
      subscriptionId: 'subscription',
      resourceGroup: 'hadb',
      hosts: [
        { node: 'hadb01', vm: 'hadb01' },
        { node: 'hadb02', vm: 'hadb02' },
      ],
    };
    expect(told).toEqual(Object.fromEntries([...CONFIGURED, ...(built ? CHANGES : [])].map((name) => [name, device])));
  });

  it('whose nodes cannot fence does not start Pacemaker', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitFencingProved'] = [failWith('Denied', 'hadb02 cannot fence: its identity lacks the role')];
      return failureOf(await worker.start('buildCluster', input({ specification: fencing() })));
    });

    expect(error.type).toBe('Denied');
    expect(among(cluster, ['installResourceAgents', 'writeInitialConfiguration', 'startPacemaker'])).toEqual([]);
  });

  it('hands on to both nodes the role and the place that Azure told of', async () => {
    const seen: object[] = [];
    await withCluster(async (worker, cluster): Promise<Progress> => {
      for (const name of ['ensureFencingAssignments', 'awaitFencingProved']) {
        cluster.answers[name] = [
          async (given) => {
            seen.push({ name, ...given, specification: undefined, operation: undefined });
            return succeed();
          },
        ];
      }
      return (await worker.start('buildCluster', input({ specification: { ...fencing(), prove: 'never' } }))).result();
    });

    expect(seen).toHaveLength(4);
    expect(seen.slice(0, 2)).toMatchObject([{ roleId: '/role' }, { roleId: '/role' }]);
    const told = { name: 'awaitFencingProved', subscriptionId: 'subscription', resourceGroup: 'hadb' };
    expect(seen.slice(2)).toMatchObject([told, told]);
  });

  it('without fencing asks Azure for no role', async () => {
    const { cluster } = await withCluster(async (worker): Promise<Progress> =>
      (
        await worker.start('buildCluster', input({ specification: { ...specificationFor(), prove: 'never' } }))
      ).result(),
    );

    expect(among(cluster, FENCING)).toEqual([]);
  });

  it('on a built cluster whose tests were passed breaks and moves nothing', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.built = true;
      const tags = Object.fromEntries(
        ['manual-failover', 'switchover', 'node-power-off'].map((test) => [`hadb-evidence-${test}`, 'passed']),
      );
      cluster.answers['readEvidence'] = [async () => ({ result: 'unchanged', observed: '', tags })];
      return await (await worker.start('buildCluster', input())).result();
    });

    expect(progress.state).toBe('completed');
    expect(
      among(cluster, [
        'release',
        'take',
        'movePrimary',
        'submitPowerOff',
        'setStandby',
        'startFullSync',
        'stopPacemaker',
      ]),
    ).toEqual([]);
  });

  it('that is cancelled in the middle begins nothing more, ends as cancelled, and the next one goes on', async () => {
    const specification = specificationFor();
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['installPackages'] = [hangUntilCancelled, hangUntilCancelled, succeed];
      const first = await worker.start('buildCluster', input({ specification }), `build-${randomUUID()}`);
      await eventually(async () => expect(among(cluster, ['installPackages'])).toHaveLength(2));
      await first.cancel();
      await expect(first.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect((await first.query(progressQuery)).state).toBe('cancelled');
      expect(among(cluster, ['loadModule', 'partitionDataDisk', 'createMetadata'])).toEqual([]);
      return (await worker.start('buildCluster', input({ specification }), `build-${randomUUID()}`)).result();
    });

    expect(progress.state).toBe('completed');
    expect(among(cluster, ['installPackages'])).toHaveLength(4);
  });

  it('is refused by the node on which a job of a terminated one still runs, and goes on once that has ended', async () => {
    const specification = specificationFor();
    const held = failWith('NotOwner', 'hadb01 is in the hands of another operation');
    const { result, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['installPackages'] = [hangUntilCancelled, hangUntilCancelled, succeed];
      cluster.answers['takeOwnership'] = [succeed, succeed, held, held, succeed];
      const first = await worker.start('buildCluster', input({ specification }), `build-${randomUUID()}`);
      await eventually(async () => expect(among(cluster, ['installPackages'])).toHaveLength(2));
      await first.terminate('by hand');
      const second = await worker.start('buildCluster', input({ specification }), `build-${randomUUID()}`);
      const refusal = await failureOf(second);
      const begun = among(cluster, ['installPackages']).length;
      const third: Progress = await (
        await worker.start('buildCluster', input({ specification }), `build-${randomUUID()}`)
      ).result();
      return { refusal, begun, third };
    });

    expect(result.refusal.type).toBe('NotOwner');
    expect(result.begun).toBe(2);
    expect(result.third.state).toBe('completed');
    expect(among(cluster, ['takeOwnership'])).toHaveLength(6);
  });

  it('waits at a refused guard, goes on after a decision, and repeats nothing that was done', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      const refused = failWith('GuardRefused', 'the disk is not blank');
      const done = async () => ({ result: 'changed', observed: 'blank', done: 'partitioned' });
      cluster.answers['partitionDataDisk'] = [refused, refused, done];
      const handle = await worker.start('buildCluster', input({ onFailure: 'wait' }), `build-${randomUUID()}`);
      const waiting = await stateReached(handle, 'waiting');
      for (const { node } of waiting.steps.filter(({ state }) => state === 'waiting')) {
        await decide(handle, { step: `partition-data-disk/${node ?? ''}`, decision: 'retry' });
      }
      return await handle.result();
    });

    expect(progress.state).toBe('completed');
    expect(cluster.calls.filter(({ activity }) => activity === 'installPackages')).toHaveLength(2);
  });
});
