import { readFileSync } from 'node:fs';
import { createFaultInjector } from '../../../activities/drill/fault-injector';
import { isHadbError } from '../../../cluster/errors';
import { eventually } from '../../eventually';
import { GROUP, buildNetwork, machineBody } from '../../lab/control/cluster-build';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';

/** Freezing a machine through the endpoint that a laboratory offers, by HTTPS and with its own authority. */

let lab: TestLab;
let vmId = '';
beforeAll(async () => {
  lab = await startTestLab();
  const azure = lab.clients();
  await buildNetwork(lab, azure);
  const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
  vmId = vm.vmId ?? '';
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
