import { assertApiVersion } from '../api-versions';
import type { Arm } from '../arm';
import { methodNotAllowed } from '../arm';
import { ArmError, resourceGroupNotFound, resourceNotFound } from '../arm-error';
import { bodyObject, isObject } from '../arm-http';
import type { ArmRequest, ArmResponse } from '../arm-http';
import { parsePath } from '../resource-id';
import type { Demand } from './access';
import type { JsonObject } from '../resources/resource';
import { roleNameOf } from './registry';
import type { RoleAssignment, RoleDefinition, RolePermission } from './roles';
import { containsScope, isGuid, isKnownAction, scopeKey } from './roles';

interface AuthorizationPath {
  /** Empty for the tenant. */
  scope: string;
  type: 'roleDefinitions' | 'roleAssignments';
  name: string | undefined;
}

/** `{scope}/providers/Microsoft.Authorization/(roleDefinitions|roleAssignments)[/{name}]`; undefined for other paths. */
export function parseAuthorizationPath(path: string): AuthorizationPath | undefined {
  const match = /^(.*)\/providers\/microsoft\.authorization\/(roledefinitions|roleassignments)(?:\/([^/]+))?\/*$/i.exec(
    path.replaceAll(/\/{2,}/g, '/'),
  );
  if (match === null) return undefined;
  return {
    scope: match[1] ?? '',
    type: match[2]?.toLowerCase() === 'roledefinitions' ? 'roleDefinitions' : 'roleAssignments',
    name: match[3],
  };
}

/** The role definitions and role assignments of Microsoft.Authorization. */
export function createAuthorizationRoutes(arm: Arm) {
  const { registry, world, store, now } = arm;
  const { principalReplicationMs } = arm.authorization;

  function assertScope(scope: string): void {
    if (scope === '') return;
    const path = parsePath(scope);
    if (path.subscription?.toLowerCase() !== world.subscriptionId.toLowerCase()) {
      throw new ArmError(
        404,
        'SubscriptionNotFound',
        `The subscription '${path.subscription ?? ''}' could not be found.`,
      );
    }
    if (path.group === undefined || store.get(scope) !== undefined) return;
    if (path.provider === undefined) throw resourceGroupNotFound(path.group);
    throw resourceNotFound(`${path.provider}/${path.rest[0] ?? ''}`, path.rest[1] ?? '', path.group);
  }

  const definitionId = (name: string) =>
    `/subscriptions/${world.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${name}`;
  const assignmentId = ({ scope, name }: RoleAssignment) =>
    `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;

  const renderDefinition = (role: RoleDefinition): JsonObject => ({
    id: definitionId(role.name),
    type: 'Microsoft.Authorization/roleDefinitions',
    name: role.name,
    properties: {
      roleName: role.roleName,
      type: role.type,
      description: role.description,
      assignableScopes: role.assignableScopes,
      permissions: role.permissions,
      createdOn: role.createdOn,
      updatedOn: role.updatedOn,
      createdBy: role.type === 'CustomRole' ? arm.authorization.ownerObjectId : null,
      updatedBy: role.type === 'CustomRole' ? arm.authorization.ownerObjectId : null,
    },
  });

  const renderAssignment = (assignment: RoleAssignment): JsonObject => ({
    id: assignmentId(assignment),
    type: 'Microsoft.Authorization/roleAssignments',
    name: assignment.name,
    properties: {
      roleDefinitionId: definitionId(assignment.role),
      principalId: assignment.principalId,
      principalType: assignment.principalType,
      scope: assignment.scope,
      condition: null,
      conditionVersion: null,
      createdOn: assignment.createdOn,
      updatedOn: assignment.createdOn,
      createdBy: arm.authorization.ownerObjectId,
      updatedBy: arm.authorization.ownerObjectId,
      delegatedManagedIdentityResourceId: null,
      description: assignment.description ?? null,
    },
  });

  function definitions(path: AuthorizationPath, request: ArmRequest): ArmResponse {
    if (path.name === undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request);
      return listDefinitions(path.scope, request);
    }
    const name = path.name.toLowerCase();
    const current = registry.definition(name);
    switch (request.method) {
      case 'GET':
        if (current === undefined) throw definitionNotFound(name);
        return { status: 200, body: renderDefinition(current) };
      case 'PUT':
        return putDefinition(path.scope, name, current, request);
      case 'DELETE':
        return deleteDefinition(name, current);
      default:
        throw methodNotAllowed(request);
    }
  }

  function listDefinitions(scope: string, request: ArmRequest): ArmResponse {
    const matches = parseAuthorizationFilter(request.query.get('$filter'));
    const value = registry
      .definitions()
      .filter(({ assignableScopes }) =>
        assignableScopes.some(
          (assignable) =>
            containsScope(assignable, scope) || (matches.atScopeAndBelow && containsScope(scope, assignable)),
        ),
      )
      .filter((role) => matches.roleName === undefined || role.roleName === matches.roleName)
      .filter((role) => matches.type === undefined || role.type.toLowerCase() === matches.type.toLowerCase());
    return { status: 200, body: { value: value.map(renderDefinition) } };
  }

  function putDefinition(
    scope: string,
    name: string,
    current: RoleDefinition | undefined,
    request: ArmRequest,
  ): ArmResponse {
    if (!isGuid(name)) {
      throw new ArmError(
        400,
        'InvalidRoleDefinitionId',
        `The role definition ID '${name}' is not valid. The role definition ID must be a GUID.`,
      );
    }
    if (current?.type === 'BuiltInRole') {
      throw new ArmError(403, 'CannotModifyBuiltInRole', `The built-in role '${current.roleName}' cannot be changed.`);
    }
    const wanted = parseDefinition(bodyObject(request), current);
    for (const assignable of wanted.assignableScopes) {
      const path = parsePath(assignable);
      if (path.subscription === undefined || path.provider !== undefined) {
        throw new ArmError(
          400,
          'InvalidAssignableScope',
          `The assignable scope '${assignable}' is not valid: it must be a subscription or a resource group.`,
        );
      }
      assertScope(assignable);
    }
    if (!wanted.assignableScopes.some((assignable) => scopeKey(assignable) === scopeKey(scope))) {
      throw new ArmError(
        400,
        'InvalidAssignableScope',
        `The scope '${scope}' of the request must be one of the role's assignable scopes.`,
      );
    }
    const same = registry
      .definitions()
      .find((other) => other.name !== name && other.roleName.toLowerCase() === wanted.roleName.toLowerCase());
    if (same !== undefined) {
      throw new ArmError(
        409,
        'RoleDefinitionWithSameNameExists',
        `A custom role with the same name already exists in this directory. Use a different name. The existing one is '${same.name}'.`,
      );
    }
    const time = now().toISOString();
    const role: RoleDefinition = {
      ...wanted,
      name,
      type: 'CustomRole',
      createdOn: current?.createdOn ?? time,
      updatedOn: time,
    };
    registry.putDefinition(role);
    return { status: 201, body: renderDefinition(role) };
  }

  function deleteDefinition(name: string, current: RoleDefinition | undefined): ArmResponse {
    if (current === undefined) return { status: 204 };
    if (current.type === 'BuiltInRole') {
      throw new ArmError(403, 'CannotModifyBuiltInRole', `The built-in role '${current.roleName}' cannot be deleted.`);
    }
    if (registry.assignments().some(({ role }) => role === name)) {
      throw new ArmError(
        400,
        'RoleDefinitionHasAssignments',
        `There are existing role assignments referencing role '${definitionId(name)}'. Delete them first.`,
      );
    }
    registry.removeDefinition(name);
    return { status: 200, body: renderDefinition(current) };
  }

  function assignments(path: AuthorizationPath, request: ArmRequest): ArmResponse {
    if (path.name === undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request);
      assertScope(path.scope);
      return listAssignments(path.scope, request);
    }
    const current = registry.assignment(path.name);
    const here = current !== undefined && scopeKey(current.scope) === scopeKey(path.scope) ? current : undefined;
    switch (request.method) {
      case 'GET':
        if (here === undefined) {
          throw new ArmError(404, 'RoleAssignmentNotFound', `The role assignment '${path.name}' is not found.`);
        }
        return { status: 200, body: renderAssignment(here) };
      case 'PUT':
        assertScope(path.scope);
        return putAssignment(path.scope, path.name.toLowerCase(), current, request);
      case 'DELETE':
        if (here === undefined) return { status: 204 };
        registry.removeAssignments(({ name }) => name === here.name);
        return { status: 200, body: renderAssignment(here) };
      default:
        throw methodNotAllowed(request);
    }
  }

  function listAssignments(scope: string, request: ArmRequest): ArmResponse {
    const matches = parseAuthorizationFilter(request.query.get('$filter'));
    const principal = matches.principalId ?? matches.assignedTo;
    const value = registry
      .assignments()
      .filter((one) => containsScope(one.scope, scope) || (!matches.atScope && containsScope(scope, one.scope)))
      .filter(({ principalId }) => principal === undefined || principalId.toLowerCase() === principal.toLowerCase());
    return { status: 200, body: { value: value.map(renderAssignment) } };
  }

  function putAssignment(
    scope: string,
    name: string,
    current: RoleAssignment | undefined,
    request: ArmRequest,
  ): ArmResponse {
    if (!isGuid(name)) {
      throw new ArmError(
        400,
        'InvalidRoleAssignmentId',
        `The role assignment ID '${name}' is not valid. The role assignment ID must be a GUID.`,
      );
    }
    const given = bodyObject(request)['properties'];
    const properties = isObject(given) ? given : {};
    const { roleDefinitionId, principalId, principalType, description } = properties;
    if (typeof roleDefinitionId !== 'string' || typeof principalId !== 'string') {
      throw new ArmError(
        400,
        'InvalidRequestContent',
        'The request content was invalid: properties.roleDefinitionId and properties.principalId are required.',
      );
    }
    if (!isGuid(principalId)) {
      throw new ArmError(
        400,
        'InvalidPrincipalId',
        `The Principal ID '${principalId}' is not valid. Principal ID must be a GUID.`,
      );
    }
    if (properties['condition'] !== undefined && properties['condition'] !== null) {
      throw new ArmError(400, 'FeatureNotSupportedInLab', 'The lab has no conditions of role assignments.');
    }
    const role = registry.definition(roleNameOf(roleDefinitionId));
    if (role === undefined) throw definitionNotFound(roleNameOf(roleDefinitionId));
    if (!role.assignableScopes.some((assignable) => containsScope(assignable, scope))) {
      throw new ArmError(
        400,
        'RoleDefinitionNotAssignableAtScope',
        `The role '${role.roleName}' is not assignable at scope '${scope}': its assignable scopes are ${role.assignableScopes.join(', ')}.`,
      );
    }
    assertPrincipal(principalId, principalType);
    const same = (other: RoleAssignment) =>
      other.role === role.name &&
      other.principalId.toLowerCase() === principalId.toLowerCase() &&
      scopeKey(other.scope) === scopeKey(scope);
    if (current !== undefined) {
      if (same(current)) return { status: 200, body: renderAssignment(current) };
      throw new ArmError(
        400,
        'RoleAssignmentUpdateNotPermitted',
        'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
      );
    }
    const existing = registry.assignments().find(same);
    if (existing !== undefined) {
      throw new ArmError(
        409,
        'RoleAssignmentExists',
        `The role assignment already exists. The ID of the existing role assignment is ${existing.name.replaceAll('-', '')}.`,
      );
    }
    const assignment: RoleAssignment = {
      name,
      scope,
      role: role.name,
      principalId,
      principalType: 'ServicePrincipal',
      ...(typeof description === 'string' ? { description } : {}),
      createdOn: now().toISOString(),
    };
    registry.putAssignment(assignment);
    return { status: 201, body: renderAssignment(assignment) };
  }

  /** The directory learns of a new identity late; a request that names the type of the principal does not ask it. */
  function assertPrincipal(principalId: string, principalType: unknown): void {
    const identity = world
      .ofType('Microsoft.Compute/virtualMachines')
      .map((vm) => vm.identity)
      .find((candidate) => candidate?.principalId?.toLowerCase() === principalId.toLowerCase());
    const isOperator = principalId.toLowerCase() === arm.authorization.ownerObjectId.toLowerCase();
    if (principalType !== undefined && principalType !== 'ServicePrincipal' && (identity !== undefined || isOperator)) {
      throw new ArmError(
        400,
        'UnmatchedPrincipalType',
        `The PrincipalId '${principalId.replaceAll('-', '')}' has type 'ServicePrincipal' , which is different from specified ` +
          `PrinciaplType '${textOf(principalType)}'.`,
      );
    }
    const createdAt = identity?.createdAt;
    const replicated =
      isOperator ||
      (identity !== undefined &&
        (principalType === 'ServicePrincipal' ||
          createdAt === undefined ||
          Date.parse(createdAt) + principalReplicationMs <= now().getTime()));
    if (replicated) return;
    throw new ArmError(
      400,
      'PrincipalNotFound',
      `Principal ${principalId.replaceAll('-', '')} does not exist in the directory ${world.tenantId}. Check that you have the ` +
        'correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be ' +
        'related to a replication delay. In this case, set the role assignment principalType property to a value, such as ' +
        'ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype',
    );
  }

  return {
    demandOf(path: string, method: string): Demand | undefined {
      const parsed = parseAuthorizationPath(path);
      if (parsed === undefined) return undefined;
      const verb = method === 'GET' ? 'read' : method === 'DELETE' ? 'delete' : 'write';
      return {
        action: `Microsoft.Authorization/${parsed.type}/${verb}`,
        scope: parsed.scope === '' ? '/' : parsed.scope,
        list: false,
      };
    },

    handle(path: AuthorizationPath, request: ArmRequest): ArmResponse {
      const type = `Microsoft.Authorization/${path.type}`;
      assertApiVersion(request.query.get('api-version') ?? null, type, 'global');
      if (
        path.scope !== '' &&
        parsePath(path.scope).subscription?.toLowerCase() !== world.subscriptionId.toLowerCase()
      ) {
        assertScope(path.scope);
      }
      return path.type === 'roleDefinitions' ? definitions(path, request) : assignments(path, request);
    },

    /** Azure removes assignments together with the resource or group that they are made at. */
    forgetLostScopes(): void {
      registry.removeAssignments(({ scope }) => parsePath(scope).group !== undefined && store.get(scope) === undefined);
    },
  };
}

function definitionNotFound(name: string): ArmError {
  return new ArmError(
    404,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${name.replaceAll('-', '')}' does not exist.`,
  );
}

function parseDefinition(
  body: JsonObject,
  current: RoleDefinition | undefined,
): Pick<RoleDefinition, 'roleName' | 'description' | 'permissions' | 'assignableScopes'> {
  const invalid = (what: string) =>
    new ArmError(400, 'InvalidRequestContent', `The request content was invalid: ${what}.`);
  const properties = isObject(body['properties']) ? body['properties'] : {};
  const { roleName, description, type, permissions, assignableScopes } = properties;
  if (typeof roleName !== 'string' || roleName.trim() === '' || roleName.length > 128) {
    throw invalid('properties.roleName must have 1 to 128 characters');
  }
  if (type !== undefined && type !== null && textOf(type).toLowerCase() !== 'customrole') {
    throw invalid(`properties.type must be CustomRole, not '${textOf(type)}'`);
  }
  const scopes = stringsOf(assignableScopes) ?? current?.assignableScopes;
  if (scopes === undefined || scopes.length === 0) throw invalid('properties.assignableScopes must not be empty');
  if (!Array.isArray(permissions) || permissions.length === 0) {
    throw invalid('properties.permissions must not be empty');
  }
  const parsed = permissions.map((permission: unknown): RolePermission => {
    if (!isObject(permission)) throw invalid('properties.permissions must hold objects');
    const list = (name: string) => {
      const value = permission[name];
      if (value === undefined || value === null) return [];
      const strings = stringsOf(value);
      if (strings === undefined) throw invalid(`${name} must be a list of strings`);
      return strings;
    };
    return {
      actions: list('actions'),
      notActions: list('notActions'),
      dataActions: list('dataActions'),
      notDataActions: list('notDataActions'),
    };
  });
  const unknown = parsed
    .flatMap(({ actions, notActions }) => [...actions, ...notActions])
    .find((action) => !isKnownAction(action));
  if (unknown !== undefined) {
    throw new ArmError(
      400,
      'InvalidActionOrNotAction',
      `'${unknown}' does not match any of the actions supported by the providers.`,
    );
  }
  return {
    roleName,
    description: typeof description === 'string' ? description : '',
    permissions: parsed,
    assignableScopes: scopes,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function stringsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item): item is string => typeof item === 'string') ? value : undefined;
}

interface AuthorizationFilter {
  atScope: boolean;
  atScopeAndBelow: boolean;
  principalId?: string;
  assignedTo?: string;
  roleName?: string;
  type?: string;
}

/** `atScope()`, `atScopeAndBelow()`, `principalId eq '...'`, `assignedTo('...')`, `roleName eq '...'`, `type eq '...'`. */
export function parseAuthorizationFilter(filter: string | undefined): AuthorizationFilter {
  const parsed: AuthorizationFilter = { atScope: false, atScopeAndBelow: false };
  for (const term of (filter ?? '').split(/\s+and\s+/i).map((text) => text.trim())) {
    const [, field, value] = /^(principalId|roleName|type)\s+eq\s+'((?:[^']|'')*)'$/i.exec(term) ?? [];
    const [, assigned] = /^assignedTo\('([^']*)'\)$/i.exec(term) ?? [];
    const text = value?.replaceAll("''", "'");
    if (term === '') continue;
    if (/^atScope\(\)$/i.test(term)) parsed.atScope = true;
    else if (/^atScopeAndBelow\(\)$/i.test(term)) parsed.atScopeAndBelow = true;
    else if (assigned !== undefined) parsed.assignedTo = assigned;
    else if (field?.toLowerCase() === 'principalid' && text !== undefined) parsed.principalId = text;
    else if (field?.toLowerCase() === 'rolename' && text !== undefined) parsed.roleName = text;
    else if (field?.toLowerCase() === 'type' && text !== undefined) parsed.type = text;
    else throw new ArmError(400, 'InvalidFilter', `The filter '${filter ?? ''}' is not supported.`);
  }
  return parsed;
}
