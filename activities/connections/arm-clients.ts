import { AsyncLocalStorage } from 'node:async_hooks';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import type { ComputeManagementClientOptionalParams } from '@azure/arm-compute';
import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ResourceManagementClient } from '@azure/arm-resources';
import type { TokenCredential } from '@azure/identity';
import { ClientSecretCredential, DefaultAzureCredential } from '@azure/identity';
import { asyncLocalStorage as activityContext } from '@temporalio/activity';
import type { AzureError } from '../azure/failures';
import { azureFailure, POSTPONED_RETRY_AFTER, readRetryAfter } from '../azure/failures';
import { HadbError } from '../../cluster/errors';

type PipelinePolicy = NonNullable<ComputeManagementClientOptionalParams['additionalPolicies']>[number]['policy'];
type PipelineResponse = Awaited<ReturnType<PipelinePolicy['sendRequest']>>;

/** Azure Resource Manager, wherever it is: the public cloud, another one, or one that speaks its language. */
export interface ArmClients {
  subscriptionId: string;
  compute: ComputeManagementClient;
  network: NetworkManagementClient;
  resources: ResourceManagementClient;
  authorization: AuthorizationManagementClient;
}

export interface ArmClientsOptions {
  credential: TokenCredential;
  subscriptionId: string;
  /** `https://host:port`; the SDK refuses plain HTTP. */
  endpoint?: string;
  /** Certificate authorities, PEM, besides the system's. */
  ca?: string;
  /** The SDK waits for ever by default. Azure itself answers a PUT within a minute. */
  requestTimeoutMs?: number;
  /** Told of each request that has ended: for figures, never for decisions. */
  onRequest?: (request: { method: string; path: string; durationMs: number; status?: number }) => void;
}

export function createArmClients(options: ArmClientsOptions): ArmClients {
  const { credential, subscriptionId, endpoint, ca } = options;
  const clientOptions = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(ca === undefined ? {} : { tlsOptions: { ca } }),
    // A few quick tries for what passes in a second; everything else is the run's to repeat, and to show.
    retryOptions: { maxRetries: 2, retryDelayInMs: 300, maxRetryDelayInMs: 2_000 },
    additionalPolicies: [
      { policy: operationFailurePolicy, position: 'perCall' as const },
      { policy: activityPolicy, position: 'perCall' as const },
      { policy: timeoutPolicy(options.requestTimeoutMs ?? 60_000), position: 'perRetry' as const },
      { policy: patiencePolicy, position: 'perRetry' as const },
      ...(options.onRequest === undefined
        ? []
        : [{ policy: measuringPolicy(options.onRequest), position: 'perRetry' as const }]),
    ],
  };
  return {
    subscriptionId,
    compute: new ComputeManagementClient(credential, subscriptionId, clientOptions),
    network: new NetworkManagementClient(credential, subscriptionId, clientOptions),
    resources: new ResourceManagementClient(credential, subscriptionId, clientOptions),
    authorization: new AuthorizationManagementClient(credential, subscriptionId, {
      ...clientOptions,
      // This client alone would ask for a token whose audience is the endpoint.
      credentialScopes: TOKEN_SCOPE,
    }),
  };
}

/** What the other clients ask for, whatever the endpoint. */
const TOKEN_SCOPE = 'https://management.azure.com/.default';

export interface CredentialOptions {
  tenantId?: string;
  clientId?: string;
  clientSecret?: string;
  /** Where tokens come from, if not from the public cloud. */
  authorityHost?: string;
  ca?: string;
}

/** A service principal when one is given, else whatever the machine has: managed identity, workload identity, `az login`. */
export function createCredential(options: CredentialOptions): TokenCredential {
  const { tenantId, clientId, clientSecret, authorityHost, ca } = options;
  const place = {
    // The list of known clouds is asked of the public one, which does not know a private authority.
    ...(authorityHost === undefined ? {} : { authorityHost, disableInstanceDiscovery: true }),
    ...(ca === undefined ? {} : { tlsOptions: { ca } }),
  };
  if (tenantId !== undefined && clientId !== undefined && clientSecret !== undefined) {
    return new ClientSecretCredential(tenantId, clientId, clientSecret, place);
  }
  return new DefaultAzureCredential(place);
}

/**
 * The SDK's own `timeout` reaches the first request only, not the polls of an operation, cannot be told from a cancel, and
 * leaves its timer running when a connection is refused.
 */
function timeoutPolicy(timeoutMs: number): PipelinePolicy {
  return {
    name: 'hadb-timeout',
    async sendRequest(request, next) {
      const timeout = new AbortController();
      const timer = setTimeout(() => timeout.abort(), timeoutMs);
      const outer = request.abortSignal;
      const forward = () => timeout.abort();
      outer?.addEventListener('abort', forward);
      if (outer?.aborted === true) forward();
      request.abortSignal = timeout.signal;
      try {
        return await next(request);
      } catch (error) {
        if (!timeout.signal.aborted || outer?.aborted === true) throw error;
        const subject = `${request.method} ${new URL(request.url).pathname}`;
        throw new HadbError('AzureUnavailable', `Azure did not answer within ${timeoutMs / 1000} s`, { subject });
      } finally {
        clearTimeout(timer);
        outer?.removeEventListener('abort', forward);
        if (outer === undefined) delete request.abortSignal;
        else request.abortSignal = outer;
      }
    },
  };
}

/** The SDK sleeps exactly as long as `Retry-After` says, for hours if need be and deaf to a cancel. */
const LONGEST_SLEEP_MS = 5_000;

const patiencePolicy: PipelinePolicy = {
  name: 'hadb-patience',
  async sendRequest(request, next) {
    const response = await next(request);
    if (response.status !== 429 && response.status !== 503) return response;
    const waitMs = readRetryAfter(response.headers);
    if (waitMs === undefined || waitMs <= LONGEST_SLEEP_MS) return response;
    for (const name of ['retry-after', 'retry-after-ms', 'x-ms-retry-after-ms']) response.headers.delete(name);
    response.headers.set(POSTPONED_RETRY_AFTER, String(Math.ceil(waitMs / 1000)));
    return response;
  },
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * All requests of a run share one id in Azure's activity log. A cancelled activity does not wait for what it only reads;
 * the answer to a write is waited for, because it may have been done.
 */
const activityPolicy: PipelinePolicy = {
  name: 'hadb-activity',
  sendRequest(request, next) {
    const context = activityContext.getStore();
    const run = context?.info.workflowExecution?.runId;
    if (run !== undefined && UUID.test(run)) request.headers.set('x-ms-correlation-request-id', run);
    if (context !== undefined && request.method === 'GET') request.abortSignal ??= context.cancellationSignal;
    return next(request);
  },
};

function measuringPolicy(onRequest: NonNullable<ArmClientsOptions['onRequest']>): PipelinePolicy {
  return {
    name: 'hadb-measuring',
    async sendRequest(request, next) {
      const startedAt = performance.now();
      let response: PipelineResponse | undefined;
      try {
        response = await next(request);
        return response;
      } finally {
        onRequest({
          method: request.method,
          path: new URL(request.url).pathname,
          durationMs: performance.now() - startedAt,
          ...(response === undefined ? {} : { status: response.status }),
        });
      }
    },
  };
}

const operationFailures = new AsyncLocalStorage<{ last?: AzureError }>();

/**
 * Waits for the end of an operation; returns how it failed, undefined when it has ended well. Polls of an operation that
 * ends in failure throw a plain `Error` whose text may have lost the code; the document that said so is kept here and
 * becomes the failure. Errors: whatever `wait` throws before the end is known.
 */
export async function waitForOperation(subject: string, wait: () => Promise<unknown>): Promise<HadbError | undefined> {
  const captured: { last?: AzureError } = {};
  try {
    await operationFailures.run(captured, wait);
    return undefined;
  } catch (error) {
    if (captured.last === undefined) throw error;
    return azureFailure({ ...captured.last, subject });
  }
}

const operationFailurePolicy: PipelinePolicy = {
  name: 'hadb-operation-failure',
  async sendRequest(request, next) {
    const response = await next(request);
    const captured = operationFailures.getStore();
    if (captured !== undefined && request.method === 'GET' && /\/operations\//i.test(request.url)) {
      const failure = parseOperationFailure(response.bodyAsText);
      if (failure !== undefined) captured.last = failure;
    }
    return response;
  },
};

/** `{"status":"Failed","error":{…}}`; undefined for every other document. */
export function parseOperationFailure(body: string | null | undefined): AzureError | undefined {
  if (!body) return undefined;
  let document: { status?: unknown; error?: { code?: unknown; message?: unknown; details?: unknown } };
  try {
    document = JSON.parse(body) as typeof document;
  } catch {
    return undefined;
  }
  const status = typeof document.status === 'string' ? document.status.toLowerCase() : '';
  if (!/^(failed|cancell?ed)$/.test(status)) return undefined;
  const { code, message, details } = document.error ?? {};
  return {
    code: typeof code === 'string' ? code : `Operation${status === 'failed' ? 'Failed' : 'Canceled'}`,
    message: typeof message === 'string' ? message : 'Azure gives no reason',
    details: Array.isArray(details) ? (details as { code?: string; message?: string }[]) : [],
  };
}
