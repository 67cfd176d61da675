import type { Logger, RuntimeOptions } from '@temporalio/worker';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Redactor } from '../activities/connections/redactor';
import { STEP_DURATION_BUCKETS, type MetricName } from '../cluster/report/metrics';

/** Log lines are JSON, and pass the redactor like everything else that leaves. Once for each process. */
export function installRuntime(settings: { metricsAddress?: string }, redactor: Redactor): Logger {
  const logger = new DefaultLogger('INFO', ({ level, timestampNanos, message, meta }) => {
    const time = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
    process.stdout.write(`${redactor.redact(JSON.stringify({ time, level, message, ...meta }, plain))}\n`);
  });
  const telemetryOptions: RuntimeOptions['telemetryOptions'] = {
    logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'WARN' }) },
    ...(settings.metricsAddress !== undefined && {
      metrics: {
        prometheus: {
          bindAddress: settings.metricsAddress,
          useSecondsForDurations: true,
          histogramBucketOverrides: { ['hadb_step_duration_seconds' satisfies MetricName]: STEP_DURATION_BUCKETS },
        },
      },
    }),
  };
  // The process itself listens for signals: the worker may still be waiting for its server when one comes.
  Runtime.install({ logger, telemetryOptions, shutdownSignals: [] });
  return logger;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return { name: value.name, message: value.message };
  return value;
}
