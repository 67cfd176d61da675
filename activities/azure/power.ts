import { restorePoller } from '@azure/arm-compute';
import { isOff, parsePowerState } from '../../cluster/azure/power';
import type { PowerState } from '../../cluster/azure/power';
import { HadbError } from '../../cluster/errors';
import { refuseForeign } from './ensure';
import type { AzureScope, Poller, RestoreOptions } from './resource-kind';
import { nodeOf } from './resource-kind';
import type { AzureSubmission } from './submission';
import { OBSERVE } from './submission';

export interface Power {
  state: PowerState;
  vmId: string;
}

export async function readPower(scope: AzureScope): Promise<Power> {
  const node = nodeOf(scope);
  const name = scope.names.virtualMachine(node);
  const machine = await scope.arm.compute.virtualMachines.get(scope.names.resourceGroup, name, {
    expand: 'instanceView',
  });
  refuseForeign(machine, 'virtual machine', name, scope.step.specification.name);
  return { state: parsePowerState(machine.instanceView?.statuses), vmId: machine.vmId ?? '' };
}

/** `skipShutdown` is the power cut; otherwise the guest is asked first. A powered-off machine keeps its host. */
export async function submitPowerOff(scope: AzureScope, options: { skipShutdown: boolean }): Promise<AzureSubmission> {
  const node = nodeOf(scope);
  const { state } = await readPower(scope);
  const about = {
    kind: 'power-off' as const,
    name: scope.names.virtualMachine(node),
    node,
    observed: state,
    skipShutdown: options.skipShutdown,
  };
  if (isOff(state)) return { ...about, result: 'unchanged' };
  // A power cut does not wait for a shutdown that is under way: that may be what hangs.
  if ((state === 'stopping' && !options.skipShutdown) || state === 'deallocating') {
    return { ...about, result: 'unchanged', poller: OBSERVE };
  }
  const movedAt = Date.now();
  const poller = scope.arm.compute.virtualMachines.powerOff(scope.names.resourceGroup, about.name, {
    skipShutdown: options.skipShutdown,
  });
  return {
    ...about,
    result: 'changed',
    done: options.skipShutdown ? 'cut the power' : 'shut down and powered off',
    poller: await poller.serialize(),
    movedAt,
  };
}

export async function submitStart(scope: AzureScope): Promise<AzureSubmission> {
  const node = nodeOf(scope);
  const { state } = await readPower(scope);
  const about = { kind: 'start' as const, name: scope.names.virtualMachine(node), node, observed: state };
  if (state === 'running') return { ...about, result: 'unchanged' };
  if (state === 'starting') return { ...about, result: 'unchanged', poller: OBSERVE };
  const poller = scope.arm.compute.virtualMachines.start(scope.names.resourceGroup, about.name);
  return { ...about, result: 'changed', done: 'started', poller: await poller.serialize() };
}

export const restorePowerOff = ({ arm }: AzureScope, state: string, options: RestoreOptions): Poller =>
  restorePoller(arm.compute, state, arm.compute.virtualMachines.powerOff, options);

export const restoreStart = ({ arm }: AzureScope, state: string, options: RestoreOptions): Poller =>
  restorePoller(arm.compute, state, arm.compute.virtualMachines.start, options);

/** Errors: NotReady while the machine is on its way, VerificationFailed when it went elsewhere. */
export async function verifyPower(scope: AzureScope, wanted: 'off' | 'running'): Promise<string> {
  const node = nodeOf(scope);
  const { state } = await readPower(scope);
  if (wanted === 'off' ? isOff(state) : state === 'running') return state;
  const moving = state === 'starting' || state === 'stopping' || state === 'deallocating' || state === 'unknown';
  throw new HadbError(moving ? 'NotReady' : 'VerificationFailed', `${node} is ${state}, not ${wanted}`, {
    subject: node,
    observed: state,
    whatNow: 'Look at the activity log of the machine for who else powers it.',
  });
}
