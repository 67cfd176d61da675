import { azureNames } from '../ids';

/** Resource ids, as ARM writes them. They compare without regard to case. */
export function azureIds(subscriptionId: string, cluster: string) {
  const names = azureNames(cluster);
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${names.resourceGroup}`;
  const network = `${group}/providers/Microsoft.Network`;
  const compute = `${group}/providers/Microsoft.Compute`;
  const loadBalancer = `${network}/loadBalancers/${names.loadBalancer}`;
  const virtualNetwork = `${network}/virtualNetworks/${names.virtualNetwork}`;
  return {
    resourceGroup: group,
    proximityPlacementGroup: `${compute}/proximityPlacementGroups/${names.proximityPlacementGroup}`,
    availabilitySet: `${compute}/availabilitySets/${names.availabilitySet}`,
    networkSecurityGroup: `${network}/networkSecurityGroups/${names.networkSecurityGroup}`,
    virtualNetwork,
    subnet: `${virtualNetwork}/subnets/${names.subnet}`,
    publicAddress: `${network}/publicIPAddresses/${names.publicAddress}`,
    loadBalancer,
    frontend: `${loadBalancer}/frontendIPConfigurations/${names.frontend}`,
    backendPool: `${loadBalancer}/backendAddressPools/${names.backendPool}`,
    databaseProbe: `${loadBalancer}/probes/${names.databaseProbe}`,
    sshRule: (node: string) => `${loadBalancer}/inboundNatRules/${names.sshRule(node)}`,
    networkInterface: (node: string) => `${network}/networkInterfaces/${names.networkInterface(node)}`,
    virtualMachine: (node: string) => `${compute}/virtualMachines/${names.virtualMachine(node)}`,
    osDisk: (node: string) => `${compute}/disks/${names.osDisk(node)}`,
    dataDisk: (node: string) => `${compute}/disks/${names.dataDisk(node)}`,
  };
}

export type AzureIds = ReturnType<typeof azureIds>;

export function sameId(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a.toLowerCase() === b.toLowerCase();
}
