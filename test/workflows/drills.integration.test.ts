import type { Progress } from '../../cluster/step';
import type { FakeStep } from './fake-cluster';
import { among, drillInput, playClusters } from './played-cluster';

const withCluster = playClusters();

describe('a drill', () => {
  it.each([
    ['switchover', ['movePrimary/hadb01', 'awaitPrimary/hadb02', 'clearMove/hadb02']],
    ['standby', ['setStandby/hadb01', 'awaitPrimary/hadb02', 'readStandbyReplication/hadb02', 'setStandby/hadb01']],
    // The other node is watched while the power is cut, not after.
    [
      'node-power-off',
      [
        'readPowerCutGate/hadb01',
        'submitPowerOff/hadb01',
        'awaitFencingSettled/hadb02',
        'submitStart/hadb01',
        'submitStart/hadb02',
      ],
    ],
    [
      'node-shutdown',
      [
        'orderShutdown/hadb01',
        'awaitPrimary/hadb02',
        'awaitFencingSettled/hadb02',
        'submitStart/hadb01',
        'submitStart/hadb02',
      ],
    ],
    [
      'manual',
      [
        'stopPacemaker/hadb02',
        'stopPacemaker/hadb01',
        'release/hadb01',
        'take/hadb02',
        'release/hadb02',
        'take/hadb01',
        'releaseToPacemaker/hadb02',
        'releaseToPacemaker/hadb01',
      ],
    ],
    ['database-kill', ['readFaultTarget/hadb01', 'injectFault/hadb01', 'awaitServedAgain/hadb01']],
    ['database-hang', ['readFaultTarget/hadb01', 'injectFault/hadb01', 'awaitServedAgain/hadb01', 'endFault/hadb01']],
    [
      'node-crash',
      [
        'readFaultTarget/hadb01',
        'injectFault/hadb01',
        'awaitPrimary/hadb02',
        'awaitCrashed/hadb01',
        'awaitFencingSettled/hadb02',
        'submitStart/hadb01',
        'submitStart/hadb02',
      ],
    ],
    [
      'secondary-loss',
      [
        'readFaultTarget/hadb01',
        'readPowerCutGate/hadb02',
        'submitPowerOff/hadb02',
        'awaitSurvivor/hadb01',
        'awaitFencingSettled/hadb02',
        'submitStart/hadb01',
        'submitStart/hadb02',
      ],
    ],
    [
      'node-freeze-short',
      [
        'checkFreezable',
        'freezeNode/hadb01',
        'awaitNothingMoves/hadb01',
        'thawNode/hadb01',
        'awaitFencingSettled/hadb02',
      ],
    ],
    ['node-freeze', ['checkFreezable', 'freezeNode/hadb01', 'awaitOneSurvivor/hadb01', 'thawNode/hadb01']],
    [
      'network-partition',
      [
        'readFaultTarget/hadb01',
        'injectFault/hadb01',
        'awaitOneSurvivor/hadb01',
        'endFault/hadb01',
        'awaitFencingSettled/hadb02',
      ],
    ],
    [
      'network-loss',
      ['readFaultTarget/hadb01', 'injectFault/hadb02', 'injectFault/hadb01', 'awaitNothingMoves/hadb01'],
    ],
    [
      'disk-error',
      [
        'readFaultTarget/hadb01',
        'injectFault/hadb01',
        'awaitServedDiskless/hadb01',
        'awaitLeftDiskless/hadb01',
        'endFault/hadb01',
      ],
    ],
    [
      'fence-loss',
      [
        'readFaultTarget/hadb01',
        'injectFault/hadb02',
        'injectFault/hadb01',
        'readPowerCutGate/hadb01',
        'submitPowerOff/hadb01',
        'awaitNothingPromoted/hadb02',
        'readPairDiagnosis',
        'endFault/hadb02',
        'endFault/hadb01',
        'awaitFencingSettled/hadb02',
      ],
    ],
    [
      'double',
      [
        'readDrillPermission',
        'readDrillPermission',
        'readPowerCutGate/hadb01',
        'submitPowerOff/hadb01',
        'awaitPrimary/hadb02',
        'readDrillPermission',
        'readSurvivorCutGate/hadb02',
        'submitPowerOff/hadb02',
        'awaitNothingPromoted/hadb02',
        'readPairDiagnosis',
        'awaitFencingSettled/hadb02',
      ],
    ],
  ] as const)('of kind %s breaks and repairs in this order', async (kind, expected) => {
    const { cluster } = await withCluster(async (worker) =>
      (await worker.start('failoverDrill', drillInput(kind))).result(),
    );

    const names = [...new Set(expected.map((call) => call.split('/')[0] ?? ''))];
    const afterGate = cluster.order().slice(cluster.order().indexOf('readDrillGate'));
    expect(afterGate.filter((call) => names.includes(call.split('/')[0] ?? ''))).toEqual(expected);
  });

  it.each([
    [undefined, 'hadb02', 'hadb01'],
    ['off-then-reset', 'hadb02', 'hadb01'],
    ['both-off-one-back', 'hadb01', 'hadb02'],
  ] as const)('of two faults, %s, has %s come back alone, which waits for %s', async (pair, back, peer) => {
    const { result: progress, cluster } = await withCluster(async (worker): Promise<Progress> =>
      (await worker.start('failoverDrill', { ...drillInput('double'), ...(pair && { pair }) })).result(),
    );

    const calls = among(cluster, ['submitPowerOff', 'submitStart', 'awaitNothingPromoted', 'readPairDiagnosis']);
    expect(calls.slice(0, 5)).toEqual([
      'submitPowerOff/hadb01',
      'submitPowerOff/hadb02',
      `submitStart/${back}`,
      `awaitNothingPromoted/${back}`,
      'readPairDiagnosis',
    ]);
    expect(progress.verdict?.summary).toMatch(pair === undefined ? /^double: / : new RegExp(`^double \\(${pair}\\): `));
    expect(progress.verdict?.checks).toContainEqual({
      name: `recovery would start ${peer}, and needs nobody`,
      passed: true,
      detail: expect.stringContaining(`${back} came up alone, and waits for it`) as string,
    });
  });

  it('asks the load balancer for the node that is primary then', async () => {
    const asked: unknown[] = [];
    const note = async (step: FakeStep & { primary?: string }) => {
      asked.push(step.primary);
      return { result: 'unchanged', observed: '' };
    };
    await withCluster(async (worker, cluster) => {
      cluster.answers['readQueryGate'] = [note];
      cluster.answers['remoteQuery'] = [note];
      cluster.answers['awaitPairHealthy'] = [async () => ({ result: 'unchanged', observed: '', primary: 'hadb02' })];
      return (await worker.start('failoverDrill', drillInput('switchover'))).result();
    });

    expect(asked).toEqual(['hadb01', 'hadb02', 'hadb02']);
  });
});
