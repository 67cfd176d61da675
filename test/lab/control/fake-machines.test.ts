import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from '../../../lab/model';
import { createFakeMachines, removeDirectory } from './fake-machines';

describe('the fake machines', () => {
  let directory: string;
  let machine: Machine;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-fake-'));
    const file = (name: string) => join(directory, name);
    machine = {
      id: 'id',
      name: 'hadb01',
      directory: file('machine'),
      memoryMiB: 768,
      cpu: 0,
      osDisk: file('os'),
      dataDisks: [{ lun: 0, file: file('data') }],
      provisioningDisk: file('provisioning'),
      nic: {
        mac: '60:45:bd:00:00:01',
        wiring: { switchPort: 1, machinePort: 2, machineCookie: '0', switchCookie: '1' },
      },
    };
    mkdirSync(machine.directory);
    const fake = createFakeMachines();
    await fake.createOsDisk('golden', machine.osDisk);
    await fake.createDataDisk(file('data'), 5);
    await fake.writeProvisioningDisk(machine.provisioningDisk, {
      vmId: 'id',
      hostName: 'hadb01',
      adminUser: 'azureuser',
      authorizedKeys: [],
      address: '10.10.10.4',
      prefixLength: 24,
      gateway: '10.10.10.1',
    });
  });
  afterEach(() => removeDirectory(directory));

  it('refuses to start without a disk, as an engine would', async () => {
    removeDirectory(machine.osDisk);

    await expect(createFakeMachines().driver('golden').start(machine)).rejects.toThrow(/os is missing/);
  });

  it('reports after its boot time, and is found running by another instance', async () => {
    await createFakeMachines({ bootMs: 500 }).driver('golden').start(machine);

    const other = createFakeMachines({ bootMs: 500 }).driver('golden');
    expect(other.state(machine)).toBe('running');
    await expect(other.awaitProvisioned(machine, 1)).rejects.toThrow(/took more than/);
    await other.awaitProvisioned(machine, 5000);
  });

  it('is paused, resumed, crashed and stopped, and remembers what it was asked', async () => {
    const fake = createFakeMachines({ bootMs: 0 });
    const driver = fake.driver('golden');
    await driver.start(machine);
    await driver.start(machine);
    await driver.pause(machine);
    expect(driver.state(machine)).toBe('paused');
    await driver.resume(machine);
    fake.crash(machine);
    expect(driver.state(machine)).toBe('stopped');
    await driver.stop(machine, 'hard', 0);

    expect(fake.calls).toEqual(['start hadb01', 'pause hadb01', 'resume hadb01']);
    expect(existsSync(machine.osDisk)).toBe(true);
  });
});
