import type { ResourceBase } from './resource';

/** Handled apart from the other types: synchronous writes, its own delete. `managedBy` is not kept. */
export type ResourceGroup = ResourceBase<'Microsoft.Resources/resourceGroups', Record<string, never>>;
