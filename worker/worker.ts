import { join } from 'node:path';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Runtime, Worker } from '@temporalio/worker';
import { createRedactor } from '../activities/connections/redactor';
import { failureInterceptor } from '../activities/interceptors/failures';
import { heartbeatInterceptor } from '../activities/interceptors/heartbeats';
import { isPortFree } from '../processes/free-port';
import { SettingsError } from '../settings';
import type { WorkerSettings } from '../settings';
import { wireActivities } from './activities';
import { restoreDrillGauges } from './drill-gauges';
import { installRuntime } from './logging';
import { connectPatiently } from './patient-connection';
import { getWorkflowBundle } from './workflow-bundle';

export interface RunningWorker {
  /** Resolves when the worker has shut down in good order. */
  run(): Promise<void>;
  shutdown(): void;
}

/**
 * Wires settings, secrets, connections and activities. Waits for the server instead of failing when it is not there yet.
 * Errors: SettingsError, AbortError by `signal`.
 */
export async function startWorker(settings: WorkerSettings, signal?: AbortSignal): Promise<RunningWorker> {
  const redactor = createRedactor();
  const { activities, close } = wireActivities(settings, redactor);
  await refuseAddress(settings.metricsAddress);
  const logger = installRuntime(settings, redactor);
  restoreDrillGauges(Runtime.instance().metricMeter, settings.drillsDirectory);
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({
    overrideEnvVars: settings.temporalEnvironment,
  });
  const [connection, workflowBundle] = await Promise.all([
    connectPatiently(connectionOptions, logger, signal),
    getWorkflowBundle({
      codeDirectory: join(__dirname, '..'),
      bundlesDirectory: settings.bundlesDirectory,
      logger,
    }),
  ]);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: settings.taskQueue,
    identity: `hadb-worker@${process.pid}`,
    workflowBundle,
    activities,
    interceptors: { activity: [failureInterceptor(redactor), heartbeatInterceptor] },
    // A node's connection carries eight scripts at a time; waits of many clusters share the rest.
    maxConcurrentActivityTaskExecutions: 40,
    // The default holds heartbeats back for 8 s of a 10 s time-out, and with them cancels and the progress that people see.
    maxHeartbeatThrottleInterval: '2 seconds',
    // The longest call that cannot be resumed is one remote script; a step's own retry takes up everything else.
    shutdownGraceTime: '30 seconds',
    shutdownForceTime: '45 seconds',
  });
  logger.info('worker ready', {
    code: 'HADB_I6001',
    taskQueue: settings.taskQueue,
    namespace,
    address: connectionOptions.address ?? 'localhost:7233',
    workflows: workflowBundle.made ? 'bundled' : 'from the cache',
    pid: process.pid,
  });
  return {
    async run() {
      try {
        await worker.run();
      } finally {
        await close();
        await connection.close();
      }
    },
    shutdown: () => worker.shutdown(),
  };
}

/** The runtime's own error does not name the setting. Errors: SettingsError. */
async function refuseAddress(address: string | undefined): Promise<void> {
  if (address === undefined) return;
  const [, host, port] = /^((?:\d{1,3}\.){3}\d{1,3}|\[[\da-fA-F:]+\]):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new SettingsError(
      `HADB_METRICS_ADDRESS is "${address}"; use address:port such as 127.0.0.1:9464, or a port.`,
    );
  }
  if (await isPortFree(Number(port), host.replaceAll(/[[\]]/g, ''))) return;
  throw new SettingsError(
    `HADB_METRICS_ADDRESS is ${address}, which cannot be listened on: another program may do so.`,
  );
}
