import { randomUUID } from 'node:crypto';
import { assertApiVersion } from './api-versions';
import type { Arm } from './arm';
import { methodNotAllowed } from './arm';
import { ArmError, resourceGroupBeingDeleted, resourceGroupNotFound } from './arm-error';
import { bodyObject } from './arm-http';
import type { ArmRequest, ArmResponse } from './arm-http';
import { assertLocation } from './locations';
import type { OperationStatusRoutes } from './operation-status';
import type { OperationData } from './operation-kinds';
import { resourceGroupId } from './resource-id';
import type { ArmPath } from './resource-id';
import { findKind } from './resources/kinds';
import { parseFilter } from './resource-filter';
import type { JsonObject, Resource } from './resources/resource';
import type { ResourceGroup } from './resources/resource-group';
import { assertTags } from './tag-routes';
import { renderIdentity, renderResource } from './arm';

const GROUP_LOCATION_ERRORS = {
  unavailable: (given: string) =>
    new ArmError(
      400,
      'LocationNotAvailableForResourceGroup',
      `The provided location '${given}' is not available for resource group.`,
    ),
  elsewhere: (location: string, current: string) =>
    new ArmError(
      409,
      'InvalidResourceGroupLocation',
      `Invalid resource group location '${location}'. The Resource group already exists in location '${current}'.`,
    ),
};

/** Resource groups, and lists of resources across types. */
export function createResourceGroupRoutes(arm: Arm, status: OperationStatusRoutes) {
  const { store, world, operations, now } = arm;

  const find = (name: string): ResourceGroup | undefined => {
    const group = store.get(resourceGroupId(world.subscriptionId, name));
    return group?.type === 'Microsoft.Resources/resourceGroups' ? group : undefined;
  };

  const render = (group: ResourceGroup): JsonObject => ({
    id: group.id,
    name: group.name,
    type: 'Microsoft.Resources/resourceGroups',
    location: group.location,
    ...(group.tags === undefined ? {} : { tags: group.tags }),
    properties: { provisioningState: group.provisioningState },
  });

  function put(name: string, current: ResourceGroup | undefined, request: ArmRequest): ArmResponse {
    const body = bodyObject(request);
    if (current?.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(current.name);
    if (!/^[\p{L}\p{N}_().-]{1,90}$/u.test(name) || name.endsWith('.')) {
      throw new ArmError(
        400,
        'InvalidParameter',
        `The provided resource group name '${name}' has these invalid characters or length. The name can only be a letter, ` +
          "digit, '-', '.', '(', ')' or '_', at most 90 characters, and cannot end with a period.",
      );
    }
    const location = assertLocation(body, current, GROUP_LOCATION_ERRORS);
    const tags = assertTags(body['tags'], undefined);
    const group: ResourceGroup = {
      id: current?.id ?? resourceGroupId(world.subscriptionId, name),
      name: current?.name ?? name,
      type: 'Microsoft.Resources/resourceGroups',
      location,
      etag: world.newGuid(),
      guid: current?.guid ?? world.newGuid(),
      provisioningState: 'Succeeded',
      createdAt: current?.createdAt ?? now().toISOString(),
      properties: {},
      ...(tags === undefined ? {} : { tags }),
    };
    store.put(group);
    return { status: current === undefined ? 201 : 200, body: render(group) };
  }

  function patch(name: string, current: ResourceGroup | undefined, request: ArmRequest): ArmResponse {
    if (current === undefined) throw resourceGroupNotFound(name);
    if (current.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(current.name);
    const tags = assertTags(bodyObject(request)['tags'], current.tags);
    const group: ResourceGroup = { ...current, etag: world.newGuid(), ...(tags === undefined ? {} : { tags }) };
    store.put(group);
    return { status: 200, body: render(group) };
  }

  function remove(name: string, current: ResourceGroup | undefined, request: ArmRequest): ArmResponse {
    if (current === undefined) throw resourceGroupNotFound(name);
    const running = operations.inProgress(current.id)[0];
    if (running !== undefined) return { status: 202, headers: status.headers(running, request) };
    const desired: ResourceGroup = { ...current, etag: world.newGuid(), provisioningState: 'Deleting' };
    const injectedFailure = arm.takeInjectedFailure(request);
    const operation = operations.begin({
      id: world.newGuid(),
      kind: 'group.delete',
      name: 'ResourceGroups_Delete',
      target: current.id,
      provider: 'Microsoft.Resources',
      location: current.location,
      method: 'DELETE',
      urgent: false,
      secret: randomUUID(),
      data: {
        desired,
        replaces: current.etag,
        ...(injectedFailure === undefined ? {} : { injectedFailure }),
      } satisfies OperationData as JsonObject,
    });
    store.put(desired);
    return { status: 202, headers: status.headers(operation, request) };
  }

  const listed = (resource: Resource, expand: string): JsonObject => {
    const kind = findKind(resource.type);
    const managedBy = kind === undefined ? undefined : renderResource(kind, resource, world)['managedBy'];
    return {
      id: resource.id,
      name: resource.name,
      type: resource.type,
      location: resource.location,
      ...(resource.tags === undefined ? {} : { tags: resource.tags }),
      ...(resource.sku === undefined ? {} : { sku: resource.sku }),
      ...(resource.identity === undefined ? {} : { identity: renderIdentity(resource.identity) }),
      ...(resource.zones === undefined ? {} : { zones: resource.zones }),
      ...(managedBy === undefined ? {} : { managedBy }),
      ...(expand.includes('createdtime') ? { createdTime: resource.createdAt } : {}),
      ...(expand.includes('changedtime') ? { changedTime: resource.createdAt } : {}),
      ...(expand.includes('provisioningstate') ? { provisioningState: resource.provisioningState } : {}),
    };
  };

  function listResources(resources: readonly Resource[], request: ArmRequest): ArmResponse {
    const matches = parseFilter(request.query.get('$filter'));
    const expand = request.query.get('$expand')?.toLowerCase() ?? '';
    const top = Number(request.query.get('$top') ?? resources.length);
    const value = resources
      .filter((resource) => matches(resource))
      .slice(0, top)
      .map((resource) => listed(resource, expand));
    return { status: 200, body: { value } };
  }

  function listGroups(request: ArmRequest): ArmResponse {
    const matches = parseFilter(request.query.get('$filter'));
    const value = store
      .ofType('Microsoft.Resources/resourceGroups')
      .filter((group) => matches(group))
      .map(render);
    return { status: 200, body: { value } };
  }

  return {
    /** Answers paths without a provider; undefined when it is none of its own. */
    handle(path: ArmPath, request: ArmRequest): ArmResponse | undefined {
      const [first, second] = path.rest;
      const version = () => {
        const location = path.group === undefined ? '' : (find(path.group)?.location ?? '');
        assertApiVersion(request.query.get('api-version') ?? null, 'Microsoft.Resources/resourceGroups', location);
      };
      if (path.group === undefined) {
        if (second !== undefined || first === undefined) return undefined;
        if (first.toLowerCase() === 'resourcegroups') {
          version();
          if (request.method !== 'GET') throw methodNotAllowed(request);
          return listGroups(request);
        }
        if (first.toLowerCase() === 'resources') {
          version();
          if (request.method !== 'GET') throw methodNotAllowed(request);
          const resources = store
            .ofType('Microsoft.Resources/resourceGroups')
            .flatMap((group) => store.inGroup(group.name));
          return listResources(resources, request);
        }
        return undefined;
      }
      version();
      const current = find(path.group);
      if (first !== undefined) {
        if (first.toLowerCase() !== 'resources' || second !== undefined || request.method !== 'GET') return undefined;
        if (current === undefined) throw resourceGroupNotFound(path.group);
        return listResources(store.inGroup(path.group), request);
      }
      switch (request.method) {
        case 'HEAD':
          return { status: current === undefined ? 404 : 204 };
        case 'GET':
          if (current === undefined) throw resourceGroupNotFound(path.group);
          return { status: 200, body: render(current) };
        case 'PUT':
          return put(path.group, current, request);
        case 'PATCH':
          return patch(path.group, current, request);
        case 'DELETE':
          return remove(path.group, current, request);
        default:
          throw methodNotAllowed(request);
      }
    },
  };
}
