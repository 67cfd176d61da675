import type { Tags } from './tags';
import { isOurs } from './tags';

/** The kinds of resources that hadb makes, in the order in which Azure lets them go: users before what they use. */
export const DELETION_ORDER = [
  ['role-assignment', 'Microsoft.Authorization/roleAssignments'],
  ['role-definition', 'Microsoft.Authorization/roleDefinitions'],
  ['virtual-machine', 'Microsoft.Compute/virtualMachines'],
  ['network-interface', 'Microsoft.Network/networkInterfaces'],
  ['load-balancer', 'Microsoft.Network/loadBalancers'],
  ['public-address', 'Microsoft.Network/publicIPAddresses'],
  ['virtual-network', 'Microsoft.Network/virtualNetworks'],
  ['network-security-group', 'Microsoft.Network/networkSecurityGroups'],
  ['availability-set', 'Microsoft.Compute/availabilitySets'],
  ['proximity-placement-group', 'Microsoft.Compute/proximityPlacementGroups'],
  ['disk', 'Microsoft.Compute/disks'],
] as const;

export type ClusterResourceKind = (typeof DELETION_ORDER)[number][0] | 'resource-group';

export interface ClusterResource {
  id: string;
  kind: ClusterResourceKind;
  name: string;
}

export interface ListedResource {
  id?: string;
  name?: string;
  type?: string;
  tags?: Tags;
}

export interface DestroyPlan {
  /** Ours, in deletion order; the resource group last, if nobody else has anything in it. */
  resources: ClusterResource[];
  /** Ids of everything else in the resource group: left alone. */
  foreign: string[];
}

/** What may be deleted: only what carries the tag of the cluster. Undefined group: there is none. */
export function planDestruction(
  cluster: string,
  group: ListedResource | undefined,
  listed: readonly ListedResource[],
): DestroyPlan {
  const ours: ClusterResource[] = [];
  const others: string[] = [];
  for (const { id = '', name = '', type = '', tags } of listed) {
    const kind = DELETION_ORDER.find(([, armType]) => armType.toLowerCase() === type.toLowerCase())?.[0];
    if (kind !== undefined && isOurs(tags, cluster)) ours.push({ id, kind, name });
    else others.push(id);
  }
  // An extension of a machine goes with the machine.
  const foreign = others.filter(
    (id) => !ours.some((owner) => id.toLowerCase().startsWith(`${owner.id.toLowerCase()}/`)),
  );
  const rank = ({ kind }: ClusterResource) => DELETION_ORDER.findIndex(([known]) => known === kind);
  const resources = ours.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  if (group?.id !== undefined && foreign.length === 0 && isOurs(group.tags, cluster)) {
    resources.push({ id: group.id, kind: 'resource-group', name: group.name ?? cluster });
  }
  return { resources, foreign };
}
