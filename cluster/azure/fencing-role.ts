import type { AzureIds } from './ids';
import type { Tags } from './tags';
import { describeOwnership } from './tags';

/** What the identity of each node may do to both machines, so that the nodes can fence each other. */

const READ = 'Microsoft.Compute/virtualMachines/read';
const POWER_OFF = 'Microsoft.Compute/virtualMachines/powerOff/action';
const START = 'Microsoft.Compute/virtualMachines/start/action';

/** Microsoft's "Linux Fence Agent Role": learn.microsoft.com, high-availability-guide-suse-pacemaker. */
export const FENCE_ACTIONS = ['Microsoft.Compute/*/read', POWER_OFF, START] as const;

export function fencingRoleBody(ids: Pick<AzureIds, 'resourceGroup'>, title: string, tags: Tags) {
  return {
    roleName: title,
    roleType: 'CustomRole',
    description: describeOwnership('Lets the two nodes of a cluster fence each other', tags),
    permissions: [{ actions: [...FENCE_ACTIONS], notActions: [], dataActions: [], notDataActions: [] }],
    assignableScopes: [ids.resourceGroup],
  };
}

export function fencingAssignmentBody(options: {
  roleId: string;
  principalId: string;
  tags: Tags;
  node: string;
  machine: string;
}) {
  return {
    roleDefinitionId: options.roleId,
    principalId: options.principalId,
    // Without it Azure looks the identity up in its directory, which may not know a new one for minutes.
    principalType: 'ServicePrincipal',
    description: describeOwnership(`Lets ${options.node} fence ${options.machine}`, options.tags),
  };
}

export interface Permission {
  actions?: readonly string[];
  notActions?: readonly string[];
}

/** What a role lacks of what the fence agent does; empty when it serves. */
export function missingFenceActions(permissions: readonly Permission[] | undefined): string[] {
  return [READ, POWER_OFF, START].filter(
    (action) =>
      !(permissions ?? []).some(
        ({ actions = [], notActions = [] }) =>
          actions.some((pattern) => covers(pattern, action)) && !notActions.some((pattern) => covers(pattern, action)),
      ),
  );
}

/** `*` stands for any text; nobody minds casing. */
function covers(pattern: string, action: string): boolean {
  const expression = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
  return new RegExp(`^${expression}$`, 'i').test(action);
}

/** The scope is the other one or above it. */
export function isScopeOf(scope: string | undefined, inner: string): boolean {
  if (scope === undefined) return false;
  const outer = scope.toLowerCase().replace(/\/+$/, '');
  const full = inner.toLowerCase();
  return full === outer || full.startsWith(`${outer}/`);
}

/** A role is the same one at whatever scope it is named. */
export function isSameRole(one: string | undefined, other: string): boolean {
  const nameOf = (id: string) => id.toLowerCase().split('/').at(-1);
  return one !== undefined && nameOf(one) === nameOf(other);
}
