import { randomUUID } from 'node:crypto';
import { assertApiVersion } from './api-versions';
import { authorizationFailed, demandOf } from './authorization/access';
import type { Access } from './authorization/access';
import type { RoleRegistry } from './authorization/registry';
import { createAuthorizationRoutes, parseAuthorizationPath } from './authorization/routes';
import type { Caller } from './identity';
import {
  ArmError,
  notInLab,
  preconditionFailed,
  resourceGroupBeingDeleted,
  resourceGroupNotFound,
  resourceNotFound,
} from './arm-error';
import { bodyObject, isObject } from './arm-http';
import type { ArmRequest, ArmResponse } from './arm-http';
import { assertLocation } from './locations';
import type { OperationData, OperationKindName } from './operation-kinds';
import type { Operation, Operations } from './operations';
import { createOperationStatus } from './operation-status';
import type { Pacing } from './pacing';
import { renderInstanceView } from './power-state';
import { createProviderRoutes } from './provider-routes';
import { createResourceGroupRoutes } from './resource-group-routes';
import { parsePath, resourceGroupId, resourceId, sameId } from './resource-id';
import type { ArmPath } from './resource-id';
import { findKind } from './resources/kinds';
import { weakEtag } from './resources/resource';
import type { ChildKind, JsonObject, ManagedIdentity, Resource, ResourceKind, World } from './resources/resource';
import type { ResourceGroup } from './resources/resource-group';
import { assertSameCreation } from './resources/virtual-machine';
import type { VirtualMachine } from './resources/virtual-machine';
import type { MachineRoom } from './machine-room';
import type { Store } from './store';
import { assertTags, createTagRoutes } from './tag-routes';
import { createVirtualMachineActions } from './vm-actions';

/** What the handlers of all routes share. */
export interface Arm {
  readonly store: Store;
  readonly world: World;
  readonly operations: Operations;
  readonly machines: MachineRoom;
  readonly pacing: Pacing;
  readonly now: () => Date;
  readonly registry: RoleRegistry;
  readonly access: Access;
  readonly authorization: AuthorizationSettings;
  /** Takes the failure that an ARM fault has prepared for the operations of this request, if any. */
  readonly takeInjectedFailure: (request: ArmRequest) => { code: string; message: string } | undefined;
}

export interface AuthorizationSettings {
  /** Object id of the operator's service principal, which may do everything. */
  ownerObjectId: string;
  /** From the creation of an identity until the directory knows it everywhere, ms. */
  principalReplicationMs: number;
}

export interface ArmHandler {
  handle(request: ArmRequest): Promise<ArmResponse>;
}

export function createArmHandler(arm: Arm): ArmHandler {
  const { store, world, operations, machines, now } = arm;
  const status = createOperationStatus(arm);
  const groups = createResourceGroupRoutes(arm, status);
  const tags = createTagRoutes(arm);
  const providers = createProviderRoutes(arm);
  const actions = createVirtualMachineActions(arm, status);
  const authorization = createAuthorizationRoutes(arm);
  store.onChange(() => authorization.forgetLostScopes());

  async function handle(request: ArmRequest): Promise<ArmResponse> {
    if (arm.access.isOwner(request.caller)) return route(request);
    return handleFor(request.caller, request);
  }

  /** What the caller's roles give, and no hint of whether more is there. */
  async function handleFor(caller: Caller, request: ArmRequest): Promise<ArmResponse> {
    const begun = operationTarget(request);
    if (begun !== undefined) {
      arm.access.assert(caller, `${begun.type}/read`, begun.id);
      return route(request);
    }
    const demand = authorization.demandOf(request.path, request.method) ?? demandOf(request);
    if (!demand.list || arm.access.allows(caller, demand.action, demand.scope)) {
      arm.access.assert(caller, demand.action, demand.scope);
      return route(request);
    }
    const readable = (body: JsonObject) =>
      arm.access.allows(caller, readActionOf(String(body['type'])), String(body['id']));
    if (!arm.access.allowsBelow(caller, demand.action, demand.scope)) {
      throw authorizationFailed(caller, demand.action, demand.scope);
    }
    const answer = await route(request);
    const value = answer.body?.['value'];
    if (!Array.isArray(value)) throw authorizationFailed(caller, demand.action, demand.scope);
    return { ...answer, body: { ...answer.body, value: (value as JsonObject[]).filter(readable) } };
  }

  /** The resource that a polled operation is about: who may read it may see how the operation goes. */
  function operationTarget(request: ArmRequest): { id: string; type: string } | undefined {
    const [, , what = '', operationId] = parsePath(request.path).rest;
    if (request.method !== 'GET' || operationId === undefined || !/^operation(s|results)$/i.test(what))
      return undefined;
    const target = store.operation(operationId)?.target;
    if (target === undefined) return undefined;
    const path = parsePath(target);
    return { id: target, type: `${path.provider ?? 'Microsoft.Resources'}/${path.rest[0] ?? ''}` };
  }

  async function route(request: ArmRequest): Promise<ArmResponse> {
    const authorizationPath = parseAuthorizationPath(request.path);
    if (authorizationPath !== undefined) return authorization.handle(authorizationPath, request);
    const path = parsePath(request.path);
    const open = providers.withoutSubscription(path, request);
    if (open !== undefined) return open;
    if (path.subscription === undefined) throw pathNotFound(request);
    if (path.subscription.toLowerCase() !== world.subscriptionId.toLowerCase()) {
      throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${path.subscription}' could not be found.`);
    }
    const tagScope = tags.scopeOf(request.path);
    if (tagScope !== undefined) {
      requireVersion(request, 'Microsoft.Resources/tags', '');
      return tags.handle(tagScope, request);
    }
    const [first, second] = path.rest.map((part) => part.toLowerCase());
    if (path.provider === undefined && first === 'operationresults' && path.rest[1] !== undefined) {
      return status.groupResult(path.rest[1], request);
    }
    if (path.provider !== undefined && first === 'locations' && second !== undefined) {
      requireVersion(request, `${path.provider}/locations`, second);
      const [, location = '', what = '', operationId] = path.rest;
      if (operationId !== undefined && /^operations$/i.test(what)) return status.document(operationId, request);
      if (operationId !== undefined && /^operationresults$/i.test(what)) return status.result(operationId, request);
      return providers.location(path.provider, location, what, request);
    }
    if (path.provider === undefined) {
      const answer = groups.handle(path, request) ?? providers.subscription(path, request);
      if (answer === undefined) throw pathNotFound(request);
      return answer;
    }
    if (path.rest.length === 0) return providers.provider(path.provider, request);
    if (path.group === undefined && path.rest.length === 2 && request.method === 'POST') {
      return providers.provider(path.provider, request);
    }
    return resourceRoute(path.provider, path, request);
  }

  function requireVersion(request: ArmRequest, type: string, location: string): void {
    assertApiVersion(request.query.get('api-version') ?? null, type, location);
  }

  async function resourceRoute(provider: string, path: ArmPath, request: ArmRequest): Promise<ArmResponse> {
    const [typeName = '', name, childOrAction, childName, ...more] = path.rest;
    const kind = findKind(`${provider}/${typeName}`);
    if (kind === undefined) {
      throw new ArmError(
        404,
        'InvalidResourceType',
        `The resource type '${typeName}' could not be found in the namespace '${provider}' for api version ` +
          `'${request.query.get('api-version') ?? ''}' (the lab has a part of Azure's types).`,
      );
    }
    const group = path.group === undefined ? undefined : findGroup(path.group);
    requireVersion(request, kind.type, group?.location ?? 'global');
    if (name === undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request);
      if (path.group !== undefined && group === undefined) throw resourceGroupNotFound(path.group);
      return list(kind, path.group, request);
    }
    if (path.group === undefined || more.length > 0) throw pathNotFound(request);
    if (group === undefined) throw resourceGroupNotFound(path.group);
    const id = resourceId(world.subscriptionId, path.group, kind.type, name);
    const current = store.get(id);
    if (childOrAction !== undefined) {
      if (current?.type === 'Microsoft.Compute/virtualMachines' && childName === undefined) {
        return actions.handle(current, childOrAction, request);
      }
      const child = kind.children?.[childOrAction.toLowerCase()];
      if (child === undefined) {
        if (current === undefined) throw resourceNotFound(kind.type, name, path.group);
        throw pathNotFound(request);
      }
      return childRoute(kind, child, { current, group, name, childName }, request);
    }
    switch (request.method) {
      case 'GET':
        if (current === undefined) throw resourceNotFound(kind.type, name, path.group);
        return {
          status: 200,
          body: render(kind, current, request),
          headers: kind.writes === 'network' ? { ETag: weakEtag(current.etag) } : {},
        };
      case 'HEAD':
        return { status: current === undefined ? 404 : 204 };
      case 'PUT':
        return put(kind, { group, groupName: path.group, name, current, body: bodyObject(request) }, request);
      case 'PATCH':
        return patch(kind, { group, groupName: path.group, name, current }, request);
      case 'DELETE':
        return remove(kind, current, group, request);
      default:
        throw methodNotAllowed(request);
    }
  }

  function findGroup(name: string): ResourceGroup | undefined {
    const group = store.get(resourceGroupId(world.subscriptionId, name));
    return group?.type === 'Microsoft.Resources/resourceGroups' ? group : undefined;
  }

  function list(kind: ResourceKind, group: string | undefined, request: ArmRequest): ArmResponse {
    const resources = (group === undefined ? store.ofType(kind.type) : store.inGroup(group)).filter(
      ({ type }) => type === kind.type,
    );
    return { status: 200, body: { value: resources.map((resource) => render(kind, resource, request)) } };
  }

  function render(kind: ResourceKind, resource: Resource, request: ArmRequest): JsonObject {
    const body = renderResource(kind, resource, world);
    if (resource.type !== 'Microsoft.Compute/virtualMachines') return body;
    const wantsView =
      request.query.get('$expand')?.toLowerCase().includes('instanceview') === true ||
      request.query.get('statusonly')?.toLowerCase() === 'true';
    if (!wantsView) return body;
    const properties = body['properties'] as JsonObject;
    return { ...body, properties: { ...properties, instanceView: instanceView(resource) } };
  }

  function instanceView(vm: VirtualMachine): JsonObject {
    return renderInstanceView(vm, machines.state(vm), operations.inProgress(vm.id)[0], now());
  }

  function put(
    kind: ResourceKind,
    target: { group: ResourceGroup; groupName: string; name: string; current: Resource | undefined; body: JsonObject },
    request: ArmRequest,
    child?: { kind: ChildKind; name: string },
  ): ArmResponse {
    const { group, current, body } = target;
    if (group.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(group.name);
    assertConditions(current, request);
    const location = assertLocation(body, current, locationErrors(kind, target.name, group));
    assertName(kind, target.name);
    if (current?.provisioningState === 'Deleting' && kind.type !== 'Microsoft.Compute/virtualMachines') {
      throw anotherOperation(current);
    }
    const id = current?.id ?? resourceId(world.subscriptionId, target.groupName, kind.type, target.name);
    const wanted = kind.wanted(
      { id, name: target.name, location, body, properties: isObject(body['properties']) ? body['properties'] : {} },
      current,
      world,
    );
    const tagsOfBody = assertTags(body['tags'], child === undefined ? undefined : current?.tags);
    const identity = identityOf(body['identity'], current);
    const zones = Array.isArray(body['zones']) ? (body['zones'] as string[]) : current?.zones;
    const desired = {
      id,
      name: current?.name ?? target.name,
      type: kind.type,
      location,
      ...(tagsOfBody === undefined ? {} : { tags: tagsOfBody }),
      ...(zones === undefined ? {} : { zones }),
      ...(identity === undefined ? {} : { identity }),
      ...(isObject(body['sku']) ? { sku: body['sku'] } : current?.sku === undefined ? {} : { sku: current.sku }),
      etag: world.newGuid(),
      guid: current?.guid ?? world.newGuid(),
      createdAt: current?.createdAt ?? now().toISOString(),
      provisioningState:
        kind.writes === 'sync'
          ? 'Succeeded'
          : current === undefined && kind.writes === 'compute'
            ? 'Creating'
            : 'Updating',
      ...wanted,
    } as Resource;

    if (kind.writes === 'sync') {
      store.put(desired);
      const created = current === undefined && kind.type === 'Microsoft.Compute/proximityPlacementGroups';
      return { status: created ? 201 : 200, body: renderResource(kind, desired, world) };
    }
    const attached = attachToCreation(current, desired);
    const operation =
      attached ??
      beginWrite({
        kind: writeKind(kind, current),
        name: child?.kind.operation ?? kind.operation,
        desired,
        current,
        request,
      });
    const shown = store.get(id) ?? desired;
    const rendered = renderResource(kind, shown, world);
    return {
      status:
        kind.type === 'Microsoft.Compute/disks' ? 202 : current === undefined || isNewChild(current, child) ? 201 : 200,
      headers: status.headers(operation, request),
      body: child === undefined ? rendered : findChild(rendered, child.kind, child.name),
    };
  }

  /** The very request that is being worked on already (the SDK re-sends a PUT after a reset): the same operation. */
  function attachToCreation(current: Resource | undefined, desired: Resource): Operation | undefined {
    if (current?.type !== 'Microsoft.Compute/virtualMachines') return undefined;
    if (desired.type !== 'Microsoft.Compute/virtualMachines') return undefined;
    const creation = operations.inProgress(current.id).find(({ kind }) => kind === 'vm.create');
    if (creation === undefined) return undefined;
    assertSameCreation(current, desired);
    return creation;
  }

  function writeKind(kind: ResourceKind, current: Resource | undefined): OperationKindName {
    if (kind.type === 'Microsoft.Compute/disks') return 'disk.put';
    if (kind.type !== 'Microsoft.Compute/virtualMachines') return 'network.put';
    const provisioned = current?.type === 'Microsoft.Compute/virtualMachines' && current.hidden.provisioned;
    return provisioned ? 'vm.update' : 'vm.create';
  }

  /** The operation's file is the point of no return; the resource follows at once, or at the next start. */
  function beginWrite(input: {
    kind: OperationKindName;
    name: string;
    desired: Resource;
    current: Resource | undefined;
    request: ArmRequest;
  }): Operation {
    const { desired, current, name } = input;
    const id = world.newGuid();
    if (input.kind === 'network.put') {
      operations.supersede(
        desired.id,
        'Canceled',
        {
          code: 'Canceled',
          message: 'Operation was canceled.',
          details: [
            {
              code: 'CanceledAndSupersededDueToAnotherOperation',
              message: `Operation was canceled and superseded by operation ${name} (${id}).`,
            },
          ],
        },
        ({ kind }) => kind === 'network.put',
      );
    }
    const injectedFailure = arm.takeInjectedFailure(input.request);
    const operation = operations.begin({
      id,
      kind: input.kind,
      name,
      target: desired.id,
      provider: desired.type.slice(0, desired.type.indexOf('/')),
      location: desired.location,
      method: 'PUT',
      urgent: false,
      secret: randomUUID(),
      data: {
        desired,
        replaces: current?.etag,
        ...(injectedFailure === undefined ? {} : { injectedFailure }),
      } satisfies OperationData as JsonObject,
    });
    store.put(desired);
    return operation;
  }

  function patch(
    kind: ResourceKind,
    target: { group: ResourceGroup; groupName: string; name: string; current: Resource | undefined },
    request: ArmRequest,
  ): ArmResponse {
    const { current } = target;
    const body = bodyObject(request);
    if (current === undefined) throw resourceNotFound(kind.type, target.name, target.groupName);
    if (kind.type === 'Microsoft.Compute/virtualMachines') {
      // A VM's PATCH is a PUT of what it names over what there is.
      const before = renderResource(kind, current, world);
      const merged = {
        ...before,
        ...body,
        properties: {
          ...(before['properties'] as JsonObject),
          ...(isObject(body['properties']) ? body['properties'] : {}),
        },
      };
      return put(kind, { ...target, body: merged }, request);
    }
    assertConditions(current, request);
    if (current.provisioningState === 'Deleting') throw anotherOperation(current);
    if (isObject(body['properties']) && Object.keys(body['properties']).length > 0) {
      throw notInLab(`In the lab a PATCH of ${kind.type} changes tags only; use PUT.`, 'properties');
    }
    const newTags = assertTags(body['tags'], current.tags);
    const updated: Resource = {
      ...current,
      etag: world.newGuid(),
      ...(newTags === undefined ? {} : { tags: newTags }),
    };
    store.put(updated);
    return { status: 200, body: renderResource(kind, updated, world) };
  }

  function remove(
    kind: ResourceKind,
    current: Resource | undefined,
    group: ResourceGroup,
    request: ArmRequest,
  ): ArmResponse {
    if (current === undefined) return { status: 204 };
    assertConditions(current, request);
    const deletion = operations.inProgress(current.id).find((operation) => operation.method === 'DELETE');
    if (deletion !== undefined) return { status: 202, headers: status.headers(deletion, request) };
    if (group.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(group.name);
    kind.assertDeletable(current, world);
    if (kind.writes === 'sync') {
      store.remove(current.id);
      return { status: 200 };
    }
    const isVm = kind.type === 'Microsoft.Compute/virtualMachines';
    operations.supersede(current.id, isVm ? 'Failed' : 'Canceled', {
      code: isVm ? 'OperationPreempted' : 'CanceledAndSupersededDueToAnotherOperation',
      message: isVm
        ? 'Operation execution has been preempted by a more recent operation.'
        : `Operation was canceled and superseded by the deletion of ${current.id}.`,
    });
    const before = store.get(current.id) ?? current;
    const desired: Resource = { ...before, etag: world.newGuid(), provisioningState: 'Deleting' };
    const injectedFailure = arm.takeInjectedFailure(request);
    const operation = operations.begin({
      id: world.newGuid(),
      kind: isVm ? 'vm.delete' : 'resource.delete',
      name: isVm
        ? 'VirtualMachines_Delete'
        : kind.operation.replace(/^Put|_CreateOrUpdate$/, (part) => (part === 'Put' ? 'Delete' : '_Delete')),
      target: current.id,
      provider: kind.type.slice(0, kind.type.indexOf('/')),
      location: current.location,
      method: 'DELETE',
      urgent: isVm,
      secret: randomUUID(),
      data: {
        desired,
        replaces: before.etag,
        ...(injectedFailure === undefined ? {} : { injectedFailure }),
      } satisfies OperationData as JsonObject,
    });
    store.put(desired);
    return {
      status: kind.type === 'Microsoft.Network/networkInterfaces' ? 200 : 202,
      headers: status.headers(operation, request),
    };
  }

  function childRoute(
    kind: ResourceKind,
    child: ChildKind,
    target: { current: Resource | undefined; group: ResourceGroup; name: string; childName: string | undefined },
    request: ArmRequest,
  ): ArmResponse {
    const { current, group, name, childName } = target;
    if (current === undefined) {
      if (request.method === 'GET' || request.method === 'DELETE') throw resourceNotFound(kind.type, name, group.name);
      throw new ArmError(
        404,
        'ParentResourceNotFound',
        `Can not perform requested operation on nested resource. Parent resource '${name}' not found.`,
      );
    }
    const rendered = renderResource(kind, current, world);
    const children = childrenOf(rendered, child);
    if (childName === undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request);
      return { status: 200, body: { value: children } };
    }
    const existing = children.find((candidate) => sameName(candidate['name'], childName));
    if (request.method === 'GET') {
      if (existing === undefined) throw childNotFound(current, child, childName);
      return { status: 200, body: existing, headers: { ETag: weakEtag(current.etag) } };
    }
    if (!child.writable) throw methodNotAllowed(request);
    const others = children.filter((candidate) => !sameName(candidate['name'], childName));
    if (request.method === 'DELETE') {
      if (existing === undefined) return { status: 204 };
      const answer = put(
        kind,
        { group, groupName: group.name, name, current, body: withChildren(rendered, child, others) },
        request,
        { kind: { ...child, operation: child.operation.replace(/^Put/, 'Delete') }, name: childName },
      );
      return { status: 202, ...(answer.headers === undefined ? {} : { headers: answer.headers }) };
    }
    if (request.method !== 'PUT') throw methodNotAllowed(request);
    const given = bodyObject(request);
    const wanted = {
      name: typeof existing?.['name'] === 'string' ? existing['name'] : childName,
      properties: isObject(given['properties']) ? given['properties'] : {},
    };
    return put(
      kind,
      { group, groupName: group.name, name, current, body: withChildren(rendered, child, [...others, wanted]) },
      request,
      { kind: child, name: childName },
    );
  }

  function assertConditions(current: Resource | undefined, request: ArmRequest): void {
    const ifMatch = request.headers['if-match'];
    if (ifMatch !== undefined && ifMatch !== '*' && current !== undefined) {
      const accepted = ifMatch.split(',').map((etag) => bareEtag(etag));
      if (!accepted.includes(current.etag)) throw preconditionFailed(ifMatch, weakEtag(current.etag), current.id);
    }
    if (ifMatch !== undefined && current === undefined && request.method !== 'DELETE') {
      throw new ArmError(412, 'PreconditionFailed', 'Precondition failed. The resource does not exist.');
    }
    if (request.headers['if-none-match'] === '*' && current !== undefined) {
      throw preconditionFailed('*', weakEtag(current.etag), current.id);
    }
  }

  function identityOf(given: unknown, current: Resource | undefined): ManagedIdentity | undefined {
    if (given === undefined) return current?.identity;
    if (!isObject(given)) return undefined;
    const type = typeof given['type'] === 'string' ? given['type'] : 'None';
    if (type === 'None') return undefined;
    if (type.toLowerCase().includes('userassigned')) {
      throw notInLab('The lab has system-assigned identities only.', 'identity.type');
    }
    return {
      type: 'SystemAssigned',
      tenantId: world.tenantId,
      principalId: current?.identity?.principalId ?? world.newGuid(),
      createdAt: current?.identity?.createdAt ?? now().toISOString(),
    };
  }

  return { handle };
}

/** A resource as GET shows it. */
export function renderResource(kind: ResourceKind, resource: Resource, world: World): JsonObject {
  const network = kind.writes === 'network';
  const isVm = kind.type === 'Microsoft.Compute/virtualMachines';
  return {
    name: resource.name,
    id: resource.id,
    ...(network || isVm ? { etag: weakEtag(resource.etag) } : {}),
    type: resource.type,
    location: resource.location,
    ...(resource.tags === undefined ? {} : { tags: resource.tags }),
    ...(resource.sku === undefined ? {} : { sku: resource.sku }),
    ...(resource.zones === undefined ? {} : { zones: resource.zones }),
    ...(resource.identity === undefined ? {} : { identity: renderIdentity(resource.identity) }),
    ...(resource.type === 'Microsoft.Compute/disks' ? managedBy(kind, resource, world) : {}),
    properties: {
      ...(kind.writes === 'sync' ? {} : { provisioningState: resource.provisioningState }),
      ...(network ? { resourceGuid: resource.guid } : {}),
      ...kind.render(resource, world),
    },
  };
}

export function renderIdentity({ createdAt: _createdAt, ...shown }: ManagedIdentity): JsonObject {
  return shown;
}

/** The action that a list of resources asks for each of them. */
function readActionOf(type: string): string {
  return type === 'Microsoft.Resources/resourceGroups'
    ? 'Microsoft.Resources/subscriptions/resourceGroups/read'
    : `${type}/read`;
}

function managedBy(_kind: ResourceKind, disk: Resource, world: World): JsonObject {
  const owner = world.ofType('Microsoft.Compute/virtualMachines').find((vm) => {
    const { osDisk, dataDisks } = vm.properties.storageProfile;
    return [osDisk, ...dataDisks].some(
      ({ managedDisk }) => managedDisk.id !== undefined && sameId(managedDisk.id, disk.id),
    );
  });
  return owner === undefined ? {} : { managedBy: owner.id };
}

function locationErrors(kind: ResourceKind, name: string, group: ResourceGroup) {
  return {
    unavailable: (given: string) =>
      new ArmError(
        400,
        'LocationNotAvailableForResourceType',
        `The provided location '${given}' is not available for resource type '${kind.type}'.`,
      ),
    elsewhere: (location: string, current: string) =>
      new ArmError(
        409,
        'InvalidResourceLocation',
        `The resource '${name}' already exists in location '${current}' in resource group '${group.name}'. A ` +
          `resource with the same name cannot be created in location '${location}'. Please select a new resource name.`,
      ),
  };
}

function assertName(kind: ResourceKind, name: string): void {
  if (/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/.test(name)) return;
  throw new ArmError(
    400,
    'InvalidResourceName',
    `Resource name ${name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it ` +
      "must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'.",
    { target: kind.type },
  );
}

function anotherOperation(current: Resource): ArmError {
  return new ArmError(
    429,
    'RetryableErrorDueToAnotherOperation',
    `Operation on ${current.id} cannot start: another operation on this resource is in progress.`,
    {
      headers: { 'Retry-After': '1' },
    },
  );
}

function bareEtag(etag: string): string {
  return etag.trim().replace(/^W\//, '').replaceAll('"', '');
}

function sameName(a: unknown, b: string): boolean {
  return typeof a === 'string' && a.toLowerCase() === b.toLowerCase();
}

function childrenOf(rendered: JsonObject, child: ChildKind): JsonObject[] {
  const properties = rendered['properties'] as JsonObject;
  return (properties[child.name] as JsonObject[] | undefined) ?? [];
}

function withChildren(rendered: JsonObject, child: ChildKind, children: readonly JsonObject[]): JsonObject {
  return { ...rendered, properties: { ...(rendered['properties'] as JsonObject), [child.name]: children } };
}

function findChild(rendered: JsonObject, child: ChildKind, name: string): JsonObject {
  return childrenOf(rendered, child).find((candidate) => sameName(candidate['name'], name)) ?? {};
}

function isNewChild(current: Resource, child: { kind: ChildKind; name: string } | undefined): boolean {
  if (child === undefined) return false;
  const before = (current.properties as JsonObject)[child.kind.name];
  return (
    Array.isArray(before) && !(before as JsonObject[]).some((candidate) => sameName(candidate['name'], child.name))
  );
}

function childNotFound(parent: Resource, child: ChildKind, name: string): ArmError {
  return new ArmError(404, 'NotFound', `Resource ${parent.id}/${child.name}/${name} not found.`);
}

export function methodNotAllowed(request: ArmRequest): ArmError {
  return new ArmError(
    405,
    'HttpMethodNotAllowed',
    `The http method '${request.method}' is not supported for this resource: ${request.path}.`,
  );
}

export function pathNotFound(request: ArmRequest): ArmError {
  return new ArmError(
    404,
    'InvalidResourcePath',
    `The lab has no route ${request.method} ${request.path}; lab/README.md lists what it has.`,
  );
}
