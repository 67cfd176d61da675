import { sleep } from '@temporalio/workflow';
import type { StepFailure } from '../cluster/step';
import { currentStep } from './current-step';
import { askedPauseMs, describeFailure, isCancelOfTheRun, isForGood, isInterruption } from './failures';

/** Tries of a step, all its activities together, before an error that might pass counts as final. */
export const TRIES = 5;

/**
 * Pauses in seconds after the first, second, … failed try. A node that reboots is away for up to a minute and a half (an
 * Azure VM; a minute under TCG), Azure asks for patience by itself (`Retry-After`), everything else gets a few quick tries.
 */
const PAUSES: Record<'node' | 'other', readonly number[]> = {
  node: [2, 8, 20, 60],
  other: [1, 3, 9, 27],
};

/**
 * Makes the try until it succeeds, its error is final, or the step has failed `TRIES` times. The server makes no retries of its own (one attempt for each
 * activity): it would count a killed worker like a failed try, and nobody could see in the step table what failed.
 */
export async function tryUntilForGood<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const step = currentStep();
  let ownFailures = 0;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      if (isInterruption(error)) continue;
      const failure = describeFailure(error);
      ownFailures += 1;
      const failures = step?.countFailure(failure, error) ?? ownFailures;
      if (isForGood(error, failure) || failures >= TRIES) throw error;
      await sleep(pauseMs(error, failure, failures), { summary: `pause before try ${failures + 1} of ${TRIES}` });
    }
  }
}

function pauseMs(error: unknown, failure: StepFailure, failures: number): number {
  const asked = askedPauseMs(error);
  if (asked !== undefined) return asked;
  const away = failure.code === 'NodeUnreachable' || failure.code === 'CommandUnknown';
  const pauses = away ? PAUSES.node : PAUSES.other;
  return (pauses[failures - 1] ?? 60) * 1000;
}
