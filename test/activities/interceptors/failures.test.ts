import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import fc from 'fast-check';
import { createRedactor } from '../../../activities/connections/redactor';
import { failureInterceptor, toFailure } from '../../../activities/interceptors/failures';
import { FAILURES, HadbError } from '../../../cluster/errors';
import type { FailureCode } from '../../../cluster/errors';

const SECRET = 'the-very-secret-password';
const redactor = createRedactor();
redactor.register(SECRET);

describe('toFailure', () => {
  it.each(Object.keys(FAILURES) as FailureCode[])('%s keeps its code and whether it is final', (code) => {
    const failure = toFailure(new HadbError(code, 'why', { subject: 'hadb01', observed: 'o', whatNow: 'w' }), redactor);

    expect(failure).toMatchObject({
      type: code,
      message: 'why',
      nonRetryable: FAILURES[code].final,
      details: [{ code, subject: 'hadb01', observed: 'o', whatNow: 'w' }],
    });
  });

  it('waits as long as the provider asks, and tells the workflow, which makes the tries', () => {
    const failure = toFailure(new HadbError('AzureUnavailable', 'busy', { retryAfterMs: 17_000 }), redactor);

    expect(failure).toMatchObject({
      nextRetryDelay: 17_000,
      details: [{ code: 'AzureUnavailable', retryAfterMs: 17_000 }],
    });
  });

  it('a cancellation stays a cancellation', () => {
    const cancelled = new CancelledFailure('CANCELLED');

    expect(toFailure(cancelled, redactor)).toBe(cancelled);
  });

  it('an ApplicationFailure keeps its type, and is cleaned', () => {
    const original = ApplicationFailure.create({
      type: 'Own',
      message: SECRET,
      nonRetryable: true,
      details: [{ a: SECRET }],
    });

    expect(toFailure(original, redactor)).toMatchObject({
      type: 'Own',
      nonRetryable: true,
      message: '[redacted]',
      details: [{ a: '[redacted]' }],
    });
  });

  it.each([
    [{ code: 'ECONNREFUSED', address: '127.0.0.1', port: 3306, message: 'connect ECONNREFUSED' }, 'NotReady'],
    [{ code: 'ENOTFOUND', hostname: 'hadb.example', message: 'getaddrinfo ENOTFOUND' }, 'NotReady'],
    [{ code: 'ER_ACCESS_DENIED_ERROR', errno: 1045, sqlState: '28000', message: 'Access denied' }, 'QueryFailed'],
    [{ code: 'PROTOCOL_CONNECTION_LOST', message: 'Connection lost' }, 'QueryFailed'],
    [{ name: 'RestError', code: 'ECONNREFUSED', message: 'connect' }, 'AzureUnavailable'],
    [{ name: 'TypeError', message: 'x is not a function' }, 'Internal'],
    ['thrown text', 'Internal'],
    [undefined, 'Internal'],
  ])('an error from outside: %j is %s', (error, type) => {
    expect(toFailure(error, redactor)).toMatchObject({ type });
  });

  it('an unexpected error brings its stack along, cleaned', () => {
    const failure = toFailure(new Error(`cannot log in with ${SECRET}`), redactor);

    expect(failure.message).toBe('cannot log in with [redacted]');
    expect(failure.stack).toContain('failures.test.ts');
    expect(failure.stack).not.toContain(SECRET);
  });

  it('stays small whatever it is made of', () => {
    const failure = toFailure(
      new HadbError('CommandFailed', 'm'.repeat(100_000), { observed: 'o'.repeat(100_000) }),
      redactor,
    );

    expect(JSON.stringify([failure.message, (failure as ApplicationFailure).details]).length).toBeLessThan(4_000);
  });

  it('no secret survives, wherever it stands in an error', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.boolean(), (before, after, known) => {
        const text = `${before}${SECRET}${after}`;
        const error = known
          ? new HadbError('CommandFailed', text, { observed: text, subject: text, whatNow: text })
          : new Error(text);
        const failure = toFailure(error, redactor) as ApplicationFailure;

        expect(JSON.stringify([failure.message, failure.details, failure.stack])).not.toContain(SECRET);
      }),
    );
  });
});

describe('the interceptor', () => {
  const environment = () =>
    new MockActivityEnvironment(undefined, {
      interceptors: [failureInterceptor(redactor)],
      logger: new DefaultLogger('ERROR'),
    });

  it('leaves results alone', async () => {
    await expect(environment().run(async () => ({ result: SECRET }))).resolves.toEqual({ result: SECRET });
  });

  it('turns what an activity throws into a failure with a code', async () => {
    const running = environment().run(async () => {
      throw new HadbError('GuardRefused', 'the disk is not blank', { observed: 'xfs' });
    });

    await expect(running).rejects.toMatchObject({ type: 'GuardRefused', nonRetryable: true });
  });

  it('a request that was given up because of a cancel is the cancel', async () => {
    const mock = environment();
    const running = mock.run(async () => {
      mock.cancel();
      throw Object.assign(new Error('The operation was aborted.'), { name: 'AbortError' });
    });

    await expect(running).rejects.toBeInstanceOf(CancelledFailure);
  });
});
