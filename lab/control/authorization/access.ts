import { ArmError } from '../arm-error';
import type { ArmRequest } from '../arm-http';
import type { Caller } from '../identity';
import { parsePath, resourceGroupId } from '../resource-id';
import type { RoleRegistry } from './registry';
import { containsScope, permits } from './roles';

/** Who may do what: the operator everything, an identity what its assignments give, and nobody else anything. */
export interface Access {
  isOwner(caller: Caller): boolean;
  allows(caller: Caller, action: string, scope: string): boolean;
  /** Throws 403 AuthorizationFailed. */
  assert(caller: Caller, action: string, scope: string): void;
  /** Whether the action is given anywhere at or below a scope: then a list of it is answered, filtered. */
  allowsBelow(caller: Caller, action: string, scope: string): boolean;
}

export function createAccess(options: {
  registry: RoleRegistry;
  /** Object id of the operator's service principal. */
  ownerObjectId: string;
  /** From the creation of an assignment until Resource Manager heeds it, ms. */
  propagationMs: number;
  now: () => Date;
}): Access {
  const { registry, ownerObjectId, propagationMs, now } = options;

  const isOwner = ({ objectId }: Caller) => objectId === ownerObjectId;

  /** The scopes at which the caller's assignments give the action. */
  const grantedScopes = (caller: Caller, action: string): string[] => {
    const known = now().getTime() - propagationMs;
    return registry
      .assignments()
      .filter(({ principalId }) => principalId.toLowerCase() === caller.objectId.toLowerCase())
      .filter(({ createdOn }) => Date.parse(createdOn) <= known)
      .filter(({ role }) => permits(registry.definition(role)?.permissions ?? [], action))
      .map(({ scope }) => scope);
  };

  const allows = (caller: Caller, action: string, scope: string) =>
    isOwner(caller) || grantedScopes(caller, action).some((granted) => containsScope(granted, scope));

  return {
    isOwner,
    allows,
    assert(caller, action, scope) {
      if (!allows(caller, action, scope)) throw authorizationFailed(caller, action, scope);
    },
    allowsBelow: (caller, action, scope) =>
      allows(caller, action, scope) || grantedScopes(caller, action).some((granted) => containsScope(scope, granted)),
  };
}

export function authorizationFailed(caller: Caller, action: string, scope: string): ArmError {
  return new ArmError(
    403,
    'AuthorizationFailed',
    `The client '${caller.clientId}' with object id '${caller.objectId}' does not have authorization to perform action ` +
      `'${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your ` +
      'credentials.',
  );
}

export interface Demand {
  action: string;
  scope: string;
  /** A list: who may read some of it sees that part. */
  list: boolean;
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'read',
  HEAD: 'read',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'delete',
  POST: 'action',
};

/** What a request asks for, in the terms of roles. */
export function demandOf(request: Pick<ArmRequest, 'method' | 'path'>): Demand {
  const verb = VERBS[request.method] ?? 'action';
  const path = parsePath(request.path);
  const subscription = `/subscriptions/${path.subscription ?? ''}`;
  const group = path.group === undefined ? undefined : resourceGroupId(path.subscription ?? '', path.group);
  const [first, ...further] = path.rest;
  if (path.provider === undefined) {
    if (group === undefined) return subscriptionDemand(path.subscription, first, verb);
    if (first?.toLowerCase() === 'resources') {
      return { action: 'Microsoft.Resources/subscriptions/resourceGroups/read', scope: group, list: true };
    }
    return { action: `Microsoft.Resources/subscriptions/resourceGroups/${verb}`, scope: group, list: false };
  }
  const scope = `${group ?? subscription}/providers/${path.provider}`;
  if (first === undefined) {
    return { action: 'Microsoft.Resources/subscriptions/providers/read', scope: subscription, list: false };
  }
  // Type, name, child type, child name; an odd one at the end is a collection or an action.
  const names = further.filter((_, index) => index % 2 === 0);
  const types = [first, ...further.filter((_, index) => index % 2 === 1)];
  const type = `${path.provider}/${types.join('/')}`;
  const complete = names.length === types.length;
  const parent = types.slice(0, names.length).flatMap((part, index) => [part, names[index] ?? '']);
  const target = parent.length === 0 ? scope : `${scope}/${parent.join('/')}`;
  if (complete) return { action: `${type}/${verb}`, scope: target, list: false };
  if (types.length === 1 && verb === 'read') return { action: `${type}/read`, scope, list: true };
  return { action: `${type}/${verb}`, scope: target, list: false };
}

function subscriptionDemand(subscription: string | undefined, first: string | undefined, verb: string): Demand {
  const scope = subscription === undefined ? '/subscriptions' : `/subscriptions/${subscription}`;
  const lower = first?.toLowerCase();
  const action =
    lower === 'resourcegroups' || lower === 'resources'
      ? 'Microsoft.Resources/subscriptions/resourceGroups/read'
      : `Microsoft.Resources/subscriptions/${lower === undefined ? '' : `${first}/`}${verb}`;
  return { action, scope, list: lower === 'resourcegroups' || lower === 'resources' };
}
