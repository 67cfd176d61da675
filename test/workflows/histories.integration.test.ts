import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { DefaultLogger, Worker, bundleWorkflowCode } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { drillRefusal } from '../../cluster/drill-refusals';
import { ClusterSpecification } from '../../cluster/specification/specification';
import * as runbooks from '../../workflows';
import { DRILL_KINDS } from '../../workflows/messages';
import { afterANight, findingsOf } from '../cluster/recovery/specimen-findings';
import { failWith } from './fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster } from './fake-cluster';
import { decide, eventually, stateReached } from './runs';
import { bundleOf, SHIPPED, specificationFor, startTemporalForTests, type RunningWorker } from './temporal-for-tests';

/**
 * Runs that were open when new code arrives must go on with it. The histories were saved from real runs; a change of the code that they
 * no longer replay needs `patched()`, or is refused here. To have one made anew, remove its file and run this test.
 */
const DIRECTORY = join(__dirname, 'histories');

type Scenario = (worker: RunningWorker, cluster: FakeCluster) => Promise<WorkflowHandle>;

const input = (over: object = {}) => ({ specification: specificationFor(), onFailure: 'fail', ...over });
const fencedWhereNeeded = (kind: string) => {
  const specification = specificationFor();
  return drillRefusal(kind, ClusterSpecification.parse(specification)) === undefined
    ? {}
    : { specification: { ...specification, fencing: 'azure' as const } };
};
const nightly = () => ({ specification: specificationFor(), schedule: 'nightly', kinds: ['switchover'] });
const ended = async (handle: WorkflowHandle): Promise<WorkflowHandle> => {
  await handle.result().catch(() => undefined);
  return handle;
};

const SCENARIOS: Record<string, Scenario> = {
  'build-cluster': async (worker) => ended(await worker.start('buildCluster', input())),
  'build-cluster-again': async (worker, cluster) => {
    cluster.built = true;
    return ended(
      await worker.start('buildCluster', input({ specification: { ...specificationFor(), prove: 'never' } })),
    );
  },
  'build-cluster-fencing': async (worker) =>
    ended(
      await worker.start(
        'buildCluster',
        input({ specification: { ...specificationFor(), fencing: 'azure', prove: 'never' } }),
      ),
    ),
  'build-cluster-fencing-later': async (worker, cluster) => {
    cluster.built = true;
    return ended(
      await worker.start(
        'buildCluster',
        input({ specification: { ...specificationFor(), fencing: 'azure', prove: 'never' } }),
      ),
    );
  },
  'build-cluster-decided': async (worker, cluster) => {
    cluster.answers['ensureAvailabilitySet'] = [failWith('Denied'), async () => ({ result: 'changed', observed: '' })];
    const handle = await worker.start('buildCluster', input({ onFailure: 'wait' }));
    await stateReached(handle, 'waiting');
    await decide(handle, { step: 'availability-set', decision: 'retry' });
    return ended(handle);
  },
  ...Object.fromEntries(
    DRILL_KINDS.map((kind): [string, Scenario] => [
      `failover-drill-${kind}`,
      async (worker) => ended(await worker.start('failoverDrill', input({ kind, ...fencedWhereNeeded(kind) }))),
    ]),
  ),
  'failover-drill-partition-failed': async (worker, cluster) => {
    cluster.answers['awaitOneSurvivor'] = [failWith('TwoPrimaries', 'both are primary')];
    const fenced = { kind: 'network-partition', ...fencedWhereNeeded('network-partition') };
    return ended(await worker.start('failoverDrill', input(fenced)));
  },
  'failover-drill-failed': async (worker, cluster) => {
    cluster.answers['awaitPrimary'] = [failWith('AssertionFailed')];
    return ended(await worker.start('failoverDrill', input({ kind: 'node-power-off' })));
  },
  'failover-drill-cancelled': async (worker, cluster) => {
    cluster.answers['awaitPrimary'] = [hangUntilCancelled];
    const handle = await worker.start('failoverDrill', input({ kind: 'standby' }));
    await eventually(async () => expect(cluster.order()).toContain('awaitPrimary/hadb02'));
    await handle.cancel();
    return ended(handle);
  },
  'failover-drill-without-client': async (worker, cluster) => {
    cluster.answers['readWriter'] = [
      async () => ({ result: 'unchanged', observed: 'no writer runs', at: Date.now(), running: false, counts: {} }),
    ];
    return ended(await worker.start('failoverDrill', input({ kind: 'database-kill' })));
  },
  'scheduled-drill': async (worker) => ended(await worker.start('scheduledDrill', nightly())),
  'scheduled-drill-failed': async (worker, cluster) => {
    cluster.answers['readDrillGate'] = [failWith('GateNotMet')];
    return ended(await worker.start('scheduledDrill', nightly()));
  },
  'scheduled-drill-skipped': async (worker, cluster) => {
    cluster.answers['readDrillPermission'] = [failWith('DrillsForbidden')];
    return ended(await worker.start('scheduledDrill', nightly()));
  },
  'order-drills': async (worker) =>
    ended(
      await worker.start('orderDrills', {
        specification: specificationFor(),
        order: { order: 'stop', by: 'ada', reason: 'month end' },
      }),
    ),
  'recover-cluster': async (worker, cluster) => {
    cluster.looks = afterANight();
    return ended(await worker.start('recoverCluster', input()));
  },
  'recover-cluster-refused': async (worker, cluster) => {
    cluster.looks = [findingsOf({ hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } })];
    return ended(await worker.start('recoverCluster', input()));
  },
  switchover: async (worker) => ended(await worker.start('switchover', input())),
  'destroy-cluster': async (worker, cluster) => {
    const specification = specificationFor();
    const resources = [
      { id: '/vm1', kind: 'virtual-machine', name: 'hadb01' },
      { id: '/vm2', kind: 'virtual-machine', name: 'hadb02' },
      { id: '/rg', kind: 'resource-group', name: 'hadb' },
    ];
    cluster.answers['readDestroyPlan'] = [
      async () => ({ resources, foreign: [] }),
      async () => ({ resources: [], foreign: [] }),
    ];
    return ended(await worker.start('destroyCluster', input({ specification, confirm: specification.name })));
  },
  'watch-cluster': async (worker, cluster) => {
    cluster.looks = [findingsOf({ hadb01: { power: 'stopped' } })];
    return ended(await worker.start('watchCluster', { specification: specificationFor() }));
  },
  'plan-cluster': async (worker) => ended(await worker.start('planCluster', { specification: specificationFor() })),
};

let bundle: { code: string };
beforeAll(async () => {
  bundle = await bundleOf(SHIPPED);
  const missing = Object.keys(SCENARIOS).filter((name) => !existsSync(fileOf(name)));
  if (missing.length > 0) await saveHistories(missing);
}, 300_000);

it.each(Object.keys(SCENARIOS))('the saved run "%s" replays with the code of today', async (name) => {
  const history = JSON.parse(readFileSync(fileOf(name), 'utf8')) as object;

  const problem = await Worker.runReplayHistory({ workflowBundle: bundle }, history).then(
    () => undefined,
    (error: unknown) =>
      `${String(error)}\nIf no open run can be hurt by the change, remove ${name}.json and run this test again.`,
  );

  expect(problem).toBeUndefined();
});

it.each(Object.keys(SCENARIOS))('every activity of the saved run "%s" carries a sentence for the UI', (name) => {
  const { events } = JSON.parse(readFileSync(fileOf(name), 'utf8')) as { events: SavedEvent[] };
  const scheduled = events.filter((event) => event.activityTaskScheduledEventAttributes !== undefined);

  const sentences = scheduled.map(({ userMetadata }) => {
    const text = Buffer.from(userMetadata?.summary?.data ?? '', 'base64').toString();
    return text === '' ? '' : (JSON.parse(text) as string);
  });

  expect(scheduled.length).toBeGreaterThan(['order-drills', 'recover-cluster-refused'].includes(name) ? 0 : 1);
  expect(sentences.filter((sentence) => !/^[A-Z].* /.test(sentence))).toEqual([]);
});

it('every runbook has a saved run', () => {
  const saved = readdirSync(DIRECTORY).map((file) => typeOf(join(DIRECTORY, file)));

  expect(new Set(saved)).toEqual(new Set(Object.keys(runbooks).filter((name) => name !== 'clusterLock')));
});

it('no saved run tells of the machine that saved it', () => {
  const telling = readdirSync(DIRECTORY).filter((file) =>
    /"\d+@|"(?:identity|stackTrace)":/.test(readFileSync(join(DIRECTORY, file), 'utf8')),
  );

  expect(telling).toEqual([]);
});

it('a change that open runs cannot survive is caught', async () => {
  const altered = await bundleWorkflowCode({
    ...SHIPPED,
    workflowsPath: require.resolve('./altered-switchover'),
    logger: new DefaultLogger('WARN'),
  });
  const history = JSON.parse(readFileSync(fileOf('switchover'), 'utf8')) as object;

  const replay = Worker.runReplayHistory({ workflowBundle: altered }, history);

  await expect(replay).rejects.toBeInstanceOf(DeterminismViolationError);
});

function fileOf(name: string): string {
  return join(DIRECTORY, `${name}.json`);
}

interface SavedEvent {
  workflowExecutionStartedEventAttributes?: { workflowType?: { name?: string } };
  activityTaskScheduledEventAttributes?: { input?: unknown };
  userMetadata?: { summary?: { data?: string } };
}

function typeOf(file: string): string | undefined {
  const { events } = JSON.parse(readFileSync(file, 'utf8')) as { events: SavedEvent[] };
  return events[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name;
}

/** A worker's own task queue: its process id and the host. */
const WORKER_AT_HOST = /^\d+@/;

/** Host names and paths of the machine that saved it say nothing to a replay. */
function withoutMachine(key: string, value: unknown): unknown {
  if (key === 'stackTrace' || key === 'identity') return undefined;
  return typeof value === 'string' && WORKER_AT_HOST.test(value) ? 'worker' : value;
}

/** What activities were given is left out: a replay does not look at it, and it is nine tenths of the size. */
async function saveHistories(names: string[]): Promise<void> {
  mkdirSync(DIRECTORY, { recursive: true });
  const temporal = await startTemporalForTests(SHIPPED);
  try {
    for (const name of names) {
      const cluster = createFakeCluster();
      const history = await temporal.withWorker(cluster.activities, async (worker) => {
        const handle = await SCENARIOS[name]?.(worker, cluster);
        return handle?.fetchHistory();
      });
      if (history === undefined) throw new Error(`no history of ${name}`);
      const saved = JSON.parse(historyToJSON(history)) as { events: SavedEvent[] };
      for (const { activityTaskScheduledEventAttributes: scheduled } of saved.events) delete scheduled?.input;
      writeFileSync(fileOf(name), JSON.stringify(saved, withoutMachine));
    }
  } finally {
    await temporal.stop();
  }
  execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', ...names.map(fileOf)]);
}
