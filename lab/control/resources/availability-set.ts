import { z } from 'zod';
import { invalidParameter, operationNotAllowed, propertyChangeNotAllowed } from '../arm-error';
import { sameId } from '../resource-id';
import { assertReference } from './references';
import { parseProperties, subResourceSchema, withoutReadOnly } from './resource';
import type { ResourceBase, ResourceKind } from './resource';

const schema = z.looseObject({
  platformFaultDomainCount: z.int().default(2),
  platformUpdateDomainCount: z.int().default(5),
  proximityPlacementGroup: subResourceSchema.optional(),
});

export type AvailabilitySet = ResourceBase<'Microsoft.Compute/availabilitySets', z.infer<typeof schema>>;

export const availabilitySets: ResourceKind<AvailabilitySet> = {
  type: 'Microsoft.Compute/availabilitySets',
  writes: 'sync',
  operation: 'AvailabilitySets_CreateOrUpdate',
  location: 'required',
  wanted(request, current, world) {
    const properties = withoutReadOnly(
      parseProperties(schema, request.properties),
      'virtualMachines',
      'statuses',
      'virtualMachineScaleSetMigrationInfo',
    );
    if (properties.platformFaultDomainCount < 1 || properties.platformFaultDomainCount > 3) {
      throw invalidParameter(
        'The specified fault domain count must fall in the range 1 to 3.',
        'platformFaultDomainCount',
      );
    }
    if (properties.platformUpdateDomainCount < 1 || properties.platformUpdateDomainCount > 20) {
      throw invalidParameter(
        'The specified update domain count must fall in the range 1 to 20.',
        'platformUpdateDomainCount',
      );
    }
    if (current !== undefined && current.properties.platformFaultDomainCount !== properties.platformFaultDomainCount) {
      throw propertyChangeNotAllowed('platformFaultDomainCount');
    }
    if (properties.proximityPlacementGroup !== undefined) {
      assertReference(
        properties.proximityPlacementGroup.id,
        'Microsoft.Compute/proximityPlacementGroups',
        request.id,
        world,
      );
    }
    return { properties };
  },
  render(resource, world) {
    return {
      ...resource.properties,
      virtualMachines: membersOf(resource.id, world).map(({ id }) => ({ id })),
    };
  },
  assertDeletable(resource, world) {
    if (membersOf(resource.id, world).length > 0) {
      throw operationNotAllowed(
        `Availability Set '${resource.name}' cannot be deleted. Before deleting an Availability Set please ensure that it ` +
          'does not contain any VM.',
      );
    }
  },
};

function membersOf(id: string, world: Parameters<ResourceKind['render']>[1]) {
  return world
    .ofType('Microsoft.Compute/virtualMachines')
    .filter(({ properties }) => properties.availabilitySet !== undefined && sameId(properties.availabilitySet.id, id));
}
