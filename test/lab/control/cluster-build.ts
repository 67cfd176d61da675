import type { VirtualMachine } from '@azure/arm-compute';
import type { AzureClients, TestLab } from './lab-fixture';
import { LOCATION, SSH_KEY } from './lab-fixture';

export const GROUP = 'hadb-test';

export const groupOf = (lab: Pick<TestLab, 'document'>): string =>
  `/subscriptions/${lab.document.subscriptionId}/resourceGroups/${GROUP}`;

export function idOf(lab: Pick<TestLab, 'document'>, type: string, name: string): string {
  return `${groupOf(lab)}/providers/${type}/${name}`;
}

/** The network half of a cluster, as the build does it: everything but the machines. */
export async function buildNetwork(lab: Pick<TestLab, 'document'>, azure: AzureClients): Promise<void> {
  const location = LOCATION;
  await azure.resources.resourceGroups.createOrUpdate(GROUP, { location, tags: { 'hadb-owner': 'test' } });
  await azure.compute.proximityPlacementGroups.createOrUpdate(GROUP, 'ppg', {
    location,
    proximityPlacementGroupType: 'Standard',
  });
  const nsg = await azure.network.networkSecurityGroups.createOrUpdate(GROUP, 'nsg', {
    location,
    securityRules: [
      {
        name: 'ssh',
        protocol: 'Tcp',
        access: 'Allow',
        direction: 'Inbound',
        priority: 100,
        sourceAddressPrefix: '127.0.0.0/8',
        sourcePortRange: '*',
        destinationAddressPrefix: '*',
        destinationPortRange: '22',
      },
    ],
  });
  await azure.network.virtualNetworks.createOrUpdate(GROUP, 'vnet', {
    location,
    addressSpace: { addressPrefixes: ['10.10.10.0/24'] },
    subnets: [{ name: 'nodes', addressPrefix: '10.10.10.0/24', networkSecurityGroup: { id: nsg.id! } }],
  });
  const address = await azure.network.publicIPAddresses.createOrUpdate(GROUP, 'ip', {
    location,
    sku: { name: 'Standard' },
    publicIPAllocationMethod: 'Static',
    dnsSettings: { domainNameLabel: 'hadb-test' },
  });
  await azure.compute.availabilitySets.createOrUpdate(GROUP, 'set', {
    location,
    sku: { name: 'Aligned' },
    platformFaultDomainCount: 2,
    platformUpdateDomainCount: 2,
    proximityPlacementGroup: { id: idOf(lab, 'Microsoft.Compute/proximityPlacementGroups', 'ppg') },
  });
  const balancer = idOf(lab, 'Microsoft.Network/loadBalancers', 'lb');
  await azure.network.loadBalancers.createOrUpdate(GROUP, 'lb', {
    location,
    sku: { name: 'Standard' },
    frontendIPConfigurations: [{ name: 'front', publicIPAddress: { id: address.id! } }],
    backendAddressPools: [{ name: 'pool' }],
    inboundNatRules: [natRule('ssh-1', 50001, balancer), natRule('ssh-2', 50002, balancer)],
    outboundRules: [
      {
        name: 'out',
        protocol: 'All',
        frontendIPConfigurations: [{ id: `${balancer}/frontendIPConfigurations/front` }],
        backendAddressPool: { id: `${balancer}/backendAddressPools/pool` },
      },
    ],
  });
  for (const node of [1, 2]) {
    await azure.network.networkInterfaces.createOrUpdate(GROUP, `nic-${node}`, {
      location,
      enableAcceleratedNetworking: true,
      ipConfigurations: [
        {
          name: 'ip',
          privateIPAllocationMethod: 'Static',
          privateIPAddress: `10.10.10.${3 + node}`,
          subnet: { id: `${idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet')}/subnets/nodes` },
          loadBalancerBackendAddressPools: [{ id: `${balancer}/backendAddressPools/pool` }],
          loadBalancerInboundNatRules: [{ id: `${balancer}/inboundNatRules/ssh-${node}` }],
        },
      ],
    });
  }
}

function natRule(name: string, frontendPort: number, balancer: string) {
  return {
    name,
    protocol: 'Tcp' as const,
    frontendPort,
    backendPort: 22,
    frontendIPConfiguration: { id: `${balancer}/frontendIPConfigurations/front` },
  };
}

export function machineBody(lab: Pick<TestLab, 'document'>, node: number): VirtualMachine {
  return {
    location: LOCATION,
    identity: { type: 'SystemAssigned' },
    hardwareProfile: { vmSize: 'Standard_D2s_v5' },
    availabilitySet: { id: idOf(lab, 'Microsoft.Compute/availabilitySets', 'set') },
    storageProfile: {
      imageReference: { publisher: 'Debian', offer: 'debian-12', sku: '12-gen2', version: 'latest' },
      osDisk: { name: `hadb0${node}-os`, createOption: 'FromImage', deleteOption: 'Delete' },
      dataDisks: [
        {
          lun: 0,
          name: `hadb0${node}-data`,
          createOption: 'Empty',
          diskSizeGB: 5,
          caching: 'None',
          deleteOption: 'Delete',
        },
      ],
    },
    osProfile: {
      computerName: `hadb0${node}`,
      adminUsername: 'azureuser',
      customData: Buffer.from('#cloud-config\n').toString('base64'),
      linuxConfiguration: {
        disablePasswordAuthentication: true,
        ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: SSH_KEY }] },
      },
    },
    networkProfile: {
      networkInterfaces: [
        { id: idOf(lab, 'Microsoft.Network/networkInterfaces', `nic-${node}`), primary: true, deleteOption: 'Detach' },
      ],
    },
  };
}

export interface BuiltMachine {
  id: string;
  vmId: string;
  /** Of its system-assigned identity. */
  principalId: string;
}

/** The whole cluster, without what runs in it. */
export async function buildCluster(
  lab: Pick<TestLab, 'document'>,
  azure: AzureClients,
): Promise<[BuiltMachine, BuiltMachine]> {
  await buildNetwork(lab, azure);
  const build = async (node: number): Promise<BuiltMachine> => {
    const name = `hadb0${node}`;
    const { vmId = '', identity } = await azure.compute.virtualMachines.createOrUpdate(
      GROUP,
      name,
      machineBody(lab, node),
      { updateIntervalInMs: 20 },
    );
    return {
      id: idOf(lab, 'Microsoft.Compute/virtualMachines', name),
      vmId,
      principalId: identity?.principalId ?? '',
    };
  };
  return [await build(1), await build(2)];
}
