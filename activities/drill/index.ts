import { createRemoteQueryActivities } from './remote-query';
import { createWriterActivities } from './writer-activities';
import type { WriterDependencies } from './writer-activities';

export type DrillDependencies = WriterDependencies;

/** What is asked of the cluster from outside, and what is written while a fault happens. */
export function createDrillActivities(dependencies: DrillDependencies) {
  return { ...createRemoteQueryActivities(dependencies), ...createWriterActivities(dependencies) };
}

export type DrillActivities = ReturnType<typeof createDrillActivities>;
