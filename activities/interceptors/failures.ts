import type { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';
import type { FailureDetails } from '../../cluster/errors';
import { HadbError, isFinal, isHadbError } from '../../cluster/errors';
import { explainAzureError } from '../azure/failures';
import type { Redactor } from '../connections/redactor';
import { explainDatabaseError } from '../connections/database-failures';

/** What is kept of an error for the step table; the whole run's failure details stay below 50 kB. */
const OBSERVED_LIMIT = 1_000;
const MESSAGE_LIMIT = 2_000;
const STACK_LIMIT = 4_000;

/**
 * Every error that leaves an activity leaves it here: as an `ApplicationFailure` whose type is a code of
 * `cluster/errors.ts`, without secrets, and with what was observed and what to do next as its first detail.
 */
export function failureInterceptor(redactor: Redactor): (context: Context) => ActivityInterceptors {
  return (context) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          // A request that was aborted because the activity is cancelled: the cancellation is what matters.
          if (context.cancellationSignal.aborted && isAbort(error)) throw context.cancellationSignal.reason;
          throw toFailure(error, redactor);
        }
      },
    },
  });
}

/** A cancellation stays what it is; an `ApplicationFailure` keeps its type. */
export function toFailure(error: unknown, redactor: Redactor): Error {
  if (error instanceof CancelledFailure) return error;
  if (error instanceof ApplicationFailure) {
    return withStack(
      ApplicationFailure.create({
        message: shorten(redactor.redact(error.message), MESSAGE_LIMIT),
        ...(typeof error.type === 'string' ? { type: error.type } : {}),
        nonRetryable: error.nonRetryable === true,
        details: redactDeeply(error.details ?? [], redactor),
      }),
      error,
      redactor,
    );
  }
  const known = explain(error);
  const { retryAfterMs, observed, ...rest } = known.details;
  return withStack(
    ApplicationFailure.create({
      type: known.code,
      message: shorten(redactor.redact(known.message), MESSAGE_LIMIT),
      nonRetryable: isFinal(known.code),
      ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
      details: redactDeeply(
        [
          {
            code: known.code,
            ...rest,
            ...(observed === undefined ? {} : { observed: shorten(observed, OBSERVED_LIMIT) }),
            ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
          },
        ],
        redactor,
      ),
    }),
    known.code === 'Internal' ? error : undefined,
    redactor,
  );
}

function explain(error: unknown): HadbError {
  return isHadbError(error)
    ? error
    : (explainAzureError(error) ?? explainDatabaseError(error) ?? explainNetworkError(error) ?? unexpected(error));
}

/** Errors of Node's own sockets and resolver. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

function explainNetworkError(error: unknown): HadbError | undefined {
  const code = textOf(error, 'code');
  if (code === undefined || !NETWORK_CODES.has(code)) return undefined;
  const where = [textOf(error, 'address') ?? textOf(error, 'hostname'), textOf(error, 'port')]
    .filter(Boolean)
    .join(':');
  const details: FailureDetails = {
    observed: textOf(error, 'message') ?? code,
    ...(where === '' ? {} : { subject: where }),
  };
  return new HadbError('NotReady', `nothing answers${where === '' ? '' : ` at ${where}`} (${code})`, details);
}

function unexpected(error: unknown): HadbError {
  const name = textOf(error, 'name') ?? typeof error;
  const message = textOf(error, 'message') ?? String(error);
  return new HadbError('Internal', name === 'Error' ? message : `${name}: ${message}`);
}

function isAbort(error: unknown): boolean {
  return textOf(error, 'name') === 'AbortError';
}

/** The stack of the original tells where; of an error that has a code, the code tells more. */
function withStack(failure: ApplicationFailure, original: unknown, redactor: Redactor): ApplicationFailure {
  const stack = original === undefined ? '' : (textOf(original, 'stack') ?? '');
  failure.stack = shorten(redactor.redact(stack), STACK_LIMIT);
  return failure;
}

function redactDeeply<Value>(value: Value, redactor: Redactor): Value {
  if (typeof value === 'string') return redactor.redact(value) as Value & string;
  if (Array.isArray(value)) return value.map((item: unknown) => redactDeeply(item, redactor)) as Value & unknown[];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [key, redactDeeply(item, redactor)]),
  ) as Value & object;
}

function shorten(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** Realm-safe: errors of Node's core are of no class that tests can know. */
function textOf(error: unknown, key: string): string | undefined {
  if (typeof error !== 'object' || error === null || !(key in error)) return undefined;
  const value = (error as Record<string, unknown>)[key];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
