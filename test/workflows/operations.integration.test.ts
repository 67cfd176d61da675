import type { Progress } from '../../cluster/step';
import { failWith, succeed } from './fake-activities';
import { among, input, playClusters } from './played-cluster';
import { failureOf, stepOf } from './runs';
import { specificationFor } from './temporal-for-tests';

const withCluster = playClusters();

describe('a switchover', () => {
  it('moves the primary, takes its constraint back and asks from outside before and after', async () => {
    const { result: progress, cluster } = await withCluster(async (worker): Promise<Progress> =>
      (await worker.start('switchover', input())).result(),
    );

    expect(progress.state).toBe('completed');
    expect(
      among(cluster, [
        'readDrillGate',
        'readQueryGate',
        'remoteQuery',
        'movePrimary',
        'awaitPrimary',
        'clearMove',
        'awaitPairHealthy',
      ]),
    ).toEqual([
      'readDrillGate',
      'readQueryGate',
      'movePrimary/hadb01',
      'awaitPrimary/hadb02',
      'clearMove/hadb02',
      'remoteQuery',
      'awaitPairHealthy/hadb02',
    ]);
  });

  it('is refused at once where a node is away: nobody waits for it, and nothing is touched', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillGate'] = [failWith('GateNotMet', 'hadb01 does not answer')];
      return failureOf(await worker.start('switchover', input()));
    });

    expect(error.type).toBe('GateNotMet');
    expect(cluster.order()).toEqual(['readDrillGate']);
  });

  it('is refused where the load balancer does not lead to the primary', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readQueryGate'] = [failWith('GateNotMet', 'hadb02 answers, not the primary hadb01')];
      return failureOf(await worker.start('switchover', input()));
    });

    expect(error.type).toBe('GateNotMet');
    expect(among(cluster, ['movePrimary'])).toEqual([]);
  });

  it('takes its constraint back also when nobody takes over', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitPrimary'] = [failWith('AssertionFailed')];
      return failureOf(await worker.start('switchover', input()));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(cluster.order().at(-1)).toBe('clearMove/hadb02');
  });
});

describe('the destruction of a cluster', () => {
  const resources = [
    { id: '/vm1', kind: 'virtual-machine', name: 'hadb01' },
    { id: '/vm2', kind: 'virtual-machine', name: 'hadb02' },
    { id: '/lb', kind: 'load-balancer', name: 'hadb-lb' },
    { id: '/rg', kind: 'resource-group', name: 'hadb' },
  ];
  const planOf =
    (listed: typeof resources, foreign: string[] = []) =>
    async () => ({ resources: listed, foreign });

  it('is refused without the typed name, and deletes nothing', async () => {
    const { result: error, cluster } = await withCluster(async (worker) =>
      failureOf(await worker.start('destroyCluster', input({ confirm: 'another' }))),
    );

    expect(error.type).toBe('BadSpecification');
    expect(error.message).toContain('confirm: type the name of the cluster');
    expect(cluster.calls).toEqual([]);
  });

  it('deletes what the plan names in its order, each as a step, and looks again', async () => {
    const specification = specificationFor();
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['readDestroyPlan'] = [planOf(resources, ['somebody-elses-disk']), planOf([])];
      const handle = await worker.start('destroyCluster', {
        specification,
        confirm: specification.name,
        onFailure: 'fail',
      });
      return await handle.result();
    });

    expect(progress.state).toBe('completed');
    const ids = progress.steps.map(({ id }) => id);
    expect(ids.slice(1, 3).sort()).toEqual(['delete-virtual-machine-hadb01', 'delete-virtual-machine-hadb02']);
    expect(ids.slice(3)).toEqual(['delete-load-balancer-hadb-lb', 'delete-resource-group-hadb', 'see-nothing-left']);
    expect(stepOf(progress, 'look-for-resources').outcome?.observed).toContain('somebody-elses-disk');
    expect(cluster.calls.filter(({ activity }) => activity === 'awaitAzureOperation')).toHaveLength(4);
  });

  it('that leaves something says what, and does not pass for done', async () => {
    const specification = specificationFor();
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDestroyPlan'] = [planOf(resources)];
      const handle = await worker.start('destroyCluster', {
        specification,
        confirm: specification.name,
        onFailure: 'fail',
      });
      return failureOf(handle);
    });

    expect(error.type).toBe('VerificationFailed');
    expect(error.message).toContain('load-balancer hadb-lb');
  });
});

describe('a plan', () => {
  it('only looks, says what is missing, and takes no lock', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      const missing = async () => ({
        result: 'unchanged',
        observed: 'missing',
        drift: ['it is missing'],
        kind: 'x',
        name: 'x',
      });
      for (const name of ['submitVirtualMachine', 'submitLoadBalancer']) cluster.answers[name] = [missing];
      const handle = await worker.start('planCluster', { specification: specificationFor() });
      return await handle.result();
    });

    expect(progress.state).toBe('completed');
    expect(progress.sentence).toContain('everything on hadb01 and hadb02');
    expect(stepOf(progress, 'load-balancer').outcome?.drift).toEqual(['it is missing']);
    expect(among(cluster, ['submitDatabaseRule', 'takeOwnership', 'installPackages'])).toEqual([]);
  });

  it('looks at the nodes where they run, and a node that cannot be looked at is a line of it', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['createMetadata'] = [failWith('GuardRefused', 'no module')];
      const handle = await worker.start('planCluster', { specification: specificationFor() });
      return await handle.result();
    });

    expect(progress.state).toBe('completed');
    expect(stepOf(progress, 'create-drbd-metadata', 'hadb02').outcome?.drift).toEqual([
      'cannot be looked at: GuardRefused: no module',
    ]);
    expect(progress.sentence).toBe('A build would do what 2 steps name as missing or different');
    expect(cluster.order()).not.toContain('takeOwnership/hadb01');
  });

  it.each([
    ['none', []],
    ['azure', ['ensureFencingRole', 'ensureFencingAssignments/hadb01', 'ensureFencingAssignments/hadb02']],
  ] as const)('with fencing %s looks at %j of it, and only looks', async (chosen, expected) => {
    const looked: unknown[] = [];
    const { cluster } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['ensureFencingAssignments'] = [
        async (given) => {
          looked.push((given as { observeOnly?: boolean }).observeOnly);
          return succeed();
        },
      ];
      const specification = { ...specificationFor(), fencing: chosen };
      return (await worker.start('planCluster', { specification })).result();
    });

    expect(among(cluster, ['ensureFencingRole', 'ensureFencingAssignments']).sort()).toEqual([...expected].sort());
    expect(looked).toEqual(expected.slice(1).map(() => true));
  });
});
