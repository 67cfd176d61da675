import { eventually } from '../../eventually';
import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { createFakeMachines } from './fake-machines';
import { LOCATION, startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

describe('disk faults on an engine that can', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await startTestLab({ machines: createFakeMachines({ diskFaults: true }) });
    const azure = lab.clients();
    await buildNetwork(lab, azure);
    await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
  });
  afterAll(() => lab.close());
  beforeEach(async () => {
    lab.machines.breakMonitor(false);
    await fault('DELETE', '');
    lab.machines.calls.length = 0;
  });

  const fault = (method: string, path: string, body?: unknown) =>
    lab.request(method, `${lab.document.faultsEndpoint}${path}`, {
      authorization: null,
      ...(body === undefined ? {} : { body }),
    });
  const failing = { kind: 'failing', operations: 'write' } as const;
  const slow = { kind: 'slow', operationsPerSecond: 20 } as const;

  it('reach the machine, replace each other, are listed, and are lifted one by one', async () => {
    const put = await fault('PUT', '/disks/hadb01/0', failing);
    await fault('PUT', '/disks/hadb01/0', slow);
    const listed = await fault('GET', '/disks');
    const removed = await fault('DELETE', '/disks/hadb01/0');

    expect(put.body).toEqual({ machine: 'hadb01', vmId: expect.any(String), lun: 0, ...failing });
    expect(listed.body).toEqual({ value: [{ ...put.body, operations: undefined, ...slow }] });
    expect(removed.status).toBe(204);
    expect((await fault('GET', '')).body).toMatchObject({ disks: [] });
    expect(lab.machines.calls).toEqual([
      `disk 0 of hadb01 ${JSON.stringify(failing)}`,
      `disk 0 of hadb01 ${JSON.stringify(slow)}`,
      'disk 0 of hadb01 sound',
    ]);
  });

  it('end with all other faults', async () => {
    await fault('PUT', '/disks/hadb01/0', failing);
    await fault('DELETE', '');

    expect(lab.machines.calls).toEqual([expect.stringContaining('failing'), 'disk 0 of hadb01 sound']);
  });

  it('end by themselves, also when control was restarted and the monitor is late', async () => {
    // Longer than the answer takes: the monitor has to break before the end.
    await fault('PUT', '/disks/hadb01/0', { ...failing, ttlSeconds: 2 });
    lab.machines.breakMonitor(true);
    await lab.restart();
    await eventually('its end has failed', () => lab.log.some((line) => line.includes('to be tried again')));
    const between = await fault('GET', '/disks');
    lab.machines.breakMonitor(false);
    await lab.machines.called('disk 0 of hadb01 sound');

    expect(between.body).toMatchObject({ value: [{ lun: 0, ...failing, endsAt: expect.any(String) }] });
    expect((await fault('GET', '/disks')).body).toEqual({ value: [] });
  });

  it('stay on record when nobody knows how far they came, until they are lifted', async () => {
    lab.machines.breakMonitor(true);
    const refused = await fault('PUT', '/disks/hadb01/0', failing);
    const between = await fault('GET', '/disks');
    lab.machines.breakMonitor(false);
    const lifted = await fault('DELETE', '/disks/hadb01/0');

    expect(refused.status).toBe(500);
    expect(between.body).toMatchObject({ value: [failing] });
    expect(lifted.status).toBe(204);
    expect((await fault('GET', '/disks')).body).toEqual({ value: [] });
  });

  it.each([
    ['/disks/hadb01/3', failing, 404, 'DiskNotFound'],
    ['/disks/hadb01/0', { kind: 'melted' }, 400, 'InvalidFault'],
    ['/disks/hadb01/0', { kind: 'slow' }, 400, 'InvalidFault'],
    ['/disks/none/0', failing, 404, 'MachineNotFound'],
  ])('are refused: PUT %s %j', async (path, body, status, code) => {
    const answer = await fault('PUT', path, body);

    expect([answer.status, answer.error.code]).toEqual([status, code]);
    expect(lab.machines.calls).toEqual([]);
  });

  it('are told with what else could be done to that disk', async () => {
    await fault('PUT', '/disks/hadb01/0', slow);

    const { body } = await fault('GET', '/disks/hadb01/0');

    expect(body).toMatchObject({ possible: ['read-errors', 'write-errors', 'slow'], now: { lun: 0, ...slow } });
  });

  it('strike a running machine only, and end with it', async () => {
    await fault('PUT', '/disks/hadb01/0', failing);
    await fault('POST', '/machines/hadb01/kill');
    const listed = await fault('GET', '/disks');
    const put = await fault('PUT', '/disks/hadb01/0', slow);
    await fault('POST', '/machines/hadb01/reset');

    expect(listed.body).toEqual({ value: [] });
    expect([put.status, put.error.code]).toEqual([409, 'MachineNotRunning']);
    expect((await fault('GET', '/disks')).body).toEqual({ value: [] });
  });
});

describe('the faults endpoint', () => {
  let lab: TestLab;
  let azure: AzureClients;

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
    await buildNetwork(lab, azure);
    await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
  });
  afterAll(() => lab.close());
  afterEach(async () => {
    await fault('DELETE', '');
  });

  const fault = (method: string, path: string, body?: unknown) =>
    lab.request(method, `${lab.document.faultsEndpoint}${path}`, {
      authorization: null,
      ...(body === undefined ? {} : { body }),
    });
  const nsg = () => `${idOf(lab, 'Microsoft.Network/networkSecurityGroups', 'nsg')}?api-version=2026-01-01`;

  it('needs its token, in the path or as bearer', async () => {
    const bare = `${lab.document.armEndpoint}/lab/faults`;

    expect((await lab.request('GET', `${bare}/wrong`, { authorization: null })).status).toBe(401);
    expect((await lab.request('GET', bare, { authorization: `Bearer ${lab.document.faultsToken}` })).status).toBe(200);
    expect((await fault('GET', '')).body).toMatchObject({
      links: [],
      arm: [],
      machines: [{ name: 'hadb01', state: 'running' }],
    });
  });

  it('cuts and restores links by the names of machines', async () => {
    const cut = await fault('PUT', '/links/cut', { from: 'hadb01', to: '*', ttlSeconds: 30 });

    expect(cut.status).toBe(200);
    expect(lab.network.links.get('cut')).toEqual({
      id: 'cut',
      from: 'hadb01',
      to: '*',
      bothDirections: true,
      loss: 1,
      delayMs: 0,
      ttlSeconds: 30,
    });
    expect((await fault('DELETE', '/links/cut')).status).toBe(204);
    expect(lab.network.links.size).toBe(0);
  });

  it('pauses a machine, and resumes it by itself after its time', async () => {
    const paused = await fault('POST', '/machines/hadb01/pause', { ttlSeconds: 0.2 });
    expect(paused.body['state']).toBe('paused');

    await lab.machines.called('resume hadb01');

    expect((await fault('GET', '/machines')).body).toEqual({
      value: [expect.objectContaining({ name: 'hadb01', state: 'running' })],
    });
  });

  it('a pause ends although control was restarted meanwhile', async () => {
    const resumes = () => lab.machines.calls.filter((call) => call === 'resume hadb01').length;
    const before = resumes();

    await fault('POST', '/machines/hadb01/pause', { ttlSeconds: 0.5 });
    await lab.restart();
    await eventually('it was resumed', () => resumes() > before);

    expect((await fault('GET', '/machines')).body).toMatchObject({ value: [{ state: 'running' }] });
  });

  it('a pause without an end ends with every other fault', async () => {
    await fault('POST', '/machines/hadb01/pause');

    await fault('DELETE', '');

    expect((await fault('GET', '/machines')).body).toMatchObject({ value: [{ state: 'running' }] });
  });

  it('kills and resets', async () => {
    expect((await fault('POST', '/machines/hadb01/kill')).body['state']).toBe('stopped');
    expect((await azure.compute.virtualMachines.instanceView(GROUP, 'hadb01')).statuses?.at(-1)?.code).toBe(
      'PowerState/stopped',
    );
    expect((await fault('POST', '/machines/hadb01/reset')).body['state']).toBe('running');
  });

  it.each([
    ['POST', '/machines/none/kill', undefined, 404, 'MachineNotFound'],
    ['POST', '/machines/hadb01/melt', undefined, 404, 'UnknownAction'],
    ['PUT', '/links/x', { from: 'none' }, 404, 'MachineNotFound'],
    ['PUT', '/links/x', { loss: 2 }, 400, 'InvalidFault'],
    ['PUT', '/arm/x', { path: '(', action: { kind: 'delay', ms: 1 } }, 400, 'InvalidFault'],
    ['PUT', '/arm/x', { action: { kind: 'explode' } }, 400, 'InvalidFault'],
    ['PUT', '/disks/none/0', {}, 404, 'MachineNotFound'],
    ['GET', '/disks/hadb01/7', undefined, 404, 'DiskNotFound'],
    ['GET', '/nothing', undefined, 404, 'UnknownFault'],
  ])('refuses %s %s', async (method, path, body, status, code) => {
    const answer = await fault(method, path, body);

    expect([answer.status, answer.error.code]).toEqual([status, code]);
  });

  it('tells what can be done to a disk here, and why no more', async () => {
    const { status, body } = await fault('GET', '/disks/hadb01/0');

    expect(status).toBe(200);
    expect(body).toMatchObject({ machine: 'hadb01', lun: 0, possible: [], obstacle: 'chattr is not permitted' });
    expect(body).not.toHaveProperty('now');
  });

  it('names the engine that cannot make a disk fail, and why; such a disk has nothing to end', async () => {
    const put = await fault('PUT', '/disks/hadb01/0', { kind: 'failing', operations: 'write' });

    expect(put.status).toBe(501);
    expect(put.error).toMatchObject({
      code: 'DiskFaultsNotSupported',
      message: expect.stringMatching(/^The engine uml .* nothing \(chattr is not permitted\).*HADB_LAB_ENGINE=tcg/),
    });
    expect((await fault('GET', '/disks')).body).toEqual({ value: [] });
    expect((await fault('DELETE', '/disks/hadb01/0')).status).toBe(204);
  });

  describe('of the ARM endpoint', () => {
    it('answers the next requests with an error, as many as asked, after as many as skipped', async () => {
      await fault('PUT', '/arm/busy', {
        method: 'GET',
        path: 'networkSecurityGroups/nsg',
        count: 2,
        skip: 1,
        action: { kind: 'status', status: 429, code: 'TooManyRequests', message: 'slow down' },
      });

      const statuses = [];
      for (let index = 0; index < 4; index++) statuses.push((await lab.request('GET', nsg())).status);

      expect(statuses).toEqual([200, 429, 429, 200]);
    });

    it('the SDK waits for Retry-After and comes back', async () => {
      await fault('PUT', '/arm/busy', {
        path: 'networkSecurityGroups/nsg',
        action: { kind: 'status', status: 503, code: 'ServerBusy', message: 'x', retryAfterSeconds: 0 },
      });

      expect((await azure.network.networkSecurityGroups.get(GROUP, 'nsg')).name).toBe('nsg');
    });

    it('an answer that is lost after the deed: the SDK repeats the PUT, and there is one resource', async () => {
      await fault('PUT', '/arm/lost', {
        method: 'PUT',
        path: '/publicIPAddresses/third',
        action: { kind: 'dropResponse' },
      });

      const address = await azure.network.publicIPAddresses.createOrUpdate(GROUP, 'third', {
        location: LOCATION,
        publicIPAllocationMethod: 'Static',
      });

      expect(address.provisioningState).toBe('Succeeded');
      expect(lab.log.filter((line) => line.includes('PUT') && line.includes('/publicIPAddresses/third'))).toEqual([
        expect.stringContaining('not answered'),
        expect.stringContaining(' 200 '),
      ]);
    });

    it('a request that is lost before the deed leaves nothing', async () => {
      const path = `${idOf(lab, 'Microsoft.Network/publicIPAddresses', 'fourth')}?api-version=2026-01-01`;
      await fault('PUT', '/arm/lost', {
        method: 'PUT',
        path: '/publicIPAddresses/fourth',
        action: { kind: 'dropRequest' },
      });

      await expect(lab.request('PUT', path, { body: { location: LOCATION } })).rejects.toThrow(
        /socket hang up|ECONNRESET/,
      );
      expect((await lab.request('GET', path)).status).toBe(404);
    });

    it('an accepted operation ends as failed, with the code asked for', async () => {
      await fault('PUT', '/arm/full', {
        method: 'POST',
        path: '/virtualMachines/hadb01/start',
        action: { kind: 'failOperation', code: 'AllocationFailed', message: 'Allocation failed.' },
      });

      await expect(azure.compute.virtualMachines.start(GROUP, 'hadb01')).rejects.toThrow(/AllocationFailed/);
      await azure.compute.virtualMachines.start(GROUP, 'hadb01');
      expect((await azure.compute.virtualMachines.get(GROUP, 'hadb01')).provisioningState).toBe('Succeeded');
    });

    it('survives a restart of control', async () => {
      await fault('PUT', '/arm/busy', { path: 'networkSecurityGroups/nsg', action: { kind: 'status', status: 500 } });
      await lab.restart();

      expect((await lab.request('GET', nsg())).status).toBe(500);
      expect((await lab.request('GET', nsg())).status).toBe(200);
    });
  });
});
