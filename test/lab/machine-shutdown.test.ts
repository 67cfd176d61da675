import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningMachines, shutDownMachines } from '../../lab/machine-shutdown';
import type { VirtualMachine } from '../../lab/control/resources/virtual-machine';
import { useTemporaryDirectory } from '../temporary-directory';
import { createFakeMachines } from './control/fake-machines';
import { virtualMachine } from './control/resources-for-tests';

describe('the end of the machines', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  const runningVm = (name: string): VirtualMachine => {
    const vm = virtualMachine(name, '/nic');
    const { machine } = vm.hidden;
    if (machine === undefined) throw new Error('no machine');
    const machineDirectory = join(directory, name);
    mkdirSync(machineDirectory);
    writeFileSync(join(machineDirectory, 'fake.json'), JSON.stringify({ state: 'running', startedAt: 0 }));
    return { ...vm, hidden: { ...vm.hidden, machine: { ...machine, directory: machineDirectory } } };
  };
  const graceful = { how: 'graceful', graceMs: 60_000 } as const;

  it('asks every guest before the first one is down', async () => {
    const machines = createFakeMachines();
    const said: string[] = [];
    let release = (): void => undefined;
    machines.holdStops(new Promise((resolve) => (release = resolve)));
    const all = [runningVm('hadb01'), runningVm('hadb02')];

    const down = shutDownMachines(all, machines, { ...graceful, onProgress: (sentence) => said.push(sentence) });
    await Promise.all([machines.called('stop hadb01 graceful'), machines.called('stop hadb02 graceful')]);
    const running = runningMachines(all, machines).map(({ name }) => name);
    release();
    await down;

    expect(running).toEqual(['hadb01', 'hadb02']);
    expect(runningMachines(all, machines)).toEqual([]);
    expect(said).toEqual([
      'stopping hadb01',
      'stopping hadb02',
      expect.stringMatching(/^hadb01 is down after \d+\.\d s$/),
      expect.stringMatching(/^hadb02 is down after \d+\.\d s$/),
    ]);
  });

  it('lets a guest end in order although another one cannot be asked, and then says which', async () => {
    const machines = createFakeMachines();
    const fake = machines.driver('golden');
    const all = [runningVm('hadb01'), runningVm('hadb02')];
    let release = (): void => undefined;
    machines.holdStops(new Promise((resolve) => (release = resolve)));
    const host = {
      ...machines,
      driver: () => ({
        ...fake,
        stop: async (...[machine, how, graceMs]: Parameters<typeof fake.stop>) => {
          if (machine.name === 'hadb01') throw new Error('cannot reach hadb01');
          await fake.stop(machine, how, graceMs);
        },
      }),
    };

    let ended = false;
    const down = shutDownMachines(all, host, { ...graceful, onProgress: () => undefined }).finally(() => {
      ended = true;
    });
    const outcome = down.catch((error: Error) => error.message);
    await machines.called('stop hadb02 graceful');
    const endedBeforeAllWereDown = ended;
    release();

    expect(await outcome).toBe('cannot reach hadb01');
    expect(endedBeforeAllWereDown).toBe(false);
    expect(runningMachines(all, machines).map(({ name }) => name)).toEqual(['hadb01']);
  });
});
