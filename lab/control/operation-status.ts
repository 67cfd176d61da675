import { ArmError } from './arm-error';
import type { Arm } from './arm';
import type { ArmRequest, ArmResponse } from './arm-http';
import type { Operation } from './operations';
import { paceOf, signature } from './pacing';
import type { JsonObject } from './resources/resource';

/** URLs of operations, and what is behind them. */
export interface OperationStatusRoutes {
  /** Headers of an answer that begins an operation. */
  headers(operation: Operation, request: ArmRequest): Readonly<Record<string, string>>;
  /** `.../locations/{location}/operations/{id}`: the status document, or with `monitor=true` the result. */
  document(id: string, request: ArmRequest): Promise<ArmResponse>;
  /** `.../locations/{location}/operationResults/{id}`. */
  result(id: string, request: ArmRequest): Promise<ArmResponse>;
  /** `/subscriptions/{s}/operationresults/{id}`, for the deletion of a group. */
  groupResult(id: string, request: ArmRequest): Promise<ArmResponse>;
}

export function createOperationStatus(arm: Arm): OperationStatusRoutes {
  const { store, operations, world, pacing } = arm;
  const polls = new Map<string, number>();

  const isCompute = (operation: Operation) => operation.provider === 'Microsoft.Compute';
  const versionOf = (request: ArmRequest) => request.query.get('api-version') ?? '';

  const urlOf = (operation: Operation, request: ArmRequest, what: string): string => {
    const base =
      operation.provider === 'Microsoft.Resources'
        ? `${request.origin}/subscriptions/${world.subscriptionId}/operationresults/${operation.id}`
        : `${request.origin}/subscriptions/${world.subscriptionId}/providers/${operation.provider}/locations/` +
          `${operation.location}/${what}/${operation.id}`;
    const secret = isCompute(operation) ? `p=${operation.secret}&` : '';
    return `${base}?${secret}api-version=${versionOf(request)}${signature(pacing, operation.startTime)}`;
  };

  const monitorOf = (operation: Operation, request: ArmRequest): string =>
    isCompute(operation)
      ? `${urlOf(operation, request, 'operations')}&monitor=true`
      : urlOf(operation, request, 'operationResults');

  const find = (id: string): Operation => {
    const operation = store.operation(id);
    if (operation === undefined) {
      throw new ArmError(
        404,
        'OperationNotFound',
        `The operation '${id}' was not found. It may have been too long ago.`,
      );
    }
    return operation;
  };

  const retryAfter = (operation: Operation): Record<string, string> => {
    const pace = paceOf(pacing, operation.provider);
    const made = polls.get(operation.id) ?? 0;
    polls.set(operation.id, made + 1);
    const seconds = pace.pollSeconds[Math.min(made, pace.pollSeconds.length - 1)] ?? 1;
    return { 'Retry-After': String(seconds) };
  };

  /** The operation as it stands after the time a poll may be held back. */
  const observe = async (id: string, request: ArmRequest): Promise<Operation> => {
    const operation = find(id);
    if (operation.status !== 'InProgress') return operation;
    await operations.awaitEnd(id, paceOf(pacing, operation.provider).holdMs, request.signal);
    const after = find(id);
    if (after.status !== 'InProgress') polls.delete(id);
    return after;
  };

  async function result(id: string, request: ArmRequest): Promise<ArmResponse> {
    const operation = await observe(id, request);
    if (operation.status === 'InProgress') {
      return { status: 202, headers: { Location: monitorOf(operation, request), ...retryAfter(operation) } };
    }
    // A 204 to a POST here makes the JavaScript client's start and powerOff throw.
    if (operation.status === 'Succeeded') {
      return { status: operation.method === 'DELETE' && !isCompute(operation) ? 204 : 200 };
    }
    throw new ArmError(
      operation.status === 'Canceled' ? 409 : 500,
      operation.error?.code ?? 'OperationFailed',
      operation.error?.message ?? 'The operation failed.',
      operation.error?.details === undefined ? {} : { details: operation.error.details },
    );
  }

  return {
    headers(operation, request) {
      const { initialSeconds } = paceOf(pacing, operation.provider);
      const wait = { 'Retry-After': String(initialSeconds) };
      if (operation.provider === 'Microsoft.Resources') return { Location: monitorOf(operation, request), ...wait };
      const asyncOperation = { 'Azure-AsyncOperation': urlOf(operation, request, 'operations'), ...wait };
      const withLocation = operation.method !== 'PUT' ? { Location: monitorOf(operation, request) } : {};
      const extra = isCompute(operation)
        ? { 'x-ms-ratelimit-remaining-resource': 'Microsoft.Compute/PutVM3Min;238,Microsoft.Compute/PutVM30Min;1197' }
        : { 'Azure-AsyncNotification': 'Enabled' };
      return { ...asyncOperation, ...withLocation, ...extra };
    },

    async document(id, request) {
      if (request.query.get('monitor')?.toLowerCase() === 'true') return result(id, request);
      const operation = await observe(id, request);
      const times = isCompute(operation)
        ? {
            startTime: operation.startTime,
            ...(operation.endTime === undefined ? {} : { endTime: operation.endTime }),
          }
        : {};
      const body: JsonObject = {
        ...times,
        status: operation.status,
        ...(isCompute(operation) ? { name: operation.id } : {}),
        ...(operation.error === undefined ? {} : { error: { details: [], ...operation.error } }),
      };
      return {
        status: 200,
        body,
        headers: operation.status === 'InProgress' ? retryAfter(operation) : {},
      };
    },

    result,

    async groupResult(id, request) {
      const operation = await observe(id, request);
      if (operation.status === 'InProgress') {
        return { status: 202, headers: { Location: monitorOf(operation, request), ...retryAfter(operation) } };
      }
      if (operation.status === 'Succeeded') return { status: 200 };
      throw new ArmError(409, operation.error?.code ?? 'Conflict', operation.error?.message ?? 'The operation failed.');
    },
  };
}
