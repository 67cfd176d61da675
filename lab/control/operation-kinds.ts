import { ArmError } from './arm-error';
import type { MachineRoom } from './machine-room';
import type { Operation, OperationKind, Operations, Stage, StageContext } from './operations';
import type { Planner } from './planner';
import { sameId } from './resource-id';
import { RESOURCE_KINDS } from './resources/kinds';
import type { Resource, World } from './resources/resource';
import type { Store } from './store';

export type OperationKindName =
  | 'network.put'
  | 'disk.put'
  | 'resource.delete'
  | 'vm.create'
  | 'vm.update'
  | 'vm.start'
  | 'vm.restart'
  | 'vm.powerOff'
  | 'vm.deallocate'
  | 'vm.delete'
  | 'group.delete';

/** How long the data plane may take to accept a change before the operation fails. */
const DATA_PLANE_TIMEOUT_MS = 60_000;

/** `data` of operations, by what the stages read. */
export interface OperationData {
  /** The document to be, for writes. */
  desired?: Resource;
  /** Etag of the document that it replaces; none when it is new. */
  replaces?: string | undefined;
  /** vm.powerOff: no shutdown of the guest. */
  skipShutdown?: boolean;
  /** vm.create: when the guest must have reported, ISO 8601. */
  deadline?: string;
  /** Set by an ARM fault: the operation is accepted and then fails with this. */
  injectedFailure?: { code: string; message: string };
}

export function createOperationKinds(options: {
  store: Store;
  world: World;
  planner: Planner;
  machines: MachineRoom;
  now: () => Date;
  provisioningTimeoutMs: number;
  operations: () => Pick<Operations, 'supersede' | 'quiet'>;
}): Readonly<Record<OperationKindName, OperationKind>> {
  const { store, world, planner, machines, now, provisioningTimeoutMs, operations } = options;

  const dataOf = (operation: Operation) => operation.data as OperationData;
  const setState = (id: string, provisioningState: Resource['provisioningState']) => {
    const resource = store.get(id);
    if (resource !== undefined && resource.provisioningState !== provisioningState) {
      store.put({ ...resource, provisioningState });
    }
  };

  /** Done already by the request that began the operation, unless that process was killed in between. */
  const commit: Stage = {
    name: 'commit',
    run({ operation }) {
      const { desired, replaces } = dataOf(operation);
      if (desired !== undefined && store.get(desired.id)?.etag === replaces) store.put(desired);
    },
  };
  const fault: Stage = {
    name: 'fault',
    run({ operation }) {
      const { injectedFailure } = dataOf(operation);
      if (injectedFailure !== undefined) throw new ArmError(409, injectedFailure.code, injectedFailure.message);
    },
  };
  const program: Stage = {
    name: 'program',
    run: ({ signal }: StageContext) => planner.settled(signal, DATA_PLANE_TIMEOUT_MS),
  };
  /** What goes away must not stay because of a data plane that is in trouble; the plan is sent again until it is taken. */
  const withdraw: Stage = {
    name: 'withdraw',
    async run({ signal }) {
      await planner.settled(signal, DATA_PLANE_TIMEOUT_MS).catch((error: unknown) => {
        if (signal.aborted) throw error;
      });
    },
  };
  const finish: Stage = { name: 'finish', run: ({ operation }) => setState(operation.target, 'Succeeded') };
  const failed = (operation: Operation, error: { code: string }) => {
    // A newer operation has taken over and owns the state.
    if (error.code === 'OperationPreempted' || error.code === 'CanceledAndSupersededDueToAnotherOperation') return;
    setState(operation.target, 'Failed');
  };
  const forVm = (name: string, run: (id: string, context: StageContext) => Promise<unknown>): Stage => ({
    name,
    async run(context) {
      await run(context.operation.target, context);
    },
  });
  const start = forVm('start', (id) => machines.start(id));

  const awaitGuest = forVm('await', async (id, { operation, signal }) => {
    const latest = store.operation(operation.id) ?? operation;
    let { deadline } = dataOf(latest);
    if (deadline === undefined) {
      deadline = new Date(now().getTime() + provisioningTimeoutMs).toISOString();
      store.putOperation({ ...latest, data: { ...latest.data, deadline } });
    }
    await machines.awaitProvisioned(id, Date.parse(deadline) - now().getTime(), signal);
    const vm = store.get(id);
    if (vm?.type === 'Microsoft.Compute/virtualMachines') {
      store.put({ ...vm, hidden: { ...vm.hidden, provisioned: true } });
    }
  });

  const markDeallocated = forVm('mark', async (id) => {
    const vm = store.get(id);
    if (vm?.type === 'Microsoft.Compute/virtualMachines') {
      store.put({ ...vm, hidden: { ...vm.hidden, deallocated: true } });
    }
  });

  const remove: Stage = {
    name: 'remove',
    run({ operation }) {
      const resource = store.get(operation.target);
      if (resource?.type === 'Microsoft.Compute/disks') machines.removeDiskFile(resource);
      store.remove(operation.target);
    },
  };

  return {
    'network.put': { stages: [commit, fault, program, finish], onFailure: failed },
    'disk.put': {
      stages: [commit, fault, forVm('file', (id) => machines.createDiskFile(id)), finish],
      onFailure: failed,
    },
    'resource.delete': { stages: [commit, fault, withdraw, remove], onFailure: failed },
    'vm.create': {
      stages: [
        commit,
        fault,
        forVm('allocate', (id) => machines.allocate(id)),
        forVm('disks', (id) => machines.createDisks(id)),
        forVm('provisioning', (id) => machines.provision(id)),
        program,
        start,
        awaitGuest,
        finish,
      ],
      onFailure: failed,
    },
    'vm.update': {
      stages: [commit, fault, forVm('disks', (id) => machines.createDisks(id)), program, finish],
      onFailure: failed,
    },
    'vm.start': { stages: [fault, program, start, finish], onFailure: failed },
    'vm.restart': {
      stages: [fault, forVm('stop', (id) => machines.stop(id, 'graceful')), start, finish],
      onFailure: failed,
    },
    'vm.powerOff': {
      stages: [
        fault,
        forVm('stop', (id, { operation }) =>
          machines.stop(id, dataOf(operation).skipShutdown === true ? 'hard' : 'graceful'),
        ),
        finish,
      ],
      onFailure: failed,
    },
    'vm.deallocate': {
      stages: [fault, forVm('stop', (id) => machines.stop(id, 'graceful')), markDeallocated, finish],
      onFailure: failed,
    },
    'vm.delete': {
      stages: [
        commit,
        fault,
        forVm('stop', async (id, { operation }) => {
          await machines.stop(id, 'hard');
          await operations().quiet(id, operation.id);
        }),
        forVm('remove', (id) => machines.remove(id)),
        withdraw,
      ],
      onFailure: failed,
    },
    'group.delete': {
      stages: [
        commit,
        fault,
        {
          name: 'contents',
          async run({ operation, signal }) {
            await deleteContents(operation, signal);
          },
        },
        withdraw,
        remove,
      ],
      onFailure: (operation) => setState(operation.target, 'Succeeded'),
    },
  };

  async function deleteContents(operation: Operation, signal: AbortSignal): Promise<void> {
    const group = operation.target.split('/').at(-1) ?? '';
    for (const { id } of store.inGroup(group)) {
      operations().supersede(id, 'Canceled', {
        code: 'ResourceGroupBeingDeleted',
        message: `The resource group '${group}' is in deprovisioning state and cannot perform this operation.`,
      });
    }
    const blocked: string[] = [];
    for (const kind of RESOURCE_KINDS) {
      if (signal.aborted) return;
      const resources = store.inGroup(group).filter(({ type }) => type === kind.type);
      await Promise.all(
        resources.map(async (resource) => {
          if (resource.type === 'Microsoft.Compute/virtualMachines') {
            setState(resource.id, 'Deleting');
            await machines.stop(resource.id, 'hard');
            await operations().quiet(resource.id);
            await machines.remove(resource.id);
            return;
          }
          try {
            kind.assertDeletable(resource, world);
          } catch (error) {
            if (!(error instanceof ArmError)) throw error;
            blocked.push(`${resource.id} (${error.message})`);
            return;
          }
          if (resource.type === 'Microsoft.Compute/disks') machines.removeDiskFile(resource);
          store.remove(resource.id);
        }),
      );
    }
    if (blocked.length > 0) {
      throw new ArmError(
        409,
        'ResourceGroupDeletionBlocked',
        `Deletion of resource group '${group}' failed as resources with identifiers '${blocked.join(', ')}' could not be ` +
          'deleted. The provisioning state of the resource group will be rolled back. The tracking Id is ' +
          `'${operation.id}'. Please check audit logs for more details.`,
      );
    }
  }
}

/** True while an operation of a kind that starts with `prefix` runs on the resource. */
export function isRunning(operations: readonly Operation[], target: string, prefix: string): boolean {
  return operations.some(
    (operation) =>
      operation.status === 'InProgress' && operation.kind.startsWith(prefix) && sameId(operation.target, target),
  );
}
