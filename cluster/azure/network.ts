import { azureNames } from '../ids';
import type { ClusterSpecification } from '../specification/specification';
import type { AzureIds } from './ids';
import type { Tags } from './tags';

/**
 * Who may reach what. Azure's default rules do the rest: everything within the virtual network (DRBD, Corosync) is allowed,
 * everything else from outside is denied.
 */
export function networkSecurityGroupBody(specification: ClusterSpecification, tags: Tags) {
  const { network, database, loadBalancer } = specification;
  const inbound = (name: string, priority: number, description: string, port: number) => ({
    name,
    description,
    priority,
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Tcp',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: String(port),
  });
  return {
    location: specification.location,
    tags: { ...tags },
    securityRules: [
      {
        ...inbound('ssh-from-administrators', 100, 'SSH through the NAT rules of the load balancer', 22),
        sourceAddressPrefixes: [...network.administrators],
      },
      {
        ...inbound('database-from-clients', 110, 'the database through the load balancer', database.port),
        sourceAddressPrefixes: [...network.clients],
      },
      {
        ...inbound('probe-from-load-balancer', 120, 'health probe', loadBalancer.probePort),
        sourceAddressPrefix: 'AzureLoadBalancer',
      },
    ],
  };
}

export function virtualNetworkBody(specification: ClusterSpecification, ids: AzureIds, tags: Tags) {
  return {
    location: specification.location,
    tags: { ...tags },
    addressSpace: { addressPrefixes: [specification.network.prefix] },
    subnets: [
      {
        name: azureNames(specification.name).subnet,
        addressPrefix: specification.network.prefix,
        networkSecurityGroup: { id: ids.networkSecurityGroup },
        // Outbound access is the load balancer's outbound rule, not Azure's implicit one, which is being retired.
        defaultOutboundAccess: false,
      },
    ],
  };
}

export function publicAddressBody(specification: ClusterSpecification, tags: Tags) {
  return {
    location: specification.location,
    tags: { ...tags },
    sku: { name: 'Standard' },
    publicIPAllocationMethod: 'Static',
    publicIPAddressVersion: 'IPv4',
    dnsSettings: { domainNameLabel: specification.dnsLabel },
  };
}

/** The address of a node never changes: DRBD and Corosync know it. */
export function networkInterfaceBody(specification: ClusterSpecification, ids: AzureIds, node: string, tags: Tags) {
  const found = specification.nodes.find(({ name }) => name === node);
  if (found === undefined) throw new Error(`${specification.name} has no node ${node}`);
  return {
    location: specification.location,
    tags: { ...tags },
    enableAcceleratedNetworking: specification.network.acceleratedNetworking,
    ipConfigurations: [
      {
        name: 'primary',
        primary: true,
        privateIPAddress: found.address,
        privateIPAllocationMethod: 'Static',
        privateIPAddressVersion: 'IPv4',
        subnet: { id: ids.subnet },
        loadBalancerBackendAddressPools: [{ id: ids.backendPool }],
        loadBalancerInboundNatRules: [{ id: ids.sshRule(node) }],
      },
    ],
  };
}
