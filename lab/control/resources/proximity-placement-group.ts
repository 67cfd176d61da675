import { z } from 'zod';
import { operationNotAllowed } from '../arm-error';
import { sameId } from '../resource-id';
import { parseProperties, withoutReadOnly } from './resource';
import type { ResourceBase, ResourceKind } from './resource';

const schema = z.looseObject({ proximityPlacementGroupType: z.enum(['Standard', 'Ultra']).default('Standard') });

export type ProximityPlacementGroup = ResourceBase<
  'Microsoft.Compute/proximityPlacementGroups',
  z.infer<typeof schema>
>;

export const proximityPlacementGroups: ResourceKind<ProximityPlacementGroup> = {
  type: 'Microsoft.Compute/proximityPlacementGroups',
  writes: 'sync',
  operation: 'ProximityPlacementGroups_CreateOrUpdate',
  location: 'required',
  wanted(request) {
    return {
      properties: withoutReadOnly(
        parseProperties(schema, request.properties),
        'virtualMachines',
        'availabilitySets',
        'virtualMachineScaleSets',
      ),
    };
  },
  render(resource, world) {
    const inGroup = (item: { properties: { proximityPlacementGroup?: { id: string } | undefined } }) =>
      item.properties.proximityPlacementGroup !== undefined &&
      sameId(item.properties.proximityPlacementGroup.id, resource.id);
    return {
      ...resource.properties,
      virtualMachines: world
        .ofType('Microsoft.Compute/virtualMachines')
        .filter(inGroup)
        .map(({ id }) => ({ id })),
      availabilitySets: world
        .ofType('Microsoft.Compute/availabilitySets')
        .filter(inGroup)
        .map(({ id }) => ({ id })),
    };
  },
  assertDeletable(resource, world) {
    const user = [
      ...world.ofType('Microsoft.Compute/virtualMachines'),
      ...world.ofType('Microsoft.Compute/availabilitySets'),
    ].find(
      ({ properties }) =>
        properties.proximityPlacementGroup !== undefined && sameId(properties.proximityPlacementGroup.id, resource.id),
    );
    if (user !== undefined) {
      throw operationNotAllowed(
        `Proximity placement group '${resource.name}' cannot be deleted as it is used by resource ${user.id}.`,
      );
    }
  },
};
