import { OWNER_TAG } from '../../cluster/ids';
import type { AzureScope, Found } from './resource-kind';

/** Adds the ownership tags to what came about without them; other tags stay. */
export async function mergeTags(scope: AzureScope, id: string, get: () => Promise<Found>): Promise<void> {
  const { tags } = await get();
  if (tags?.[OWNER_TAG] === scope.tags[OWNER_TAG]) return;
  await writeTags(scope, id, { ...scope.tags });
}

/** Merges tags into those of a resource or a resource group. */
export async function writeTags({ arm }: AzureScope, id: string, tags: Record<string, string>): Promise<void> {
  // Ids begin with a slash, and so does the path that the client builds.
  await arm.resources.tagsOperations.updateAtScope(id.replace(/^\//, ''), { operation: 'Merge', properties: { tags } });
}
