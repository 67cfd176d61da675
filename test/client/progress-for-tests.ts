import type { Progress, StepRecord } from '../../cluster/step';

export function record(fields: Partial<StepRecord> & Pick<StepRecord, 'id'>): StepRecord {
  return {
    sentence: `Do ${fields.id}`,
    chapter: 'Preparing',
    state: 'running',
    startedAt: '2026-11-22T11:59:50.000Z',
    attempts: 1,
    ...fields,
  };
}

export function done(id: string, fields: Partial<StepRecord> = {}): StepRecord {
  return record({
    id,
    state: 'done',
    endedAt: '2026-11-22T11:59:54.200Z',
    outcome: { result: 'changed', observed: 'absent', done: 'made' },
    ...fields,
  });
}

export function progressOf(steps: StepRecord[], fields: Partial<Progress> = {}): Progress {
  return {
    version: 1,
    runbook: 'buildCluster',
    cluster: 'hadb',
    state: 'running',
    sentence: 'At work',
    fencing: 'none',
    steps,
    ...fields,
  };
}
