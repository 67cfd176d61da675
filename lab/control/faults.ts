import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { writeFileAtomically } from '../../processes/owned-process';
import { readRemovableFile } from '../state-file';
import type { LinkFault } from '../model';
import { createDiskFaults } from './disk-faults';
import { FaultError, parseFault } from './fault-error';
import type { MachineRoom } from './machine-room';
import type { VirtualMachine } from './resources/virtual-machine';
import type { Store } from './store';
import { messageOf } from '../../processes/error-message';

/** Who cuts links: the wire process. */
export interface LinkFaults {
  put(fault: LinkFault): Promise<void>;
  remove(id: string): Promise<void>;
  list(): Promise<readonly LinkFault[]>;
  clear(): Promise<void>;
}

const armActionSchema = z.discriminatedUnion('kind', [
  /** Answers with an error instead of doing anything. */
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(400).max(599),
    code: z.string().default('InjectedFault'),
    message: z.string().default('A fault of the lab.'),
    /** Without it a 429 is not repeated by the SDK. */
    retryAfterSeconds: z.int().min(0).optional(),
  }),
  z.strictObject({ kind: z.literal('delay'), ms: z.int().min(0).max(600_000) }),
  /** Closes the connection before anything is done. */
  z.strictObject({ kind: z.literal('dropRequest') }),
  /** Does everything, and closes the connection instead of answering. */
  z.strictObject({ kind: z.literal('dropResponse') }),
  /** Accepts, and lets the long-running operation end as failed. */
  z.strictObject({ kind: z.literal('failOperation'), code: z.string(), message: z.string() }),
]);

const armFaultSchema = z.strictObject({
  /** HTTP method; any when absent. */
  method: z.string().optional(),
  /** Regular expression on path and query, case-insensitive; any when absent. */
  path: z.string().optional(),
  /** How many matching requests it strikes. */
  count: z.int().min(1).max(1_000_000).default(1),
  /** Lets that many matching requests pass first. */
  skip: z.int().min(0).default(0),
  action: armActionSchema,
});
export type ArmAction = z.infer<typeof armActionSchema>;
const storedArmFaultSchema = armFaultSchema.extend({ id: z.string() });
export type ArmFault = z.infer<typeof storedArmFaultSchema>;

/** Ends of links that are no machine; the last two are what guests reach of the cloud. */
const LINK_ENDS = new Set(['*', 'gateway', 'management', 'metadata']);

const linkFaultSchema = z.strictObject({
  from: z.string().default('*'),
  to: z.string().default('*'),
  bothDirections: z.boolean().default(true),
  loss: z.number().min(0).max(1).default(1),
  delayMs: z.number().min(0).default(0),
  ttlSeconds: z.number().positive().optional(),
});

const machineBodySchema = z.strictObject({
  /** pause: resumes by itself after this time. */
  ttlSeconds: z.number().positive().max(3600).optional(),
});

const faultStateSchema = z.object({
  arm: z.array(storedArmFaultSchema),
  /** Machines to resume, by vmId, with the time (ISO 8601). */
  resumeAt: z.record(z.string(), z.string()),
});
type FaultState = z.infer<typeof faultStateSchema>;

export interface FaultAnswer {
  status: number;
  body?: unknown;
}

/** The lab's own API, beside ARM: faults that no cloud offers on request. */
export interface Faults {
  handle(method: string, path: readonly string[], body: unknown): Promise<FaultAnswer>;
  /** The faults that strike this request; counts them. */
  strike(method: string, pathAndQuery: string): readonly ArmFault[];
  close(): void;
}

export function createFaults(options: {
  directory: string;
  store: Store;
  machines: MachineRoom;
  links: LinkFaults;
  log: (line: string) => void;
  now: () => Date;
}): Faults {
  const { store, machines, links, log, now } = options;
  const file = join(options.directory, 'faults.json');
  let state: FaultState = readRemovableFile(file, faultStateSchema) ?? { arm: [], resumeAt: {} };
  const timers = new Map<string, NodeJS.Timeout>();

  const save = (next: FaultState) => {
    state = next;
    writeFileAtomically(file, JSON.stringify(state, undefined, 1));
  };

  const allMachines = (): VirtualMachine[] => store.ofType('Microsoft.Compute/virtualMachines');

  const disks = createDiskFaults({ directory: options.directory, allMachines, machines, now, log });

  const findMachine = (name: string): VirtualMachine => {
    const matching = allMachines().filter(
      (vm) =>
        vm.guid === name.toLowerCase() ||
        vm.id.toLowerCase() === name.toLowerCase() ||
        vm.name.toLowerCase() === name.toLowerCase() ||
        vm.properties.osProfile.computerName.toLowerCase() === name.toLowerCase(),
    );
    const [vm, second] = matching;
    if (vm === undefined) {
      const known = allMachines().map((other) => other.name);
      throw new FaultError(
        404,
        'MachineNotFound',
        `There is no machine ${name}; the lab has: ${known.join(', ') || 'none'}.`,
      );
    }
    if (second !== undefined) {
      throw new FaultError(
        409,
        'MachineAmbiguous',
        `${name} is ${matching.map(({ id }) => id).join(' and ')}; use the vmId.`,
      );
    }
    return vm;
  };

  const resume = async (vmId: string): Promise<void> => {
    clearTimeout(timers.get(vmId));
    timers.delete(vmId);
    const { [vmId]: _gone, ...resumeAt } = state.resumeAt;
    const vm = allMachines().find(({ guid }) => guid === vmId);
    const access = vm === undefined ? undefined : machines.access(vm);
    if (access !== undefined && access.driver.state(access.machine) === 'paused')
      await access.driver.resume(access.machine);
    save({ ...state, resumeAt });
  };

  const armTimer = (vmId: string, at: string) => {
    clearTimeout(timers.get(vmId));
    const timer = setTimeout(
      () => {
        log(`machine ${vmId} is resumed: its pause is over`);
        void resume(vmId).catch((error: unknown) => log(`resuming ${vmId}: ${String(error)}`));
      },
      Math.max(0, Date.parse(at) - now().getTime()),
    );
    timers.set(vmId, timer);
  };
  for (const [vmId, at] of Object.entries(state.resumeAt)) armTimer(vmId, at);

  const machineAction = async (name: string, action: string, body: unknown): Promise<FaultAnswer> => {
    const vm = findMachine(name);
    const access = machines.access(vm);
    if (access === undefined) throw new FaultError(409, 'MachineNotReady', `${vm.name} has not been created yet.`);
    const { driver, machine } = access;
    const { ttlSeconds } = parseFault(machineBodySchema, body ?? {});
    const before = driver.state(machine);
    switch (action) {
      case 'pause': {
        if (before === 'stopped')
          throw new FaultError(409, 'MachineNotRunning', `${vm.name} is stopped; it cannot be paused.`);
        if (ttlSeconds !== undefined) {
          const at = new Date(now().getTime() + ttlSeconds * 1000).toISOString();
          // Written first: a pause that nobody ends would be worse than a timer that finds nothing to do.
          save({ ...state, resumeAt: { ...state.resumeAt, [vm.guid]: at } });
          armTimer(vm.guid, at);
        }
        await driver.pause(machine);
        break;
      }
      case 'resume':
        await resume(vm.guid);
        break;
      case 'kill':
        await driver.stop(machine, 'hard', 0);
        disks.machineEnded(vm);
        break;
      case 'reset':
        await driver.reset(machine);
        disks.machineEnded(vm);
        break;
      default:
        throw new FaultError(404, 'UnknownAction', `Machines know pause, resume, kill and reset, not ${action}.`);
    }
    log(`fault: ${action} ${vm.name}`);
    return { status: 200, body: { name: vm.name, vmId: vm.guid, state: driver.state(machine) } };
  };

  const listMachines = () =>
    allMachines().map((vm) => ({
      name: vm.name,
      computerName: vm.properties.osProfile.computerName,
      vmId: vm.guid,
      resourceId: vm.id,
      state: machines.state(vm) ?? 'none',
      ...(state.resumeAt[vm.guid] === undefined ? {} : { resumesAt: state.resumeAt[vm.guid] }),
    }));

  return {
    async handle(method, path, body) {
      const [what, id, action] = path;
      const call = `${method} ${what ?? ''}${id === undefined ? '' : '/id'}${action === undefined ? '' : '/action'}`;
      switch (call) {
        case 'GET ':
          return {
            status: 200,
            body: { links: await links.list(), disks: disks.list(), arm: state.arm, machines: listMachines() },
          };
        case 'DELETE ': {
          await links.clear();
          const paused = new Set([...allMachines().map(({ guid }) => guid), ...Object.keys(state.resumeAt)]);
          for (const vmId of paused) await resume(vmId);
          await disks.clear();
          save({ ...state, arm: [] });
          return { status: 204 };
        }
        case 'GET links':
          return { status: 200, body: { value: await links.list() } };
        case 'PUT links/id': {
          const fault = parseFault(linkFaultSchema, body ?? {});
          await links.put({
            id: id ?? '',
            from: linkEnd(fault.from),
            to: linkEnd(fault.to),
            bothDirections: fault.bothDirections,
            loss: fault.loss,
            delayMs: fault.delayMs,
            ...(fault.ttlSeconds === undefined ? {} : { ttlSeconds: fault.ttlSeconds }),
          });
          return { status: 200, body: { id, ...fault } };
        }
        case 'DELETE links/id':
          await links.remove(id ?? '');
          return { status: 204 };
        case 'GET machines':
          return { status: 200, body: { value: listMachines() } };
        case 'POST machines/id/action':
          return machineAction(id ?? '', action ?? '', body);
        case 'GET arm':
          return { status: 200, body: { value: state.arm } };
        case 'PUT arm/id': {
          const fault: ArmFault = { id: id ?? '', ...parseFault(armFaultSchema, body ?? {}) };
          assertPattern(fault.path);
          save({ ...state, arm: [...state.arm.filter((other) => other.id !== fault.id), fault] });
          return { status: 200, body: fault };
        }
        case 'DELETE arm/id':
          save({ ...state, arm: state.arm.filter((other) => other.id !== id) });
          return { status: 204 };
        case 'GET disks':
          return { status: 200, body: { value: disks.list() } };
        case 'GET disks/id/action':
          return { status: 200, body: await disks.show(findMachine(id ?? ''), action ?? '') };
        case 'PUT disks/id/action':
          return { status: 200, body: await disks.put(findMachine(id ?? ''), action ?? '', body) };
        case 'DELETE disks/id/action':
          await disks.remove(findMachine(id ?? ''), action ?? '');
          return { status: 204 };
        default:
          throw new FaultError(
            404,
            'UnknownFault',
            `There is no ${method} /${path.join('/')}; lab/README.md lists what there is.`,
          );
      }
    },

    strike(method, pathAndQuery) {
      const struck: ArmFault[] = [];
      const remaining: ArmFault[] = [];
      for (const fault of state.arm) {
        const matches =
          (fault.method === undefined || fault.method.toUpperCase() === method.toUpperCase()) &&
          (fault.path === undefined || new RegExp(fault.path, 'i').test(pathAndQuery));
        if (!matches) remaining.push(fault);
        else if (fault.skip > 0) remaining.push({ ...fault, skip: fault.skip - 1 });
        else {
          struck.push(fault);
          if (fault.count > 1) remaining.push({ ...fault, count: fault.count - 1 });
        }
      }
      if (struck.length > 0 || remaining.some((fault, index) => fault !== state.arm[index])) {
        save({ ...state, arm: remaining });
      }
      return struck;
    },

    close() {
      for (const timer of timers.values()) clearTimeout(timer);
      disks.close();
    },
  };

  /** Wire knows machines by their host names. */
  function linkEnd(name: string): string {
    if (LINK_ENDS.has(name)) return name;
    return findMachine(name).properties.osProfile.computerName;
  }
}

/** Waits as a `delay` fault asks, unless the client goes away. */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function assertPattern(pattern: string | undefined): void {
  if (pattern === undefined) return;
  try {
    ''.search(new RegExp(pattern, 'i'));
  } catch (error) {
    throw new FaultError(400, 'InvalidFault', `path: ${messageOf(error)}`);
  }
}
