import type { LoadBalancer } from '../../../lab/control/resources/load-balancer';
import type { NetworkInterface } from '../../../lab/control/resources/network-interface';
import type {
  NetworkSecurityGroup,
  SecurityRuleProperties,
} from '../../../lab/control/resources/network-security-group';
import type { PublicIpAddress } from '../../../lab/control/resources/public-ip-address';
import type { VirtualMachine } from '../../../lab/control/resources/virtual-machine';
import type { VirtualNetwork } from '../../../lab/control/resources/virtual-network';
import type { ResourceBase } from '../../../lab/control/resources/resource';

/** Documents as the store holds them, for tests of what is computed from them. */

export function resourceId(type: string, name: string): string {
  return `/subscriptions/s/resourceGroups/g/providers/${type}/${name}`;
}

function base<Type extends string>(type: Type, name: string): Omit<ResourceBase<Type, never>, 'properties'> {
  return {
    id: resourceId(type, name),
    name,
    type,
    location: 'westeurope',
    etag: `etag-${name}`,
    guid: `guid-${name}`,
    provisioningState: 'Succeeded',
    createdAt: '2026-01-01T00:00:00.000Z',
  };
}

export function publicAddress(name: string, ipAddress: string, label?: string): PublicIpAddress {
  return {
    ...base('Microsoft.Network/publicIPAddresses', name),
    sku: { name: 'Standard' },
    properties: {
      publicIPAllocationMethod: 'Static',
      publicIPAddressVersion: 'IPv4',
      idleTimeoutInMinutes: 4,
      ipAddress,
      ...(label === undefined ? {} : { dnsSettings: { domainNameLabel: label } }),
    },
  };
}

export function securityRule(name: string, properties: Partial<SecurityRuleProperties> = {}) {
  return {
    name,
    properties: {
      protocol: 'Tcp' as const,
      access: 'Allow' as const,
      direction: 'Inbound' as const,
      priority: 100,
      sourceAddressPrefix: '127.0.0.0/8',
      sourceAddressPrefixes: [],
      sourcePortRange: '*',
      sourcePortRanges: [],
      destinationAddressPrefix: '*',
      destinationAddressPrefixes: [],
      destinationPortRange: '22',
      destinationPortRanges: [],
      ...properties,
    },
  };
}

export function securityGroup(name: string, securityRules: ReturnType<typeof securityRule>[]): NetworkSecurityGroup {
  return { ...base('Microsoft.Network/networkSecurityGroups', name), properties: { securityRules } };
}

export function virtualNetwork(name: string, prefix: string, securityGroupId?: string): VirtualNetwork {
  return {
    ...base('Microsoft.Network/virtualNetworks', name),
    properties: {
      addressSpace: { addressPrefixes: [prefix] },
      subnets: [
        {
          name: 'nodes',
          properties: {
            addressPrefix: prefix,
            ...(securityGroupId === undefined ? {} : { networkSecurityGroup: { id: securityGroupId } }),
          },
        },
      ],
    },
  };
}

export function networkInterface(
  name: string,
  address: string,
  further: { pools?: string[]; natRules?: string[]; securityGroup?: string; network?: string } = {},
): NetworkInterface {
  const network = resourceId('Microsoft.Network/virtualNetworks', further.network ?? 'vnet');
  return {
    ...base('Microsoft.Network/networkInterfaces', name),
    properties: {
      enableAcceleratedNetworking: false,
      enableIPForwarding: false,
      ...(further.securityGroup === undefined ? {} : { networkSecurityGroup: { id: further.securityGroup } }),
      ipConfigurations: [
        {
          name: 'ip',
          properties: {
            privateIPAddress: address,
            privateIPAllocationMethod: 'Static',
            privateIPAddressVersion: 'IPv4',
            primary: true,
            subnet: { id: `${network}/subnets/nodes` },
            loadBalancerBackendAddressPools: (further.pools ?? []).map((id) => ({ id })),
            loadBalancerInboundNatRules: (further.natRules ?? []).map((id) => ({ id })),
          },
        },
      ],
    },
  };
}

export function loadBalancer(name: string, addressId: string, sku = 'Standard'): LoadBalancer {
  const id = resourceId('Microsoft.Network/loadBalancers', name);
  const front = { id: `${id}/frontendIPConfigurations/front` };
  return {
    ...base('Microsoft.Network/loadBalancers', name),
    sku: { name: sku },
    properties: {
      frontendIPConfigurations: [{ name: 'front', properties: { publicIPAddress: { id: addressId } } }],
      backendAddressPools: [{ name: 'pool', properties: {} }],
      probes: [
        {
          name: 'probe',
          properties: {
            protocol: 'Tcp',
            port: 61000,
            intervalInSeconds: 5,
            numberOfProbes: 1,
            probeThreshold: 2,
            noHealthyBackendsBehavior: 'AllProbedDown',
          },
        },
      ],
      loadBalancingRules: [
        {
          name: 'lb-mysql',
          properties: {
            frontendIPConfiguration: front,
            backendAddressPool: { id: `${id}/backendAddressPools/pool` },
            probe: { id: `${id}/probes/probe` },
            protocol: 'Tcp',
            loadDistribution: 'Default',
            frontendPort: 3306,
            backendPort: 3306,
            idleTimeoutInMinutes: 4,
            enableFloatingIP: false,
            enableTcpReset: true,
            disableOutboundSnat: true,
          },
        },
      ],
      inboundNatRules: [
        {
          name: 'ssh-1',
          properties: {
            frontendIPConfiguration: front,
            protocol: 'Tcp',
            frontendPort: 50001,
            backendPort: 22,
            idleTimeoutInMinutes: 4,
            enableFloatingIP: false,
            enableTcpReset: false,
          },
        },
      ],
      outboundRules: [],
    },
  };
}

export function virtualMachine(name: string, nicId: string, image: 'golden' | 'clean' = 'golden'): VirtualMachine {
  return {
    ...base('Microsoft.Compute/virtualMachines', name),
    properties: {
      hardwareProfile: { vmSize: 'Standard_D2s_v5' },
      storageProfile: {
        imageReference: { exactVersion: '0.12.1' },
        osDisk: {
          osType: 'Linux',
          name: `${name}-os`,
          createOption: 'FromImage',
          caching: 'ReadWrite',
          diskSizeGB: 30,
          managedDisk: { storageAccountType: 'Premium_LRS' },
        },
        dataDisks: [],
      },
      osProfile: {
        computerName: name,
        adminUsername: 'azureuser',
        linuxConfiguration: { disablePasswordAuthentication: true, ssh: { publicKeys: [] } },
      },
      networkProfile: { networkInterfaces: [{ id: nicId }] },
    },
    hidden: {
      image,
      provisioned: true,
      deallocated: false,
      machine: {
        id: `guid-${name}`,
        name,
        directory: `/lab/machines/${name}`,
        memoryMiB: 768,
        cpu: 0,
        osDisk: `/lab/disks/${name}`,
        dataDisks: [],
        provisioningDisk: `/lab/machines/${name}/provisioning.tar`,
        nic: {
          mac: '60:45:bd:00:00:01',
          wiring: { switchPort: 20_001, machinePort: 20_002, machineCookie: '00000001', switchCookie: '00000002' },
        },
      },
    },
  };
}
