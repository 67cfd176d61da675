import { z } from 'zod';
import { ArmError, notInLab } from '../arm-error';
import { containsPrefix, overlap, parsePrefix } from './address';
import { assertReference, usesOfSubnet } from './references';
import {
  assertDistinctNames,
  parseProperties,
  refuseFeatures,
  renderChild,
  subResourceSchema,
  withoutReadOnly,
} from './resource';
import type { JsonObject, ResourceBase, ResourceKind, World } from './resource';

const subnetPropertiesSchema = z.looseObject({
  addressPrefix: z.string().optional(),
  addressPrefixes: z.array(z.string()).optional(),
  networkSecurityGroup: subResourceSchema.optional(),
});

const schema = z.looseObject({
  addressSpace: z.looseObject({ addressPrefixes: z.array(z.string()).min(1) }),
  subnets: z.array(z.looseObject({ name: z.string().min(1), properties: subnetPropertiesSchema })).optional(),
});

export type SubnetProperties = z.infer<typeof subnetPropertiesSchema> & { addressPrefix: string };

export type VirtualNetwork = ResourceBase<
  'Microsoft.Network/virtualNetworks',
  {
    addressSpace: { addressPrefixes: string[] };
    subnets: { name: string; properties: SubnetProperties }[];
    [further: string]: unknown;
  }
>;

export const virtualNetworks: ResourceKind<VirtualNetwork> = {
  type: 'Microsoft.Network/virtualNetworks',
  writes: 'network',
  operation: 'PutVirtualNetworkOperation',
  location: 'required',
  wanted(request, current, world) {
    const given = parseProperties(schema, request.properties);
    refuseFeatures(given, { virtualNetworkPeerings: 'The lab has no peerings of virtual networks.' });
    const space = given.addressSpace.addressPrefixes.map((text) => {
      const prefix = parsePrefix(text);
      if (prefix === undefined || prefix.length > 29) throw invalidCidr(text, 'virtual network', request.name);
      return prefix;
    });
    // A PUT without `subnets` keeps them; an empty list deletes them (Azure, since 2024).
    const subnets = (given.subnets ?? current?.properties.subnets ?? []).map(({ name, properties }) => {
      refuseFeatures(properties, {
        routeTable: `Subnet ${name}: the lab has no route tables.`,
        natGateway: `Subnet ${name}: the lab has no NAT gateways.`,
      });
      const addressPrefix = properties.addressPrefix ?? properties.addressPrefixes?.[0];
      if (addressPrefix === undefined) throw invalidCidr('', 'subnet', name);
      if ((properties.addressPrefixes?.length ?? 0) > 1) {
        throw notInLab(`Subnet ${name}: the lab knows one address prefix per subnet.`, 'addressPrefixes');
      }
      const stored: SubnetProperties = {
        ...withoutReadOnly(properties, 'ipConfigurations', 'ipConfigurationProfiles', 'privateEndpoints', 'purpose'),
        addressPrefix,
      };
      delete stored.addressPrefixes;
      return { name, properties: stored };
    });
    assertDistinctNames(subnets, request.id);
    const ranges = subnets.map(({ name, properties }) => {
      const range = parsePrefix(properties.addressPrefix);
      if (range === undefined || range.length > 29) throw invalidCidr(properties.addressPrefix, 'subnet', name);
      if (!space.some((prefix) => containsPrefix(prefix, range))) {
        throw new ArmError(
          400,
          'NetcfgInvalidSubnet',
          `Subnet '${name}' is not valid because its IP address range is outside the IP address range of virtual network ` +
            `'${request.name}'.`,
        );
      }
      return { name, range };
    });
    for (const [index, { name, range }] of ranges.entries()) {
      const other = ranges.slice(0, index).find((earlier) => overlap(earlier.range, range));
      if (other !== undefined) {
        throw new ArmError(
          400,
          'NetcfgSubnetRangesOverlap',
          `Subnet '${name}' is not valid because its IP address range overlaps with that of an existing subnet in virtual ` +
            `network '${request.name}'.`,
        );
      }
    }
    for (const { properties } of subnets) {
      if (properties.networkSecurityGroup !== undefined) {
        assertReference(
          properties.networkSecurityGroup.id,
          'Microsoft.Network/networkSecurityGroups',
          request.id,
          world,
        );
      }
    }
    for (const before of current?.properties.subnets ?? []) {
      const after = subnets.find(({ name }) => name.toLowerCase() === before.name.toLowerCase());
      const id = `${request.id}/subnets/${before.name}`;
      if (after === undefined) assertSubnetUnused(id, before.name, world);
      else if (after.properties.addressPrefix !== before.properties.addressPrefix) {
        const user = usesOfSubnet(id, world)[0];
        if (user !== undefined) {
          throw new ArmError(
            400,
            'InUsePrefixCannotBeDeleted',
            `IpPrefix ${before.properties.addressPrefix} on Subnet ${before.name} has active allocations and cannot be deleted.`,
          );
        }
      }
    }
    return {
      properties: {
        ...withoutReadOnly(given, 'subnets'),
        addressSpace: { addressPrefixes: given.addressSpace.addressPrefixes },
        subnets,
      },
    };
  },
  render(resource, world) {
    return {
      virtualNetworkPeerings: [],
      enableDdosProtection: false,
      ...resource.properties,
      subnets: resource.properties.subnets.map((subnet) => {
        const users = usesOfSubnet(`${resource.id}/subnets/${subnet.name}`, world);
        return renderChild(
          resource,
          'subnets',
          {
            name: subnet.name,
            properties: {
              delegations: [],
              privateEndpointNetworkPolicies: 'Disabled',
              privateLinkServiceNetworkPolicies: 'Enabled',
              ...subnet.properties,
            },
          },
          users.length === 0 ? {} : { ipConfigurations: users.map(({ id }) => ({ id })) },
        );
      }),
    } satisfies JsonObject;
  },
  assertDeletable(resource, world) {
    for (const { name } of resource.properties.subnets) {
      assertSubnetUnused(`${resource.id}/subnets/${name}`, name, world);
    }
  },
  children: { subnets: { name: 'subnets', writable: true, operation: 'PutSubnetOperation' } },
};

function assertSubnetUnused(id: string, name: string, world: World): void {
  const user = usesOfSubnet(id, world)[0];
  if (user === undefined) return;
  throw new ArmError(
    400,
    'InUseSubnetCannotBeDeleted',
    `Subnet ${name} is in use by ${user.id} and cannot be deleted. In order to delete the subnet, delete all the resources ` +
      'within the subnet. See aka.ms/deletesubnet.',
  );
}

function invalidCidr(prefix: string, what: string, name: string): ArmError {
  return new ArmError(
    400,
    'InvalidCIDRNotation',
    `The address prefix ${prefix} in ${what} ${name} has an invalid CIDR notation (IPv4, the base address of its block, /0 to ` +
      '/29).',
  );
}
