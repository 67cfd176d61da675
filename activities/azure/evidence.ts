import { evidenceTag } from '../../cluster/ids';
import type { StepOutcome } from '../../cluster/step';
import type { AzureScope } from './resource-kind';
import { unlessMissing } from './resource-kind';
import { writeTags } from './tags';

/** What has been proved, as tags of the resource group: they hold across two Temporal servers. */

/** All tags of the resource group; none when there is no group. */
export async function readEvidence({ arm, names }: AzureScope): Promise<Record<string, string>> {
  const group = await unlessMissing(() => arm.resources.resourceGroups.get(names.resourceGroup));
  return { ...group?.tags };
}

export function describeEvidence(tags: Readonly<Record<string, string>>): string {
  const proved = Object.entries(tags).filter(([tag]) => tag.startsWith(evidenceTag('')));
  return proved.length === 0 ? 'nothing is proved yet' : proved.map(([tag, value]) => `${tag}=${value}`).join(', ');
}

export async function writeEvidence(scope: AzureScope, test: string, value: string): Promise<StepOutcome> {
  const tag = evidenceTag(test);
  const before = (await readEvidence(scope))[tag];
  if (before === value) return { result: 'unchanged', observed: `${tag} is ${value}` };
  await writeTags(scope, scope.ids.resourceGroup, { [tag]: value });
  const after = (await readEvidence(scope))[tag];
  return {
    result: 'changed',
    observed: `${tag} is ${before ?? 'not set'}`,
    done: `set ${tag}`,
    verified: `${tag} is ${after ?? 'not seen yet'}`,
  };
}
