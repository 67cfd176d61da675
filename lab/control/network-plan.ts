import type { InboundNatRule, LoadBalancingRule, NetworkPlan, NetworkPort, SecurityRule } from '../model';
import { sameId, splitChildId } from './resource-id';
import { addressOf } from './resources/network-interface';
import { natRuleMember, poolMembers } from './resources/load-balancer';
import type { LoadBalancer } from './resources/load-balancer';
import type { NetworkInterface } from './resources/network-interface';
import { DEFAULT_SECURITY_RULES } from './resources/network-security-group';
import type { SecurityRuleProperties } from './resources/network-security-group';
import { fullyQualifiedName } from './resources/public-ip-address';
import type { Resource, ResourceOfType, ResourceType } from './resources/resource';

/**
 * The network that the resources describe. Pure: the same resources give the same plan, in the same order. The
 * generation is the sender's business.
 */
export function planNetwork(resources: readonly Resource[]): Omit<NetworkPlan, 'generation'> {
  const sorted = resources
    .filter(({ provisioningState }) => provisioningState !== 'Deleting')
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const ofType = <Type extends ResourceType>(type: Type) =>
    sorted.filter((resource): resource is ResourceOfType<Type> => resource.type === type);
  const world = { ofType };

  const networks = ofType('Microsoft.Network/virtualNetworks');
  const interfaces = ofType('Microsoft.Network/networkInterfaces');
  const machines = ofType('Microsoft.Compute/virtualMachines');
  const balancers = ofType('Microsoft.Network/loadBalancers');
  const addresses = ofType('Microsoft.Network/publicIPAddresses');

  const ports = machines.flatMap((vm): NetworkPort[] => {
    const { machine } = vm.hidden;
    const nic = interfaces.find(({ id }) => sameId(id, vm.properties.networkProfile.networkInterfaces[0]?.id ?? ''));
    if (machine === undefined || nic === undefined) return [];
    const subnet = subnetOf(nic);
    if (!networks.some(({ id }) => sameId(id, subnet.parent))) return [];
    return [
      {
        machine: machine.id,
        name: machine.name,
        virtualNetwork: networkName(subnet.parent),
        mac: machine.nic.mac,
        address: addressOf(nic),
        wiring: machine.nic.wiring,
        securityGroups: securityGroupsOf(nic, subnet, world),
      },
    ];
  });

  const publicAddressOf = (balancer: LoadBalancer, frontendId: string): string | undefined => {
    const frontend = balancer.properties.frontendIPConfigurations.find(({ name }) =>
      sameId(`${balancer.id}/frontendIPConfigurations/${name}`, frontendId),
    );
    const addressId = frontend?.properties.publicIPAddress?.id;
    if (addressId === undefined) return undefined;
    return addresses.find(({ id }) => sameId(id, addressId))?.properties.ipAddress;
  };

  return {
    ...(machines.some(({ hidden }) => hidden.image === 'clean') ? { packageMirror: true } : {}),
    virtualNetworks: networks.flatMap((network) =>
      network.properties.addressSpace.addressPrefixes.map((prefix) => ({ name: networkName(network.id), prefix })),
    ),
    ports,
    publicAddresses: addresses.map((address) => {
      const name = fullyQualifiedName(address);
      return { address: address.properties.ipAddress, ...(name === undefined ? {} : { name }) };
    }),
    loadBalancingRules: balancers.flatMap((balancer) =>
      balancer.properties.loadBalancingRules.flatMap(({ name, properties: rule }): LoadBalancingRule[] => {
        const frontendAddress = publicAddressOf(balancer, rule.frontendIPConfiguration.id);
        if (frontendAddress === undefined) return [];
        const pools = [
          ...(rule.backendAddressPools ?? []),
          ...(rule.backendAddressPool === undefined ? [] : [rule.backendAddressPool]),
        ].map(({ id }) => id);
        const backends = pools
          .filter((pool, index) => pools.findIndex((other) => sameId(other, pool)) === index)
          .flatMap((pool) => poolMembers(pool, world))
          .map(({ id, address }) => ({ address, virtualNetwork: virtualNetworkOf(id, interfaces) }));
        const probeId = rule.probe?.id;
        const probe =
          probeId === undefined
            ? undefined
            : balancer.properties.probes.find((candidate) =>
                sameId(`${balancer.id}/probes/${candidate.name}`, probeId),
              );
        return [
          {
            name,
            frontendAddress,
            frontendPort: rule.frontendPort,
            backendPort: rule.backendPort,
            backends,
            idleTimeoutMinutes: rule.idleTimeoutInMinutes,
            tcpReset: rule.enableTcpReset,
            ...(probe === undefined
              ? {}
              : {
                  probe: {
                    name: probe.name,
                    protocol: probe.properties.protocol === 'Http' ? 'Http' : 'Tcp',
                    port: probe.properties.port,
                    ...(probe.properties.requestPath === undefined
                      ? {}
                      : { requestPath: probe.properties.requestPath }),
                    intervalSeconds: probe.properties.intervalInSeconds,
                    threshold: probe.properties.probeThreshold,
                  },
                }),
          },
        ];
      }),
    ),
    inboundNatRules: balancers.flatMap((balancer) =>
      balancer.properties.inboundNatRules.flatMap(({ name, properties: rule }): InboundNatRule[] => {
        const frontendAddress = publicAddressOf(balancer, rule.frontendIPConfiguration.id);
        const member = natRuleMember(`${balancer.id}/inboundNatRules/${name}`, world);
        if (frontendAddress === undefined || member === undefined) return [];
        return [
          {
            name,
            frontendAddress,
            frontendPort: rule.frontendPort,
            backendAddress: member.address,
            backendPort: rule.backendPort,
          },
        ];
      }),
    ),
  };
}

/** Subnet's group first, then the interface's, each with Azure's default rules, ordered by priority. */
function securityGroupsOf(
  nic: NetworkInterface,
  subnet: { parent: string; childName: string },
  world: { ofType<Type extends ResourceType>(type: Type): ResourceOfType<Type>[] },
): SecurityRule[][] {
  const subnetGroup = world
    .ofType('Microsoft.Network/virtualNetworks')
    .find(({ id }) => sameId(id, subnet.parent))
    ?.properties.subnets.find(({ name }) => name.toLowerCase() === subnet.childName.toLowerCase())?.properties
    .networkSecurityGroup?.id;
  const groupIds = [subnetGroup, nic.properties.networkSecurityGroup?.id].filter((id) => id !== undefined);
  const groups = groupIds.flatMap((id) => {
    const group = world.ofType('Microsoft.Network/networkSecurityGroups').find((candidate) => sameId(candidate.id, id));
    return group === undefined ? [] : [completeRules(group.properties.securityRules)];
  });
  // Behind a Standard load balancer an interface without any group is closed to the internet (secure by default).
  if (groups.length === 0 && isBehindStandardBalancer(nic, world)) return [completeRules([])];
  return groups;
}

function isBehindStandardBalancer(
  nic: NetworkInterface,
  world: { ofType<Type extends ResourceType>(type: Type): ResourceOfType<Type>[] },
): boolean {
  const references = nic.properties.ipConfigurations.flatMap(({ properties }) => [
    ...properties.loadBalancerBackendAddressPools,
    ...properties.loadBalancerInboundNatRules,
  ]);
  return world
    .ofType('Microsoft.Network/loadBalancers')
    .some(
      (balancer) =>
        balancer.sku?.name === 'Standard' && references.some(({ id }) => sameId(splitChildId(id).parent, balancer.id)),
    );
}

function completeRules(rules: readonly { name: string; properties: SecurityRuleProperties }[]): SecurityRule[] {
  return [...rules, ...DEFAULT_SECURITY_RULES]
    .filter(({ properties }) => properties.protocol !== 'Esp' && properties.protocol !== 'Ah')
    .map(({ name, properties }): SecurityRule => {
      const protocol = properties.protocol === 'Esp' || properties.protocol === 'Ah' ? '*' : properties.protocol;
      return {
        name,
        priority: properties.priority,
        direction: properties.direction,
        access: properties.access,
        protocol,
        sources: oneOrMany(properties.sourceAddressPrefix, properties.sourceAddressPrefixes),
        sourcePorts: oneOrMany(properties.sourcePortRange, properties.sourcePortRanges),
        destinations: oneOrMany(properties.destinationAddressPrefix, properties.destinationAddressPrefixes),
        destinationPorts: oneOrMany(properties.destinationPortRange, properties.destinationPortRanges),
      };
    })
    .toSorted((a, b) => a.priority - b.priority);
}

function oneOrMany(one: string | undefined, many: readonly string[]): string[] {
  return many.length > 0 ? [...many] : [one ?? '*'];
}

function subnetOf(nic: NetworkInterface): { parent: string; childName: string } {
  return splitChildId(nic.properties.ipConfigurations[0]?.properties.subnet.id ?? '');
}

function virtualNetworkOf(ipConfigurationId: string, interfaces: readonly NetworkInterface[]): string {
  const nicId = splitChildId(ipConfigurationId).parent;
  const nic = interfaces.find(({ id }) => sameId(id, nicId));
  return nic === undefined ? '' : networkName(subnetOf(nic).parent);
}

/** Two groups may hold networks of one name; the group makes it unique. */
function networkName(id: string): string {
  const parts = id.split('/').filter((part) => part !== '');
  return `${parts[3] ?? ''}/${parts.at(-1) ?? ''}`.toLowerCase();
}
