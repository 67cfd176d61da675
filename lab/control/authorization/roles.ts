/** Roles and their assignments, as Microsoft.Authorization keeps them. */

export interface RolePermission {
  actions: readonly string[];
  notActions: readonly string[];
  dataActions: readonly string[];
  notDataActions: readonly string[];
}

export interface RoleDefinition {
  /** GUID; roles belong to the tenant, whatever scope they are asked for at. */
  name: string;
  roleName: string;
  description: string;
  type: 'BuiltInRole' | 'CustomRole';
  permissions: readonly RolePermission[];
  assignableScopes: readonly string[];
  createdOn: string;
  updatedOn: string;
}

export interface RoleAssignment {
  /** GUID. */
  name: string;
  /** A subscription, a resource group or a resource, in the casing of the request that made it. */
  scope: string;
  /** GUID of the role. */
  role: string;
  principalId: string;
  principalType: string;
  description?: string;
  createdOn: string;
}

const BUILT_IN_SINCE = '2015-02-02T21:55:09.8806423Z';

function builtIn(name: string, roleName: string, actions: string[], notActions: string[] = []): RoleDefinition {
  return {
    name,
    roleName,
    description: '',
    type: 'BuiltInRole',
    permissions: [{ actions, notActions, dataActions: [], notDataActions: [] }],
    assignableScopes: ['/'],
    createdOn: BUILT_IN_SINCE,
    updatedOn: BUILT_IN_SINCE,
  };
}

/** Those of Azure's built-in roles that have to do with virtual machines; learn.microsoft.com, "Azure built-in roles". */
export const BUILT_IN_ROLES: readonly RoleDefinition[] = [
  builtIn('8e3af657-a8ff-443c-a75c-2fe8c4bcb635', 'Owner', ['*']),
  builtIn(
    'b24988ac-6180-42a0-ab88-20f7382dd24c',
    'Contributor',
    ['*'],
    [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
    ],
  ),
  builtIn('acdd72a7-3385-48ef-bd42-f606fba81ae7', 'Reader', ['*/read']),
  builtIn('9980e02c-c2be-4d73-94e8-173b1dc7cf3c', 'Virtual Machine Contributor', [
    'Microsoft.Authorization/*/read',
    'Microsoft.Compute/availabilitySets/*',
    'Microsoft.Compute/locations/*',
    'Microsoft.Compute/virtualMachines/*',
    'Microsoft.Compute/disks/write',
    'Microsoft.Compute/disks/read',
    'Microsoft.Compute/disks/delete',
    'Microsoft.Network/loadBalancers/read',
    'Microsoft.Network/networkInterfaces/*',
    'Microsoft.Network/networkSecurityGroups/join/action',
    'Microsoft.Network/networkSecurityGroups/read',
    'Microsoft.Network/publicIPAddresses/read',
    'Microsoft.Network/virtualNetworks/read',
    'Microsoft.Resources/subscriptions/resourceGroups/read',
  ]),
];

/** Whether a pattern such as `Microsoft.Compute/*`+`/read` covers an action; neither minds casing. */
export function coversAction(pattern: string, action: string): boolean {
  const expression = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
  return new RegExp(`^${expression}$`, 'i').test(action);
}

/** One permission has to give the action and not take it back. */
export function permits(permissions: readonly RolePermission[], action: string): boolean {
  return permissions.some(
    ({ actions, notActions }) =>
      actions.some((pattern) => coversAction(pattern, action)) &&
      !notActions.some((pattern) => coversAction(pattern, action)),
  );
}

/** Whether a scope is the other one or above it: `/subscriptions/s` is above everything of that subscription. */
export function containsScope(scope: string, inner: string): boolean {
  const outer = scopeKey(scope);
  return outer === '/' || scopeKey(inner) === outer || scopeKey(inner).startsWith(`${outer}/`);
}

/** The form in which scopes are compared. */
export function scopeKey(scope: string): string {
  return `/${scope
    .split('/')
    .filter((part) => part !== '')
    .join('/')
    .toLowerCase()}`;
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function isGuid(text: string): boolean {
  return GUID.test(text);
}

/** Actions of the types whose actions the lab can name; a pattern for such a type that covers none is a slip of the pen. */
const KNOWN_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  'microsoft.compute/virtualmachines/': [
    'read',
    'write',
    'delete',
    'instanceView/read',
    'vmSizes/read',
    ...'start powerOff restart deallocate redeploy reapply reimage generalize capture runCommand performMaintenance'
      .split(' ')
      .map((name) => `${name}/action`),
    ...'assessPatches installPatches retrieveBootDiagnosticsData convertToManagedDisks simulateEviction attachDetachDataDisks login loginAsAdmin'
      .split(' ')
      .map((name) => `${name}/action`),
    ...['extensions', 'runCommands'].flatMap((child) => [`${child}/read`, `${child}/write`, `${child}/delete`]),
    'providers/Microsoft.Insights/diagnosticSettings/read',
    'providers/Microsoft.Insights/metricDefinitions/read',
  ],
  'microsoft.authorization/roleassignments/': ['read', 'write', 'delete'],
  'microsoft.authorization/roledefinitions/': ['read', 'write', 'delete'],
};

/** False for an action that no provider has, as far as the lab can know. */
export function isKnownAction(pattern: string): boolean {
  if (pattern === '*') return true;
  if (!/^[\w.*-]+(\/[\w.*-]+)+$/.test(pattern)) return false;
  const lower = pattern.toLowerCase();
  const type = Object.keys(KNOWN_ACTIONS).find((prefix) => lower.startsWith(prefix));
  if (type === undefined) return /\/(read|write|delete|action|\*)$/.test(lower);
  return (KNOWN_ACTIONS[type] ?? []).some((action) => coversAction(pattern, `${type}${action}`));
}
