import { request } from 'node:http';
import { messageOf } from '../../processes/error-message';
import type { LinkFault, NetworkPlan } from '../model';
import { CONTROL_SOCKET } from './control-endpoint';
import type { ActiveFault } from './faults';
import { errorCode } from './problem';
import { openSocketPath } from './socket-path';
import type { PlanResult, WireStatus } from './status';

/** What control and the command line say to a running wire. Every method rejects with WireError. */
export interface WireClient {
  health(): Promise<{ pid: number; generation?: number; problems: number }>;
  status(): Promise<WireStatus>;
  /** Resolves when the plan is in force, as far as it can be: see `problems`. Safe to repeat. */
  putPlan(plan: NetworkPlan): Promise<PlanResult>;
  putFault(fault: LinkFault): Promise<ActiveFault>;
  /** Removing a fault that is not there is fine. */
  deleteFault(id: string): Promise<void>;
  clearFaults(): Promise<void>;
}

export type WireErrorCode =
  | 'WireNotRunning'
  | 'WireTimeout'
  | 'InvalidPlan'
  | 'PlanOutdated'
  | 'InvalidFault'
  | 'UnknownMachine'
  | 'FaultNotFound'
  | 'NotFound'
  | 'WireFailed';

export class WireError extends Error {
  override readonly name = 'WireError';
  constructor(
    readonly code: WireErrorCode,
    message: string,
    readonly problems: readonly string[] = [],
  ) {
    super(message);
  }
}

/** A plan may have to start a gateway, which takes seconds on a busy host. */
const TIMEOUT_MS = 60_000;

export function createWireClient(stateDirectory: string, { timeoutMs = TIMEOUT_MS } = {}): WireClient {
  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const { path: socketPath, close } = openControlSocket(stateDirectory);
    try {
      const { status, text } = await exchange({ socketPath, method, path, timeoutMs }, body);
      const answer = text === '' ? undefined : (JSON.parse(text) as unknown);
      if (status >= 200 && status < 300) return answer;
      const refusal = answer as { code: WireErrorCode; message: string; problems?: readonly string[] };
      throw new WireError(refusal.code, refusal.message, refusal.problems);
    } finally {
      close();
    }
  }

  return {
    health: async () => (await call('GET', '/health')) as Awaited<ReturnType<WireClient['health']>>,
    status: async () => (await call('GET', '/status')) as WireStatus,
    putPlan: async (plan) => (await call('PUT', '/plan', plan)) as PlanResult,
    putFault: async ({ id, ...fault }) =>
      (await call('PUT', `/faults/${encodeURIComponent(id)}`, fault)) as ActiveFault,
    async deleteFault(id) {
      try {
        await call('DELETE', `/faults/${encodeURIComponent(id)}`);
      } catch (error) {
        if (!(error instanceof WireError) || error.code !== 'FaultNotFound') throw error;
      }
    },
    async clearFaults() {
      await call('DELETE', '/faults');
    },
  };
}

function openControlSocket(stateDirectory: string) {
  try {
    return openSocketPath(stateDirectory, CONTROL_SOCKET);
  } catch (error) {
    throw notRunning(stateDirectory, error);
  }
}

function exchange(
  options: { socketPath: string; method: string; path: string; timeoutMs: number },
  body: unknown,
): Promise<{ status: number; text: string }> {
  const { timeoutMs, ...target } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, agent: false, headers: { connection: 'close' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 500, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    const timer = setTimeout(
      () =>
        outgoing.destroy(
          new WireError('WireTimeout', `wire has not answered ${options.method} ${options.path} in ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    outgoing.on('close', () => clearTimeout(timer));
    outgoing.on('error', (error) => reject(error instanceof WireError ? error : notRunning(options.socketPath, error)));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function notRunning(where: string, cause: unknown): WireError {
  return new WireError(
    'WireNotRunning',
    `the lab's network process (wire) does not answer at ${where} (${errorCode(cause) ?? messageOf(cause)}); start the lab again`,
  );
}
