import { randomInt } from 'node:crypto';
import { freshPort } from '../../free-port';
import type { NetworkPlan, NetworkPort, SecurityRule, Wiring } from '../../../lab/model';

/** The article's network, with ports of its own for each test: two machines behind a security group. */

export function freshWiring(): Wiring {
  const cookie = () =>
    randomInt(2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return { switchPort: freshPort(), machinePort: freshPort(), machineCookie: cookie(), switchCookie: cookie() };
}

export function rule(input: Partial<SecurityRule> & Pick<SecurityRule, 'name' | 'priority' | 'access'>): SecurityRule {
  return {
    direction: 'Inbound',
    protocol: '*',
    sources: ['*'],
    sourcePorts: ['*'],
    destinations: ['*'],
    destinationPorts: ['*'],
    ...input,
  };
}

/** Azure's default rules. */
export const DEFAULT_RULES: readonly SecurityRule[] = [
  rule({
    name: 'AllowVnetInBound',
    priority: 65_000,
    access: 'Allow',
    sources: ['VirtualNetwork'],
    destinations: ['VirtualNetwork'],
  }),
  rule({ name: 'AllowAzureLoadBalancerInBound', priority: 65_001, access: 'Allow', sources: ['AzureLoadBalancer'] }),
  rule({ name: 'DenyAllInBound', priority: 65_500, access: 'Deny' }),
  rule({
    name: 'AllowVnetOutBound',
    priority: 65_000,
    access: 'Allow',
    direction: 'Outbound',
    sources: ['VirtualNetwork'],
    destinations: ['VirtualNetwork'],
  }),
  rule({
    name: 'AllowInternetOutBound',
    priority: 65_001,
    access: 'Allow',
    direction: 'Outbound',
    destinations: ['Internet'],
  }),
  rule({ name: 'DenyAllOutBound', priority: 65_500, access: 'Deny', direction: 'Outbound' }),
];

export function machinePort(number: 1 | 2 | 3, changes: Partial<NetworkPort> = {}): NetworkPort {
  return {
    machine: `00000000-0000-0000-0000-00000000000${number}`,
    name: `hadb0${number}`,
    mac: `52:54:00:00:00:0${number}`,
    address: `10.10.10.${3 + number}`,
    wiring: freshWiring(),
    securityGroups: [DEFAULT_RULES],
    ...changes,
  };
}

export function networkPlan(changes: Partial<NetworkPlan> = {}): NetworkPlan {
  return {
    generation: 1,
    virtualNetworks: [{ name: 'vnet-hadb', prefix: '10.10.10.0/24' }],
    ports: [],
    publicAddresses: [],
    loadBalancingRules: [],
    inboundNatRules: [],
    ...changes,
  };
}
