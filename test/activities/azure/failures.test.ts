import {
  azureFailure,
  explainAzureError,
  POSTPONED_RETRY_AFTER,
  readRetryAfter,
} from '../../../activities/azure/failures';

const headers = (values: Record<string, string>) => ({ get: (name: string) => values[name] });
const restError = (status: number, error: object, values: Record<string, string> = {}) => ({
  name: 'RestError',
  message: 'text of the SDK',
  code: 'code of the SDK',
  statusCode: status,
  request: { method: 'PUT', url: 'https://management.azure.com/subscriptions/S/x?api-version=1&sig=secret' },
  response: { status, headers: headers(values) },
  details: { error },
});

describe('an error of Azure', () => {
  it.each([
    [409, 'AnotherOperationInProgress', 'AzureUnavailable'],
    [429, 'RetryableError', 'AzureUnavailable'],
    [409, 'Conflict', 'AzureUnavailable'],
    [412, 'PreconditionFailed', 'AzureUnavailable'],
    [404, 'ResourceNotFound', 'AzureUnavailable'],
    [400, 'InvalidResourceReference', 'AzureUnavailable'],
    [503, 'ServiceUnavailable', 'AzureUnavailable'],
    [500, 'NeverHeardOf', 'AzureUnavailable'],
    [400, 'NicInUse', 'AzureUnavailable'],
    [400, 'InUseSubnetCannotBeDeleted', 'AzureUnavailable'],
    [400, 'NeverHeardOf', 'BadRequest'],
    [400, 'NoRegisteredProviderFound', 'BadRequest'],
    [400, 'DnsRecordInUse', 'BadRequest'],
    [409, 'PropertyChangeNotAllowed', 'BadRequest'],
    [401, 'AuthenticationFailed', 'Denied'],
    [403, 'AuthorizationFailed', 'Denied'],
    [403, 'NeverHeardOf', 'Denied'],
    [401, 'ExpiredAuthenticationToken', 'AzureUnavailable'],
    [409, 'SkuNotAvailable', 'QuotaExceeded'],
  ])('HTTP %d %s is %s', (status, code, expected) => {
    const explained = explainAzureError(restError(status, { code, message: 'why' }));

    expect(explained).toMatchObject({ code: expected, message: `Azure answers ${code}: why` });
  });

  it.each([
    [
      'Operation could not be completed as it results in exceeding approved Total Regional Cores quota.',
      'QuotaExceeded',
    ],
    ["Operation 'start' is not allowed on VM 'x' since the VM is marked for deletion.", 'AzureUnavailable'],
  ])('OperationNotAllowed is two things: %s', (message, expected) => {
    expect(explainAzureError(restError(409, { code: 'OperationNotAllowed', message }))).toMatchObject({
      code: expected,
    });
  });

  it('is judged by what it contains when its own code says nothing', () => {
    const details = [{ code: 'CanceledAndSupersededDueToAnotherOperation', message: 'was superseded' }];

    expect(azureFailure({ code: 'Canceled', message: 'canceled', details })).toMatchObject({
      code: 'AzureUnavailable',
      details: { observed: expect.stringContaining('was superseded') as string },
    });
  });

  it.each([
    ['AllocationFailed', 'AzureOperationFailed'],
    ['OSProvisioningTimedOut', 'AzureOperationFailed'],
    ['NeverHeardOf', 'AzureOperationFailed'],
    ['QuotaExceeded', 'QuotaExceeded'],
  ])('of an operation, %s is %s', (code, expected) => {
    expect(azureFailure({ code, message: 'm' })).toMatchObject({ code: expected });
  });

  it('names the request without the signature in its query', () => {
    const explained = explainAzureError(restError(400, { code: 'X', message: 'm' }));

    expect(explained?.details.subject).toBe('PUT /subscriptions/S/x');
    expect(JSON.stringify(explained)).not.toContain('secret');
  });

  it('takes over how long Azure asks to wait', () => {
    const explained = explainAzureError(
      restError(429, { code: 'TooManyRequests', message: 'm' }, { 'retry-after': '17' }),
    );

    expect(explained).toMatchObject({ code: 'AzureUnavailable', details: { retryAfterMs: 17_000 } });
  });

  it.each([
    ['ECONNREFUSED', 'AzureUnavailable'],
    ['ENOTFOUND', 'AzureUnavailable'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'BadRequest'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'BadRequest'],
  ])('a connection that fails with %s is %s', (code, expected) => {
    expect(explainAzureError({ name: 'RestError', code, message: code })).toMatchObject({ code: expected });
  });

  it.each([
    [{ name: 'CredentialUnavailableError', message: 'no credential' }, 'Denied'],
    [{ name: 'AuthenticationError', message: 'invalid_client', statusCode: 401 }, 'Denied'],
    [{ name: 'AuthenticationError', message: 'busy', statusCode: 503 }, 'AzureUnavailable'],
    [{ name: 'AuthenticationRequiredError', message: 'connect ECONNREFUSED 127.0.0.1:1' }, 'AzureUnavailable'],
  ])('a token that cannot be had: %j is %s', (error, expected) => {
    expect(explainAzureError(error)).toMatchObject({ code: expected });
  });

  it('other errors are not its business', () => {
    expect(explainAzureError(new Error('x'))).toBeUndefined();
    expect(explainAzureError(undefined)).toBeUndefined();
  });
});

describe('readRetryAfter', () => {
  const now = Date.parse('2026-11-22T00:00:00Z');

  it.each([
    [{ 'retry-after': '5' }, 5_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 00:01:00 GMT' }, 60_000],
    [{ 'retry-after': 'Sat, 21 Nov 2026 00:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'x-ms-retry-after-ms': '100', 'retry-after': '9' }, 100],
    [{ [POSTPONED_RETRY_AFTER]: '300' }, 300_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('%j is %s ms', (values, expected) => {
    expect(readRetryAfter(headers(values), now)).toBe(expected);
  });
});
