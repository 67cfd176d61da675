import { z } from 'zod';
import { ArmError, notInLab } from '../arm-error';
import { sameId, splitChildId } from '../resource-id';
import { contains, formatAddress, isReservedInSubnet, lastOf, parseAddress, parsePrefix } from './address';
import { natRuleMember } from './load-balancer';
import { assertChildReference, assertReference, usesOfSubnet } from './references';
import {
  assertDistinctNames,
  parseProperties,
  refuseFeatures,
  renderChild,
  subResourceSchema,
  withoutReadOnly,
} from './resource';
import type { JsonObject, ResourceBase, ResourceKind, SubResource, World } from './resource';
import type { VirtualMachine } from './virtual-machine';

const ipConfigurationPropertiesSchema = z.looseObject({
  privateIPAddress: z.string().optional(),
  privateIPAllocationMethod: z.enum(['Static', 'Dynamic']).default('Dynamic'),
  privateIPAddressVersion: z.enum(['IPv4', 'IPv6']).default('IPv4'),
  primary: z.boolean().optional(),
  subnet: subResourceSchema.optional(),
  publicIPAddress: subResourceSchema.optional(),
  loadBalancerBackendAddressPools: z.array(subResourceSchema).default([]),
  loadBalancerInboundNatRules: z.array(subResourceSchema).default([]),
});

const schema = z.looseObject({
  ipConfigurations: z.array(z.looseObject({ name: z.string().min(1), properties: ipConfigurationPropertiesSchema })),
  networkSecurityGroup: subResourceSchema.optional(),
  enableAcceleratedNetworking: z.boolean().default(false),
  enableIPForwarding: z.boolean().default(false),
  dnsSettings: z.looseObject({}).optional(),
});

export interface IpConfigurationProperties {
  privateIPAddress: string;
  privateIPAllocationMethod: 'Static' | 'Dynamic';
  privateIPAddressVersion: 'IPv4' | 'IPv6';
  primary: boolean;
  subnet: SubResource;
  publicIPAddress?: SubResource;
  loadBalancerBackendAddressPools: SubResource[];
  loadBalancerInboundNatRules: SubResource[];
  [further: string]: unknown;
}

export type NetworkInterface = ResourceBase<
  'Microsoft.Network/networkInterfaces',
  {
    ipConfigurations: { name: string; properties: IpConfigurationProperties }[];
    networkSecurityGroup?: SubResource | undefined;
    enableAcceleratedNetworking: boolean;
    enableIPForwarding: boolean;
    [further: string]: unknown;
  }
>;

export const networkInterfaces: ResourceKind<NetworkInterface> = {
  type: 'Microsoft.Network/networkInterfaces',
  writes: 'network',
  operation: 'PutNetworkInterfaceOperation',
  location: 'required',
  wanted(request, current, world) {
    const given = parseProperties(schema, request.properties);
    assertDistinctNames(given.ipConfigurations, request.id);
    const [configuration, second] = given.ipConfigurations;
    if (configuration === undefined) {
      throw new ArmError(
        400,
        'IpConfigurationRequired',
        `Network interface ${request.id} must have one or more IP configurations.`,
      );
    }
    if (second !== undefined) throw notInLab('The lab has one IP configuration per interface.', 'ipConfigurations');
    if (given.networkSecurityGroup !== undefined) {
      assertReference(given.networkSecurityGroup.id, 'Microsoft.Network/networkSecurityGroups', request.id, world);
    }
    const id = `${request.id}/ipConfigurations/${configuration.name}`;
    const properties = configuration.properties;
    if (properties.privateIPAddressVersion === 'IPv6') throw notInLab('The lab has IPv4 only.');
    refuseFeatures(properties, { applicationSecurityGroups: 'The lab has no application security groups.' });
    if (properties.publicIPAddress !== undefined) {
      throw notInLab(
        'In the lab a public address belongs to a load balancer; use an inbound NAT rule.',
        'ipConfigurations.publicIPAddress',
      );
    }
    if (properties.subnet === undefined) {
      throw new ArmError(400, 'SubnetMissing', `IP configuration ${id} must reference a subnet.`);
    }
    const before = current?.properties.ipConfigurations[0];
    const address = chooseAddress(properties, before?.properties, id, world);
    if (before !== undefined && before.properties.privateIPAddress !== address) {
      const vm = current === undefined ? undefined : virtualMachineOf(current.id, world);
      if (vm !== undefined) {
        throw notInLab(
          `The lab gives a guest its address at first boot: ${request.id} cannot change it while it belongs to ${vm.id}.`,
          'ipConfigurations.privateIPAddress',
        );
      }
    }
    assertBalancerReferences(properties, id, world);
    return {
      properties: {
        ...withoutReadOnly(
          given,
          'macAddress',
          'virtualMachine',
          'primary',
          'hostedWorkloads',
          'tapConfigurations',
          'vnetEncryptionSupported',
        ),
        ipConfigurations: [
          {
            name: configuration.name,
            properties: {
              ...withoutReadOnly(properties as JsonObject, 'privateLinkConnectionProperties'),
              privateIPAddress: address,
              privateIPAllocationMethod: properties.privateIPAllocationMethod,
              privateIPAddressVersion: properties.privateIPAddressVersion,
              primary: true,
              subnet: properties.subnet,
              loadBalancerBackendAddressPools: properties.loadBalancerBackendAddressPools,
              loadBalancerInboundNatRules: properties.loadBalancerInboundNatRules,
            },
          },
        ],
      },
    };
  },
  render(resource, world) {
    const vm = virtualMachineOf(resource.id, world);
    const { ipConfigurations: configurations, dnsSettings, ...properties } = resource.properties;
    const alive = (reference: SubResource) => {
      const { parent, childType, childName } = splitChildId(reference.id);
      const balancer = world.get(parent);
      const array = (balancer?.properties as JsonObject | undefined)?.[childType];
      return (
        Array.isArray(array) &&
        (array as { name: string }[]).some(({ name }) => name.toLowerCase() === childName.toLowerCase())
      );
    };
    return {
      ...properties,
      ipConfigurations: configurations.map(({ name, properties: configuration }) => {
        const { loadBalancerBackendAddressPools, loadBalancerInboundNatRules, ...further } = configuration;
        const pools = loadBalancerBackendAddressPools.filter(alive);
        const rules = loadBalancerInboundNatRules.filter(alive);
        return renderChild(
          resource,
          'ipConfigurations',
          { name, properties: further },
          {
            ...(pools.length === 0 ? {} : { loadBalancerBackendAddressPools: pools }),
            ...(rules.length === 0 ? {} : { loadBalancerInboundNatRules: rules }),
          },
        );
      }),
      dnsSettings: {
        dnsServers: [],
        appliedDnsServers: [],
        internalDomainNameSuffix: `${resource.guid.replaceAll('-', '').slice(0, 26)}.bx.internal.cloudapp.net`,
        ...(dnsSettings as JsonObject | undefined),
      },
      hostedWorkloads: [],
      tapConfigurations: [],
      nicType: 'Standard',
      ...(vm === undefined ? {} : { virtualMachine: { id: vm.id }, primary: true }),
      ...(vm?.hidden.machine === undefined
        ? {}
        : { macAddress: vm.hidden.machine.nic.mac.replaceAll(':', '-').toUpperCase() }),
    };
  },
  assertDeletable(resource, world) {
    const vm = virtualMachineOf(resource.id, world);
    if (vm === undefined) return;
    throw new ArmError(
      400,
      'NicInUse',
      `Network Interface ${resource.id} is used by existing resource ${vm.id}. In order to delete the network interface, it ` +
        'must be dissociated from the resource. To learn more, see aka.ms/deletenic.',
    );
  },
  children: { ipconfigurations: { name: 'ipConfigurations', writable: false, operation: '' } },
};

export function virtualMachineOf(nicId: string, world: Pick<World, 'ofType'>): VirtualMachine | undefined {
  return world
    .ofType('Microsoft.Compute/virtualMachines')
    .find(({ properties }) => properties.networkProfile.networkInterfaces.some(({ id }) => sameId(id, nicId)));
}

function chooseAddress(
  properties: z.infer<typeof ipConfigurationPropertiesSchema>,
  before: IpConfigurationProperties | undefined,
  id: string,
  world: World,
): string {
  const subnetId = properties.subnet?.id ?? '';
  const { parent, name } = assertChildReference(
    subnetId,
    'Microsoft.Network/virtualNetworks',
    'subnets',
    splitChildId(id).parent,
    world,
  );
  const subnet = parent.properties.subnets.find((candidate) => candidate.name === name);
  const prefix = parsePrefix(subnet?.properties.addressPrefix ?? '');
  if (prefix === undefined) throw new Error(`subnet ${subnetId} has no valid prefix on disk`);
  const users = usesOfSubnet(subnetId, world).filter((use) => !sameId(use.id, id));

  if (properties.privateIPAllocationMethod === 'Static') {
    const text = properties.privateIPAddress;
    if (text === undefined || text === '') {
      throw new ArmError(
        400,
        'PrivateIPAddressMissing',
        `Private IP address is required when privateIPAllocationMethod is Static in IP configuration ${id}.`,
      );
    }
    const address = parseAddress(text);
    if (address === undefined) {
      throw new ArmError(
        400,
        'InvalidIPAddressFormat',
        `Value provided: ${text} is not a valid IPv4 address in ${id}.`,
      );
    }
    if (!contains(prefix, address)) {
      throw new ArmError(
        400,
        'PrivateIPAddressNotInSubnet',
        `Private static IP address ${text} does not belong to the range of subnet prefix ` +
          `${subnet?.properties.addressPrefix}.`,
      );
    }
    if (isReservedInSubnet(prefix, address)) {
      throw new ArmError(
        400,
        'PrivateIPAddressInReservedRange',
        `Private static IP address ${text} falls within reserved IP range of subnet prefix ` +
          `${subnet?.properties.addressPrefix}.`,
      );
    }
    const other = users.find(({ privateAddress }) => privateAddress === text);
    if (other !== undefined) {
      throw new ArmError(
        400,
        'PrivateIPAddressIsAllocated',
        `IP configuration ${id} is using the private IP address ${text} which is already allocated to resource ${other.id}.`,
      );
    }
    return text;
  }

  if (before !== undefined && sameId(before.subnet.id, subnetId)) return before.privateIPAddress;
  const taken = new Set(users.map(({ privateAddress }) => privateAddress));
  for (let address = prefix.base + 4; address < lastOf(prefix); address++) {
    const text = formatAddress(address);
    if (!taken.has(text)) return text;
  }
  throw new ArmError(400, 'SubnetIsFull', `Subnet ${name} with address prefix is full: no address is left for ${id}.`);
}

function assertBalancerReferences(
  properties: z.infer<typeof ipConfigurationPropertiesSchema>,
  id: string,
  world: World,
): void {
  const user = splitChildId(id).parent;
  for (const pool of properties.loadBalancerBackendAddressPools) {
    assertChildReference(pool.id, 'Microsoft.Network/loadBalancers', 'backendAddressPools', user, world);
  }
  const ports = new Map<number, string>();
  for (const reference of properties.loadBalancerInboundNatRules) {
    const { parent, name } = assertChildReference(
      reference.id,
      'Microsoft.Network/loadBalancers',
      'inboundNatRules',
      user,
      world,
    );
    const member = natRuleMember(reference.id, world);
    if (member !== undefined && !sameId(member.id, id)) {
      throw new ArmError(
        400,
        'InboundNatRuleInUse',
        `Inbound NAT rule ${reference.id} referenced by ${id} is already used by ${member.id}.`,
      );
    }
    const backendPort = parent.properties.inboundNatRules.find((rule) => rule.name === name)?.properties.backendPort;
    if (backendPort === undefined) continue;
    const other = ports.get(backendPort);
    if (other !== undefined) {
      throw new ArmError(
        400,
        'RulesUseSameBackendPortProtocolAndIPConfig',
        `Load balancer rules ${other} and ${reference.id} with floating IP disabled use the same backend port ` +
          `${backendPort} and protocol Tcp, and must not be used with the same backend IP ${id}.`,
      );
    }
    ports.set(backendPort, reference.id);
  }
}

/** Every address in use, for messages and plans. */
export function addressOf(nic: NetworkInterface): string {
  return nic.properties.ipConfigurations[0]?.properties.privateIPAddress ?? '';
}
