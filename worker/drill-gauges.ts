import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricMeter } from '@temporalio/common';
import { setGauges } from '../activities/measurements';
import { REPORT_FILES } from '../cluster/report/drill-record';
import { parseJournal } from '../cluster/report/journal-schema';
import { drillMeasurements } from '../cluster/report/metrics';

/**
 * Gauges live in the memory of a worker: one that was restarted would say nothing about drills until the next of each kind, and an alert about the last success
 * would fall silent. So it takes up what its reports say.
 */
export function restoreDrillGauges(meter: MetricMeter, drillsDirectory: string): void {
  if (!existsSync(drillsDirectory)) return;
  const journals = readdirSync(drillsDirectory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(drillsDirectory, name, REPORT_FILES.journal))
    .filter((file) => existsSync(file))
    .map((file) => parseJournal(readFileSync(file, 'utf8')))
    .filter((journal) => journal !== undefined)
    .sort((one, other) => Date.parse(one.end) - Date.parse(other.end));
  for (const journal of journals) setGauges(meter, drillMeasurements(journal));
}
