import { invalidResourceReference, referencedResourceNotProvisioned } from '../arm-error';
import { sameId, splitChildId } from '../resource-id';
import type { JsonObject, Resource, ResourceOfType, ResourceType, World } from './resource';

/** The referenced resource, or the refusal Azure gives for one that is missing, of another type, or not ready. */
export function assertReference<Type extends ResourceType>(
  id: string,
  type: Type,
  user: string,
  world: World,
): ResourceOfType<Type> {
  const found = world.get(id);
  if (found === undefined || found.type !== type || found.provisioningState === 'Deleting') {
    throw invalidResourceReference(id, user);
  }
  if (found.provisioningState === 'Updating' || found.provisioningState === 'Creating') {
    throw referencedResourceNotProvisioned(found.id, user);
  }
  return found as ResourceOfType<Type>;
}

/** Parent and child of `{parent}/{childType}/{childName}`, both checked. */
export function assertChildReference<Type extends ResourceType>(
  id: string,
  type: Type,
  childType: string,
  user: string,
  world: World,
): { parent: ResourceOfType<Type>; name: string } {
  const split = splitChildId(id);
  if (split.childType.toLowerCase() !== childType.toLowerCase()) throw invalidResourceReference(id, user);
  const parent = assertReference(split.parent, type, user, world);
  const children = (parent.properties as JsonObject)[childType];
  const child = Array.isArray(children)
    ? (children as { name: string }[]).find(({ name }) => name.toLowerCase() === split.childName.toLowerCase())
    : undefined;
  if (child === undefined) throw invalidResourceReference(id, user);
  return { parent, name: child.name };
}

/** Every IP configuration (of interfaces and of balancer frontends) with what it refers to. */
export function ipConfigurations(world: Pick<World, 'ofType'>): readonly IpConfigurationUse[] {
  return [
    ...world.ofType('Microsoft.Network/networkInterfaces').flatMap((nic) =>
      nic.properties.ipConfigurations.map((configuration) => ({
        owner: nic as Resource,
        id: `${nic.id}/ipConfigurations/${configuration.name}`,
        subnet: configuration.properties.subnet.id,
        publicIpAddress: configuration.properties.publicIPAddress?.id,
        privateAddress: configuration.properties.privateIPAddress,
      })),
    ),
    ...world.ofType('Microsoft.Network/loadBalancers').flatMap((balancer) =>
      balancer.properties.frontendIPConfigurations.map((configuration) => ({
        owner: balancer as Resource,
        id: `${balancer.id}/frontendIPConfigurations/${configuration.name}`,
        subnet: configuration.properties.subnet?.id,
        publicIpAddress: configuration.properties.publicIPAddress?.id,
        privateAddress: undefined,
      })),
    ),
  ];
}

export interface IpConfigurationUse {
  owner: Resource;
  id: string;
  subnet: string | undefined;
  publicIpAddress: string | undefined;
  privateAddress: string | undefined;
}

export function usesOfSubnet(subnetId: string, world: Pick<World, 'ofType'>): readonly IpConfigurationUse[] {
  return ipConfigurations(world).filter(({ subnet }) => subnet !== undefined && sameId(subnet, subnetId));
}

export function useOfPublicAddress(id: string, world: Pick<World, 'ofType'>): IpConfigurationUse | undefined {
  return ipConfigurations(world).find(
    ({ publicIpAddress }) => publicIpAddress !== undefined && sameId(publicIpAddress, id),
  );
}
