import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { restorePoller } from '@azure/arm-compute';
import { readStoredResources } from '../../../lab/control/store';
import { createLabDocument, writeLabDocument } from '../../../lab/lab-document';
import type { LabDocument } from '../../../lab/lab-document';
import { GROUP, buildNetwork, machineBody } from './cluster-build';
import { removeDirectory } from './fake-machines';
import { freePort } from '../../free-port';
import { connectClients } from './lab-fixture';
import type { AzureClients } from './lab-fixture';

const BOOT_MS = 400;

describe('control killed with SIGKILL', () => {
  let stateDirectory: string;
  let document: LabDocument;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    stateDirectory = mkdtempSync(join(tmpdir(), 'hadb-killed-'));
    document = createLabDocument(stateDirectory, await freePort());
    writeLabDocument(stateDirectory, document);
  });
  afterEach(async () => {
    await kill();
    removeDirectory(stateDirectory);
  });

  const start = async (): Promise<AzureClients> => {
    const program = join(__dirname, 'control-process.ts');
    const started = spawn(
      process.execPath,
      ['-r', join(__dirname, 'run-typescript.cjs'), program, stateDirectory, String(BOOT_MS)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    child = started;
    await new Promise<void>((resolve, reject) => {
      started.stdout.once('data', () => resolve());
      started.once('exit', (code) => reject(new Error(`control ended with ${code}`)));
    });
    return connectClients(document);
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  const startsOf = (vmId: string | undefined) =>
    JSON.parse(readFileSync(join(stateDirectory, 'machines', vmId ?? '', 'fake.json'), 'utf8')) as { state: string };

  it.each([0, 60, BOOT_MS])(
    '%i ms into a machine’s creation goes on with it, and the resumed poller ends in Succeeded',
    async (ms) => {
      const azure = await start();
      await buildNetwork({ document }, azure);
      const poller = azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody({ document }, 1));
      poller.then(undefined, () => undefined);
      const state = await poller.serialize();
      await sleep(ms);

      await kill();
      const again = await start();
      const vm = await restorePoller(again.compute, state, again.compute.virtualMachines.createOrUpdate);

      expect(vm.provisioningState).toBe('Succeeded');
      expect(startsOf(vm.vmId).state).toBe('running');
      expect(readdirSync(join(stateDirectory, 'disks')).toSorted()).toEqual([
        `${vm.vmId}-lun0.img`,
        `${vm.vmId}-os.img`,
      ]);
    },
  );

  it('again and again during a whole build, with a client that repeats what failed, leaves the same as without', async () => {
    let azure = await start();
    let building = true;
    const refusals: string[] = [];
    let kills = 0;
    const killer = (async () => {
      while (kills < 6) {
        await sleep(150 + 130 * kills);
        if (!building) return;
        await kill();
        kills += 1;
        azure = await start();
      }
    })();
    const build = async () => {
      for (;;) {
        try {
          await buildNetwork({ document }, azure);
          for (const node of [1, 2]) {
            await azure.compute.virtualMachines.createOrUpdate(GROUP, `hadb0${node}`, machineBody({ document }, node));
          }
          return;
        } catch (error) {
          // Not answered is no refusal: whatever was accepted is found by the next round.
          if (typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode !== undefined) {
            refusals.push(JSON.stringify(error));
          }
          if (refusals.length > 5) return;
          await sleep(50);
        }
      }
    };
    await build();
    building = false;
    await killer;
    if (child === undefined) await start();

    expect(refusals).toEqual([]);
    expect(kills).toBeGreaterThan(0);
    const resources = readStoredResources(join(stateDirectory, 'control'));
    expect(resources.map(({ type, name }) => `${type.split('/')[1]} ${name}`).toSorted()).toEqual([
      'availabilitySets set',
      'disks hadb01-data',
      'disks hadb01-os',
      'disks hadb02-data',
      'disks hadb02-os',
      'loadBalancers lb',
      'networkInterfaces nic-1',
      'networkInterfaces nic-2',
      'networkSecurityGroups nsg',
      'proximityPlacementGroups ppg',
      'publicIPAddresses ip',
      'resourceGroups hadb-test',
      'virtualMachines hadb01',
      'virtualMachines hadb02',
      'virtualNetworks vnet',
    ]);
    expect(resources.filter(({ provisioningState }) => provisioningState !== 'Succeeded')).toEqual([]);
    expect(readdirSync(join(stateDirectory, 'disks'))).toHaveLength(4);
    expect(readdirSync(join(stateDirectory, 'machines'))).toHaveLength(2);
  });

  it('in the middle of a group’s deletion deletes the rest after the start', async () => {
    let azure = await start();
    await buildNetwork({ document }, azure);
    await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody({ document }, 1));
    const deletion = azure.resources.resourceGroups.delete(GROUP);
    deletion.then(undefined, () => undefined);
    await deletion.serialize();

    await kill();
    azure = await start();
    for (;;) {
      const { body: exists } = await azure.resources.resourceGroups.checkExistence(GROUP);
      if (!exists) break;
      await sleep(20);
    }

    expect(readStoredResources(join(stateDirectory, 'control'))).toEqual([]);
    expect(readdirSync(join(stateDirectory, 'disks'))).toEqual([]);
    expect(readdirSync(join(stateDirectory, 'machines'))).toEqual([]);
  });
});
