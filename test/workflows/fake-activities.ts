import { heartbeat, sleep as activitySleep, activityInfo, cancelled } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { FailureCode } from '../../cluster/errors';
import { isFinal } from '../../cluster/errors';
import type { StepContext, StepOutcome } from '../../cluster/step';

export interface FakeInput extends StepContext {
  name: string;
}

export interface FakeActivities {
  change(input: FakeInput): Promise<StepOutcome>;
}

/** What the activity of a name does at its first, second, … call; the last entry serves all further calls. */
export type Script = Record<string, readonly (() => Promise<StepOutcome>)[]>;

/** Activities that follow a script and remember how they were called. */
export class ScriptedActivities implements FakeActivities {
  readonly calls: { name: string; generation: number; step: string }[] = [];
  constructor(private readonly script: Script = {}) {}

  change = async ({ name, generation, step }: FakeInput): Promise<StepOutcome> => {
    const earlier = this.calls.filter((call) => call.name === name).length;
    this.calls.push({ name, generation, step });
    const answers = this.script[name];
    const answer = answers?.[Math.min(earlier, answers.length - 1)] ?? succeed;
    return await answer();
  };

  named(name: string) {
    return this.calls.filter((call) => call.name === name);
  }
}

export const succeed = async (): Promise<StepOutcome> => ({ result: 'changed', observed: 'absent', done: 'made' });

/** Fails as the worker's error mapper does, with a pause that a test can wait for. */
export const failWith =
  (code: FailureCode | 'SomethingElse', message = 'it did not work', details: object = {}) =>
  async (): Promise<StepOutcome> => {
    throw ApplicationFailure.create({
      type: code,
      message,
      nonRetryable: code !== 'SomethingElse' && isFinal(code),
      details: [{ retryAfterMs: 1, ...details }],
    });
  };

/** Runs until it is cancelled, heartbeating, then tells when it has stopped. */
export const untilCancelled = (onStopped: () => void) => async (): Promise<StepOutcome> => {
  const timer = setInterval(() => heartbeat(), 200);
  try {
    return await cancelled();
  } finally {
    clearInterval(timer);
    await activitySleepQuietly(50);
    onStopped();
  }
};

/** As an activity of a killed worker: it never says anything again. */
export const fallSilent = async (): Promise<StepOutcome> => await cancelled();

/** Waits for a promise of the test, heartbeating meanwhile. */
export const waitFor = (release: Promise<void>) => async (): Promise<StepOutcome> => {
  const timer = setInterval(() => heartbeat(), 200);
  try {
    await Promise.race([release, cancelled()]);
    return await succeed();
  } finally {
    clearInterval(timer);
  }
};

async function activitySleepQuietly(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

export const currentAttempt = (): number => activityInfo().attempt;
export const pauseMs = activitySleep;
