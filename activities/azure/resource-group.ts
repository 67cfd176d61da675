import { resourceGroupBody } from '../../cluster/azure/resource-group';
import type { StepOutcome } from '../../cluster/step';
import { ensureResource } from './ensure';
import type { AzureScope } from './resource-kind';

export function ensureResourceGroup(scope: AzureScope): Promise<StepOutcome> {
  const { arm, names, step, tags } = scope;
  const wanted = resourceGroupBody(step.specification, tags);
  const name = names.resourceGroup;
  return ensureResource(scope, {
    title: 'resource group',
    name,
    wanted,
    get: () => arm.resources.resourceGroups.get(name),
    // Only for a new group: a PUT replaces the tags, and the evidence of the tests is among them.
    put: () => arm.resources.resourceGroups.createOrUpdate(name, wanted),
    describe: () => `resource group ${name} in ${step.specification.location}`,
  });
}
