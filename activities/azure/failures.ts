import type { FailureCode } from '../../cluster/errors';
import { HadbError } from '../../cluster/errors';

/**
 * What Azure's error codes mean for a run. The codes and where they come up are in the documentation of Azure Resource
 * Manager and in reports of its users; what is not in the table is judged by the HTTP status.
 */

interface Meaning {
  code: FailureCode;
  whatNow?: string;
}

const BUSY: Meaning = { code: 'AzureUnavailable', whatNow: 'It is tried again.' };
/** Right after a PUT another region's replica may not know the resource for a while. */
const NOT_SEEN_YET: Meaning = {
  code: 'AzureUnavailable',
  whatNow:
    'It is tried again, as Azure may take a while to know a new resource everywhere. If it stays, somebody deleted it.',
};
/** What used it was deleted a moment ago, and Azure has not noticed everywhere (a network interface: up to three minutes). */
const STILL_USED: Meaning = {
  code: 'AzureUnavailable',
  whatNow: 'It is tried again. If it stays, look what uses the resource.',
};
/** The directory learns of a machine's identity later than Azure tells of it. */
const NOT_IN_DIRECTORY_YET: Meaning = {
  code: 'NotReady',
  whatNow: 'It is tried again. If it stays, the identity of the machine was removed: look at it in the Azure portal.',
};
const NO_MORE_ROLES: Meaning = {
  code: 'QuotaExceeded',
  whatNow: 'Delete custom roles that nobody needs, or name a ready-made role in the field fencingRole.',
};
const NO_CAPACITY: Meaning = {
  code: 'AzureOperationFailed',
  whatNow: 'Azure has no machine of this size to give now: retry later, or choose another vm.size or location.',
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  RetryableError: BUSY,
  RetryableErrorDueToAnotherOperation: BUSY,
  ReferencedResourceNotProvisioned: BUSY,
  AnotherOperationInProgress: BUSY,
  CanceledAndSupersededDueToAnotherOperation: BUSY,
  Conflict: BUSY,
  TooManyRequests: BUSY,
  SubscriptionRequestsThrottled: BUSY,
  OperationPreempted: BUSY,
  ResourceGroupBeingDeleted: {
    code: 'AzureUnavailable',
    whatNow: 'Wait until the resource group is gone, then retry.',
  },
  PreconditionFailed: {
    code: 'AzureUnavailable',
    whatNow: 'Somebody else changed the resource meanwhile; it is read again.',
  },
  ResourceNotFound: NOT_SEEN_YET,
  ResourceGroupNotFound: NOT_SEEN_YET,
  ParentResourceNotFound: NOT_SEEN_YET,
  NotFound: NOT_SEEN_YET,
  InvalidResourceReference: NOT_SEEN_YET,
  NicInUse: STILL_USED,
  NicReservedForAnotherVm: STILL_USED,
  PublicIPAddressCannotBeDeleted: STILL_USED,
  InUseSubnetCannotBeDeleted: STILL_USED,
  InUseNetworkSecurityGroupCannotBeDeleted: STILL_USED,
  PrincipalNotFound: NOT_IN_DIRECTORY_YET,
  RoleDefinitionLimitExceeded: NO_MORE_ROLES,
  RoleAssignmentLimitExceeded: { code: 'QuotaExceeded', whatNow: 'Delete role assignments that nobody needs.' },
  RoleDefinitionWithSameNameExists: {
    code: 'NotOurs',
    whatNow: 'A role of this name was made by somebody else: rename it, or name it in the field fencingRole.',
  },
  RoleDefinitionHasAssignments: {
    code: 'AzureUnavailable',
    whatNow:
      'It is tried again. If it stays, somebody else has assigned the role: remove these assignments, then retry.',
  },
  SubscriptionNotFound: { code: 'Denied', whatNow: 'Check AZURE_SUBSCRIPTION_ID and that the credential may see it.' },
  InvalidSubscriptionId: { code: 'BadRequest', whatNow: 'Check AZURE_SUBSCRIPTION_ID.' },
  AuthenticationFailed: { code: 'Denied', whatNow: 'Check the credential of the worker.' },
  InvalidAuthenticationToken: { code: 'Denied', whatNow: 'Check the credential of the worker, and its tenant.' },
  InvalidAuthenticationTokenTenant: {
    code: 'Denied',
    whatNow: 'The credential belongs to another tenant than the subscription.',
  },
  ExpiredAuthenticationToken: BUSY,
  AuthorizationFailed: { code: 'Denied', whatNow: 'Give the identity of the worker the named permission.' },
  LinkedAuthorizationFailed: { code: 'Denied', whatNow: 'Give the identity of the worker the named permission.' },
  RequestDisallowedByPolicy: { code: 'Denied', whatNow: 'A policy of the subscription forbids it; ask its owner.' },
  QuotaExceeded: { code: 'QuotaExceeded', whatNow: 'Ask for a higher quota, or free some.' },
  PublicIPCountLimitReached: { code: 'QuotaExceeded', whatNow: 'Ask for a higher quota, or free some.' },
  SkuNotAvailable: { code: 'QuotaExceeded', whatNow: 'Choose another vm.size or location.' },
  DnsRecordInUse: { code: 'BadRequest', whatNow: 'Somebody else has the DNS label: choose another dnsLabel.' },
  PropertyChangeNotAllowed: {
    code: 'BadRequest',
    whatNow: 'Azure cannot change this afterwards: keep the old value, or destroy the cluster and build it anew.',
  },
  AllocationFailed: NO_CAPACITY,
  ZonalAllocationFailed: NO_CAPACITY,
  OverconstrainedAllocationRequest: NO_CAPACITY,
  OSProvisioningTimedOut: {
    code: 'AzureOperationFailed',
    whatNow: 'The machine never reported to Azure: look at its boot diagnostics, then retry.',
  },
  InternalServerError: BUSY,
  ServerTimeout: BUSY,
  ServiceUnavailable: BUSY,
  GatewayTimeout: BUSY,
};

/** One shape for the errors of requests and for those in the documents of long-running operations. */
export interface AzureError {
  code: string;
  message: string;
  /** Undefined for the error of an operation. */
  statusCode?: number;
  retryAfterMs?: number;
  details?: readonly { code?: string; message?: string }[];
  /** Resource or request it is about. */
  subject?: string;
}

export function azureFailure(error: AzureError): HadbError {
  const inner = error.details?.find((detail) => detail.code !== undefined && detail.code in MEANINGS);
  const meaning =
    meaningOf(error) ?? (inner?.code === undefined ? undefined : MEANINGS[inner.code]) ?? judgeByStatus(error);
  const details = (error.details ?? []).map((detail) => `${detail.code ?? ''} ${detail.message ?? ''}`.trim());
  return new HadbError(meaning.code, `Azure answers ${error.code}: ${error.message}`, {
    observed: [
      error.statusCode === undefined ? 'the operation failed' : `HTTP ${error.statusCode}`,
      error.code,
      ...details,
    ].join('; '),
    ...(meaning.whatNow === undefined ? {} : { whatNow: meaning.whatNow }),
    ...(error.subject === undefined ? {} : { subject: error.subject }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  });
}

function meaningOf({ code, message }: AzureError): Meaning | undefined {
  // One code for two things; Azure tells a quota from a conflict only in the text.
  if (code === 'OperationNotAllowed') return /\bquota\b/i.test(message) ? MEANINGS['QuotaExceeded'] : BUSY;
  return Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined;
}

function judgeByStatus({ statusCode }: AzureError): Meaning {
  if (statusCode === undefined)
    return { code: 'AzureOperationFailed', whatNow: 'Look at the activity log in the Azure portal.' };
  if (statusCode === 401 || statusCode === 403)
    return { code: 'Denied', whatNow: 'Check the credential of the worker.' };
  if (statusCode === 404) return NOT_SEEN_YET;
  if (statusCode === 408 || statusCode === 409 || statusCode === 412 || statusCode === 429 || statusCode >= 500)
    return BUSY;
  return { code: 'BadRequest', whatNow: 'Correct the specification.' };
}

/** Errors of the SDK, of the credential, and of the connection below both; undefined for all others. */
export function explainAzureError(error: unknown): HadbError | undefined {
  if (!isRecord(error)) return undefined;
  switch (error['name']) {
    case 'RestError':
      return explainRestError(error);
    case 'AbortError':
      return new HadbError('AzureUnavailable', 'a request was given up, because its answer took too long', {
        whatNow: 'It is tried again.',
      });
    case 'AuthenticationError':
    case 'AggregateAuthenticationError':
    case 'CredentialUnavailableError':
    case 'AuthenticationRequiredError':
      return explainCredentialError(error);
    default:
      return undefined;
  }
}

function explainRestError(error: Record<string, unknown>): HadbError {
  const response = isRecord(error['response']) ? error['response'] : undefined;
  const subject = describeRequest(error['request']);
  if (response === undefined) return explainConnectionError(error, subject);
  const body = isRecord(error['details']) ? error['details'] : {};
  const envelope = isRecord(body['error']) ? body['error'] : body;
  const retryAfterMs = readRetryAfter(response['headers']);
  const statusCode = Number(error['statusCode'] ?? response['status']);
  return azureFailure({
    code: textOf(envelope['code']) ?? textOf(error['code']) ?? `HTTP ${statusCode}`,
    message: textOf(envelope['message']) ?? textOf(error['message']) ?? 'no message',
    statusCode,
    details: Array.isArray(envelope['details']) ? envelope['details'].filter(isRecord) : [],
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(subject === undefined ? {} : { subject }),
  });
}

/** What TLS says of a certificate that no known authority has signed. */
const UNTRUSTED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

function explainConnectionError(error: Record<string, unknown>, subject: string | undefined): HadbError {
  const code = textOf(error['code']) ?? 'no answer';
  const message = textOf(error['message']) ?? code;
  const about = { observed: message, ...(subject === undefined ? {} : { subject }) };
  if (UNTRUSTED.has(code)) {
    return new HadbError('BadRequest', `the certificate of the Azure endpoint is not trusted: ${message}`, {
      ...about,
      whatNow: 'Name the file with its certificate authority in HADB_CA_FILE.',
    });
  }
  return new HadbError('AzureUnavailable', `the Azure endpoint does not answer: ${message}`, {
    ...about,
    whatNow: 'It is tried again. If it stays, check the network of the worker and HADB_ARM_ENDPOINT.',
  });
}

function explainCredentialError(error: Record<string, unknown>): HadbError {
  const message = textOf(error['message']) ?? 'no message';
  const statusCode = Number(error['statusCode'] ?? 0);
  const unavailable =
    statusCode >= 500 || statusCode === 429 || /ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN/.test(message);
  return new HadbError(
    unavailable ? 'AzureUnavailable' : 'Denied',
    `no token for Azure: ${message.split('\n')[0] ?? ''}`,
    {
      observed: message,
      whatNow: unavailable
        ? 'It is tried again.'
        : 'Give the worker a credential: a managed identity, `az login`, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.',
    },
  );
}

/** `Retry-After` in ms: seconds or a date; Azure also has headers of its own. */
export function readRetryAfter(headers: unknown, now: number = Date.now()): number | undefined {
  if (!isRecord(headers) || typeof headers['get'] !== 'function') return undefined;
  const read = (name: string): string | undefined =>
    textOf((headers['get'] as (key: string) => unknown).call(headers, name));
  const ms = read('retry-after-ms') ?? read('x-ms-retry-after-ms');
  if (ms !== undefined && Number.isFinite(Number(ms))) return Number(ms);
  const value = read('retry-after') ?? read(POSTPONED_RETRY_AFTER);
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Where a long `Retry-After` is kept from the SDK, which would sleep through it: the run waits instead, and shows it. */
export const POSTPONED_RETRY_AFTER = 'x-hadb-retry-after';

function describeRequest(request: unknown): string | undefined {
  if (!isRecord(request) || typeof request['url'] !== 'string') return undefined;
  // Signed operation URLs have secrets in their query.
  const path = request['url'].replace(/\?.*$/, '').replace(/^https?:\/\/[^/]+/, '');
  return `${textOf(request['method']) ?? ''} ${path}`.trim();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
