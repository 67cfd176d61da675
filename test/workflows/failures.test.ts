import { ActivityFailure, ApplicationFailure, RetryState, TimeoutFailure, type TimeoutType } from '@temporalio/common';
import {
  askedPauseMs,
  describeFailure,
  isForGood,
  isInterruption,
  toApplicationFailure,
} from '../../workflows/failures';

const activity = (cause: Error): ActivityFailure =>
  new ActivityFailure('activity failed', 'createMetadata', '1', RetryState.MAXIMUM_ATTEMPTS_REACHED, 'worker', cause);
const timedOut = (type: TimeoutType) => activity(new TimeoutFailure('timed out', undefined, type));
const failed = (type: string, over: Parameters<typeof ApplicationFailure.create>[0] = {}) =>
  activity(ApplicationFailure.create({ type, message: 'it failed', ...over }));

describe('an error of an activity', () => {
  it('that is a lost heartbeat or a worker that ends says nothing about the work', () => {
    expect(isInterruption(timedOut('HEARTBEAT'))).toBe(true);
    expect(isInterruption(failed('WorkerShutdown'))).toBe(true);
    expect(isInterruption(timedOut('START_TO_CLOSE'))).toBe(false);
    expect(isInterruption(failed('CommandFailed'))).toBe(false);
  });

  it('that took longer than its class allows is told as not ready, and tried again', () => {
    const failure = describeFailure(timedOut('START_TO_CLOSE'));

    expect(failure.code).toBe('NotReady');
    expect(failure.message).toBe('createMetadata was not done within its time (start to close)');
    expect(isForGood(timedOut('START_TO_CLOSE'), failure)).toBe(false);
  });

  it('keeps its code, what was seen and what to do next', () => {
    const error = failed('GuardRefused', { details: [{ observed: 'ext4', whatNow: 'look', other: 1 }] });

    expect(describeFailure(error)).toEqual({
      code: 'GuardRefused',
      message: 'it failed',
      observed: 'ext4',
      whatNow: 'look',
    });
  });

  it('of no known code is internal, and says what it was', () => {
    expect(describeFailure(failed('TypeError'))).toEqual({ code: 'Internal', message: 'TypeError: it failed' });
    expect(describeFailure(new RangeError('too far'))).toEqual({ code: 'Internal', message: 'RangeError: too far' });
  });

  it.each([
    ['GuardRefused', false, true],
    ['CommandFailed', false, false],
    ['CommandFailed', true, true],
    ['Unheard', false, false],
  ])('of code %s (not retryable: %s) is final: %s', (type, nonRetryable, final) => {
    const error = failed(type, { nonRetryable });

    expect(isForGood(error, describeFailure(error))).toBe(final);
  });

  it('of a wait that was long is final, of a short one not', () => {
    const waited = (waitedMs: number) => failed('NotReady', { details: [{ waitedMs }] });

    expect(isForGood(waited(600_000), describeFailure(waited(600_000)))).toBe(true);
    expect(isForGood(waited(30_000), describeFailure(waited(30_000)))).toBe(false);
  });

  it('may ask for a pause before the next try', () => {
    expect(askedPauseMs(failed('AzureUnavailable', { details: [{ retryAfterMs: 7000 }] }))).toBe(7000);
    expect(askedPauseMs(failed('AzureUnavailable', { details: [{ retryAfterMs: 'soon' }] }))).toBeUndefined();
    expect(askedPauseMs(failed('AzureUnavailable'))).toBeUndefined();
  });

  it('leaves a workflow as a final failure of its code', () => {
    const failure = toApplicationFailure({ code: 'Drift', message: 'it differs' }, ['details']);

    expect(failure).toMatchObject({ type: 'Drift', message: 'it differs', nonRetryable: true, details: ['details'] });
  });
});
