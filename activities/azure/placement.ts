import { availabilitySetBody, proximityPlacementGroupBody } from '../../cluster/azure/placement';
import type { StepOutcome } from '../../cluster/step';
import { ensureResource } from './ensure';
import type { AzureScope } from './resource-kind';

export function ensureProximityPlacementGroup(scope: AzureScope): Promise<StepOutcome> {
  const { arm, names, step, tags } = scope;
  const wanted = proximityPlacementGroupBody(step.specification, tags);
  const name = names.proximityPlacementGroup;
  return ensureResource(scope, {
    title: 'proximity placement group',
    name,
    wanted,
    get: () => arm.compute.proximityPlacementGroups.get(names.resourceGroup, name),
    put: () => arm.compute.proximityPlacementGroups.createOrUpdate(names.resourceGroup, name, wanted),
    describe: () => `proximity placement group ${name}`,
  });
}

export function ensureAvailabilitySet(scope: AzureScope): Promise<StepOutcome> {
  const { arm, ids, names, step, tags } = scope;
  const wanted = availabilitySetBody(step.specification, ids, tags);
  const name = names.availabilitySet;
  return ensureResource(scope, {
    title: 'availability set',
    name,
    wanted,
    get: () => arm.compute.availabilitySets.get(names.resourceGroup, name),
    put: () => arm.compute.availabilitySets.createOrUpdate(names.resourceGroup, name, wanted),
    describe: () => `availability set ${name} with ${wanted.platformFaultDomainCount} fault domains`,
  });
}
