import { azureNames } from '../ids';
import type { ClusterSpecification } from '../specification/specification';
import type { AzureIds } from './ids';
import type { Tags } from './tags';

/**
 * The load balancer of step 2: one SSH port for each node, and the way out for both (a Standard load balancer gives none
 * unasked, and neither does a new virtual network).
 */
export function loadBalancerBody(specification: ClusterSpecification, ids: AzureIds, tags: Tags) {
  const names = azureNames(specification.name);
  return {
    location: specification.location,
    tags: { ...tags },
    sku: { name: 'Standard' },
    frontendIPConfigurations: [{ name: names.frontend, publicIPAddress: { id: ids.publicAddress } }],
    backendAddressPools: [{ name: names.backendPool }],
    inboundNatRules: specification.nodes.map((node) => ({
      name: names.sshRule(node.name),
      frontendIPConfiguration: { id: ids.frontend },
      protocol: 'Tcp',
      frontendPort: node.sshPort,
      backendPort: 22,
      idleTimeoutInMinutes: 30,
      enableTcpReset: true,
    })),
    outboundRules: [
      {
        name: names.outboundRule,
        frontendIPConfigurations: [{ id: ids.frontend }],
        backendAddressPool: { id: ids.backendPool },
        protocol: 'All',
        // One public address has 64,000 ports for the whole pool; the default share of a small pool is 1,024.
        allocatedOutboundPorts: 10_000,
        idleTimeoutInMinutes: 4,
        enableTcpReset: true,
      },
    ],
  };
}

/**
 * What step 15 adds: the article's endpoint. Beside an outbound rule on the same frontend Azure refuses a rule that also
 * gives outbound access. The probe asks Pacemaker's agent, never the database port: the server would count aborted
 * handshakes, and look healthy while it still recovers.
 */
export function databaseRuleBody(specification: ClusterSpecification, ids: AzureIds) {
  const names = azureNames(specification.name);
  const { database, loadBalancer } = specification;
  return {
    probes: [
      {
        name: names.databaseProbe,
        protocol: 'Tcp',
        port: loadBalancer.probePort,
        intervalInSeconds: loadBalancer.probeIntervalSeconds,
        probeThreshold: loadBalancer.probeThreshold,
      },
    ],
    loadBalancingRules: [
      {
        name: names.databaseRule,
        frontendIPConfiguration: { id: ids.frontend },
        backendAddressPool: { id: ids.backendPool },
        probe: { id: ids.databaseProbe },
        protocol: 'Tcp',
        frontendPort: database.port,
        backendPort: database.port,
        idleTimeoutInMinutes: loadBalancer.idleTimeoutMinutes,
        loadDistribution: 'Default',
        enableFloatingIP: false,
        // Clients of an idle flow learn at once that it is gone, instead of at their next query's time-out.
        enableTcpReset: true,
        disableOutboundSnat: true,
      },
    ],
  };
}
