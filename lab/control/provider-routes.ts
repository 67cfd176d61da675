import { supportedApiVersions } from './api-versions';
import type { Arm } from './arm';
import { methodNotAllowed, pathNotFound } from './arm';
import { ArmError } from './arm-error';
import type { ArmRequest, ArmResponse } from './arm-http';
import { LOCATIONS } from './locations';
import type { ArmPath } from './resource-id';
import { RESOURCE_KINDS } from './resources/kinds';
import type { JsonObject } from './resources/resource';

const NAMESPACES = ['Microsoft.Authorization', 'Microsoft.Compute', 'Microsoft.Network', 'Microsoft.Resources'];
const AUTHORIZATION_TYPES = ['Microsoft.Authorization/roleAssignments', 'Microsoft.Authorization/roleDefinitions'];

/** What clients ask before they begin: subscriptions, tenants, locations, providers. */
export function createProviderRoutes(arm: Arm) {
  const { world, store } = arm;

  const subscription = (): JsonObject => ({
    id: `/subscriptions/${world.subscriptionId}`,
    subscriptionId: world.subscriptionId,
    tenantId: world.tenantId,
    displayName: 'hadb lab',
    state: 'Enabled',
    authorizationSource: 'RoleBased',
    subscriptionPolicies: {
      locationPlacementId: 'Public_2014-09-01',
      quotaId: 'PayAsYouGo_2014-09-01',
      spendingLimit: 'Off',
    },
    managedByTenants: [],
  });

  const provider = (namespace: string): JsonObject => ({
    id: `/subscriptions/${world.subscriptionId}/providers/${namespace}`,
    namespace,
    registrationPolicy: 'RegistrationRequired',
    registrationState: 'Registered',
    resourceTypes: [...RESOURCE_KINDS.map(({ type }): string => type), ...AUTHORIZATION_TYPES]
      .filter((type) => type.startsWith(`${namespace}/`))
      .map((type) => ({
        resourceType: type.slice(namespace.length + 1),
        locations: LOCATIONS,
        apiVersions: supportedApiVersions(type).toReversed(),
      })),
  });

  return {
    withoutSubscription(path: ArmPath, request: ArmRequest): ArmResponse | undefined {
      if (path.subscription !== undefined || request.method !== 'GET') return undefined;
      const [first] = path.rest;
      if (first?.toLowerCase() === 'tenants') {
        return {
          status: 200,
          body: { value: [{ id: `/tenants/${world.tenantId}`, tenantId: world.tenantId, displayName: 'hadb lab' }] },
        };
      }
      if (path.rest.length === 0 && /^\/+subscriptions\/*$/i.test(request.path)) {
        return { status: 200, body: { value: [subscription()] } };
      }
      return undefined;
    },

    subscription(path: ArmPath, request: ArmRequest): ArmResponse | undefined {
      if (request.method !== 'GET' || path.group !== undefined) return undefined;
      const [first, second] = path.rest.map((part) => part.toLowerCase());
      if (first === undefined) return { status: 200, body: subscription() };
      if (second !== undefined) return undefined;
      if (first === 'locations') {
        return {
          status: 200,
          body: { value: LOCATIONS.map((name) => ({ name, displayName: name, type: 'Region' })) },
        };
      }
      if (first === 'providers') return { status: 200, body: { value: NAMESPACES.map(provider) } };
      return undefined;
    },

    /** `GET .../providers/{namespace}` and `POST .../register`. */
    provider(namespace: string, request: ArmRequest): ArmResponse {
      const known = NAMESPACES.find((name) => name.toLowerCase() === namespace.toLowerCase());
      if (known === undefined) {
        throw new ArmError(
          404,
          'InvalidResourceNamespace',
          `The resource namespace '${namespace}' is invalid (the lab has ${NAMESPACES.join(', ')}).`,
        );
      }
      if (request.method !== 'GET' && request.method !== 'POST') throw methodNotAllowed(request);
      return { status: 200, body: provider(known) };
    },

    location(namespace: string, location: string, what: string, request: ArmRequest): ArmResponse {
      if (namespace.toLowerCase() === 'microsoft.network' && what.toLowerCase() === 'checkdnsnameavailability') {
        const label = request.query.get('domainnamelabel') ?? '';
        const taken = store
          .ofType('Microsoft.Network/publicIPAddresses')
          .some(
            (address) =>
              address.location === location.toLowerCase() && address.properties.dnsSettings?.domainNameLabel === label,
          );
        return { status: 200, body: { available: !taken } };
      }
      throw pathNotFound(request);
    },
  };
}
