import type { WorkflowInterceptors } from '@temporalio/workflow';

/**
 * What comes back to a run (results of activities, timers) is handed over one after the other: the next only when all that follows from the
 * one before has happened.
 *
 * Parallel branches need it. Two results that come in one workflow task are handled at once, and whose branch asks for something
 * first depends on how many promises lie in between; the same two in two tasks are handled in their order. Which of the two it is may differ
 * between a run and its replay: a query that reaches a new worker while a task waits for a dead one makes the SDK hand over what is there so
 * far, and the replay gets it together with the rest. Seen in the lab: a worker was killed, somebody watched, and the run could not go on
 * ("Nondeterminism error"). In turn, both ways end in the same order.
 */
export function inTurn(): NonNullable<WorkflowInterceptors['outbound']>[number] {
  let previous: Promise<void> = Promise.resolve();
  const turn = (): Promise<void> => {
    const mine = previous;
    previous = mine.then(settle);
    return mine;
  };
  const handOver = <Result>(arriving: Promise<Result>): Promise<Result> =>
    arriving.then(
      (result) => turn().then(() => result),
      (error: unknown) =>
        turn().then(() => {
          throw error;
        }),
    );
  return {
    scheduleActivity: (input, next) => handOver(next(input)),
    startTimer: (input, next) => handOver(next(input)),
  };
}

/** More promises than lie between a result and the next request that follows from it (a dozen functions, at most three each). */
const SETTLED_AFTER = 200;

async function settle(): Promise<void> {
  for (let passed = 0; passed < SETTLED_AFTER; passed += 1) await Promise.resolve();
}
