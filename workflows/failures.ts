import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  TimeoutFailure,
  isCancellation,
} from '@temporalio/workflow';
import { isFailureCode, isFinal, isHadbError, type FailureCode } from '../cluster/errors';
import type { StepFailure } from '../cluster/step';

/** How errors inside workflows are told apart, and what people read of them. */

/** Failures that tell of the worker or of an operator of Temporal, not of the work: such a try does not count. */
const NOT_OF_THE_WORK = new Set(['WorkerShutdown', 'ActivityReset', 'ActivityPause']);

/**
 * True when the try ended because its worker was killed, stopped or cut off. A heartbeat that stays away says nothing about the work, so that it is made
 * again; a start-to-close time-out does.
 */
export function isInterruption(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) return cause.timeoutType === 'HEARTBEAT';
  if (cause instanceof ApplicationFailure) return NOT_OF_THE_WORK.has(cause.type ?? '');
  return isCancellation(error) && !CancellationScope.current().consideredCancelled;
}

/** True when the code runs in a scope that a cancel has reached, and the error comes of it. */
export function isCancelOfTheRun(error: unknown): boolean {
  return isCancellation(error) && CancellationScope.current().consideredCancelled;
}

/** What is shown of an error: code, text, what was seen and what to do next. */
export function describeFailure(error: unknown): StepFailure {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) {
    return error.cause instanceof TimeoutFailure
      ? describeTimeout(error, error.cause)
      : describeFailure(error.cause ?? new Error(error.message));
  }
  if (error instanceof ApplicationFailure) {
    const code = isFailureCode(error.type) ? error.type : 'Internal';
    const details = firstDetails(error);
    const prefix = code === 'Internal' && error.type && error.type !== 'Internal' ? `${error.type}: ` : '';
    return {
      code,
      message: `${prefix}${error.message}`,
      ...pickText(details, 'observed'),
      ...pickText(details, 'whatNow'),
    };
  }
  if (isHadbError(error)) {
    return {
      code: error.code,
      message: error.message,
      ...pickText(error.details, 'observed'),
      ...pickText(error.details, 'whatNow'),
    };
  }
  return { code: 'Internal', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

/** A wait that gave up after this long was patient enough: what was waited for needs a person, not five more waits. */
const PATIENCE_MS = 60_000;

/** True when another try cannot change the answer, or would only wait as long once more. */
export function isForGood(error: unknown, failure: StepFailure): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.nonRetryable === true) return true;
  return isFinalCode(failure.code) || (numberIn(error, 'waitedMs') ?? 0) > PATIENCE_MS;
}

/** The failure as an error that may leave a workflow. */
export function toApplicationFailure(
  failure: StepFailure,
  details: unknown[] = [failure],
  cause?: Error,
): ApplicationFailure {
  return ApplicationFailure.create({
    type: failure.code,
    message: failure.message,
    nonRetryable: true,
    details,
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * How long the provider asked to wait before the next try, in ms, if it did. Read from the details: `nextRetryDelay` is meant for the server and does
 * not reach the workflow.
 */
export function askedPauseMs(error: unknown): number | undefined {
  return numberIn(error, 'retryAfterMs');
}

function numberIn(error: unknown, key: string): number | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const details = cause instanceof ApplicationFailure ? firstDetails(cause) : undefined;
  if (typeof details !== 'object' || details === null || !(key in details)) return undefined;
  const value = (details as Record<string, unknown>)[key];
  return typeof value === 'number' ? value : undefined;
}

function isFinalCode(code: string): boolean {
  return isFailureCode(code) && isFinal(code satisfies FailureCode);
}

function describeTimeout(activity: ActivityFailure | ChildWorkflowFailure, timeout: TimeoutFailure): StepFailure {
  const what = activity instanceof ActivityFailure ? activity.activityType : (activity.workflowType ?? 'the child');
  return {
    code: 'NotReady',
    message: `${what} was not done within its time (${(timeout.timeoutType ?? 'time-out').toLowerCase().replaceAll('_', ' ')})`,
    whatNow: 'look at the node or in the Azure portal for what holds it up, then retry',
  };
}

function firstDetails(failure: ApplicationFailure): unknown {
  return Array.isArray(failure.details) ? failure.details[0] : undefined;
}

function pickText<Key extends 'observed' | 'whatNow'>(details: unknown, key: Key): Partial<Record<Key, string>> {
  if (typeof details !== 'object' || details === null || !(key in details)) return {};
  const value = (details as Record<string, unknown>)[key];
  return typeof value === 'string' ? ({ [key]: value } as Record<Key, string>) : {};
}
