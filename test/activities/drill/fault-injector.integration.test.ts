import { readFileSync } from 'node:fs';
import { createFaultInjector } from '../../../activities/drill/fault-injector';
import { isHadbError } from '../../../cluster/errors';
import { eventually } from '../../eventually';
import { GROUP, buildNetwork, machineBody } from '../../lab/control/cluster-build';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';
import { createFakeMachines } from '../../lab/control/fake-machines';

/** Freezing a machine through the endpoint that a laboratory offers, by HTTPS and with its own authority. */

let lab: TestLab;
let vmId = '';
let peerVmId = '';
beforeAll(async () => {
  lab = await startTestLab();
  const azure = lab.clients();
  await buildNetwork(lab, azure);
  const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
  vmId = vm.vmId ?? '';
  const peer = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb02', machineBody(lab, 2));
  peerVmId = peer.vmId ?? '';
}, 120_000);
afterAll(() => lab.close());

const injector = (endpoint = lab.document.faultsEndpoint) =>
  createFaultInjector({ endpoint, ca: readFileSync(lab.document.caFile, 'utf8') });

const stateOf = async (): Promise<unknown> => {
  const { body } = await lab.request('GET', `${lab.document.faultsEndpoint}/machines`, { authorization: null });
  return (body as { value: { state: string }[] }).value[0]?.state;
};

const refusalOf = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isHadbError(error)) throw new Error('it was done', { cause: error });
  return error;
};

describe('a machine', () => {
  it('stands still, and goes on by itself after its time', async () => {
    await injector().freeze(vmId, 0.5);

    expect(await stateOf()).toBe('paused');
    await eventually('it goes on', async () => (await stateOf()) === 'running');
  });

  it('is let go on before its time, also when it goes on already', async () => {
    await injector().freeze(vmId, 600);
    await injector().thaw(vmId);
    await injector().thaw(vmId);

    expect(await stateOf()).toBe('running');
  });

  it('of another VM id is not frozen, and the error tells no token', async () => {
    const { code, message, details } = await refusalOf(injector().freeze('00000000-1111-2222-3333-444444444444', 1));

    expect(code).toBe('BadRequest');
    expect(details.observed).toContain('MachineNotFound');
    expect(message + JSON.stringify(details)).not.toContain(lab.document.faultsEndpoint.split('/').at(-1));
  });

  it('is not frozen by an endpoint that does not answer, and the error tells no token', async () => {
    const { code, message, details } = await refusalOf(
      injector('https://127.0.0.1:9/lab/faults/secret').freeze(vmId, 1),
    );

    expect(code).toBe('NotReady');
    expect(message + JSON.stringify(details)).not.toContain('secret');
  });
});

describe('the network', () => {
  const CUT = { bothDirections: true, loss: 1, delayMs: 0, seconds: 600 };

  it.each([
    ['between two machines', () => peerVmId],
    ['between a machine and Azure Resource Manager', () => 'management'],
  ])('is cut %s, and made good again', async (_, to) => {
    const { links } = injector();

    await links?.put({ id: 'drill-partition-hadb01', from: vmId, to: to(), ...CUT });
    const during = await links?.has('drill-partition-hadb01');
    await links?.remove('drill-partition-hadb01');
    await links?.remove('drill-partition-hadb01');

    expect(during).toBe(true);
    expect(await links?.has('drill-partition-hadb01')).toBe(false);
  });

  it('of a machine that there is not is not touched', async () => {
    const put = async () => injector().links?.put({ id: 'x', from: vmId, to: 'hadb77', ...CUT });

    expect((await refusalOf(put())).code).toBe('BadRequest');
  });
});

describe('a data disk', () => {
  it('that the engine cannot make fail is told, and no error', async () => {
    const { disks } = injector();

    expect(await disks?.canFail(vmId)).toBe(false);
    expect(await disks?.failWrites(vmId, 60)).toBe(false);
    await disks?.restore(vmId);
    expect(lab.machines.calls.filter((call) => call.includes('failing'))).toEqual([]);
  });

  it('fails its writes, and is sound again, also twice', async () => {
    const emulated = await startTestLab({ machines: createFakeMachines({ diskFaults: true }) });
    try {
      const azure = emulated.clients();
      await buildNetwork(emulated, azure);
      const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(emulated, 1));
      const { faultsEndpoint: endpoint, caFile } = emulated.document;
      const { disks } = createFaultInjector({ endpoint, ca: readFileSync(caFile, 'utf8') });

      const can = await disks?.canFail(vm.vmId ?? '');
      const failed = await disks?.failWrites(vm.vmId ?? '', 600);
      await disks?.restore(vm.vmId ?? '');
      await disks?.restore(vm.vmId ?? '');

      expect([can, failed]).toEqual([true, true]);
      expect(emulated.machines.calls.filter((call) => call.startsWith('disk 0'))).toEqual([
        'disk 0 of hadb01 {"kind":"failing","operations":"write"}',
        'disk 0 of hadb01 sound',
        'disk 0 of hadb01 sound',
      ]);
    } finally {
      await emulated.close();
    }
  });
});
