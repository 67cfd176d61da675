import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ArmHandler } from './arm';
import { ArmError } from './arm-error';
import type { ArmRequest, ArmResponse } from './arm-http';
import type { Certificates } from './certificates';
import { FaultError } from './fault-error';
import { delay } from './faults';
import type { ArmFault, Faults } from './faults';
import type { Principal, TokenIssuer } from './identity';
import { messageOf } from '../../processes/error-message';

export interface ControlServer {
  readonly port: number;
  /** Takes a connection of a guest: to Resource Manager, and to nothing else of the lab. */
  acceptGuest(socket: Socket): void;
  close(): Promise<void>;
}

/** Azure takes 4 MiB per request. */
const MAXIMUM_BODY = 4 * 1024 * 1024;
const ADDRESS = '127.0.0.1';

/**
 * One HTTPS server for ARM, the token endpoint and the lab's own API. A port in use is refused with the program to look
 * for; the caller decides whether another port will do.
 */
export async function startServer(options: {
  port: number;
  certificates: Certificates;
  arm: ArmHandler;
  issuer: TokenIssuer;
  principal: Principal;
  faults: Faults;
  faultsToken: string;
  health: () => unknown;
  /** Failures prepared for the operations of a request; see `Arm.takeInjectedFailure`. */
  prepareFailure: (request: ArmRequest, fault: ArmFault) => void;
  log: (line: string) => void;
}): Promise<ControlServer> {
  const { certificates, arm, issuer, principal, faults, faultsToken, health, prepareFailure, log } = options;

  const receive = (from: 'host' | 'guest') => (request: IncomingMessage, response: ServerResponse) => {
    const started = performance.now();
    response.on('close', () => {
      const path = (request.url ?? '').replace(faultsToken, '...').replace(/[?&][tcsh]=.*$/, '');
      log(
        `${request.method} ${path} ${response.writableFinished ? response.statusCode : 'not answered'} ` +
          `${Math.round(performance.now() - started)} ms`,
      );
    });
    void respond(request, response, from);
  };
  const tls = { key: certificates.key, cert: certificates.chain };
  const server = createServer(tls, receive('host'));
  // Never listens: its connections come in by wire.
  const guestServer = createServer(tls, receive('guest'));
  // Clients keep connections; a restart must not wait for them, and they re-connect by themselves.
  server.keepAliveTimeout = 30_000;
  guestServer.keepAliveTimeout = 30_000;
  // Those in the middle of their TLS handshake are not among the server's own connections.
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  async function respond(request: IncomingMessage, response: ServerResponse, from: 'host' | 'guest'): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      const answer = await route(request, gone.signal, from);
      if (answer === 'dropped') request.socket.destroy();
      else send(request, response, answer);
    } catch (error) {
      if (response.destroyed) return;
      send(request, response, errorAnswer(error));
    }
  }

  function errorAnswer(error: unknown): ArmResponse {
    if (error instanceof ArmError) {
      return {
        status: error.status,
        body: { ...error.toBody() },
        headers: { 'x-ms-failure-cause': error.status < 500 ? 'gateway' : 'service', ...error.extra.headers },
      };
    }
    if (error instanceof FaultError) {
      return { status: error.status, body: { error: { code: error.code, message: error.message } } };
    }
    log(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    const message = messageOf(error);
    return { status: 500, body: { error: { code: 'InternalServerError', message: `The lab failed: ${message}` } } };
  }

  async function route(
    request: IncomingMessage,
    signal: AbortSignal,
    from: 'host' | 'guest',
  ): Promise<ArmResponse | 'dropped'> {
    const origin = `https://${request.headers.host ?? `${ADDRESS}:${options.port}`}`;
    // Not by base URL: clients send paths with two leading slashes, which would read as a host.
    const url = new URL(`${origin}${request.url ?? '/'}`);
    const parts = url.pathname.split('/').filter((part) => part !== '');
    const method = request.method ?? 'GET';
    if (parts[0] === 'lab' && from === 'host') return labRoute(method, parts.slice(1), request);

    const struck = faults.strike(method, `${url.pathname}${url.search}`);
    for (const { action } of struck) {
      if (action.kind === 'delay') await delay(action.ms, signal);
      if (action.kind === 'dropRequest') return 'dropped';
      if (action.kind === 'status') {
        throw new ArmError(action.status, action.code, action.message, {
          headers: action.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(action.retryAfterSeconds) },
        });
      }
    }
    const answer =
      (from === 'host' ? await identityRoute(method, parts, url, request) : undefined) ??
      (await armRoute(method, url, origin, request, signal, struck));
    return struck.some(({ action }) => action.kind === 'dropResponse') ? 'dropped' : answer;
  }

  async function armRoute(
    method: string,
    url: URL,
    origin: string,
    request: IncomingMessage,
    signal: AbortSignal,
    struck: readonly ArmFault[],
  ): Promise<ArmResponse> {
    const armRequest: ArmRequest = {
      caller: issuer.assertAuthorized(request.headers.authorization),
      method,
      path: decodePath(url.pathname),
      query: new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value])),
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
      ),
      body: await readJson(request),
      origin,
      signal,
    };
    for (const fault of struck.filter(({ action }) => action.kind === 'failOperation'))
      prepareFailure(armRequest, fault);
    return arm.handle(armRequest);
  }

  async function identityRoute(
    method: string,
    parts: readonly string[],
    url: URL,
    request: IncomingMessage,
  ): Promise<ArmResponse | undefined> {
    const rest = parts.slice(1).join('/').toLowerCase();
    const tenant = parts[0] ?? '';
    const base = url.origin;
    if (
      method === 'GET' &&
      (rest === 'v2.0/.well-known/openid-configuration' || rest === '.well-known/openid-configuration')
    ) {
      return {
        status: 200,
        body: {
          token_endpoint: `${base}/${tenant}/oauth2/v2.0/token`,
          authorization_endpoint: `${base}/${tenant}/oauth2/v2.0/authorize`,
          issuer: `${base}/${principal.tenantId}/v2.0`,
          jwks_uri: `${base}/${tenant}/discovery/v2.0/keys`,
          token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
          response_types_supported: ['code'],
          subject_types_supported: ['pairwise'],
          id_token_signing_alg_values_supported: ['HS256'],
          tenant_region_scope: null,
          cloud_instance_name: 'hadb-lab',
        },
      };
    }
    if (method === 'POST' && (rest === 'oauth2/v2.0/token' || rest === 'oauth2/token')) {
      const form = new URLSearchParams(await readBody(request));
      const answer = issuer.issue(tenant, form, request.headers.authorization);
      return { status: answer.status, body: answer.body, headers: { 'Cache-Control': 'no-store', Pragma: 'no-cache' } };
    }
    if (method === 'GET' && parts.join('/').toLowerCase() === 'metadata/endpoints') {
      return {
        status: 200,
        body: {
          galleryEndpoint: '',
          graphEndpoint: base,
          portalEndpoint: base,
          authentication: {
            loginEndpoint: `${base}/`,
            audiences: ['https://management.azure.com/'],
            tenant: principal.tenantId,
          },
        },
      };
    }
    return undefined;
  }

  async function labRoute(method: string, parts: readonly string[], request: IncomingMessage): Promise<ArmResponse> {
    if (method === 'GET' && parts.join('/') === 'health') return { status: 200, body: { ...(health() as object) } };
    const [api, ...rest] = parts;
    if (api !== 'faults') throw new FaultError(404, 'NotFound', 'The lab has /lab/health and /lab/faults.');
    const inPath = rest[0] === faultsToken;
    if (!inPath && request.headers.authorization !== `Bearer ${faultsToken}`) {
      throw new FaultError(
        401,
        'Unauthorized',
        'The faults endpoint needs the token that lab.json holds in faultsEndpoint.',
      );
    }
    const path = (inPath ? rest.slice(1) : rest).map((part) => decodeURIComponent(part));
    const answer = await faults.handle(method, path, await readJson(request));
    return {
      status: answer.status,
      ...(answer.body === undefined ? {} : { body: answer.body as Record<string, unknown> }),
    };
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(
              `port ${options.port} on ${ADDRESS} is in use by another program; find it with: ss -ltnp 'sport = ${options.port}'`,
            )
          : error,
      );
    });
    server.listen(options.port, ADDRESS, resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    acceptGuest: (socket) => void guestServer.emit('connection', socket),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function send(request: IncomingMessage, response: ServerResponse, answer: ArmResponse): void {
  const id = randomUUID();
  const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
  const method = request.method ?? 'GET';
  const writes = method === 'GET' || method === 'HEAD' ? undefined : method === 'DELETE' ? 'deletes' : 'writes';
  const clientRequestId = request.headers['x-ms-client-request-id'];
  response.writeHead(answer.status, {
    'Cache-Control': 'no-cache',
    Pragma: 'no-cache',
    'x-ms-request-id': id,
    'x-ms-correlation-request-id': request.headers['x-ms-correlation-request-id'] ?? randomUUID(),
    'x-ms-routing-request-id': `LAB:${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}:${id}`,
    'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
    'X-Content-Type-Options': 'nosniff',
    ...(clientRequestId === undefined ? {} : { 'x-ms-client-request-id': clientRequestId }),
    ...(writes === undefined
      ? {
          'x-ms-ratelimit-remaining-subscription-reads': '249',
          'x-ms-ratelimit-remaining-subscription-global-reads': '3749',
        }
      : {
          [`x-ms-ratelimit-remaining-subscription-${writes}`]: '199',
          [`x-ms-ratelimit-remaining-subscription-global-${writes}`]: '2999',
        }),
    ...answer.headers,
    ...(answer.status === 204
      ? {}
      : {
          ...(text === '' ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
          'Content-Length': String(Buffer.byteLength(text)),
        }),
  });
  response.end(method === 'HEAD' ? undefined : text);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new ArmError(400, 'InvalidRequestUri', `The path '${path}' is not a valid percent-encoding.`);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > MAXIMUM_BODY) {
      throw new ArmError(
        413,
        'RequestContentTooLarge',
        `The request content size exceeds the maximum size of ${MAXIMUM_BODY} bytes.`,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readBody(request);
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ArmError(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${messageOf(error)}'.`,
    );
  }
}
