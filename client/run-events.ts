import { stepIdentity } from '../cluster/ids';
import type { Progress, RunbookName, StepRecord, StepWait } from '../cluster/step';
import type { MessageCode } from './messages';

/** What happens in a run, as its watcher tells it: made by comparing two looks at the step table. Pure. */

export type RunEvent =
  | { type: 'step'; code: MessageCode; step: string; record: StepRecord; previous?: StepRecord['state'] }
  | { type: 'wait'; code: 'HADB_I2002'; wait: StepWait }
  | { type: 'retry'; code: 'HADB_W2003'; step: string; attempt: number; message: string }
  | { type: 'notice'; code: MessageCode; message: string };

/** Events that lead from one look to the next, in the order of the table. */
export function diffProgress(before: Progress | undefined, after: Progress): RunEvent[] {
  const known = new Map(before?.steps.map((record) => [identity(record), record]));
  return after.steps.flatMap((record): RunEvent[] => {
    const previous = known.get(identity(record));
    if (record.state === 'pending') return [];
    const steps =
      previous === undefined || changed(previous, record) ? stepEvents(record, previous, after.runbook) : [];
    return [...steps, ...retryEvents(record, previous)];
  });
}

function stepEvents(record: StepRecord, previous: StepRecord | undefined, runbook: RunbookName): RunEvent[] {
  const events: RunEvent[] = [
    {
      type: 'step',
      code: stepCode(record),
      step: identity(record),
      record,
      ...(previous === undefined ? {} : { previous: previous.state }),
    },
  ];
  for (const deviation of deviations(record)) {
    // What a plan finds is what a build would do; on a built cluster it is drift.
    events.push(
      runbook === 'planCluster'
        ? { type: 'notice', code: 'HADB_I2008', message: `would change: ${identity(record)}: ${deviation}` }
        : { type: 'notice', code: 'HADB_W2006', message: `drift at ${identity(record)}: ${deviation}` },
    );
  }
  return events;
}

/**
 * While a step runs, its failure is that of the last try; `attempts` counts the one that runs. Who comes late, or has missed tries, is told the last one.
 * A step that runs again because a person decided so is told as a step.
 */
function retryEvents(record: StepRecord, previous: StepRecord | undefined): RunEvent[] {
  const { failure, attempts, state } = record;
  if (state !== 'running' || failure === undefined || previous?.state === 'waiting') return [];
  if (attempts <= (previous?.attempts ?? 1)) return [];
  const message = `${failure.code}: ${failure.message}`;
  return [{ type: 'retry', code: 'HADB_W2003', step: identity(record), attempt: attempts, message }];
}

function stepCode(record: StepRecord): MessageCode {
  if (record.state === 'waiting') return 'HADB_W2004';
  return record.state === 'failed' ? 'HADB_E2005' : 'HADB_I2001';
}

/** A step that failed, was decided upon and runs again within one poll still differs by its tries. */
function changed(previous: StepRecord, record: StepRecord): boolean {
  if (previous.state !== record.state) return true;
  return record.state === 'waiting' && previous.attempts !== record.attempts;
}

/** What a finished step found that is not as the specification says. */
export function deviations(record: StepRecord): readonly string[] {
  return record.state === 'done' ? (record.outcome?.drift ?? []) : [];
}

export function identity(record: Pick<StepRecord, 'id' | 'node'>): string {
  return stepIdentity(record.id, record.node);
}
