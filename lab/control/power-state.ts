import type { MachineState } from '../model';
import type { Operation } from './operations';
import type { JsonObject } from './resources/resource';
import type { VirtualMachine } from './resources/virtual-machine';

export type PowerState = 'starting' | 'running' | 'stopping' | 'stopped' | 'deallocating' | 'deallocated' | 'unknown';

/**
 * What Azure shows of a machine's power: a guest that shut itself down or crashed is stopped (and still billed), a
 * rebooting one stays running, and a frozen one too.
 */
export function powerStateOf(
  vm: VirtualMachine,
  machine: MachineState | undefined,
  operation: Operation | undefined,
): PowerState {
  switch (operation?.kind ?? '') {
    case 'vm.powerOff':
      return machine === 'stopped' ? 'stopped' : 'stopping';
    case 'vm.deallocate':
      return 'deallocating';
    case 'vm.start':
      return machine === 'running' ? 'running' : 'starting';
    case 'vm.create':
      return machine === 'running' || machine === 'paused' ? 'running' : 'starting';
    case 'vm.restart':
      return 'running';
    default:
      break;
  }
  if (vm.hidden.deallocated) return 'deallocated';
  if (machine === undefined) return 'unknown';
  return machine === 'stopped' ? 'stopped' : 'running';
}

export function renderInstanceView(
  vm: VirtualMachine,
  machine: MachineState | undefined,
  operation: Operation | undefined,
  now: Date,
): JsonObject {
  const power = powerStateOf(vm, machine, operation);
  const { osProfile, storageProfile } = vm.properties;
  const running = power === 'running' && machine === 'running' && vm.hidden.provisioned;
  return {
    computerName: osProfile.computerName,
    ...(running ? { osName: 'debian', osVersion: vm.hidden.image === 'debian-sid' ? 'sid' : '12' } : {}),
    vmAgent: {
      vmAgentVersion: running ? '2.14.0.1' : 'Unknown',
      statuses: [
        {
          code: running ? 'ProvisioningState/succeeded' : 'ProvisioningState/Unavailable',
          level: running ? 'Info' : 'Warning',
          displayStatus: running ? 'Ready' : 'Not Ready',
          message: running ? 'Guest Agent is running' : 'VM status blob is found but not yet populated.',
          time: now.toISOString(),
        },
      ],
    },
    disks: [storageProfile.osDisk, ...storageProfile.dataDisks].map(({ name }) => ({
      name,
      statuses: [
        {
          code: 'ProvisioningState/succeeded',
          level: 'Info',
          displayStatus: 'Provisioning succeeded',
          time: vm.createdAt,
        },
      ],
    })),
    hyperVGeneration: 'V2',
    statuses: [
      {
        code: `ProvisioningState/${vm.provisioningState.toLowerCase()}`,
        level: vm.provisioningState === 'Failed' ? 'Error' : 'Info',
        displayStatus: vm.provisioningState === 'Succeeded' ? 'Provisioning succeeded' : vm.provisioningState,
        ...(vm.provisioningState === 'Succeeded' || vm.provisioningState === 'Failed' ? { time: vm.createdAt } : {}),
      },
      {
        code: `PowerState/${power}`,
        level: 'Info',
        displayStatus: `VM ${power}`,
      },
    ],
  };
}
