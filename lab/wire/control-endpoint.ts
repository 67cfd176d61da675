import { chmodSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../../processes/error-message';
import { openSocketPath } from './socket-path';
import type { Wire } from './wire';
import { WireRefusal } from './wire';

/**
 * HTTP over a Unix socket in wire's private directory: who can enter the directory may command.
 *
 * GET /health, GET /status, PUT /plan, PUT /faults/ID, DELETE /faults/ID, DELETE /faults
 */
export interface ControlEndpoint {
  close(): Promise<void>;
}

export const CONTROL_SOCKET = 'wire.sock';

const MAXIMUM_BODY = 4 * 1024 * 1024;

interface Answer {
  status: number;
  body?: unknown;
}

/** The caller makes sure that no other wire listens here: a socket file that is left over is removed. */
export async function openControlEndpoint(stateDirectory: string, wire: Wire): Promise<ControlEndpoint> {
  const file = join(stateDirectory, CONTROL_SOCKET);
  const socketPath = openSocketPath(stateDirectory, CONTROL_SOCKET);
  const server = createServer((request, response) => void respond(wire, request, response));
  rmSync(file, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath.path, resolve);
  });
  chmodSync(file, 0o600);
  return {
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      socketPath.close();
    },
  };
}

async function respond(wire: Wire, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(wire, request);
  } catch (error) {
    answer = refusal(error);
  }
  if (response.destroyed) return;
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
}

async function route(wire: Wire, request: IncomingMessage): Promise<Answer> {
  const path = new URL(request.url ?? '/', 'http://wire').pathname;
  const faultId = /^\/faults\/([^/]+)$/.exec(path)?.[1];
  const call = `${request.method} ${faultId === undefined ? path : '/faults/ID'}`;
  switch (call) {
    case 'GET /health': {
      const { pid, generation, problems } = wire.status();
      return { status: 200, body: { pid, generation, problems: problems.length } };
    }
    case 'GET /status':
      return { status: 200, body: wire.status() };
    case 'PUT /plan':
      return { status: 200, body: await wire.putPlan(await readBody(request)) };
    case 'PUT /faults/ID':
      return { status: 200, body: wire.putFault(decodeURIComponent(faultId ?? ''), await readBody(request)) };
    case 'DELETE /faults/ID':
      return wire.deleteFault(decodeURIComponent(faultId ?? ''))
        ? { status: 204 }
        : error(404, 'FaultNotFound', `there is no fault ${faultId}`);
    case 'DELETE /faults':
      wire.clearFaults();
      return { status: 204 };
    default:
      return error(404, 'NotFound', `wire does not know ${request.method} ${path}`);
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAXIMUM_BODY)
      throw new WireRefusal(400, 'InvalidPlan', `the body is longer than ${MAXIMUM_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (cause) {
    throw new WireRefusal(400, 'InvalidPlan', `the body is not JSON: ${messageOf(cause)}`);
  }
}

function refusal(thrown: unknown): Answer {
  if (thrown instanceof WireRefusal) {
    return { status: thrown.status, body: { code: thrown.code, message: thrown.message, problems: thrown.problems } };
  }
  return error(500, 'WireFailed', messageOf(thrown));
}

function error(status: number, code: string, message: string): Answer {
  return { status, body: { code, message, problems: [] } };
}
