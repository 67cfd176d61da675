import { diagnose } from '../../cluster/recovery/diagnosis';
import type { Progress, Verdict } from '../../cluster/step';
import { fencingInVain, waitingForPeer } from '../cluster/recovery/specimen-findings';
import { specificationOf } from '../cluster/specimens';
import { DRILL_KINDS, progressQuery } from '../../workflows/messages';
import { failWith, succeed } from './fake-activities';
import { type FakeCluster, type FakeStep, hangUntilCancelled } from './fake-cluster';
import { among, drillInput, input, playClusters } from './played-cluster';
import { decide, eventually, failureOf, progressIn, stateReached, stepOf } from './runs';
import { specificationFor } from './temporal-for-tests';

const SPECIFICATION = specificationOf();
const withCluster = playClusters();

/** What breaks or moves something. */
const FAULTS = [
  'movePrimary',
  'setStandby',
  'submitPowerOff',
  'orderShutdown',
  'stopPacemaker',
  'release',
  'injectFault',
  'freezeNode',
];

/** What a drill waits for after its fault. */
const OUTCOMES = [
  'awaitPrimary',
  'awaitServedAgain',
  'awaitServedDiskless',
  'awaitSurvivor',
  'awaitOneSurvivor',
  'awaitNothingMoves',
  'awaitNothingPromoted',
];

const NEED_FENCING = DRILL_KINDS.filter((kind) => drillInput(kind).specification.fencing === 'azure');

/** Calls that do more than write something down. */
const withoutEvidence = (cluster: FakeCluster) =>
  cluster.order().filter((call) => !['recordClusterState', 'recordNodeLogs', 'writeDrillReport'].includes(call));
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
    ['disk-error', ['readFaultTarget/hadb01', 'injectFault/hadb01', 'awaitServedDiskless/hadb01', 'endFault/hadb01']],
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

  it('of two faults that is stopped between them does not make the second, and puts the first right', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillPermission'] = [
        ...[succeed, succeed, succeed],
        failWith('DrillsForbidden', 'drills are stopped'),
      ];
      return failureOf(await worker.start('failoverDrill', drillInput('double')));
    });

    expect(error.type).toBe('GuardRefused');
    expect(among(cluster, ['submitPowerOff'])).toEqual(['submitPowerOff/hadb01']);
    expect(cluster.power).toEqual({ hadb01: 'running', hadb02: 'running' });
  });

  it('of one fault has no pair of them', async () => {
    const { result: error, cluster } = await withCluster(async (worker) =>
      failureOf(await worker.start('failoverDrill', { ...drillInput('switchover'), pair: 'off-then-reset' })),
    );

    expect(error.type).toBe('BadSpecification');
    expect(error.message).toContain('pair: a pair of faults is of a drill of kind double only');
    expect(cluster.calls).toEqual([]);
  });

  it('whose diagnosis cannot be made is unknown, not passed', async () => {
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.answers['readPairDiagnosis'] = [failWith('Denied')];
      return failureOf(await worker.start('failoverDrill', drillInput('fence-loss')));
    });

    expect(progressIn(error).verdict).toMatchObject({ passed: false, unknown: true });
  });

  it('is told by its gate all that is wrong, and whatever it is, nothing was begun', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillGate'] = [failWith('GateNotMet', 'hadb02 is offline')];
      cluster.answers['readFencingGate'] = [failWith('Denied', 'the token is refused')];
      cluster.answers['readQueryGate'] = [failWith('GateNotMet', 'from outside: hadb02 answers')];
      cluster.answers['checkFreezable'] = [failWith('GateNotMet', 'nobody here can freeze a machine')];
      return failureOf(await worker.start('failoverDrill', drillInput('node-freeze')));
    });

    expect(error.type).toBe('GateNotMet');
    expect(error.message).toContain(
      'hadb02 is offline; the token is refused (Denied); from outside: hadb02 answers; nobody here can freeze a machine',
    );
    expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
  });

  it.each([
    ['network-partition', 'rules'],
    ['fence-loss', 'rules'],
    ['network-loss', 'disturbance'],
    ['network-loss-heavy', 'disturbance'],
  ] as const)('of kind %s is refused where the nodes lack what it takes (%s)', async (kind, needs) => {
    const asked: unknown[] = [];
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['checkNetworkFault'] = [
        async (step) => {
          asked.push((step as FakeStep & { needs?: string }).needs);
          return failWith('GateNotMet', 'the network cannot be disturbed here')();
        },
      ];
      return failureOf(await worker.start('failoverDrill', drillInput(kind)));
    });

    expect(error.type).toBe('GateNotMet');
    expect(asked).toEqual([needs]);
    expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
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

  it('that is refused by its gate breaks nothing', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillGate'] = [failWith('GateNotMet', 'hadb02 is offline')];
      return failureOf(await worker.start('failoverDrill', input({ kind: 'node-power-off' })));
    });

    expect(error.type).toBe('GateNotMet');
    expect(among(cluster, ['startWriter', 'submitPowerOff'])).toEqual([]);
  });

  it.each(DRILL_KINDS)('of kind %s that is stopped right before its fault breaks nothing', async (kind) => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillPermission'] = [succeed, failWith('DrillsForbidden', 'drills are stopped')];
      return failureOf(await worker.start('failoverDrill', drillInput(kind)));
    });

    expect(error.type).toBe('DrillsForbidden');
    expect(among(cluster, FAULTS)).toEqual([]);
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    expect(cluster.order().at(-1)).toBe('writeDrillReport');
  });

  it.each(DRILL_KINDS)('of kind %s that is stopped at the very step of its fault breaks nothing', async (kind) => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readDrillPermission'] = [succeed, succeed, failWith('DrillsForbidden', 'drills are stopped')];
      return failureOf(await worker.start('failoverDrill', drillInput(kind)));
    });

    expect(error.type).toBe('DrillsForbidden');
    const putRight = kind === 'standby' ? ['setStandby/hadb01'] : [];
    expect(among(cluster, FAULTS)).toEqual(putRight);
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
  });

  it.each([
    ['double', ['submitPowerOff/hadb01'], 'submitStart/hadb01'],
    ['fence-loss', ['injectFault/hadb02'], 'endFault/hadb02'],
  ] as const)(
    'of kind %s that is stopped between its faults makes no more of them, puts the first one right, and was not refused',
    async (kind, made, repair) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        const allowed = [succeed, succeed, succeed];
        cluster.answers['readDrillPermission'] = [...allowed, failWith('DrillsForbidden', 'drills are stopped')];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      expect(error.type).toBe('GuardRefused');
      expect(error.message).toContain('drills were forbidden in the middle of the fault');
      expect(among(cluster, FAULTS)).toEqual(made);
      expect(cluster.order()).toContain(repair);
      expect(cluster.power).toEqual({ hadb01: 'running', hadb02: 'running' });
    },
  );

  it('whose fault is tried again hours later asks once more whether drills are allowed', async () => {
    const { cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['injectFault'] = [failWith('GuardRefused', 'a resync runs'), succeed];
      const handle = await worker.start('failoverDrill', { ...drillInput('database-kill'), onFailure: 'wait' });
      await stateReached(handle, 'waiting');
      await decide(handle, { step: 'database-kill-break/hadb01', decision: 'retry' });
      await handle.result();
    });

    expect(among(cluster, ['readDrillPermission', 'injectFault'])).toEqual([
      'readDrillPermission',
      'readDrillPermission',
      'readDrillPermission',
      'injectFault/hadb01',
      'readDrillPermission',
      'injectFault/hadb01',
    ]);
  });

  it.each(['network-partition', 'node-freeze'] as const)(
    'of kind %s that finds two primaries mends nothing and starts nothing, and leaves its fault to the timer',
    async (kind) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        cluster.answers['awaitOneSurvivor'] = [failWith('TwoPrimaries', 'hadb01 and hadb02 are both primary')];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      expect(error.type).toBe('TwoPrimaries');
      const repairs = ['endFault', 'thawNode', 'awaitFencingSettled', 'submitStart', 'awaitPairHealthy'];
      expect(among(cluster, repairs)).toEqual([]);
      expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
      expect(cluster.order().slice(-3)).toEqual(['recordClusterState', 'recordNodeLogs', 'writeDrillReport']);
    },
  );

  it('that finds two primaries leaves them so, too, when a person ends it', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitOneSurvivor'] = [failWith('TwoPrimaries', 'hadb01 and hadb02 are both primary')];
      const handle = await worker.start('failoverDrill', { ...drillInput('network-partition'), onFailure: 'wait' });
      await stateReached(handle, 'waiting');
      await decide(handle, { step: 'network-partition-one-survivor/hadb01', decision: 'abort' });
      return failureOf(handle);
    });

    expect(error.type).toBe('Aborted');
    expect(among(cluster, ['endFault', 'submitStart'])).toEqual([]);
  });

  it.each(['AzureUnavailable', 'Denied', 'SomethingElse'] as const)(
    'whose safety switch cannot be read (%s) is refused',
    async (code) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        cluster.answers['readDrillPermission'] = [failWith(code)];
        return failureOf(await worker.start('failoverDrill', input({ kind: 'switchover' })));
      });

      expect(error.type).toBe('GateNotMet');
      expect(error.message).toContain('cannot be read, which counts as a no');
      expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
    },
  );

  it('whose primary has changed since the gate cuts no power', async () => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['readPowerCutGate'] = [failWith('GuardRefused', 'the primary is hadb02, not hadb01')];
      return failureOf(await worker.start('failoverDrill', input({ kind: 'node-power-off' })));
    });

    expect(error.type).toBe('GuardRefused');
    expect(among(cluster, ['submitPowerOff'])).toEqual([]);
    expect(cluster.order()).toContain('stopWriter');
  });

  it.each([
    ['standby', 'setStandby/hadb01', 'standby-off'],
    ['node-power-off', 'submitStart/hadb01', 'start'],
    ['node-shutdown', 'submitStart/hadb01', 'start'],
    ['switchover', 'clearMove/hadb02', 'clear-move'],
    ['manual', 'startPacemaker/hadb01', 'start-pacemaker'],
    ['database-hang', 'endFault/hadb01', 'mend'],
    ['node-crash', 'submitStart/hadb01', 'start'],
    ['secondary-loss', 'submitStart/hadb02', 'start'],
    ['node-freeze-short', 'thawNode/hadb01', 'thaw'],
    ['node-freeze', 'thawNode/hadb01', 'thaw'],
    ['network-partition', 'endFault/hadb01', 'mend'],
    ['network-loss', 'endFault/hadb02', 'mend'],
    ['network-loss-heavy', 'endFault/hadb01', 'mend'],
    ['disk-error', 'endFault/hadb01', 'mend'],
    ['fence-loss', 'submitStart/hadb01', 'start'],
    ['double', 'submitStart/hadb01', 'start'],
  ] as const)('of kind %s whose fault goes wrong puts it right and ends its writer', async (kind, repair, step) => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      for (const wait of ['take', ...OUTCOMES]) {
        cluster.answers[wait] = [failWith('AssertionFailed', 'nobody took over')];
      }
      return failureOf(await worker.start('failoverDrill', drillInput(kind)));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(cluster.order()).toContain(repair);
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    expect(cluster.order().slice(-3)).toEqual(['recordClusterState', 'recordNodeLogs', 'writeDrillReport']);
    expect(stepOf(progressIn(error), `${kind}-undo-${step}`).state).toBe('done');
    expect(cluster.power).toEqual({ hadb01: 'running', hadb02: 'running' });
  });

  it.each(NEED_FENCING)('of kind %s is refused in a cluster without fencing, and breaks nothing', async (kind) => {
    const { result: error, cluster } = await withCluster(async (worker) =>
      failureOf(
        await worker.start('failoverDrill', input({ kind, specification: { ...specificationFor(), fencing: 'none' } })),
      ),
    );

    expect(error.type).toBe('GateNotMet');
    expect(error.message).toContain(`a drill of kind ${kind} needs fencing`);
    expect(among(cluster, [...FAULTS, 'startWriter', 'readDrillGate'])).toEqual([]);
  });

  it.each(['node-freeze', 'node-freeze-short'] as const)(
    'of kind %s is refused where nobody can freeze a machine, before anything is written',
    async (kind) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        cluster.answers['checkFreezable'] = [failWith('GateNotMet', 'nobody here can freeze a machine')];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      expect(error.type).toBe('GateNotMet');
      expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
    },
  );

  it.each(['database-kill', 'database-hang', 'node-crash', 'network-partition', 'disk-error', 'fence-loss'] as const)(
    'of kind %s breaks nothing when its target is not what it was at the gate',
    async (kind) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        cluster.answers['readFaultTarget'] = [failWith('GuardRefused', 'the primary is hadb02, not hadb01')];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      expect(error.type).toBe('GuardRefused');
      expect(among(cluster, FAULTS)).toEqual([]);
      expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    },
  );

  it('that is terminated right after its fault undoes nothing: what ends the fault then is the timer that was ordered with it', async () => {
    const injected: unknown[] = [];
    const { cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['injectFault'] = [
        async (step) => {
          injected.push((step as FakeStep & { fault?: unknown }).fault);
          return { result: 'changed', observed: '' };
        },
      ];
      cluster.answers['awaitOneSurvivor'] = [hangUntilCancelled];
      const handle = await worker.start('failoverDrill', drillInput('network-partition'));
      await eventually(async () => expect(cluster.order()).toContain('awaitOneSurvivor/hadb01'));
      await handle.terminate('by the test');
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'TerminatedFailure' } });
    });

    expect(among(cluster, ['endFault', 'submitStart'])).toEqual([]);
    expect(injected).toEqual([
      { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: expect.any(Number) as number },
    ]);
  });

  it.each([
    ['secondary-loss', 'awaitSurvivor', { at: 1, pid: 101 }, 'nothing moved'],
    ['network-loss', 'awaitNothingMoves', { at: 1, looks: 9, moved: ['a node was fenced'] }, 'nothing moved'],
    [
      'network-loss-heavy',
      'awaitNothingMoves',
      { at: 1, looks: 9, moved: [], twoPrimaries: true },
      'never two primaries',
    ],
    ['node-freeze-short', 'awaitNothingMoves', { at: 1, looks: 9, moved: ['a node was fenced'] }, 'nothing moved'],
    [
      'network-partition',
      'awaitOneSurvivor',
      { at: 1, survivor: 'hadb02', lost: 'hadb01' },
      'one survivor: the primary, the other node off',
    ],
    [
      'node-freeze',
      'awaitOneSurvivor',
      { at: 1, survivor: 'hadb01', lost: 'hadb02' },
      'one survivor, the frozen node off',
    ],
    [
      'fence-loss',
      'awaitNothingPromoted',
      { at: 1, looks: 9, promoted: ['DRBD is promoted on hadb02'] },
      'nothing promoted',
    ],
    [
      'fence-loss',
      'readPairDiagnosis',
      { diagnosis: diagnose(waitingForPeer('hadb01'), SPECIFICATION) },
      'a person is asked, because the fencing of hadb01 fails',
    ],
    [
      'double',
      'readPairDiagnosis',
      { diagnosis: diagnose(fencingInVain(), SPECIFICATION) },
      'recovery would start hadb01, and needs nobody',
    ],
    [
      'database-hang',
      'awaitServedAgain',
      { at: Date.now() + 3_600_000, serving: 'hadb01' },
      'served again within 35 s',
    ],
  ] as const)('of kind %s fails when %s shows what must not be (%j)', async (kind, activity, seen, check) => {
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers[activity] = [async () => ({ result: 'unchanged', observed: '', ...seen })];
      return failureOf(await worker.start('failoverDrill', drillInput(kind)));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(error.message).toContain(`failed: ${check}`);
    const failed = progressIn(error).verdict?.checks.filter(({ passed }) => !passed);
    expect(failed?.map(({ name }) => name)).toEqual([check]);
    expect(cluster.order()).toContain('awaitPairHealthy/hadb02');
  });

  it('of which nothing could be seen is unknown, not passed', async () => {
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitNothingMoves'] = [
        async () => ({ result: 'unchanged', observed: '', at: 1, looks: 0, moved: [], twoPrimaries: false }),
      ];
      return failureOf(await worker.start('failoverDrill', drillInput('network-loss')));
    });

    expect(progressIn(error).verdict).toMatchObject({ passed: false, unknown: true });
  });

  it.each(['node-power-off', 'node-shutdown', 'node-crash', 'secondary-loss', 'double'] as const)(
    'of kind %s whose fault goes wrong starts no machine before every fencing has ended',
    async (kind) => {
      const { cluster } = await withCluster(async (worker, cluster) => {
        for (const wait of OUTCOMES) cluster.answers[wait] = [failWith('AssertionFailed', 'nobody took over')];
        cluster.answers['awaitFencingSettled'] = [failWith('NotReady', 'hadb01 is still in doubt')];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      expect(cluster.order()).toContain('awaitFencingSettled/hadb02');
      expect(among(cluster, ['submitStart'])).toEqual([]);
    },
  );

  it('that is cancelled while nobody has taken over yet starts the machine again and ends as cancelled', async () => {
    const { result: progress, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['awaitPrimary'] = [hangUntilCancelled];
      const handle = await worker.start('failoverDrill', input({ kind: 'node-power-off' }));
      await eventually(async () => expect(cluster.order()).toContain('awaitPrimary/hadb02'));
      await eventually(async () => expect(cluster.power['hadb01']).toBe('stopped'));
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      return await handle.query(progressQuery);
    });

    expect(progress.state).toBe('cancelled');
    expect(cluster.power['hadb01']).toBe('running');
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    expect(cluster.order().slice(-3)).toEqual(['recordClusterState', 'recordNodeLogs', 'writeDrillReport']);
  });

  it('whose verdict does not pass fails, with the verdict in its details, after everything was put right', async () => {
    const verdict: Verdict = { passed: false, summary: '3 of 900 lost', checks: [] };
    const { result: error, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['judgeDrill'] = [async () => ({ result: 'unchanged', observed: '', verdict })];
      return failureOf(await worker.start('failoverDrill', input({ kind: 'switchover' })));
    });

    expect(error.type).toBe('AssertionFailed');
    expect(progressIn(error).verdict).toMatchObject({ passed: false, summary: 'switchover: 3 of 900 lost' });
    expect(among(cluster, ['clearMove', 'stopWriter'])).toEqual(['clearMove/hadb02', 'stopWriter']);
  });
});
