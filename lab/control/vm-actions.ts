import { randomUUID } from 'node:crypto';
import type { Arm } from './arm';
import { computeConflict, notInLab, operationNotAllowed, resourceGroupBeingDeleted } from './arm-error';
import type { ArmRequest, ArmResponse } from './arm-http';
import type { OperationData, OperationKindName } from './operation-kinds';
import type { OperationStatusRoutes } from './operation-status';
import { renderInstanceView } from './power-state';
import { groupOf, resourceGroupId } from './resource-id';
import type { JsonObject } from './resources/resource';
import type { VirtualMachine } from './resources/virtual-machine';

const POWER_ACTIONS: Readonly<Record<string, { kind: OperationKindName; name: string }>> = {
  start: { kind: 'vm.start', name: 'Start VM' },
  restart: { kind: 'vm.restart', name: 'Restart VM' },
  poweroff: { kind: 'vm.powerOff', name: 'Power Off VM' },
  deallocate: { kind: 'vm.deallocate', name: 'Deallocate VM' },
};

/** `POST .../virtualMachines/{name}/{action}` and `GET .../instanceView`. */
export function createVirtualMachineActions(arm: Arm, status: OperationStatusRoutes) {
  const { store, operations, machines, world, now } = arm;

  return {
    handle(vm: VirtualMachine, action: string, request: ArmRequest): ArmResponse {
      if (action.toLowerCase() === 'instanceview' && request.method === 'GET') {
        const view = renderInstanceView(vm, machines.state(vm), operations.inProgress(vm.id)[0], now());
        return { status: 200, body: view };
      }
      const power = POWER_ACTIONS[action.toLowerCase()];
      if (power === undefined || request.method !== 'POST') {
        throw notInLab(`The lab has no ${request.method} .../virtualMachines/${vm.name}/${action}.`);
      }
      const group = store.get(resourceGroupId(world.subscriptionId, groupOf(vm.id)));
      if (group?.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(group.name);
      if (vm.provisioningState === 'Deleting') {
        throw operationNotAllowed(
          `Operation '${power.name}' is not allowed on VM '${vm.name}' since the VM is marked for deletion. You can only retry ` +
            'the Delete operation (or wait for an ongoing one to complete).',
        );
      }
      const running = operations.inProgress(vm.id);
      if (running.some(({ kind }) => kind === 'vm.create' || kind === 'vm.update')) throw computeConflict();
      if (vm.hidden.machine === undefined) {
        throw operationNotAllowed(
          `Operation '${power.name}' is not allowed on VM '${vm.name}' because its creation has not got as far as a machine. ` +
            'Repeat the PUT.',
        );
      }
      if (request.query.get('hibernate')?.toLowerCase() === 'true') throw notInLab('The lab does not hibernate.');
      const skipShutdown = request.query.get('skipshutdown')?.toLowerCase() === 'true';
      const same = running.find(
        (operation) =>
          operation.kind === power.kind &&
          (operation.data as OperationData).skipShutdown === (skipShutdown || undefined),
      );
      // The SDK repeats a POST whose answer was lost; that is not a second power cut.
      if (same !== undefined) return { status: 202, headers: status.headers(same, request) };
      operations.supersede(vm.id, 'Failed', {
        code: 'OperationPreempted',
        message: 'Operation execution has been preempted by a more recent operation.',
      });
      const injectedFailure = arm.takeInjectedFailure(request);
      const operation = operations.begin({
        id: world.newGuid(),
        kind: power.kind,
        name: power.name,
        target: vm.id,
        provider: 'Microsoft.Compute',
        location: vm.location,
        method: 'POST',
        urgent: power.kind === 'vm.powerOff' && skipShutdown,
        secret: randomUUID(),
        data: {
          ...(skipShutdown ? { skipShutdown } : {}),
          ...(injectedFailure === undefined ? {} : { injectedFailure }),
        } satisfies OperationData as JsonObject,
      });
      return { status: 202, headers: { ...status.headers(operation, request), 'Content-Length': '0' } };
    },
  };
}
