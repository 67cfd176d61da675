import type { DrillReportStep } from '../../activities/drill/report';
import type { Progress } from '../../cluster/step';
import { DRILL_KINDS } from '../../workflows/messages';
import type { FakeCluster } from './fake-cluster';
import { among, drillInput, playClusters } from './played-cluster';

const withCluster = playClusters();

describe.each(DRILL_KINDS)('a drill of kind %s', (kind) => {
  const reports: DrillReportStep[] = [];
  let progress: Progress;
  let cluster: FakeCluster;
  beforeAll(async () => {
    const played = await withCluster(async (worker, cluster): Promise<Progress> => {
      cluster.answers['writeDrillReport'] = [
        async (step) => {
          reports.push(step as unknown as DrillReportStep);
          return { result: 'changed', observed: '', done: 'wrote report.html' };
        },
      ];
      return (await worker.start('failoverDrill', drillInput(kind))).result();
    });
    ({ result: progress, cluster } = played);
  });

  it('begins and ends with a healthy pair, a query and a verdict', () => {
    expect(progress.state).toBe('completed');
    expect(progress.verdict).toMatchObject({ passed: true });
    expect(progress.steps.every(({ state }) => state === 'done')).toBe(true);
    const order = among(cluster, [
      'readDrillPermission',
      'readDrillGate',
      'readQueryGate',
      'remoteQuery',
      'startWriter',
      'stopWriter',
      'judgeDrill',
      'awaitPairHealthy',
    ]);
    expect(order.slice(0, 5)).toEqual([
      'readDrillPermission',
      'readDrillGate',
      'readQueryGate',
      'startWriter',
      'readDrillPermission',
    ]);
    expect(order.slice(-4)).toEqual(['awaitPairHealthy/hadb02', 'remoteQuery', 'stopWriter', 'judgeDrill']);
    expect(cluster.power).toEqual({ hadb01: 'running', hadb02: 'running' });
    expect(cluster.calls.filter(({ activity }) => activity === 'takeOwnership')).toHaveLength(2);
  });

  it('goes through its phases in their order', () => {
    const chapters = progress.steps.filter(({ id }) => id.startsWith(`${kind}-`)).map(({ chapter }) => chapter);

    expect([...new Set(chapters)]).toEqual([
      'Gate',
      'Baseline',
      'Inject',
      'Observe',
      'Recovered',
      'Rejoin',
      'Steady state',
      'Audits',
      'Report',
    ]);
    const chapterOf = (name: string) => progress.steps.find(({ id }) => id === `${kind}-${name}`)?.chapter;
    expect(
      ['gate', 'start-writer', 'roles', 'state-during', 'healthy', 'query-after', 'judge', 'report'].map(chapterOf),
    ).toEqual(['Gate', 'Baseline', 'Observe', 'Recovered', 'Rejoin', 'Steady state', 'Audits', 'Report']);
  });

  it('is audited when the pair is healthy and nobody writes any more', () => {
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

  it('gives its report all that there is to tell', () => {
    const [report] = reports;

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
    expect(ids).toEqual(progress.steps.map(({ id }) => id));
    expect(ids).toEqual(expect.arrayContaining(['before', 'during', 'after'].map((when) => `${kind}-state-${when}`)));
  });
});
