import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Logger, RuntimeOptions } from '@temporalio/worker';
import { DefaultLogger, NativeConnection, Runtime, Worker, makeTelemetryFilterString } from '@temporalio/worker';
import { createActivities } from '../activities';
import { createArmClients, createCredential } from '../activities/connections/arm-clients';
import { createNameResolver } from '../activities/connections/name-resolver';
import { createRedactor } from '../activities/connections/redactor';
import type { Redactor } from '../activities/connections/redactor';
import { createDirectorySecretStore } from '../activities/connections/secret-store';
import { createNodeSessions } from '../activities/connections/ssh-sessions';
import { createWriterProcesses } from '../activities/drill/writer-process';
import { failureInterceptor } from '../activities/interceptors/failures';
import { heartbeatInterceptor } from '../activities/interceptors/heartbeats';
import type { WorkerSettings } from '../settings';
import { SettingsError } from '../settings';

/** Longest wait between two tries to reach the server; a server that restarts is found again soon. */
const LONGEST_BACKOFF_MS = 5_000;

export interface RunningWorker {
  /** Resolves when the worker has shut down in good order. */
  run(): Promise<void>;
  shutdown(): void;
}

/** Wires settings, secrets, connections and activities. Waits for the server instead of failing when it is not there yet. */
export async function startWorker(settings: WorkerSettings, signal?: AbortSignal): Promise<RunningWorker> {
  const redactor = createRedactor();
  const logger = installRuntime(settings, redactor);
  const { activities, close } = wireActivities(settings, redactor);
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({
    overrideEnvVars: settings.temporalEnvironment,
  });
  const connection = await connectPatiently(connectionOptions, logger, signal);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: settings.taskQueue,
    identity: `hadb-worker@${process.pid}`,
    workflowsPath: join(__dirname, '..', 'workflows'),
    activities,
    interceptors: {
      workflowModules: [join(__dirname, '..', 'workflows', 'interceptors')],
      activity: [(context) => failureInterceptor(redactor)(context), heartbeatInterceptor],
    },
    // A node's connection carries eight commands at a time; waits of many clusters share the rest.
    maxConcurrentActivityTaskExecutions: 40,
    // The longest call that cannot be resumed is one remote command; a step's own retry takes up everything else.
    shutdownGraceTime: '30 seconds',
    shutdownForceTime: '45 seconds',
  });
  logger.info('worker ready', { code: 'HADB_I6001', taskQueue: settings.taskQueue, namespace, pid: process.pid });
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

function wireActivities(settings: WorkerSettings, redactor: Redactor) {
  if (settings.subscriptionId === undefined) {
    throw new SettingsError('AZURE_SUBSCRIPTION_ID is not set; name the subscription that the clusters live in.');
  }
  if (settings.clientSecret !== undefined) redactor.register(settings.clientSecret);
  const ca = settings.caFile === undefined ? undefined : readFileSync(settings.caFile, 'utf8');
  const { tenantId, clientId, clientSecret, authorityHost, armEndpoint, subscriptionId } = settings;
  const arm = createArmClients({
    credential: createCredential({
      ...(tenantId !== undefined && { tenantId }),
      ...(clientId !== undefined && { clientId }),
      ...(clientSecret !== undefined && { clientSecret }),
      ...(authorityHost !== undefined && { authorityHost }),
      ...(ca !== undefined && { ca }),
    }),
    subscriptionId,
    ...(armEndpoint !== undefined && { endpoint: armEndpoint }),
    ...(ca !== undefined && { ca }),
  });
  const resolve = createNameResolver(settings.nameServer);
  const secrets = createDirectorySecretStore(settings.secretsDirectory, redactor);
  const sessions = createNodeSessions({ secrets, redactor, resolve });
  const writers = createWriterProcesses({
    directory: settings.drillsDirectory,
    program: join(__dirname, '..', 'activities', 'drill', 'writer-main.js'),
  });
  return {
    activities: createActivities({ arm, sessions, secrets, resolve, writers }),
    close: () => sessions.close(),
  };
}

async function connectPatiently(
  options: Parameters<typeof NativeConnection.connect>[0],
  logger: Logger,
  signal?: AbortSignal,
): Promise<NativeConnection> {
  for (let backoffMs = 250; ; backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS)) {
    try {
      return await NativeConnection.connect(options);
    } catch (error) {
      signal?.throwIfAborted();
      logger.warn('Temporal does not answer yet; trying again', {
        code: 'HADB_W6002',
        address: options?.address ?? 'localhost:7233',
        reason: error instanceof Error ? error.message : String(error),
        backoffMs,
      });
      await wait(backoffMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** Log lines are JSON, and pass the redactor like everything else that leaves. Once for each process. */
function installRuntime(settings: WorkerSettings, redactor: Redactor): Logger {
  const logger = new DefaultLogger('INFO', ({ level, timestampNanos, message, meta }) => {
    const time = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
    process.stdout.write(`${redactor.redact(JSON.stringify({ time, level, message, ...meta }, plain))}\n`);
  });
  const telemetryOptions: RuntimeOptions['telemetryOptions'] = {
    logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'WARN' }) },
    ...(settings.metricsAddress !== undefined && {
      metrics: { prometheus: { bindAddress: settings.metricsAddress, useSecondsForDurations: true } },
    }),
  };
  Runtime.install({ logger, telemetryOptions, shutdownSignals: [] });
  return logger;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return { name: value.name, message: value.message };
  return value;
}
