import { lostRowsOf, type JournalEntry } from './journal-schema';

/** Every metric of hadb's own that a worker exposes; `docs/monitoring.md` is generated from this table, and dashboard and alert rules name no other. */

interface MetricDefinition {
  kind: 'gauge' | 'counter' | 'histogram';
  labels: readonly string[];
  meaning: string;
}

export const METRICS = {
  hadb_drill_rto_seconds: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning: 'longest outage that the last drill with a verdict made, as a client saw it; 0 when none was noticed',
  },
  hadb_drill_rto_limit_seconds: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning: 'longest acceptable outage of that drill',
  },
  hadb_drill_lost_writes: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning: 'acknowledged writes that were missing after that drill; absent when the rows were not read',
  },
  hadb_drill_last_success_timestamp_seconds: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning: 'end of the last drill that passed',
  },
  hadb_drill_last_end_timestamp_seconds: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning: 'end of the last drill, however it ended',
  },
  hadb_drill_last_passed: {
    kind: 'gauge',
    labels: ['cluster', 'kind'],
    meaning:
      '1 when the last drill passed, 0 when it failed, is unknown, or ended without a verdict; refused and cancelled ones do not count',
  },
  hadb_step_duration_seconds: {
    kind: 'histogram',
    labels: ['runbook', 'step', 'state'],
    meaning:
      'from the start of a step to its end as `done`, `failed`, `skipped` or `cancelled`, waits for decisions included',
  },
  hadb_step_failed_tries_total: {
    kind: 'counter',
    labels: ['runbook', 'step', 'code'],
    meaning: 'tries of steps that failed and were made again or given up, by the code of the failure',
  },
  hadb_step_decisions_overdue_total: {
    kind: 'counter',
    labels: ['runbook', 'step'],
    meaning: 'steps that have waited for a decision for more than an hour (`HADB_W2007`)',
  },
  hadb_cluster_whole: {
    kind: 'gauge',
    labels: ['cluster'],
    meaning: '1 when the last look of the watch found the pair whole, 0 when not or when it could not look',
  },
  hadb_watch_last_look_timestamp_seconds: {
    kind: 'gauge',
    labels: ['cluster'],
    meaning: 'last look of the watch; while an operation holds the cluster it looks at nothing',
  },
  hadb_watch_alerts_total: {
    kind: 'counter',
    labels: ['cluster', 'finding'],
    meaning: 'alerts of the watch, each look of each finding',
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;

/** Steps take from milliseconds to the hours of a first synchronisation. */
export const STEP_DURATION_BUCKETS = [0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400];

/** One value of a gauge. */
export interface Measurement {
  name: MetricName;
  value: number;
  labels: Record<string, string>;
}

/** What the gauges show once the drill of this journal has ended; of those of one cluster and kind the last word counts. */
export function drillMeasurements({ end, hadb }: JournalEntry): Measurement[] {
  const { cluster, kind, outcome, writes, limitSeconds, faultAt } = hadb;
  const endedAt = Date.parse(end) / 1000;
  const of = (name: MetricName, value: number): Measurement => ({ name, value, labels: { cluster, kind } });
  const isTried = outcome !== 'refused' && outcome !== 'cancelled';
  const lost = writes === null ? null : lostRowsOf(writes);
  const isMeasured = writes !== null && faultAt !== null && (outcome === 'passed' || outcome === 'failed');
  return [
    of('hadb_drill_last_end_timestamp_seconds', endedAt),
    ...(isTried ? [of('hadb_drill_last_passed', outcome === 'passed' ? 1 : 0)] : []),
    ...(outcome === 'passed' ? [of('hadb_drill_last_success_timestamp_seconds', endedAt)] : []),
    ...(isMeasured
      ? [
          of('hadb_drill_rto_seconds', writes.outageSeconds ?? 0),
          ...(limitSeconds === null ? [] : [of('hadb_drill_rto_limit_seconds', limitSeconds)]),
          ...(lost === null ? [] : [of('hadb_drill_lost_writes', lost)]),
        ]
      : []),
  ];
}

/** The table of `docs/monitoring.md`. */
export function renderMetricTable(): string {
  const rows = Object.entries(METRICS).map(
    ([name, { kind, labels, meaning }]) =>
      `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${meaning} |`,
  );
  return ['| metric | kind | labels | what |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
