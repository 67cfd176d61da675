import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../processes/owned-process';
import { readRemovableFile } from '../state-file';
import { nameDiskFault, type DiskFault, type Machine, type MachineDriver } from '../model';
import { FaultError, parseFault } from './fault-error';
import type { MachineRoom } from './machine-room';
import type { VirtualMachine } from './resources/virtual-machine';

const ttlSeconds = z.number().positive().max(3600).optional();
const diskFaultSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('slow'), operationsPerSecond: z.int().min(1).max(1_000_000), ttlSeconds }),
  z.strictObject({ kind: z.literal('failing'), operations: z.enum(['read', 'write']), ttlSeconds }),
]);

const recordsSchema = z.array(
  z.object({
    vmId: z.string(),
    lun: z.int(),
    fault: diskFaultSchema,
    /** ISO 8601. */
    endsAt: z.string().exactOptional(),
  }),
);
/** What was asked for; a new start of the machine's kernel ends the fault itself. */
type DiskFaultRecord = z.infer<typeof recordsSchema>[number];

/** A monitor that does not answer (a kernel that is just starting again) is asked again after this time. */
const RETRY_MS = 2000;

/** Faults of data disks, one per disk; they end by themselves, also when control was killed meanwhile. */
export interface DiskFaults {
  /** Errors: FaultError MachineNotReady, MachineNotRunning, DiskNotFound, DiskFaultsNotSupported, InvalidFault. */
  put(vm: VirtualMachine, lun: string, body: unknown): Promise<object>;
  /** What could be done to it (`possible`, and why no more), and what is. Errors: FaultError MachineNotReady, DiskNotFound. */
  show(vm: VirtualMachine, lun: string): Promise<object>;
  /** Safe to repeat; a disk without a fault is fine. Errors: FaultError MachineNotReady, DiskNotFound. */
  remove(vm: VirtualMachine, lun: string): Promise<void>;
  list(): readonly object[];
  clear(): Promise<void>;
  /** The machine's process has ended, and the faults of its disks with it. */
  machineEnded(vm: VirtualMachine): void;
  close(): void;
}

export function createDiskFaults(options: {
  directory: string;
  allMachines: () => readonly VirtualMachine[];
  machines: Pick<MachineRoom, 'access'>;
  now: () => Date;
  log: (line: string) => void;
}): DiskFaults {
  const { allMachines, machines, now, log } = options;
  const file = join(options.directory, 'disk-faults.json');
  const timers = new Map<string, NodeJS.Timeout>();
  let records = readRemovableFile(file, recordsSchema) ?? [];

  const save = (next: DiskFaultRecord[]) => {
    records = next;
    writeFileAtomically(file, JSON.stringify(records, undefined, 1));
  };
  const keyOf = ({ vmId, lun }: Pick<DiskFaultRecord, 'vmId' | 'lun'>) => `${vmId} ${lun}`;
  const without = (record: Pick<DiskFaultRecord, 'vmId' | 'lun'>) =>
    records.filter((other) => keyOf(other) !== keyOf(record));
  const machineOf = (vmId: string) => {
    const vm = allMachines().find(({ guid }) => guid === vmId);
    return vm === undefined ? undefined : machines.access(vm);
  };

  const forget = (record: Pick<DiskFaultRecord, 'vmId' | 'lun'>) => {
    clearTimeout(timers.get(keyOf(record)));
    timers.delete(keyOf(record));
    save(without(record));
  };

  /** The disk first, the record after it: whoever fails in between finds the record and lifts the fault again. */
  const lift = async (record: Pick<DiskFaultRecord, 'vmId' | 'lun'>): Promise<void> => {
    const access = machineOf(record.vmId);
    // A machine that does not run begins with sound disks.
    if (access !== undefined && access.driver.state(access.machine) !== 'stopped') {
      await access.driver.setDiskFault(access.machine, record.lun, undefined);
    }
    forget(record);
  };

  const armTimer = (record: DiskFaultRecord, waitMs: number) => {
    clearTimeout(timers.get(keyOf(record)));
    const end = () => {
      lift(record).then(
        () => log(`disk ${record.lun} of machine ${record.vmId} is sound again: its fault is over`),
        (error: unknown) => {
          log(`ending the fault of disk ${record.lun} of ${record.vmId}, to be tried again: ${String(error)}`);
          if (timers.has(keyOf(record))) armTimer(record, RETRY_MS);
        },
      );
    };
    timers.set(keyOf(record), setTimeout(end, waitMs));
  };
  const armEnd = (record: DiskFaultRecord) => {
    if (record.endsAt !== undefined) armTimer(record, Math.max(0, Date.parse(record.endsAt) - now().getTime()));
  };
  records.forEach(armEnd);

  return {
    async put(vm, lunText, body) {
      const { driver, machine } = requireMachine(vm, machines);
      const lun = requireDisk(machine, lunText);
      const { ttlSeconds: ttl, ...fault } = parseFault(diskFaultSchema, body ?? {});
      const state = driver.state(machine);
      if (state !== 'running') {
        throw new FaultError(
          409,
          'MachineNotRunning',
          `${vm.name} is ${state}; its disks can be struck while it runs.`,
        );
      }
      await requirePossible(driver, machine, fault);
      const record: DiskFaultRecord = {
        vmId: vm.guid,
        lun,
        fault,
        ...(ttl === undefined ? {} : { endsAt: new Date(now().getTime() + ttl * 1000).toISOString() }),
      };
      forget(record);
      // Written first: a fault that nobody ends would be worse than a timer that finds nothing to do.
      save([...records, record]);
      armEnd(record);
      try {
        await driver.setDiskFault(machine, lun, fault);
      } catch (error) {
        // Whatever of it took effect is lifted; should that fail, too, the record stays for its time, or for a DELETE.
        await lift(record).catch(() => undefined);
        throw error;
      }
      log(`fault: disk ${lun} of ${vm.name} ${JSON.stringify(fault)}`);
      return describe(vm, record);
    },

    async show(vm, lunText) {
      const { driver, machine } = requireMachine(vm, machines);
      const key = { vmId: vm.guid, lun: requireDisk(machine, lunText) };
      const record = records.find((other) => keyOf(other) === keyOf(key));
      const possible = await driver.possibleDiskFaults(machine);
      return { machine: vm.name, ...key, ...possible, ...(record === undefined ? {} : { now: describe(vm, record) }) };
    },

    async remove(vm, lunText) {
      const { machine } = requireMachine(vm, machines);
      await lift({ vmId: vm.guid, lun: requireDisk(machine, lunText) });
    },

    list() {
      return records.flatMap((record) => {
        const vm = allMachines().find(({ guid }) => guid === record.vmId);
        const access = vm === undefined ? undefined : machines.access(vm);
        if (vm === undefined || access === undefined || access.driver.state(access.machine) === 'stopped') return [];
        return [describe(vm, record)];
      });
    },

    async clear() {
      for (const record of records) await lift(record);
    },

    machineEnded(vm) {
      for (const record of records.filter(({ vmId }) => vmId === vm.guid)) forget(record);
    },

    close() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

function describe(vm: VirtualMachine, { lun, fault, endsAt }: DiskFaultRecord): object {
  return { machine: vm.name, vmId: vm.guid, lun, ...fault, ...(endsAt === undefined ? {} : { endsAt }) };
}

function requireMachine(vm: VirtualMachine, machines: Pick<MachineRoom, 'access'>) {
  const access = machines.access(vm);
  if (access === undefined) throw new FaultError(409, 'MachineNotReady', `${vm.name} has not been created yet.`);
  return access;
}

/** Errors: FaultError DiskFaultsNotSupported. */
async function requirePossible(driver: MachineDriver, machine: Machine, fault: DiskFault): Promise<void> {
  const { possible, obstacle } = await driver.possibleDiskFaults(machine);
  if (possible.includes(nameDiskFault(fault))) return;
  throw new FaultError(
    501,
    'DiskFaultsNotSupported',
    `The engine ${driver.engine} of this lab can make of that disk: ${possible.join(', ') || 'nothing'}` +
      `${obstacle === undefined ? '' : ` (${obstacle})`}. QEMU can do more (a new lab with HADB_LAB_ENGINE=tcg, or kvm). In ` +
      'the guest, a device-mapper target (dm-flakey, dm-delay, dm-dust; modules are in the image) under the DRBD device does it.',
  );
}

function requireDisk(machine: Machine, lunText: string): number {
  const disk = machine.dataDisks.find(({ lun }) => String(lun) === lunText);
  if (disk !== undefined) return disk.lun;
  const luns = machine.dataDisks.map(({ lun }) => lun).join(', ') || 'none';
  throw new FaultError(404, 'DiskNotFound', `${machine.name} has no data disk with LUN ${lunText}; it has: ${luns}.`);
}
