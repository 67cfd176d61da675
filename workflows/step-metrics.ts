import { metricMeter } from '@temporalio/workflow';
import { METRICS, type MetricName } from '../cluster/report/metrics';
import type { RunbookName, StepRecord } from '../cluster/step';

/** What steps tell the worker's metrics. Nothing of it is in history, and a replay tells nothing twice. */

export function countFailedTry(runbook: RunbookName, step: string, code: string): void {
  count('hadb_step_failed_tries_total', { runbook, step, code });
}

export function countOverdueDecision(runbook: RunbookName, step: string): void {
  count('hadb_step_decisions_overdue_total', { runbook, step });
}

/** Once the step has ended. */
export function measureStep(runbook: RunbookName, { id, state, startedAt, endedAt }: StepRecord): void {
  if (endedAt === undefined) return;
  const name = 'hadb_step_duration_seconds' satisfies MetricName;
  const seconds = Math.max(0, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  metricMeter.createHistogram(name, 'float', 's', METRICS[name].meaning).record(seconds, { runbook, step: id, state });
}

function count(name: MetricName, labels: Record<string, string>): void {
  metricMeter.createCounter(name, undefined, METRICS[name].meaning).add(1, labels);
}
