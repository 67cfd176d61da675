import { heartbeat, sleep } from '@temporalio/activity';
import { HadbError } from '../../cluster/errors';
import type { StepWait } from '../../cluster/step';
import type { NodeStep } from '../step';

export interface Wait<Seen> {
  /** Such as "the peer's connection", in the field's words; shown to who watches. */
  waitingFor: string;
  limitMs: number;
  /** Short where the wait is short: 200 ms. */
  intervalMs?: number;
  observe: () => Promise<Seen>;
  isDone: (seen: Seen) => boolean;
  describe: (seen: Seen) => string;
  /** Percent, rate and time left, when they are known. */
  progress?: (seen: Seen) => Omit<StepWait, 'step' | 'waitingFor'>;
  whatNow: string;
}

/** Polls, heartbeats what is waited for and how far it is, and ends at once when the activity is cancelled. Errors: NotReady. */
export async function waitUntil<Seen>(step: NodeStep, wait: Wait<Seen>): Promise<Seen> {
  const deadline = Date.now() + wait.limitMs;
  for (;;) {
    const seen = await wait.observe();
    if (wait.isDone(seen)) return seen;
    heartbeat({ step: step.step, waitingFor: wait.waitingFor, ...wait.progress?.(seen) } satisfies StepWait);
    if (Date.now() > deadline) {
      throw new HadbError(
        'NotReady',
        `${step.node}: ${wait.waitingFor} has not come about within ${wait.limitMs / 1000} s`,
        {
          subject: step.node,
          observed: wait.describe(seen),
          whatNow: wait.whatNow,
          waitedMs: wait.limitMs,
        },
      );
    }
    await sleep(wait.intervalMs ?? 200);
  }
}

/** For what may be silent for ever, such as a node whose machine hangs. Errors: NodeUnreachable after the limit, and those of the work. */
export async function within<Result>(limitMs: number, work: () => Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HadbError('NodeUnreachable', `no answer within ${limitMs / 1000} s`, { waitedMs: limitMs })),
      limitMs,
    );
  });
  const working = work();
  // Its failure after the limit concerns nobody any more.
  working.catch(() => undefined);
  try {
    return await Promise.race([working, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Shows the last line of a remote job's output while it runs. */
export function reportJob(step: NodeStep, what: string): (tail: string) => void {
  return (tail) => {
    const line = tail.trimEnd().split('\n').at(-1)?.trim() ?? '';
    heartbeat({
      step: step.step,
      waitingFor: line === '' ? what : `${what}: ${line.slice(0, 120)}`,
    } satisfies StepWait);
  };
}
