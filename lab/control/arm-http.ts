import type { Caller } from './identity';
import type { JsonObject } from './resources/resource';

export interface ArmRequest {
  caller: Caller;
  method: string;
  /** As sent, without the query. */
  path: string;
  /** Names in lower case: ARM does not mind their casing. */
  query: ReadonlyMap<string, string>;
  headers: Readonly<Record<string, string | undefined>>;
  body: unknown;
  /** `https://host:port` as the client knows the lab; absolute URLs in answers begin with it. */
  origin: string;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
}

export interface ArmResponse {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: JsonObject;
}

export function bodyObject(request: ArmRequest): JsonObject {
  return isObject(request.body) ? request.body : {};
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
