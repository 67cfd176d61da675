import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { guestOf, openGuestSocket } from './guest';
import type { Guest } from './guest';
import { startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

const TOKEN = '/metadata/identity/oauth2/token?api-version=2018-02-01';
const MANAGEMENT = 'resource=https%3A%2F%2Fmanagement.azure.com%2F';

describe('the instance metadata service, as a guest sees it', () => {
  let lab: TestLab;
  let azure: AzureClients;
  const guests: Guest[] = [];
  const principals: string[] = [];

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
    await buildNetwork(lab, azure);
    for (const node of [1, 2]) {
      const body = { ...machineBody(lab, node), tags: { role: 'database' } };
      if (node === 2) body.identity = { type: 'None' };
      const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, `hadb0${node}`, body, {
        updateIntervalInMs: 20,
      });
      guests.push(guestOf(lab, vm.vmId ?? ''));
      principals.push(vm.identity?.principalId ?? '');
    }
  });
  afterAll(() => lab.close());

  it('gives the token of the machine that the wire names, with strings where Azure has strings', async () => {
    const { status, body } = await guests[0]!.metadata(`${TOKEN}&${MANAGEMENT}`);

    expect(status).toBe(200);
    expect(body).toMatchObject({
      token_type: 'Bearer',
      resource: 'https://management.azure.com/',
      expires_in: '86399',
      client_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    expect(body['expires_on']).toMatch(/^\d+$/);
    const [, payload = ''] = String(body['access_token']).split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      oid: principals[0],
      tid: lab.document.tenantId,
      xms_mirid: idOf(lab, 'Microsoft.Compute/virtualMachines', 'hadb01'),
    });
  });

  it('shows the machine its own identity and address', async () => {
    const { body } = await guests[0]!.metadata('/metadata/instance?api-version=2017-08-01');

    expect(body).toMatchObject({
      compute: {
        name: 'hadb01',
        resourceGroupName: GROUP,
        subscriptionId: lab.document.subscriptionId,
        location: 'westeurope',
        tags: 'role:database',
      },
      network: { interface: [{ ipv4: { ipAddress: [{ privateIpAddress: '10.10.10.4' }] } }] },
    });
  });

  it('gives a leaf as text', async () => {
    const answer = await guests[1]!.metadata('/metadata/instance/compute/name?api-version=2021-02-01&format=text');

    expect(answer).toMatchObject({ status: 200, text: 'hadb02' });
  });

  it.each([
    ['without the header', `${TOKEN}&${MANAGEMENT}`, {}, 400, 'Required metadata header not specified'],
    [
      'passed on for somebody else',
      `${TOKEN}&${MANAGEMENT}`,
      { Metadata: 'true', 'X-Forwarded-For': '10.0.0.1' },
      400,
      'X-Forwarded-For header is not allowed',
    ],
    ['without a version', `/metadata/identity/oauth2/token?${MANAGEMENT}`, undefined, 400, 'api-version was not'],
    ['without a resource', TOKEN, undefined, 400, 'Required audience parameter not specified'],
    ['for an unknown resource', `${TOKEN}&resource=https://vault.example`, undefined, 400, 'AADSTS500011'],
    ['for an identity it does not have', `${TOKEN}&${MANAGEMENT}&client_id=x`, undefined, 400, 'Identity not found'],
    ['of the instance without the header', '/metadata/instance?api-version=2017-08-01', {}, 400, 'Required metadata'],
    ['of the instance without a version', '/metadata/instance', undefined, 400, 'api-version was not specified'],
    ['for what is not there', '/metadata/nothing?api-version=2017-08-01', undefined, 404, 'Not found'],
  ])('refuses a request %s', async (_what, path, headers, status, words) => {
    const answer = await guests[0]!.metadata(path, headers as Record<string, string> | undefined);

    expect(answer.status).toBe(status);
    expect(answer.text).toContain(words);
  });

  it('has no token for a machine without an identity', async () => {
    const answer = await guests[1]!.metadata(`${TOKEN}&${MANAGEMENT}`);

    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ error: 'invalid_request', error_description: 'Identity not found' });
  });

  it('is not moved by what the guest says about itself', async () => {
    const answer = await guests[1]!.metadata('/metadata/instance/compute/name?api-version=2021-02-01&format=text', {
      Metadata: 'true',
      Host: 'hadb01',
      'X-Forwarded-Host': 'hadb01',
    });

    expect(answer.text).toBe('hadb02');
  });

  it('closes on a connection that no wire has introduced', async () => {
    await expect(openGuestSocket(lab.stateDirectory, 'other' as 'metadata', 'x')).rejects.toThrow('closed');
  });

  it('answers at management.azure.com with Resource Manager, and with nothing else of the lab', async () => {
    const denied = await guests[0]!.management('GET', `/subscriptions/${lab.document.subscriptionId}`);
    const health = await guests[0]!.management('GET', '/lab/health');
    const faults = await guests[0]!.management('GET', `/lab/faults/${lab.document.faultsToken}`);

    expect(denied.error.code).toBe('AuthenticationFailed');
    expect([health.status, faults.status]).toEqual([401, 401]);
  });

  it('is back after a restart of control, and old tokens are still good', async () => {
    const token = await guests[0]!.token();

    await lab.restart();

    const { status, error } = await guests[0]!.management(
      'GET',
      `${idOf(lab, 'Microsoft.Compute/virtualMachines', 'hadb01')}?api-version=2024-07-01`,
      `Bearer ${token}`,
    );
    expect([status, error.code]).toEqual([403, 'AuthorizationFailed']);
  });
});
