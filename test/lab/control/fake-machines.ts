import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineHost } from '../../../lab/control/machine-host';
import type { LabImageName } from '../../../lab/control/resources/vm-image';
import type { Machine, MachineDriver, MachineState } from '../../../lab/model';

/**
 * Machines without machines: their state is a file in the machine's directory, so that it outlives the process as a
 * real machine would, and their guest reports `bootMs` after the start.
 */
export interface FakeMachines extends MachineHost {
  /** What was asked of the driver, in order, for instance `start hadb01`. */
  readonly calls: string[];
  /** As if the guest had shut itself down or crashed. */
  crash(machine: Pick<Machine, 'directory'>): void;
  /** From now on guests report, although they were made not to. */
  report(): void;
  /** Stops wait for it, graceful ones only or all. */
  holdStops(until: Promise<void>): void;
  holdGracefulStops(until: Promise<void>): void;
  /** Resolves once the driver has been asked for it. */
  called(call: string): Promise<void>;
  /** From now on the driver cannot reach the monitor of a machine, or it can again. */
  breakMonitor(broken: boolean): void;
  /** Resolves once any machine has been started. */
  started(): Promise<void>;
}

interface FakeRecord {
  state: MachineState;
  startedAt: number;
}

export function createFakeMachines(
  options: {
    bootMs?: number;
    neverReports?: boolean;
    images?: readonly LabImageName[];
    /** An engine that can make disks fail or slow (QEMU's emulation) instead of one that cannot here (user-mode Linux, not as root). */
    diskFaults?: boolean;
  } = {},
): FakeMachines {
  const { bootMs = 20, images = ['golden', 'clean'] } = options;
  let reports = options.neverReports !== true;
  let heldAll: Promise<void> = Promise.resolve();
  let heldGraceful: Promise<void> = Promise.resolve();
  let monitorBroken = false;
  const calls: string[] = [];
  const file = (machine: Pick<Machine, 'directory'>) => join(machine.directory, 'fake.json');
  const read = (machine: Pick<Machine, 'directory'>): FakeRecord =>
    existsSync(file(machine))
      ? (JSON.parse(readFileSync(file(machine), 'utf8')) as FakeRecord)
      : { state: 'stopped', startedAt: 0 };
  const write = (machine: Pick<Machine, 'directory'>, record: FakeRecord) => {
    mkdirSync(machine.directory, { recursive: true });
    writeFileSync(file(machine), JSON.stringify(record));
  };

  const driver: MachineDriver = {
    engine: options.diskFaults === true ? 'tcg' : 'uml',
    async possibleDiskFaults() {
      return options.diskFaults === true
        ? { possible: ['read-errors', 'write-errors', 'slow'] }
        : { possible: [], obstacle: 'chattr is not permitted' };
    },
    async setDiskFault(machine, lun, fault) {
      if (monitorBroken) throw new Error('QEMU does not answer');
      calls.push(`disk ${lun} of ${machine.name} ${fault === undefined ? 'sound' : JSON.stringify(fault)}`);
    },
    async start(machine) {
      if (read(machine).state !== 'stopped') return;
      for (const disk of [machine.osDisk, machine.provisioningDisk, ...machine.dataDisks.map((data) => data.file)]) {
        if (!existsSync(disk)) throw new Error(`disk ${disk} is missing`);
      }
      calls.push(`start ${machine.name}`);
      write(machine, { state: 'running', startedAt: Date.now() });
    },
    async stop(machine, how) {
      if (read(machine).state === 'stopped') return;
      calls.push(`stop ${machine.name} ${how}`);
      await heldAll;
      if (how === 'graceful') await heldGraceful;
      write(machine, { state: 'stopped', startedAt: 0 });
    },
    async reset(machine) {
      calls.push(`reset ${machine.name}`);
      write(machine, { state: 'running', startedAt: Date.now() });
    },
    state: (machine) => read(machine).state,
    async pause(machine) {
      calls.push(`pause ${machine.name}`);
      write(machine, { ...read(machine), state: 'paused' });
    },
    async resume(machine) {
      if (read(machine).state !== 'paused') return;
      calls.push(`resume ${machine.name}`);
      write(machine, { ...read(machine), state: 'running' });
    },
    async awaitProvisioned(machine, timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const { state, startedAt } = read(machine);
        if (reports && state === 'running' && Date.now() >= startedAt + bootMs) return;
        if (state === 'stopped') throw new Error(`${machine.name} stopped before its provisioning was complete`);
        if (Date.now() >= deadline) throw new Error(`${machine.name} took more than ${timeoutMs / 1000} s`);
        await sleep(5);
      }
    },
  };

  return {
    calls,
    images,
    cpus: [0, 1],
    driver: () => driver,
    async createOsDisk(image, target) {
      if (!existsSync(target)) writeFileSync(target, `os disk of ${image}`);
    },
    async createDataDisk(target, sizeGiB) {
      if (!existsSync(target)) writeFileSync(target, `data disk of ${sizeGiB} GiB`);
    },
    async writeProvisioningDisk(target, provisioning) {
      writeFileSync(target, JSON.stringify(provisioning));
    },
    crash(machine) {
      write(machine, { state: 'stopped', startedAt: 0 });
    },
    report() {
      reports = true;
    },
    holdStops(until) {
      heldAll = until;
    },
    breakMonitor(broken) {
      monitorBroken = broken;
    },
    holdGracefulStops(until) {
      heldGraceful = until;
    },
    async called(call) {
      while (!calls.includes(call)) await sleep(2);
    },
    async started() {
      while (!calls.some((call) => call.startsWith('start '))) await sleep(2);
    },
  };
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
