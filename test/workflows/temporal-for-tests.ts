import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { activityInfo } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  bundleWorkflowCode,
  type LogEntry,
} from '@temporalio/worker';
import type { ClusterSpecificationInput } from '../../cluster/specification/specification';
import { stopTemporalServer, startTemporalServer, type TemporalServer } from '../../processes/temporal-server';
import { getTemporalCli } from '../../processes/temporal-cli';
import { readLabSettings, readTemporalCliSettings } from '../../settings';
import { getWorkflowBundle } from '../../worker/workflow-bundle';
import { createLockActivities } from '../../activities/coordination/lock';

/** A development server of its own for a test file, its client, and workers on queues of their own. */
export interface TemporalForTests {
  client: Client;
  server: TemporalServer;
  /** Everything the workers logged. */
  logs: LogEntry[];
  bundle: { code: string };
  /**
   * These activities answer the runs that begin while `work` runs, to their end. It is one worker for all calls, because to start one costs a second or two of a
   * processor.
   */
  withWorker<Result>(activities: object, work: (worker: RunningWorker) => Promise<Result>): Promise<Result>;
  startWorker(activities: object, taskQueue?: string): Promise<RunningWorker>;
  stop(): Promise<void>;
}

type Activities = Record<string, ((...input: unknown[]) => unknown) | undefined>;

export interface RunningWorker {
  taskQueue: string;
  start(workflow: string, input: object, workflowId?: string): Promise<WorkflowHandle>;
  stop(): Promise<void>;
}

export const BUNDLE = {
  workflowsPath: require.resolve('./runbooks-under-test'),
  workflowInterceptorModules: [require.resolve('../../workflows/interceptors')],
};

interface WorkflowSources {
  workflowsPath: string;
  workflowInterceptorModules: string[];
}

/** The runbooks themselves. */
export const SHIPPED: WorkflowSources = {
  workflowsPath: require.resolve('../../workflows'),
  workflowInterceptorModules: [require.resolve('../../workflows/interceptors')],
};

/** The worker's own cache, by content: a dozen test files want the same. */
export const bundleOf = (workflows: WorkflowSources): Promise<{ code: string }> =>
  workflows === SHIPPED
    ? getWorkflowBundle({
        codeDirectory: join(__dirname, '..', '..'),
        bundlesDirectory: join(readLabSettings().cacheDirectory, 'test-workflows'),
      })
    : bundleWorkflowCode({ ...workflows, logger: new DefaultLogger('WARN') });

export async function startTemporalForTests(workflows: WorkflowSources = BUNDLE): Promise<TemporalForTests> {
  const logs: LogEntry[] = [];
  Runtime.install({ logger: new DefaultLogger('INFO', (entry) => void logs.push(entry)) });
  const directory = mkdtempSync(join(tmpdir(), 'hadb-temporal-'));
  const cli = await getTemporalCli(readTemporalCliSettings());
  const server = await startTemporalServer({ cli, directory, port: 0, database: 'memory' });
  const [bundle, connection, native] = await Promise.all([
    bundleOf(workflows),
    Connection.connect({ address: server.address }),
    NativeConnection.connect({ address: server.address }),
  ]);
  const client = new Client({ connection, namespace: 'default' });

  let resident: Promise<RunningWorker> | undefined;
  let current: Activities = {};
  const ofRun = new Map<string, Activities>();
  /** Those of the run that asks, and not of the test that goes on meanwhile. */
  const answer = async (...input: unknown[]): Promise<unknown> => {
    const { activityType, workflowExecution } = activityInfo();
    const runId = workflowExecution?.runId ?? '';
    const activities = ofRun.get(runId) ?? current;
    ofRun.set(runId, activities);
    const activity = activities[activityType];
    if (activity === undefined) throw new Error(`this test has no activity ${activityType}`);
    return activity.apply(activities, input);
  };

  const startWorker = async (activities: object, taskQueue = `test-${randomUUID()}`): Promise<RunningWorker> => {
    const worker = await Worker.create({
      connection: native,
      namespace: 'default',
      taskQueue,
      workflowBundle: { code: bundle.code },
      activities: { ...createLockActivities(), ...activities },
      shutdownGraceTime: 0,
      workflowThreadPoolSize: 1,
    });
    const running = worker.run();
    return {
      taskQueue,
      start: (workflow, input, workflowId = `run-${randomUUID()}`) =>
        client.workflow.start(workflow, { taskQueue, workflowId, args: [input] }),
      stop: async () => {
        if (worker.getState() === 'RUNNING') worker.shutdown();
        await running;
      },
    };
  };

  return {
    client,
    server,
    logs,
    bundle,
    startWorker,
    async withWorker(activities, work) {
      resident ??= startWorker({ default: answer });
      current = activities as Activities;
      return work(await resident);
    },
    async stop() {
      await (await resident)?.stop();
      await native.close();
      await connection.close();
      await stopTemporalServer(directory);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Each test its own cluster: they share one server, and the lock is a name on it. */
export function specificationFor(name = `c${randomUUID().slice(0, 8)}`): ClusterSpecificationInput {
  return { name, network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] }, fencing: 'none' };
}
