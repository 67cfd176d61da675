import { restorePoller as restoreComputePoller } from '@azure/arm-compute';
import { restorePoller as restoreNetworkPoller } from '@azure/arm-network';
import { restorePoller as restoreResourcesPoller } from '@azure/arm-resources';
import type { ClusterResource, ClusterResourceKind, DestroyPlan } from '../../cluster/azure/destroy-order';
import { planDestruction } from '../../cluster/azure/destroy-order';
import type { ListedResource } from '../../cluster/azure/destroy-order';
import { isOurs } from '../../cluster/azure/tags';
import { HadbError } from '../../cluster/errors';
import { explainAzureError } from './failures';
import {
  getRoleAssignment,
  getRoleDefinition,
  listFencing,
  removeRoleAssignment,
  removeRoleDefinition,
} from './fencing';
import type { AzureScope, Found, Poller, RestoreOptions } from './resource-kind';
import { unlessMissing } from './resource-kind';
import type { AzureSubmission } from './submission';

interface Deletion {
  get: (scope: AzureScope, name: string, id: string) => Promise<Found>;
  /** The serialised poller; undefined where Azure answers at once. */
  remove: (scope: AzureScope, name: string, id: string) => Promise<string | undefined>;
  restore?: (scope: AzureScope, state: string, options: RestoreOptions) => Poller;
}

/** `get` decides by the tag once more, right before the deletion. */
const DELETIONS: Readonly<Record<ClusterResourceKind, Deletion>> = {
  'role-assignment': {
    get: (scope, _name, id) => getRoleAssignment(scope, id),
    remove: (scope, _name, id) => removeRoleAssignment(scope, id).then(() => undefined),
  },
  'role-definition': {
    get: (scope, _name, id) => getRoleDefinition(scope, id),
    remove: (scope, _name, id) => removeRoleDefinition(scope, id).then(() => undefined),
  },
  'virtual-machine': {
    get: ({ arm, names }, name) => arm.compute.virtualMachines.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.compute.virtualMachines.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreComputePoller(arm.compute, state, arm.compute.virtualMachines.delete, options),
  },
  'network-interface': {
    get: ({ arm, names }, name) => arm.network.networkInterfaces.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.network.networkInterfaces.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreNetworkPoller(arm.network, state, arm.network.networkInterfaces.delete, options),
  },
  'load-balancer': {
    get: ({ arm, names }, name) => arm.network.loadBalancers.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.network.loadBalancers.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreNetworkPoller(arm.network, state, arm.network.loadBalancers.delete, options),
  },
  'public-address': {
    get: ({ arm, names }, name) => arm.network.publicIPAddresses.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.network.publicIPAddresses.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreNetworkPoller(arm.network, state, arm.network.publicIPAddresses.delete, options),
  },
  'virtual-network': {
    get: ({ arm, names }, name) => arm.network.virtualNetworks.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.network.virtualNetworks.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreNetworkPoller(arm.network, state, arm.network.virtualNetworks.delete, options),
  },
  'network-security-group': {
    get: ({ arm, names }, name) => arm.network.networkSecurityGroups.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.network.networkSecurityGroups.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreNetworkPoller(arm.network, state, arm.network.networkSecurityGroups.delete, options),
  },
  'availability-set': {
    get: ({ arm, names }, name) => arm.compute.availabilitySets.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) =>
      arm.compute.availabilitySets.delete(names.resourceGroup, name).then(() => undefined),
  },
  'proximity-placement-group': {
    get: ({ arm, names }, name) => arm.compute.proximityPlacementGroups.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) =>
      arm.compute.proximityPlacementGroups.delete(names.resourceGroup, name).then(() => undefined),
  },
  disk: {
    get: ({ arm, names }, name) => arm.compute.disks.get(names.resourceGroup, name),
    remove: ({ arm, names }, name) => arm.compute.disks.delete(names.resourceGroup, name).serialize(),
    restore: ({ arm }, state, options) => restoreComputePoller(arm.compute, state, arm.compute.disks.delete, options),
  },
  'resource-group': {
    get: ({ arm }, name) => arm.resources.resourceGroups.get(name),
    remove: ({ arm }, name) => arm.resources.resourceGroups.delete(name).serialize(),
    restore: ({ arm }, state, options) =>
      restoreResourcesPoller(arm.resources, state, arm.resources.resourceGroups.delete, options),
  },
};

export async function readDestroyPlan(scope: AzureScope): Promise<DestroyPlan> {
  const { arm, names, step } = scope;
  const cluster = step.specification.name;
  const group = await unlessMissing(() => arm.resources.resourceGroups.get(names.resourceGroup));
  const listed = await readFencing(scope, group);
  if (group === undefined) return planDestruction(cluster, undefined, listed);
  for await (const { id, name, type, tags } of arm.resources.resources.listByResourceGroup(names.resourceGroup)) {
    listed.push({
      ...(id === undefined ? {} : { id }),
      ...(name === undefined ? {} : { name }),
      ...(type === undefined ? {} : { type }),
      ...(tags === undefined ? {} : { tags }),
    });
  }
  return planDestruction(cluster, { ...group }, listed);
}

/** A worker that may not look at roles has not made any: only a cluster that says it fences needs it to. */
async function readFencing(scope: AzureScope, group: Found | undefined): Promise<ListedResource[]> {
  try {
    return await listFencing(scope, group);
  } catch (error) {
    const denied = explainAzureError(error)?.code === 'Denied';
    if (denied && scope.step.specification.fencing === 'none') return [];
    throw error;
  }
}

/** Errors: NotOurs when the resource does not carry the tag (any more), or the group has got a resource of somebody else. */
export async function submitDelete(scope: AzureScope, resource: ClusterResource): Promise<AzureSubmission> {
  const { kind, name } = resource;
  const cluster = scope.step.specification.name;
  const about = { kind: 'delete' as const, name, resource };
  const current = await unlessMissing(() => DELETIONS[kind].get(scope, name, resource.id));
  if (current === undefined) return { ...about, result: 'unchanged', observed: 'gone already' };
  if (!isOurs(current.tags, cluster)) {
    throw new HadbError('NotOurs', `${kind} ${name} does not carry the tag of cluster ${cluster}`, {
      subject: resource.id,
      observed: `tags ${JSON.stringify(current.tags ?? {})}`,
      whatNow: 'It is left alone. Skip this step, or give it back its tag.',
    });
  }
  if (kind === 'resource-group') await refuseForeignMembers(scope, name);
  const poller = await DELETIONS[kind].remove(scope, name, resource.id);
  return {
    ...about,
    result: 'changed',
    observed: 'there, with the tag of the cluster',
    done: `deleted ${kind} ${name}`,
    ...(poller === undefined ? {} : { poller }),
  };
}

/** The deletion of a group takes everything in it along. */
async function refuseForeignMembers(scope: AzureScope, name: string): Promise<void> {
  const { foreign } = await readDestroyPlan(scope);
  if (foreign.length === 0) return;
  throw new HadbError('NotOurs', `the resource group ${name} holds what is not ours: ${foreign.join(', ')}`, {
    subject: name,
    observed: foreign.join(', '),
    whatNow: 'The group stays. Skip this step, or move these resources elsewhere first.',
  });
}

export function restoreDeletion(
  scope: AzureScope,
  resource: ClusterResource,
  state: string,
  options: RestoreOptions,
): Poller {
  const { restore } = DELETIONS[resource.kind];
  if (restore === undefined) throw new HadbError('Internal', `the deletion of a ${resource.kind} has no poller`);
  return restore(scope, state, options);
}

/** Errors: NotReady while it is still there. */
export async function verifyDeleted(scope: AzureScope, resource: ClusterResource): Promise<string> {
  const left = await unlessMissing(() => DELETIONS[resource.kind].get(scope, resource.name, resource.id));
  if (left === undefined) return 'gone';
  throw new HadbError('NotReady', `${resource.kind} ${resource.name} is still there`, {
    subject: resource.id,
    observed: left.provisioningState ?? 'no state',
    whatNow: 'It is tried again.',
  });
}
