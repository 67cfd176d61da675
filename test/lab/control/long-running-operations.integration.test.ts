import { setTimeout as sleep } from 'node:timers/promises';
import { restorePoller } from '@azure/arm-compute';
import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { createFakeMachines } from './fake-machines';
import { LOCATION, startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

const NSG = (lab: TestLab, name = 'other') =>
  `${idOf(lab, 'Microsoft.Network/networkSecurityGroups', name)}?api-version=2026-01-01`;
const IP = (lab: TestLab, name: string) =>
  `${idOf(lab, 'Microsoft.Network/publicIPAddresses', name)}?api-version=2026-01-01`;
const STATIC = { location: LOCATION, properties: { publicIPAllocationMethod: 'Static' } };
const VM = (lab: TestLab, name: string, action = '') =>
  `${idOf(lab, 'Microsoft.Compute/virtualMachines', name)}${action}?api-version=2026-04-01`;

async function newLab(
  overrides: Parameters<typeof startTestLab>[0] = {},
): Promise<{ lab: TestLab; azure: AzureClients }> {
  const lab = await startTestLab(overrides);
  const azure = lab.clients();
  await buildNetwork(lab, azure);
  return { lab, azure };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe('long-running operations', () => {
  let lab: TestLab;
  let azure: AzureClients;
  afterEach(() => lab.close());

  it('a network PUT answers 201, then 200, with an operation that says nothing but its status', async () => {
    ({ lab, azure } = await newLab());

    const created = await lab.request('PUT', NSG(lab), { body: { location: LOCATION } });
    expect(created.status).toBe(201);
    expect(created.body['properties']).toMatchObject({ provisioningState: 'Updating' });
    expect(created.header('azure-asyncnotification')).toBe('Enabled');
    expect(created.header('location')).toBeUndefined();
    const operation = created.header('azure-asyncoperation') ?? '';
    expect(operation).toMatch(
      new RegExp(
        `/providers/Microsoft.Network/locations/${LOCATION}/operations/[0-9a-f-]{36}\\?api-version=2026-01-01$`,
      ),
    );
    expect((await lab.request('GET', operation)).body).toEqual({ status: 'Succeeded' });

    expect((await lab.request('PUT', NSG(lab), { body: { location: LOCATION } })).status).toBe(200);
  });

  it('a machine PUT answers without disk ids, and its operation has a name and times', async () => {
    ({ lab, azure } = await newLab());
    const created = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });
    expect(created.status).toBe(201);
    expect(created.body['properties']).toMatchObject({
      provisioningState: 'Creating',
      vmId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      storageProfile: { osDisk: { managedDisk: { storageAccountType: 'Premium_LRS' } } },
    });
    expect(JSON.stringify(created.body)).not.toContain('Microsoft.Compute/disks');
    expect(JSON.stringify(created.body)).not.toContain('customData');
    await lab.request('GET', created.header('azure-asyncoperation') ?? '');
    const vm = await azure.compute.virtualMachines.get(GROUP, 'hadb01');
    expect(vm.storageProfile?.osDisk?.managedDisk?.id).toBe(idOf(lab, 'Microsoft.Compute/disks', 'hadb01-os'));

    const started = await lab.request('POST', VM(lab, 'hadb01', '/restart'));
    expect(started.status).toBe(202);
    expect(started.header('location')).toBe(`${started.header('azure-asyncoperation')}&monitor=true`);
    const document = await lab.request('GET', started.header('azure-asyncoperation') ?? '');
    expect(document.body).toMatchObject({
      status: 'Succeeded',
      name: expect.stringMatching(/^[0-9a-f-]{36}$/),
      startTime: expect.stringMatching(/Z$/),
      endTime: expect.stringMatching(/Z$/),
    });
    const result = await lab.request('GET', started.header('location') ?? '');
    expect([result.status, result.body]).toEqual([200, {}]);
  });

  it('in realistic pacing, waits and URL lengths are those of recorded traffic', async () => {
    const held = deferred();
    const machines = createFakeMachines({ neverReports: true });
    ({ lab, azure } = await newLab({ machines }));
    await lab.restart({ pacing: 'realistic' });

    const created = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });

    expect(created.header('retry-after')).toBe('10');
    const operation = created.header('azure-asyncoperation') ?? '';
    expect(operation.length).toBeGreaterThan(3000);
    const waits = [];
    for (let poll = 0; poll < 3; poll++) waits.push((await lab.request('GET', operation)).header('retry-after'));
    expect(waits).toEqual(['30', '50', '50']);
    const rule = await lab.request('PUT', NSG(lab), { body: { location: LOCATION } });
    expect(rule.header('retry-after')).toBe('3');
    held.resolve();
  });

  it('a poll is held back until the operation ends, in quick pacing', async () => {
    ({ lab, azure } = await newLab({ machines: createFakeMachines({ bootMs: 300 }) }));

    const created = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });
    const document = await lab.request('GET', created.header('azure-asyncoperation') ?? '');

    expect(document.body['status']).toBe('Succeeded');
  });

  it('a deletion of a group answers by Location alone', async () => {
    ({ lab, azure } = await newLab());
    const path = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/${GROUP}?api-version=2025-04-01`;

    const answer = await lab.request('DELETE', path);

    expect(answer.status).toBe(202);
    expect(answer.header('azure-asyncoperation')).toBeUndefined();
    expect(answer.header('location')).toMatch(/\/operationresults\/[0-9a-f-]{36}\?/);
    expect((await lab.request('GET', answer.header('location') ?? '')).status).toBe(200);
  });

  it('a group that is being deleted takes nothing new', async () => {
    const machines = createFakeMachines();
    ({ lab, azure } = await newLab({ machines }));
    await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
    const held = deferred();
    machines.holdStops(held.promise);
    const path = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/${GROUP}?api-version=2025-04-01`;
    const deletion = await lab.request('DELETE', path);

    const put = await lab.request('PUT', NSG(lab), { body: { location: LOCATION } });
    const group = await lab.request('PUT', path, { body: { location: LOCATION } });
    const patched = await lab.request('PATCH', path, { body: { tags: { a: 'b' } } });
    const subnet = idOf(lab, 'Microsoft.Network', 'virtualNetworks/vnet/subnets/late');
    const child = await lab.request('PUT', `${subnet}?api-version=2026-01-01`, {
      body: { properties: { addressPrefix: '10.10.11.0/24' } },
    });
    const power = await lab.request('POST', VM(lab, 'hadb01', '/start'));
    const again = await lab.request('DELETE', path);
    const shown = await lab.request('GET', path);
    held.resolve();

    for (const { status, error } of [patched, child, power]) {
      expect([status, error.code]).toEqual([409, 'ResourceGroupBeingDeleted']);
    }
    expect(again.status).toBe(202);
    expect([put.status, put.error.code]).toEqual([409, 'ResourceGroupBeingDeleted']);
    expect([group.status, group.error.code]).toEqual([409, 'ResourceGroupBeingDeleted']);
    expect(shown.body['properties']).toEqual({ provisioningState: 'Deleting' });
    expect((await lab.request('GET', deletion.header('location') ?? '')).status).toBe(200);
    expect(machines.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
    for (const gone of [path, NSG(lab)]) {
      const answer = await lab.request('GET', gone);
      expect([answer.status, answer.error.code]).toEqual([404, 'ResourceGroupNotFound']);
    }
  });

  it('a group whose network serves another group is not deleted, and says why', async () => {
    ({ lab, azure } = await newLab());
    await azure.resources.resourceGroups.createOrUpdate('second', { location: LOCATION });
    await azure.network.networkInterfaces.createOrUpdate('second', 'guest', {
      location: LOCATION,
      ipConfigurations: [
        { name: 'ip', subnet: { id: idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet/subnets/nodes') } },
      ],
    });
    const path = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/${GROUP}?api-version=2025-04-01`;

    const deletion = await lab.request('DELETE', path);
    const result = await lab.request('GET', deletion.header('location') ?? '');

    expect([result.status, result.error.code]).toEqual([409, 'ResourceGroupDeletionBlocked']);
    expect(result.error.message).toContain('/virtualNetworks/vnet');
    expect((await lab.request('GET', path)).body['properties']).toEqual({ provisioningState: 'Succeeded' });
  });

  it('a newer PUT of a network resource supersedes an unfinished one', async () => {
    ({ lab, azure } = await newLab());
    lab.network.down = true;
    const first = await lab.request('PUT', IP(lab, 'second'), { body: STATIC });
    const second = await lab.request('PUT', IP(lab, 'second'), { body: { ...STATIC, tags: { a: 'b' } } });
    lab.network.down = false;

    const canceled = await lab.request('GET', first.header('azure-asyncoperation') ?? '');
    expect(canceled.body).toMatchObject({
      status: 'Canceled',
      error: { code: 'Canceled', details: [{ code: 'CanceledAndSupersededDueToAnotherOperation' }] },
    });
    expect((await lab.request('GET', second.header('azure-asyncoperation') ?? '')).body['status']).toBe('Succeeded');
  });

  it('what another resource needs must be ready, else 429 RetryableError', async () => {
    ({ lab, azure } = await newLab());
    lab.network.down = true;
    await lab.request('PUT', IP(lab, 'second'), { body: STATIC });

    const balancer = await lab.request(
      'PUT',
      `${idOf(lab, 'Microsoft.Network/loadBalancers', 'lb2')}?api-version=2026-01-01`,
      {
        body: {
          location: LOCATION,
          properties: {
            frontendIPConfigurations: [
              {
                name: 'f',
                properties: { publicIPAddress: { id: idOf(lab, 'Microsoft.Network/publicIPAddresses', 'second') } },
              },
            ],
          },
        },
      },
    );

    expect([balancer.status, balancer.error.code, balancer.header('retry-after')]).toEqual([
      429,
      'RetryableError',
      '1',
    ]);
    expect(balancer.error.details?.[0]?.code).toBe('ReferencedResourceNotProvisioned');
  });

  it('a data plane that reports a problem fails the operation with it, and a later PUT heals', async () => {
    ({ lab, azure } = await newLab());
    lab.network.problems = ['frontend 127.1.1.1:3306: port 3306 is in use by another program'];

    const failed = await lab.request('PUT', IP(lab, 'second'), { body: STATIC });
    const document = await lab.request('GET', failed.header('azure-asyncoperation') ?? '');
    expect(document.body).toMatchObject({
      status: 'Failed',
      error: { code: 'InternalServerError', message: expect.stringContaining('port 3306 is in use') },
    });
    expect((await lab.request('GET', IP(lab, 'second'))).body['properties']).toMatchObject({
      provisioningState: 'Failed',
    });

    lab.network.problems = [];
    await azure.network.publicIPAddresses.createOrUpdate(GROUP, 'second', {
      location: LOCATION,
      publicIPAllocationMethod: 'Static',
    });
    expect((await azure.network.publicIPAddresses.get(GROUP, 'second')).provisioningState).toBe('Succeeded');
  });

  describe('of machines', () => {
    it('a guest that never reports ends in OSProvisioningTimedOut, and the same PUT tries again', async () => {
      const machines = createFakeMachines({ neverReports: true });
      ({ lab, azure } = await newLab({ machines, provisioningTimeoutMs: 100 }));

      await expect(azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1))).rejects.toThrow(
        /OSProvisioningTimedOut/,
      );
      const view = await azure.compute.virtualMachines.get(GROUP, 'hadb01', { expand: 'instanceView' });
      expect(view.provisioningState).toBe('Failed');
      expect(view.instanceView?.statuses?.map(({ code }) => code)).toEqual([
        'ProvisioningState/failed',
        'PowerState/running',
      ]);

      machines.report();
      const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
      expect(vm.provisioningState).toBe('Succeeded');
      expect(vm.vmId).toBe(view.vmId);
    });

    it('the same PUT during the creation attaches to it, another one conflicts, and so does a power action', async () => {
      ({ lab, azure } = await newLab({ machines: createFakeMachines({ neverReports: true }) }));
      const first = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });

      const same = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });
      const other = await lab.request('PUT', VM(lab, 'hadb01'), {
        body: {
          ...wireBody(lab, 1),
          properties: { ...wireBody(lab, 1).properties, hardwareProfile: { vmSize: 'Standard_D4s_v5' } },
        },
      });
      const start = await lab.request('POST', VM(lab, 'hadb01', '/start'));

      expect([first.status, same.status]).toEqual([201, 200]);
      expect(same.header('azure-asyncoperation')).toBe(first.header('azure-asyncoperation'));
      expect([other.status, start.status, start.error.code]).toEqual([expect.any(Number), 409, 'Conflict']);
      expect(other.status).toBeGreaterThanOrEqual(400);
    });

    it('a deletion preempts the creation and leaves no disk behind', async () => {
      ({ lab, azure } = await newLab({ machines: createFakeMachines({ neverReports: true }) }));
      const creation = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });
      await lab.machines.started();

      await azure.compute.virtualMachines.delete(GROUP, 'hadb01');

      const document = await lab.request('GET', creation.header('azure-asyncoperation') ?? '');
      expect(document.body).toMatchObject({ status: 'Failed', error: { code: 'OperationPreempted' } });
      expect(lab.filesOf('disks')).toEqual([]);
      expect(lab.filesOf('machines')).toEqual([]);
    });

    it('a power cut does not wait for an ordered shutdown that is under way', async () => {
      const machines = createFakeMachines();
      ({ lab, azure } = await newLab({ machines }));
      await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
      const held = deferred();
      machines.holdGracefulStops(held.promise);
      const ordered = await lab.request('POST', VM(lab, 'hadb01', '/powerOff'));
      await lab.machines.called('stop hadb01 graceful');

      await azure.compute.virtualMachines.powerOff(GROUP, 'hadb01', { skipShutdown: true });

      expect(lab.machines.calls.slice(-2)).toEqual(['stop hadb01 graceful', 'stop hadb01 hard']);
      held.resolve();
      const document = await lab.request('GET', ordered.header('azure-asyncoperation') ?? '');
      expect(document.body).toMatchObject({ status: 'Failed', error: { code: 'OperationPreempted' } });
    });

    it('while a machine is being deleted no other operation is allowed', async () => {
      const machines = createFakeMachines();
      ({ lab, azure } = await newLab({ machines }));
      await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
      const held = deferred();
      machines.holdStops(held.promise);
      const deletion = await lab.request('DELETE', VM(lab, 'hadb01'));

      const start = await lab.request('POST', VM(lab, 'hadb01', '/start'));
      const put = await lab.request('PUT', VM(lab, 'hadb01'), { body: wireBody(lab, 1) });
      const again = await lab.request('DELETE', VM(lab, 'hadb01'));
      held.resolve();

      expect([start.status, start.error.code]).toEqual([409, 'OperationNotAllowed']);
      expect([put.status, put.error.code]).toEqual([409, 'OperationNotAllowed']);
      expect(again.header('azure-asyncoperation')).toBe(deletion.header('azure-asyncoperation'));
    });

    it('a crashed guest shows as stopped, a frozen one as running, and a start brings it back', async () => {
      ({ lab, azure } = await newLab());
      const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
      const power = async () =>
        (await azure.compute.virtualMachines.instanceView(GROUP, 'hadb01')).statuses?.map(({ code }) => code).at(-1);
      const machine = { directory: `${lab.stateDirectory}/machines/${vm.vmId}` };

      lab.machines.crash(machine);
      expect(await power()).toBe('PowerState/stopped');
      await azure.compute.virtualMachines.start(GROUP, 'hadb01');
      expect(await power()).toBe('PowerState/running');
      await lab.request('POST', `${lab.document.faultsEndpoint}/machines/hadb01/pause`);
      expect(await power()).toBe('PowerState/running');
    });

    it.each([20, 60, 120])(
      'survive a restart of control %i ms after the PUT: the resumed poller ends in Succeeded',
      async (ms) => {
        ({ lab, azure } = await newLab({ machines: createFakeMachines({ bootMs: 150 }) }));
        const poller = azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
        poller.then(undefined, () => undefined);
        const state = await poller.serialize();
        await sleep(ms);

        await lab.restart();
        const vm = await restorePoller(lab.clients().compute, state, azure.compute.virtualMachines.createOrUpdate);

        expect(vm.provisioningState).toBe('Succeeded');
        expect(lab.machines.calls.filter((call) => call === 'start hadb01')).toHaveLength(1);
      },
    );
  });
});

/** The body of `machineBody` as it is on the wire. */
function wireBody(lab: TestLab, node: number) {
  const { location, identity, ...properties } = machineBody(lab, node);
  return { location, identity, properties };
}
