import { diagnose } from '../../cluster/recovery/diagnosis';
import type { Verdict } from '../../cluster/step';
import { fencingInVain, waitingForPeer } from '../cluster/recovery/specimen-findings';
import { specificationOf } from '../cluster/specimens';
import { progressQuery } from '../../workflows/messages';
import { failWith, succeed } from './fake-activities';
import { type FakeStep, hangUntilCancelled } from './fake-cluster';
import { among, drillInput, FAULTS, input, playClusters, withoutEvidence } from './played-cluster';
import { decide, eventually, failureOf, progressIn, stateReached, stepOf } from './runs';

const SPECIFICATION = specificationOf();
const withCluster = playClusters();

/** What a drill waits for after its fault. */
const OUTCOMES = [
  'awaitPrimary',
  'awaitServedAgain',
  'awaitServedDiskless',
  'awaitLeftDiskless',
  'awaitSurvivor',
  'awaitOneSurvivor',
  'awaitNothingMoves',
  'awaitNothingPromoted',
];

describe('a drill', () => {
  it.each(['database-kill', 'manual'] as const)(
    'of kind %s whose client has ended before the fault breaks nothing, and is unknown',
    async (kind) => {
      const { result: error, cluster } = await withCluster(async (worker, cluster) => {
        const observed = 'no writer runs: 3 writes acknowledged';
        cluster.answers['readWriter'] = [
          async () => ({ result: 'unchanged', observed, at: Date.now(), running: false, counts: {} }),
        ];
        return failureOf(await worker.start('failoverDrill', drillInput(kind)));
      });

      const { verdict } = progressIn(error);
      expect(verdict).toMatchObject({
        passed: false,
        unknown: true,
        checks: [{ detail: 'no writer runs: 3 writes acknowledged' }],
      });
      expect(verdict?.summary).toContain('nothing was broken');
      expect(among(cluster, [...FAULTS, 'stopPacemaker', 'judgeDrill'])).toEqual([]);
      expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
      expect(cluster.order().at(-1)).toBe('writeDrillReport');
    },
  );

  it('whose diagnosis cannot be made is unknown, not passed', async () => {
    const { result: error } = await withCluster(async (worker, cluster) => {
      cluster.answers['readPairDiagnosis'] = [failWith('Denied')];
      return failureOf(await worker.start('failoverDrill', drillInput('fence-loss')));
    });

    expect(progressIn(error).verdict).toMatchObject({ passed: false, unknown: true });
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
    ['secondary-loss', 'readServer', { bootId: 'boot', pid: 101 }, 'the database was not restarted'],
    ['network-partition', 'readServer', { bootId: 'another' }, 'the database was not restarted'],
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
