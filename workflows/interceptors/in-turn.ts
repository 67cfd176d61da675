import type { ActivateInput, WorkflowInternalsInterceptor } from '@temporalio/workflow';

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
export const inTurn: WorkflowInternalsInterceptor = {
  activate(input, next) {
    const jobs = input.activation.jobs ?? [];
    const [first, ...later] = jobs.filter(isResult);
    if (first === undefined || later.length === 0) return next(input);
    const deliver = (some: typeof jobs) => next({ ...input, activation: { ...input.activation, jobs: some } });
    deliver(jobs.filter((job) => !isResult(job) || job === first));
    void handOver(later, (job) => deliver([job]));
  },
};

type Job = NonNullable<ActivateInput['activation']['jobs']>[number];

/** A signal, an update or the cancellation of the run keeps its place before them. */
const isResult = (job: Job): boolean => Boolean(job.resolveActivity ?? job.fireTimer);

/** More promises than lie between a result and the next request that follows from it (a dozen functions, at most three each). */
const SETTLED_AFTER = 100;

async function handOver(later: readonly Job[], deliver: (job: Job) => void): Promise<void> {
  const resolved = Promise.resolve();
  for (const job of later) {
    for (let passed = 0; passed < SETTLED_AFTER; passed += 1) await resolved;
    deliver(job);
  }
}
