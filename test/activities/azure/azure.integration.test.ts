import { OBSERVE } from '../../../activities/azure/submission';
import { evidenceTag, OWNER_TAG, publicHostName, secretNames } from '../../../cluster/ids';
import { createFakeMachines } from '../../lab/control/fake-machines';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';
import type { AzureWorld } from './azure-fixture';
import { buildAll, buildNetwork, CLUSTER, createAzureWorld, NEXT_RUN } from './azure-fixture';

let lab: TestLab;
let world: AzureWorld;

afterEach(() => lab.close());

const writes = () => world.requests.filter(({ method }) => method !== 'GET');
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('the resources of a cluster', () => {
  beforeEach(async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
  });

  it('come about in the order of the runbook, and are all as wanted', async () => {
    const outcomes = await buildAll(world);

    expect(Object.values(outcomes).map(({ result }) => result)).toEqual(Object.keys(outcomes).map(() => 'changed'));
    expect(outcomes['submitPublicAddress']?.verified).toContain('hadb-test.westeurope.cloudapp.azure.com is 127.');
    expect(outcomes['submitVirtualMachine/hadb01']?.verified).toMatch(/Standard_D2s_v5, vmId [0-9a-f-]{36}/);
    expect(outcomes['submitDatabaseRule']?.verified).toBe('lb-mysql 3306 to 3306, probe 61000 every 5 s');
    const plan = lab.network.latest();
    expect(plan.inboundNatRules.map((rule) => [rule.frontendPort, rule.backendAddress, rule.backendPort])).toEqual([
      [50001, '10.10.10.4', 22],
      [50002, '10.10.10.5', 22],
    ]);
    expect(plan.loadBalancingRules).toMatchObject([
      { name: 'lb-mysql', frontendPort: 3306, backends: [{ address: '10.10.10.4' }, { address: '10.10.10.5' }] },
    ]);
  });

  it('stay untouched when another operation looks at them: nothing is written', async () => {
    await buildAll(world);
    world.requests.length = 0;

    const outcomes = await buildAll(world, { run: NEXT_RUN });

    expect(Object.values(outcomes).map(({ result }) => result)).toEqual(Object.keys(outcomes).map(() => 'unchanged'));
    expect(Object.values(outcomes).flatMap(({ drift }) => drift ?? [])).toEqual([]);
    expect(writes()).toEqual([]);
  });

  it('no secret is in what goes into history', async () => {
    const step = world.step('virtual-machine/hadb01');
    await buildAll(world);
    await world.arm.compute.virtualMachines.delete(CLUSTER, 'hadb01');
    await world.arm.compute.disks.delete(CLUSTER, 'hadb01-data');
    const submission = await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });

    const hostKey = await world.secrets.read(secretNames(CLUSTER).hostKey('hadb01'));
    const lines = hostKey?.split('\n').filter((line) => line.length > 20 && !line.startsWith('---')) ?? [];
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(JSON.stringify(submission)).not.toContain(line);
    expect(JSON.stringify(submission)).not.toContain(
      Buffer.from(hostKey ?? '')
        .toString('base64')
        .slice(0, 100),
    );
    await world.operate(step, Promise.resolve(submission));
  });

  it('a machine gets our host key, the admin key, its static address and a data disk without cache', async () => {
    await buildAll(world);

    const machine = await world.arm.compute.virtualMachines.get(CLUSTER, 'hadb02');
    expect(machine.identity?.type).toBe('SystemAssigned');
    expect(machine.storageProfile?.dataDisks).toMatchObject([
      { lun: 0, name: 'hadb02-data', caching: 'None', diskSizeGB: 5 },
    ]);
    const disks = [];
    for await (const disk of world.arm.compute.disks.listByResourceGroup(CLUSTER)) disks.push(disk);
    expect(disks.map(({ name, tags }) => `${name} ${tags?.[OWNER_TAG]}`).sort()).toEqual([
      `hadb01-data ${CLUSTER}`,
      `hadb01-os ${CLUSTER}`,
      `hadb02-data ${CLUSTER}`,
      `hadb02-os ${CLUSTER}`,
    ]);
  });

  it('the endpoint names host, port and where the password is', async () => {
    await buildAll(world);
    const step = world.step('endpoint');

    expect(await world.run('readEndpoint', step)).toMatchObject({
      host: publicHostName(step.specification),
      address: expect.stringMatching(/^127\./) as string,
      port: 3306,
      passwordSecret: 'hadb-test/database-client-password',
      sshPorts: { hadb01: 50001, hadb02: 50002 },
    });
  });
});

describe('a submission whose report was lost', () => {
  beforeEach(async () => {
    lab = await startTestLab({ machines: createFakeMachines({ bootMs: 1_500 }) });
    world = createAzureWorld(lab);
  });

  it('is not sent once more while the operation runs; the resource tells its end', async () => {
    await buildUntilMachines();
    const step = world.step('virtual-machine/hadb01');
    await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });
    world.requests.length = 0;

    const again = await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });
    const outcome = await world.operate(step, Promise.resolve(again));

    expect(again).toMatchObject({ result: 'changedEarlier', poller: OBSERVE });
    expect(outcome.verified).toContain('vmId');
    expect(writes().filter(({ path }) => path.includes('/virtualMachines/'))).toEqual([]);
    expect(lab.machines.calls).toEqual(['start hadb01']);
  });

  it('is told from what an earlier operation did', async () => {
    const step = world.step('resource-group');
    await world.run('ensureResourceGroup', step);

    expect(await world.run('ensureResourceGroup', step)).toMatchObject({ result: 'changedEarlier' });
    expect(await world.run('ensureResourceGroup', world.step('resource-group', { run: NEXT_RUN }))).toMatchObject({
      result: 'unchanged',
    });
  });

  it('an operation goes on after the endpoint was killed and started again', async () => {
    await buildUntilMachines();
    const step = world.step('virtual-machine/hadb01');
    const submission = await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });

    await lab.restart();
    const outcome = await world.operate(step, Promise.resolve(submission));

    expect(outcome).toMatchObject({ result: 'changed', verified: expect.stringContaining('vmId') as string });
  });

  it('when Azure has forgotten the operation, the resource itself is looked at', async () => {
    await buildUntilMachines();
    const step = world.step('virtual-machine/hadb01');
    const submission = await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });
    const forgotten = (submission.poller ?? '').replaceAll(/operations\/[0-9a-f-]{36}/g, `operations/${NEXT_RUN}`);
    expect(forgotten).not.toBe(submission.poller);

    const outcome = await world.operate(step, Promise.resolve({ ...submission, poller: forgotten }));

    expect(outcome.verified).toContain('vmId');
  });

  async function buildUntilMachines(): Promise<void> {
    await buildNetwork(world);
    const nic = { ...world.step('nic/hadb01'), node: 'hadb01' };
    await world.operate(nic, world.run('submitNetworkInterface', nic));
  }
});

describe('what is not as wanted', () => {
  beforeEach(async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
  });

  it('a resource group of somebody else is refused', async () => {
    await world.arm.resources.resourceGroups.createOrUpdate(CLUSTER, {
      location: 'westeurope',
      tags: { owner: 'accounting' },
    });

    expect(await failure(world.run('ensureResourceGroup', world.step('resource-group')))).toMatchObject({
      type: 'NotOurs',
      nonRetryable: true,
    });
  });

  it('a load balancer of somebody else in our group is refused and stays as it is', async () => {
    await buildAll(world);
    const before = await world.arm.network.loadBalancers.get(CLUSTER, 'hadb-test-lb');
    await world.arm.network.loadBalancers.createOrUpdate(CLUSTER, 'hadb-test-lb', { ...before, tags: {} });
    world.requests.length = 0;

    expect(await failure(world.run('submitDatabaseRule', world.step('rule')))).toMatchObject({ type: 'NotOurs' });
    expect(writes()).toEqual([]);
  });

  it('step 2 puts its own part of the load balancer right and never drops the rule of step 15', async () => {
    await buildAll(world);
    const before = await world.arm.network.loadBalancers.get(CLUSTER, 'hadb-test-lb');
    await world.arm.network.loadBalancers.createOrUpdate(CLUSTER, 'hadb-test-lb', {
      ...before,
      inboundNatRules:
        before.inboundNatRules?.map((rule) =>
          rule.name === 'ssh-hadb02' ? { ...rule, idleTimeoutInMinutes: 4 } : rule,
        ) ?? [],
    });
    const step = world.step('load-balancer', { run: NEXT_RUN });

    const outcome = await world.operate(step, world.run('submitLoadBalancer', step));

    const after = await world.arm.network.loadBalancers.get(CLUSTER, 'hadb-test-lb');
    expect(outcome).toMatchObject({
      result: 'changed',
      observed: expect.stringContaining('idleTimeoutInMinutes is 4, not 30') as string,
    });
    expect(after.loadBalancingRules?.map(({ name }) => name)).toEqual(['lb-mysql']);
    expect(after.probes?.map(({ name }) => name)).toEqual(['lb-mysql']);
    expect(after.inboundNatRules?.map((rule) => rule.idleTimeoutInMinutes)).toEqual([30, 30]);
  });

  it('a rule added by hand stays and is reported as drift', async () => {
    await buildAll(world);
    const before = await world.arm.network.networkSecurityGroups.get(CLUSTER, 'hadb-test-nsg');
    await world.arm.network.networkSecurityGroups.createOrUpdate(CLUSTER, 'hadb-test-nsg', {
      ...before,
      securityRules: [
        ...(before.securityRules ?? []),
        {
          name: 'everybody',
          priority: 200,
          direction: 'Inbound',
          access: 'Allow',
          protocol: 'Tcp',
          sourceAddressPrefix: '*',
          sourcePortRange: '*',
          destinationAddressPrefix: '*',
          destinationPortRange: '3306',
        },
      ],
    });

    const outcome = await world.run('submitNetworkSecurityGroup', world.step('nsg', { run: NEXT_RUN }));

    expect(outcome).toMatchObject({
      result: 'unchanged',
      drift: ['network security group hadb-test-nsg: has the rule everybody'],
    });
  });

  it('a machine of another size is reported and never written', async () => {
    await buildAll(world);
    world.requests.length = 0;
    const step = world.step('vm', { run: NEXT_RUN, specification: { vm: { size: 'Standard_D4s_v5' } } });

    const outcome = await world.run('submitVirtualMachine', { ...step, node: 'hadb01' });

    expect(outcome).toMatchObject({
      result: 'unchanged',
      drift: ['virtual machine hadb01: hardwareProfile.vmSize is "Standard_D2s_v5", not "Standard_D4s_v5"'],
    });
    expect(writes()).toEqual([]);
  });

  it('looking only, a plan reports what is missing and writes nothing', async () => {
    const step = { ...world.step('plan'), observeOnly: true };

    expect(await world.run('ensureResourceGroup', step)).toMatchObject({
      drift: ['resource group hadb-test is missing'],
    });
    expect(await world.run('submitLoadBalancer', step)).toMatchObject({
      drift: ['load balancer hadb-test-lb is missing'],
    });
    expect(writes()).toEqual([]);
  });

  it('a node that the cluster does not have is refused', async () => {
    expect(await failure(world.run('submitVirtualMachine', { ...world.step('vm'), node: 'hadb03' }))).toMatchObject({
      type: 'BadSpecification',
    });
  });
});

describe('power', () => {
  beforeEach(async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await buildAll(world);
  });

  it('is cut and given back, and both are unchanged the second time', async () => {
    const step = { ...world.step('power/hadb01'), node: 'hadb01' };

    const from = Date.now();
    const submitted = await world.run('submitPowerOff', { ...step, skipShutdown: true });
    const off = await world.operate(step, Promise.resolve(submitted));
    const offAgain = await world.run('submitPowerOff', { ...step, skipShutdown: true });
    const stopped = await world.run('readPower', step);
    const on = await world.operate(step, world.run('submitStart', step));
    const onAgain = await world.run('submitStart', step);

    expect([off.result, off.verified, offAgain.result, offAgain.poller]).toEqual([
      'changed',
      'stopped',
      'unchanged',
      undefined,
    ]);
    expect(submitted.movedAt).toBeGreaterThanOrEqual(from);
    expect(offAgain.movedAt).toBeUndefined();
    expect(stopped).toMatchObject({ state: 'stopped', vmId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    expect([on.result, on.verified, onAgain.result]).toEqual(['changed', 'running', 'unchanged']);
    expect(lab.machines.calls).toContain('stop hadb01 hard');
  });
});

describe('evidence', () => {
  it('is added to the tags of the group and leaves the others', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await world.run('ensureResourceGroup', world.step('resource-group'));
    const step = world.step('evidence');

    const first = await world.run('writeEvidence', { ...step, test: 'manual-failover', value: 'passed' });
    const second = await world.run('writeEvidence', { ...step, test: 'manual-failover', value: 'passed' });
    await world.run('ensureResourceGroup', world.step('resource-group', { run: NEXT_RUN }));
    const read = await world.run('readEvidence', step);

    expect([first.result, second.result]).toEqual(['changed', 'unchanged']);
    expect(read.tags).toMatchObject({ [OWNER_TAG]: CLUSTER, [evidenceTag('manual-failover')]: 'passed' });
    expect(read.observed).toBe('hadb-evidence-manual-failover=passed');
  });

  it('of a group that does not exist is none', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);

    expect(await world.run('readEvidence', world.step('evidence'))).toMatchObject({
      tags: {},
      observed: 'nothing is proved yet',
    });
  });
});

describe('destroying', () => {
  beforeEach(async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await buildAll(world);
  });

  const destroyAll = async () => {
    const step = world.step('destroy');
    const plan = await world.run('readDestroyPlan', step);
    for (const resource of plan.resources) {
      await world.operate(step, world.run('submitDelete', { ...step, resource }));
    }
    return plan;
  };

  it('deletes everything that carries the tag, users before what they use, and the group last', async () => {
    const plan = await destroyAll();

    expect(plan.resources.map(({ kind }) => kind)).toEqual([
      'virtual-machine',
      'virtual-machine',
      'network-interface',
      'network-interface',
      'load-balancer',
      'public-address',
      'virtual-network',
      'network-security-group',
      'availability-set',
      'proximity-placement-group',
      'disk',
      'disk',
      'disk',
      'disk',
      'resource-group',
    ]);
    expect(await world.run('readDestroyPlan', world.step('look'))).toEqual({ resources: [], foreign: [] });
    expect(await failure(world.arm.resources.resourceGroups.get(CLUSTER))).toMatchObject({ statusCode: 404 });
  });

  it('leaves what is not ours, and the group with it', async () => {
    await world.arm.network.publicIPAddresses.createOrUpdate(CLUSTER, 'theirs', {
      location: 'westeurope',
      sku: { name: 'Standard' },
      publicIPAllocationMethod: 'Static',
    });

    const plan = await destroyAll();

    expect(plan.foreign).toEqual([expect.stringMatching(/publicIPAddresses\/theirs$/)]);
    expect(plan.resources.map(({ kind }) => kind)).not.toContain('resource-group');
    await expect(world.arm.network.publicIPAddresses.get(CLUSTER, 'theirs')).resolves.toMatchObject({ name: 'theirs' });
  });

  it('looks at the tag once more right before each deletion', async () => {
    const step = world.step('destroy');
    const { resources } = await world.run('readDestroyPlan', step);
    const disk = resources.find(({ name }) => name === 'hadb01-data');
    if (disk === undefined) throw new Error('no data disk in the plan');
    await world.arm.compute.disks.update(CLUSTER, disk.name, { tags: {} });

    expect(await failure(world.run('submitDelete', { ...step, resource: disk }))).toMatchObject({ type: 'NotOurs' });
  });

  it('what is gone already is fine', async () => {
    const step = world.step('destroy');
    const resource = { id: '/x', kind: 'disk' as const, name: 'no-such-disk' };

    expect(await world.run('submitDelete', { ...step, resource })).toMatchObject({
      result: 'unchanged',
      observed: 'gone already',
    });
  });
});

describe('failures of Azure', () => {
  it('a machine that never reports fails its operation with the code of the status document', async () => {
    lab = await startTestLab({ machines: createFakeMachines({ neverReports: true }), provisioningTimeoutMs: 300 });
    world = createAzureWorld(lab);

    expect(await failure(buildAll(world))).toMatchObject({
      type: 'AzureOperationFailed',
      message: expect.stringContaining('OSProvisioningTimedOut') as string,
    });
  });

  const armFault = (id: string, fault: object) =>
    lab.request('PUT', `${lab.document.faultsEndpoint}/arm/${id}`, { authorization: null, body: fault });

  it('an operation that fails for a reason that passes is submitted once more', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    const answer = await armFault('capacity', {
      method: 'PUT',
      path: 'virtualMachines/hadb01',
      action: { kind: 'failOperation', code: 'AllocationFailed', message: 'no capacity now' },
    });
    expect(answer.status).toBeLessThan(300);

    const outcomes = await buildAll(world);

    expect(outcomes['submitVirtualMachine/hadb01']).toMatchObject({
      result: 'changed',
      verified: expect.stringContaining('vmId') as string,
    });
    const puts = writes().filter(({ method, path }) => method === 'PUT' && path.endsWith('/virtualMachines/hadb01'));
    expect(puts).toHaveLength(2);
  });

  it('an answer that is lost on the way does not make anything twice', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await armFault('lost', { method: 'PUT', path: 'virtualMachines/', count: 2, action: { kind: 'dropResponse' } });

    await buildAll(world);

    expect(lab.machines.calls.filter((call) => call.startsWith('start'))).toEqual(['start hadb01', 'start hadb02']);
  });

  it('a long Retry-After is handed to the run, not slept through', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await armFault('throttle', {
      path: 'resourcegroups/',
      count: 50,
      action: { kind: 'status', status: 429, code: 'TooManyRequests', message: 'slow down', retryAfterSeconds: 120 },
    });

    const error = await failure(world.run('ensureResourceGroup', world.step('resource-group')));

    expect(error).toMatchObject({
      type: 'AzureUnavailable',
      nextRetryDelay: 120_000,
      details: [expect.objectContaining({ retryAfterMs: 120_000 })],
    });
    expect(world.requests).toHaveLength(1);
  });

  it('too many cores are a quota, and final', async () => {
    lab = await startTestLab({ coreLimit: 1 });
    world = createAzureWorld(lab);

    expect(await failure(buildAll(world))).toMatchObject({ type: 'QuotaExceeded', nonRetryable: true });
  });

  it('a wrong client secret is denied, and final', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab, { clientSecret: 'not-the-secret' });

    expect(await failure(world.run('ensureResourceGroup', world.step('resource-group')))).toMatchObject({
      type: 'Denied',
      nonRetryable: true,
      details: [expect.objectContaining({ whatNow: expect.stringContaining('AZURE_CLIENT_SECRET') as string })],
    });
  });

  it('a token that Azure does not take is denied, and final, and nothing is made', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    const expiresOnTimestamp = Date.now() + 3_600_000;
    const wrong = createAzureWorld(lab, {
      credential: { getToken: async () => ({ token: 'no.such.token', expiresOnTimestamp }) },
    });

    const error = await failure(wrong.run('ensureResourceGroup', wrong.step('resource-group')));

    expect(error).toMatchObject({
      type: 'Denied',
      nonRetryable: true,
      details: [
        expect.objectContaining({ whatNow: expect.stringContaining('Check the credential of the worker') as string }),
      ],
    });
    expect(JSON.stringify(error)).not.toContain('no.such.token');
    expect(await failure(world.arm.resources.resourceGroups.get(CLUSTER))).toMatchObject({ statusCode: 404 });
  });

  it('an endpoint that is down is tried again', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await world.run('ensureResourceGroup', world.step('resource-group'));
    await lab.control().close();

    const error = await failure(world.run('ensureResourceGroup', world.step('resource-group')));
    await lab.restart();

    expect(error).toMatchObject({ type: 'AzureUnavailable', nonRetryable: false });
    expect(await world.run('ensureResourceGroup', world.step('resource-group'))).toMatchObject({
      result: 'changedEarlier',
    });
  });

  it('an endpoint whose authority nobody trusts is refused with the setting to change', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab, { ca: '' });

    expect(await failure(world.run('ensureResourceGroup', world.step('resource-group')))).toMatchObject({
      type: 'BadRequest',
      details: [expect.objectContaining({ whatNow: expect.stringContaining('HADB_CA_FILE') as string })],
    });
  });

  it('a change that somebody else made in between is not overwritten', async () => {
    lab = await startTestLab();
    world = createAzureWorld(lab);
    await buildAll(world);
    const stale = await world.arm.network.loadBalancers.get(CLUSTER, 'hadb-test-lb');
    await world.arm.network.loadBalancers.createOrUpdate(CLUSTER, 'hadb-test-lb', {
      ...stale,
      tags: { ...stale.tags, more: 'yes' },
    });

    const refused = await failure(
      world.arm.network.loadBalancers
        .createOrUpdate(CLUSTER, 'hadb-test-lb', stale, {
          requestOptions: { headers: { 'If-Match': stale.etag ?? '' } },
        })
        .serialize(),
    );

    expect(refused).toMatchObject({ statusCode: 412 });
  });
});
