import type { DrillReportStep } from '../../activities/drill/report';
import type { Progress } from '../../cluster/step';
import { type DrillKind, progressQuery } from '../../workflows/messages';
import { failWith } from './fake-activities';
import type { FakeCluster } from './fake-cluster';
import { among, drillInput, input, playClusters } from './played-cluster';

const withCluster = playClusters();

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

  it.each<[DrillKind, string]>([
    ['switchover', 'movePrimary'],
    ['database-kill', 'injectFault'],
    ['node-power-off', 'submitPowerOff'],
    ['manual', 'stopPacemaker'],
  ])('of kind %s counts from the order of its fault, and so do judgement and audits', async (kind, move) => {
    const [orderedAt, seen] = [Date.parse('2026-11-22T02:30:07Z'), new Map<string, number | undefined>()];
    const { report } = await drillWith(kind, (cluster) => {
      cluster.answers[move] = [
        async ({ node = '' }) => ({
          result: 'changed',
          observed: '',
          name: node,
          poller: 'poller',
          movedAt: orderedAt,
        }),
        async ({ node = '' }) => ({ result: 'changed', observed: '', name: node, movedAt: orderedAt + 5000 }),
      ];
      for (const [activity, answer] of [
        ['judgeDrill', { verdict: { passed: true, summary: '', checks: [] }, report: {} }],
        ['auditLogs', { checks: [] }],
      ] as const) {
        cluster.answers[activity] = [
          async (step) => {
            seen.set(activity, (step as { faultAt?: number }).faultAt);
            return { result: 'unchanged', observed: '', ...answer };
          },
        ];
      }
    });

    expect(report?.faultAt).toBe(orderedAt);
    expect([...seen]).toEqual([
      ['judgeDrill', orderedAt],
      ['auditLogs', orderedAt],
    ]);
  });

  it('of a fault that nobody knows the time of counts from the last look before it, also where it ends badly', async () => {
    const writingAt = Date.parse('2026-11-22T02:30:00Z');
    const { report } = await drillWith('database-kill', (cluster) => {
      cluster.answers['readWriter'] = [
        async () => ({ result: 'unchanged', observed: '', at: writingAt, running: true, counts: {} }),
      ];
      cluster.answers['awaitServedAgain'] = [failWith('AssertionFailed', 'nobody served')];
    });

    expect(report).toMatchObject({ failure: { code: 'AssertionFailed' }, faultAt: writingAt });
  });

  it('of a fault that ends badly counts from its order as well', async () => {
    const orderedAt = Date.parse('2026-11-22T02:30:07Z');
    const { report } = await drillWith('database-kill', (cluster) => {
      cluster.answers['injectFault'] = [async () => ({ result: 'changed', observed: '', movedAt: orderedAt })];
      cluster.answers['awaitServedAgain'] = [failWith('AssertionFailed', 'nobody served')];
    });

    expect(report).toMatchObject({ failure: { code: 'AssertionFailed' }, faultAt: orderedAt });
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
