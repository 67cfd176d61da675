import { readFileSync } from 'node:fs';
import { ClientSecretCredential, DefaultAzureCredential } from '@azure/identity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createArmClients, createCredential, parseOperationFailure } from '../../../activities/connections/arm-clients';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';

let lab: TestLab;
let arm: ArmClients;
let requests: { method: string; path: string; status?: number }[];
beforeEach(async () => {
  lab = await startTestLab();
  requests = [];
  arm = createClients();
  await arm.resources.resourceGroups.createOrUpdate('g', { location: 'westeurope' });
  requests.length = 0;
});
afterEach(() => lab.close());

function createClients(limits: { requestTimeoutMs?: number } = {}): ArmClients {
  const { document } = lab;
  const ca = readFileSync(document.caFile, 'utf8');
  return createArmClients({
    credential: createCredential({ ...document, ca }),
    subscriptionId: document.subscriptionId,
    endpoint: document.armEndpoint,
    ca,
    ...limits,
    onRequest: (request) => requests.push(request),
  });
}

const fault = (action: object, more: object = {}) =>
  lab.request('PUT', `${lab.document.faultsEndpoint}/arm/test`, {
    authorization: null,
    body: { path: 'resourcegroups/g', ...more, action },
  });
const get = () => arm.resources.resourceGroups.get('g');

it('without a service principal the credential is whatever the machine has', () => {
  const { tenantId, clientId, clientSecret } = lab.document;

  expect(createCredential({})).toBeInstanceOf(DefaultAzureCredential);
  expect(createCredential({ tenantId, clientId })).toBeInstanceOf(DefaultAzureCredential);
  expect(createCredential({ tenantId, clientId, clientSecret })).toBeInstanceOf(ClientSecretCredential);
});

describe('the clients of Azure Resource Manager', () => {
  it('give a request up that is not answered, and say which', async () => {
    const impatient = createClients({ requestTimeoutMs: 700 });
    await fault({ kind: 'delay', ms: 20_000 }, { count: 9 });

    await expect(impatient.resources.resourceGroups.get('g')).rejects.toMatchObject({
      code: 'AzureUnavailable',
      message: 'Azure did not answer within 0.7 s',
      details: { subject: expect.stringMatching(/^GET .*resourcegroups\/g$/i) as string },
    });
  });

  it('try a few times what fails for a moment', async () => {
    await fault({ kind: 'status', status: 503, code: 'ServiceUnavailable', message: 'busy' }, { count: 2 });

    await expect(get()).resolves.toMatchObject({ name: 'g' });
    expect(requests.map(({ status }) => status)).toEqual([503, 503, 200]);
  });

  it('wait themselves when Azure asks for a second', async () => {
    await fault({ kind: 'status', status: 429, code: 'TooManyRequests', message: 'busy', retryAfterSeconds: 1 });

    await expect(get()).resolves.toMatchObject({ name: 'g' });
  });

  it('leave it to the run to wait for minutes', async () => {
    await fault(
      { kind: 'status', status: 503, code: 'ServerBusy', message: 'busy', retryAfterSeconds: 600 },
      { count: 9 },
    );

    await expect(get()).rejects.toMatchObject({ statusCode: 503 });
    expect(requests.map(({ status }) => status)).toEqual([503, 503, 503]);
  });

  it('do not let a cancelled activity wait for what it only reads', async () => {
    await fault({ kind: 'delay', ms: 20_000 }, { count: 9 });
    const environment = new MockActivityEnvironment();

    const reading = environment.run(get);
    setTimeout(() => environment.cancel(), 50);

    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('give the requests of a run one id', async () => {
    const runId = '12345678-1234-1234-1234-123456789012';
    const environment = new MockActivityEnvironment({ workflowExecution: { workflowId: 'w', runId } });

    let sent: string | undefined;
    await environment.run(() =>
      arm.resources.resourceGroups.get('g', {
        onResponse: (response) => {
          sent = response.request.headers.get('x-ms-correlation-request-id');
        },
      }),
    );

    expect(sent).toBe(runId);
  });
});

describe('parseOperationFailure', () => {
  it.each([
    [
      '{"status":"Failed","error":{"code":"AllocationFailed","message":"m"}}',
      { code: 'AllocationFailed', message: 'm', details: [] },
    ],
    [
      '{"status":"Canceled","error":{"code":"Canceled","message":"m","details":[{"code":"X"}]}}',
      { code: 'Canceled', message: 'm', details: [{ code: 'X' }] },
    ],
    ['{"status":"Failed"}', { code: 'OperationFailed', message: 'Azure gives no reason', details: [] }],
    ['{"status":"InProgress"}', undefined],
    ['{"status":"Succeeded"}', undefined],
    ['<html>', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('finds the failure, where there is one, in %j', (body, expected) => {
    expect(parseOperationFailure(body)).toEqual(expected);
  });
});
