import type { MetricMeter } from '@temporalio/common';
import { METRICS, type Measurement } from '../cluster/report/metrics';

/**
 * The worker's own meter, not that of an activity: the activity's adds labels of its own, under which the values that a worker brings back from its disk would stand
 * beside the new ones for ever.
 */
export type GetMeter = () => MetricMeter;

export function setGauges(meter: MetricMeter, measurements: readonly Measurement[]): void {
  for (const { name, value, labels } of measurements) {
    meter.createGauge(name, 'float', undefined, METRICS[name].meaning).set(value, labels);
  }
}
