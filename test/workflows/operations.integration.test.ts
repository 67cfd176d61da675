import { randomUUID } from 'node:crypto';
import type { DrillReportStep } from '../../activities/drill/report';
import type { Progress, Verdict } from '../../cluster/step';
import { drillRefusal } from '../../cluster/drill-refusals';
import { ClusterSpecification } from '../../cluster/specification/specification';
import { DRILL_KINDS, progressQuery, type DrillKind } from '../../workflows/messages';
import { failWith, succeed } from './fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster, type FakeStep } from './fake-cluster';
import { decide, eventually, failureOf, progressIn, stateReached, stepOf } from './runs';
import {
  specificationFor,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests({
    workflowsPath: require.resolve('../../workflows'),
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

const input = (over: object = {}) => ({ specification: specificationFor(), onFailure: 'fail', ...over });

/** Those of the calls that matter, in their order. */
const among = (cluster: FakeCluster, names: string[]) =>
  cluster.order().filter((call) => names.some((name) => call === name || call.startsWith(`${name}/`)));

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

/** A drill of this kind, on a cluster that may make it. */
const drillInput = (kind: DrillKind) => {
  const specification = { ...specificationFor(), fencing: 'none' as const };
  const refused = drillRefusal(kind, ClusterSpecification.parse(specification)) !== undefined;
  return input({ kind, specification: { ...specification, ...(refused && { fencing: 'azure' as const }) } });
};
const NEED_FENCING = DRILL_KINDS.filter((kind) => drillInput(kind).specification.fencing === 'azure');

/** Calls that do more than write something down. */
const withoutEvidence = (cluster: FakeCluster) =>
  cluster.order().filter((call) => !['recordClusterState', 'recordNodeLogs', 'writeDrillReport'].includes(call));

describe('a drill', () => {
  it.each(DRILL_KINDS)('of kind %s begins and ends with a healthy pair, a query and a verdict', async (kind) => {
    const { result: progress, cluster } = await withCluster(async (worker): Promise<Progress> =>
      (await worker.start('failoverDrill', drillInput(kind))).result(),
    );

    expect(progress.state).toBe('completed');
    expect(progress.verdict).toMatchObject({ passed: true });
    expect(progress.steps.every(({ state }) => state === 'done')).toBe(true);
    const order = among(cluster, [
      'readDrillPermission',
      'readDrillGate',
      'remoteQuery',
      'startWriter',
      'stopWriter',
      'judgeDrill',
      'awaitPairHealthy',
    ]);
    expect(order.slice(0, 5)).toEqual([
      'readDrillPermission',
      'readDrillGate',
      'remoteQuery',
      'startWriter',
      'readDrillPermission',
    ]);
    expect(order.slice(-4)).toEqual(['awaitPairHealthy/hadb02', 'remoteQuery', 'stopWriter', 'judgeDrill']);
    expect(cluster.power).toEqual({ hadb01: 'running', hadb02: 'running' });
    expect(cluster.calls.filter(({ activity }) => activity === 'takeOwnership')).toHaveLength(2);
  });

  it.each([
    ['switchover', ['movePrimary/hadb01', 'awaitPrimary/hadb02', 'clearMove/hadb02']],
    ['standby', ['setStandby/hadb01', 'awaitPrimary/hadb02', 'readStandbyReplication/hadb02', 'setStandby/hadb01']],
    // The other node is watched while the power is cut, not after.
    [
      'node-power-off',
      ['readPowerCutGate/hadb01', 'submitPowerOff/hadb01', 'submitStart/hadb01', 'awaitNodeReachable/hadb01'],
    ],
    [
      'node-shutdown',
      ['orderShutdown/hadb01', 'awaitPrimary/hadb02', 'submitStart/hadb01', 'awaitNodeReachable/hadb01'],
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
        'submitStart/hadb01',
        'awaitNodeReachable/hadb01',
      ],
    ],
    [
      'secondary-loss',
      [
        'readFaultTarget/hadb01',
        'readPowerCutGate/hadb02',
        'submitPowerOff/hadb02',
        'awaitSurvivor/hadb01',
        'submitStart/hadb02',
        'awaitNodeReachable/hadb02',
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
        'endFault/hadb02',
        'endFault/hadb01',
        'awaitFencingSettled/hadb02',
      ],
    ],
    [
      'double',
      [
        'readPowerCutGate/hadb01',
        'submitPowerOff/hadb01',
        'awaitPrimary/hadb02',
        'readSurvivorCutGate/hadb02',
        'submitPowerOff/hadb02',
        'awaitNothingPromoted/hadb02',
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
      { at: 1, looks: 9, promoted: ['DRBD is promoted on hadb02'], asks: ['x'] },
      'nothing promoted',
    ],
    ['double', 'awaitNothingPromoted', { at: 1, looks: 9, promoted: [], asks: [] }, 'a person is asked'],
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

describe('the report of a drill', () => {
  /** Notes what the report was given. */
  async function drillWith(kind: DrillKind, prepare: (cluster: FakeCluster) => void = () => undefined) {
    const reports: DrillReportStep[] = [];
    const { result, cluster } = await withCluster(async (worker, cluster) => {
      cluster.answers['writeDrillReport'] = [
        async (step) => {
          reports.push(step as unknown as DrillReportStep);
          return { result: 'changed', observed: '', done: 'wrote report.html' };
        },
      ];
      prepare(cluster);
      const handle = await worker.start('failoverDrill', drillInput(kind));
      const error = await handle.result().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      return { error, progress: await handle.query(progressQuery) };
    });
    return { report: reports[0], reports, cluster, ...result };
  }

  it.each(DRILL_KINDS)('of kind %s is given all that there is to tell', async (kind) => {
    const { report, reports, progress } = await drillWith(kind);

    expect(reports).toHaveLength(1);
    expect(report).toMatchObject({
      kind,
      verdict: { passed: true },
      writes: {},
      faultAt: expect.any(Number) as number,
    });
    expect(report?.drill).toMatch(new RegExp(`-${kind}$`));
    expect(report?.limitSeconds).toBeGreaterThan(0);
    expect(report?.failure).toBeUndefined();
    const ids = report?.steps.map(({ id }) => id) ?? [];
    expect(ids.slice(0, 2)).toEqual([`${kind}-allowed`, `${kind}-gate`]);
    expect(ids).toEqual(progress.steps.map(({ id }) => id).filter((id) => id.startsWith(`${kind}-`)));
    expect(ids).toEqual(expect.arrayContaining(['before', 'during', 'after'].map((when) => `${kind}-state-${when}`)));
  });

  it('tells of a gate that was not met', async () => {
    const { report, error } = await drillWith('switchover', (cluster) => {
      cluster.answers['readDrillGate'] = [failWith('GateNotMet', 'hadb02 is offline')];
    });

    expect(error).toBeDefined();
    expect(report).toMatchObject({
      failure: { code: 'GateNotMet' },
      steps: [{ state: 'done' }, { state: 'failed' }, { state: 'done' }, {}],
    });
    expect(report?.verdict).toBeUndefined();
  });

  it('that cannot be written changes no verdict, and is told', async () => {
    const { error, progress } = await drillWith('switchover', (cluster) => {
      cluster.answers['recordClusterState'] = [failWith('Denied', 'no space left')];
      cluster.answers['writeDrillReport'] = [failWith('Denied', 'no space left')];
    });

    expect(error).toBeUndefined();
    expect(progress).toMatchObject({ state: 'completed', verdict: { passed: true } });
    expect(progress.steps.every(({ state }) => state === 'done')).toBe(true);
    const told = progress.warnings?.filter((warning) => warning.includes('changes no verdict: no space left'));
    expect(told).toHaveLength(4);
  });

  it('that cannot be written keeps a failure what it was', async () => {
    const { progress } = await drillWith('node-power-off', (cluster) => {
      cluster.answers['awaitPrimary'] = [failWith('AssertionFailed', 'nobody took over')];
      cluster.answers['writeDrillReport'] = [failWith('Denied', 'no space left')];
    });

    expect(progress.failure).toMatchObject({
      code: 'AssertionFailed',
      message: expect.stringContaining('nobody took over') as string,
    });
    expect(progress.warnings?.join()).toContain('no space left');
  });
});

describe('the audits of a drill', () => {
  const table =
    (node: string, checksum = '1') =>
    async () => ({
      result: 'unchanged',
      observed: '',
      table: { node, table: 'azureha.things', rows: 1, checksum, isQuiet: true },
    });
  const drillWith = async (kind: DrillKind, prepare: (cluster: FakeCluster) => void = () => undefined) => {
    const { result, cluster } = await withCluster(async (worker, cluster) => {
      prepare(cluster);
      const handle = await worker.start('failoverDrill', drillInput(kind));
      await handle.result().catch(() => undefined);
      return handle.query(progressQuery);
    });
    return { progress: result, cluster };
  };
  const says = (check: object) => async () => ({ result: 'unchanged', observed: '', checks: [check] });

  it.each(DRILL_KINDS)('of kind %s come when the pair is healthy and nobody writes any more', async (kind) => {
    const { progress, cluster } = await drillWith(kind);

    expect(progress.verdict?.passed).toBe(true);
    expect(
      among(cluster, [
        'awaitPairHealthy',
        'stopWriter',
        'auditCluster',
        'verifyCopies',
        'recordNodeLogs',
        'auditLogs',
        'writeDrillReport',
      ]),
    ).toEqual([
      expect.stringContaining('awaitPairHealthy'),
      'stopWriter',
      'auditCluster',
      'verifyCopies',
      'recordNodeLogs',
      'auditLogs',
      'writeDrillReport',
    ]);
  });

  it('fail a drill that everything else calls good', async () => {
    const { progress } = await drillWith('node-power-off', (cluster) => {
      cluster.answers['auditLogs'] = [says({ name: 'logs', passed: false, detail: 'split brain: hadb01' })];
    });

    expect(progress).toMatchObject({ state: 'failed', verdict: { passed: false } });
    expect(progress.verdict?.unknown).toBeUndefined();
    expect(progress.verdict?.checks).toContainEqual({ name: 'logs', passed: false, detail: 'split brain: hadb01' });
  });

  it.each(['auditCluster', 'verifyCopies', 'auditLogs'] as const)(
    'leave the verdict unknown where %s cannot be made',
    async (name) => {
      const { progress } = await drillWith('node-power-off', (cluster) => {
        cluster.answers[name] = [failWith('Denied', 'no ledger')];
      });

      expect(progress.verdict).toMatchObject({ passed: false, unknown: true });
      expect(progress.warnings?.join()).toContain('so that its checks are not known: no ledger');
    },
  );

  it.each(['switchover', 'standby', 'manual'] as const)(
    'of kind %s hold the table on the other side against what it was',
    async (kind) => {
      const good = await drillWith(kind);
      const other = await drillWith(kind, (cluster) => {
        cluster.answers['readTable'] = [table('hadb01'), table('hadb02', '2')];
      });
      const never = await drillWith(kind, (cluster) => {
        cluster.answers['readTable'] = [table('hadb01'), failWith('QueryFailed', 'no primary')];
      });

      expect(good.progress.verdict?.checks).toContainEqual(
        expect.objectContaining({ name: 'table equal on the other side', passed: true }),
      );
      expect(other.progress.verdict).toMatchObject({ passed: false });
      expect(other.progress.verdict?.unknown).toBeUndefined();
      expect(never.progress.verdict).toMatchObject({ passed: false, unknown: true });
    },
  );

  it('of a fault that nobody planned do not look at a table that somebody may write to', async () => {
    const { cluster } = await drillWith('node-power-off');

    expect(cluster.order()).not.toContain('readTable');
  });

  it('are not made of a pair that did not become healthy, but its logs are fetched for the report', async () => {
    const { progress, cluster } = await drillWith('node-power-off', (seen) => {
      seen.answers['awaitPairHealthy'] = [failWith('AssertionFailed', 'a stop has failed')];
    });

    expect(progress.failure).toMatchObject({ code: 'AssertionFailed' });
    expect(among(cluster, ['auditCluster', 'recordNodeLogs', 'writeDrillReport'])).toEqual([
      'recordNodeLogs',
      'writeDrillReport',
    ]);
  });
});

describe('failed actions that were cleaned up at the end', () => {
  const cleanedUp = ['monitor of mysqld failed on hadb01: error, at 2026-11-22 18:23:53Z'];
  const healthyAgain = async () => ({ result: 'changed', observed: '', done: '', primary: 'hadb02', cleanedUp });

  it.each(['switchover', 'manual'] as const)('stand in the verdict of a drill of kind %s', async (kind) => {
    const { result: progress } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['awaitPairHealthy'] = [healthyAgain];
      return (await worker.start('failoverDrill', input({ kind }))).result();
    });

    expect(progress.verdict?.passed).toBe(true);
    expect(progress.sentence).toContain('; a failed action was cleaned up afterwards');
    expect(progress.verdict?.checks.at(-1)).toMatchObject({
      name: 'failed actions cleaned up',
      detail: expect.stringContaining('monitor of mysqld failed on hadb01') as string,
    });
  });

  it('stand in the closing sentence of a switchover', async () => {
    const { result: progress } = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['awaitPairHealthy'] = [healthyAgain];
      return (await worker.start('switchover', input())).result();
    });

    expect(progress.sentence).toContain('cleaned up afterwards: monitor of mysqld failed on hadb01');
  });
});

describe('a switchover', () => {
  it('moves the primary, takes its constraint back and asks from outside before and after', async () => {
    const { result: progress, cluster } = await withCluster(async (worker): Promise<Progress> =>
      (await worker.start('switchover', input())).result(),
    );

    expect(progress.state).toBe('completed');
    expect(
      among(cluster, ['readDrillGate', 'remoteQuery', 'movePrimary', 'awaitPrimary', 'clearMove', 'awaitPairHealthy']),
    ).toEqual([
      'readDrillGate',
      'remoteQuery',
      'movePrimary/hadb01',
      'awaitPrimary/hadb02',
      'clearMove/hadb02',
      'remoteQuery',
      'awaitPairHealthy/hadb02',
    ]);
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
    ]);
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
