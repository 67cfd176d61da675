import { availabilitySets } from './availability-set';
import { disks } from './disk';
import { loadBalancers } from './load-balancer';
import { networkInterfaces } from './network-interface';
import { networkSecurityGroups } from './network-security-group';
import { proximityPlacementGroups } from './proximity-placement-group';
import { publicIpAddresses } from './public-ip-address';
import type { ResourceKind } from './resource';
import { virtualMachines } from './virtual-machine';
import { virtualNetworks } from './virtual-network';

/** Every type but the resource group, in the order in which a group's contents can be deleted. */
export const RESOURCE_KINDS: readonly ResourceKind[] = [
  virtualMachines,
  networkInterfaces,
  loadBalancers,
  publicIpAddresses,
  disks,
  virtualNetworks,
  networkSecurityGroups,
  availabilitySets,
  proximityPlacementGroups,
];

export function findKind(type: string): ResourceKind | undefined {
  return RESOURCE_KINDS.find((kind) => kind.type.toLowerCase() === type.toLowerCase());
}
