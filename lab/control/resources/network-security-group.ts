import { z } from 'zod';
import { ArmError, notInLab } from '../arm-error';
import { sameId } from '../resource-id';
import { assertDistinctNames, parseProperties, refuseFeatures, renderChild, withoutReadOnly } from './resource';
import type { JsonObject, ResourceBase, ResourceKind, World } from './resource';

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.preprocess(
    (given) =>
      typeof given === 'string'
        ? (values.find((value) => value.toLowerCase() === given.toLowerCase()) ?? given)
        : given,
    z.enum(values),
  );

const rulePropertiesSchema = z.looseObject({
  description: z.string().max(140).optional(),
  protocol: oneOf(['Tcp', 'Udp', 'Icmp', 'Esp', 'Ah', '*']),
  sourcePortRange: z.string().optional(),
  sourcePortRanges: z.array(z.string()).default([]),
  destinationPortRange: z.string().optional(),
  destinationPortRanges: z.array(z.string()).default([]),
  sourceAddressPrefix: z.string().optional(),
  sourceAddressPrefixes: z.array(z.string()).default([]),
  destinationAddressPrefix: z.string().optional(),
  destinationAddressPrefixes: z.array(z.string()).default([]),
  access: oneOf(['Allow', 'Deny']),
  priority: z.int(),
  direction: oneOf(['Inbound', 'Outbound']),
});
export type SecurityRuleProperties = z.infer<typeof rulePropertiesSchema>;

const schema = z.looseObject({
  securityRules: z.array(z.looseObject({ name: z.string().min(1), properties: rulePropertiesSchema })).default([]),
});

export type NetworkSecurityGroup = ResourceBase<
  'Microsoft.Network/networkSecurityGroups',
  { securityRules: { name: string; properties: SecurityRuleProperties }[] }
>;

const defaultRule = (
  name: string,
  description: string,
  direction: 'Inbound' | 'Outbound',
  access: 'Allow' | 'Deny',
  priority: number,
  source: string,
  destination: string,
): { name: string; properties: SecurityRuleProperties } => ({
  name,
  properties: {
    description,
    protocol: '*',
    sourcePortRange: '*',
    destinationPortRange: '*',
    sourceAddressPrefix: source,
    destinationAddressPrefix: destination,
    access,
    priority,
    direction,
    sourcePortRanges: [],
    destinationPortRanges: [],
    sourceAddressPrefixes: [],
    destinationAddressPrefixes: [],
  },
});

/** What Azure puts into every group (learn.microsoft.com, "Network security groups", default security rules). */
export const DEFAULT_SECURITY_RULES: readonly { name: string; properties: SecurityRuleProperties }[] = [
  defaultRule(
    'AllowVnetInBound',
    'Allow inbound traffic from all VMs in VNET',
    'Inbound',
    'Allow',
    65000,
    'VirtualNetwork',
    'VirtualNetwork',
  ),
  defaultRule(
    'AllowAzureLoadBalancerInBound',
    'Allow inbound traffic from azure load balancer',
    'Inbound',
    'Allow',
    65001,
    'AzureLoadBalancer',
    '*',
  ),
  defaultRule('DenyAllInBound', 'Deny all inbound traffic', 'Inbound', 'Deny', 65500, '*', '*'),
  defaultRule(
    'AllowVnetOutBound',
    'Allow outbound traffic from all VMs to all VMs in VNET',
    'Outbound',
    'Allow',
    65000,
    'VirtualNetwork',
    'VirtualNetwork',
  ),
  defaultRule(
    'AllowInternetOutBound',
    'Allow outbound traffic from all VMs to Internet',
    'Outbound',
    'Allow',
    65001,
    '*',
    'Internet',
  ),
  defaultRule('DenyAllOutBound', 'Deny all outbound traffic', 'Outbound', 'Deny', 65500, '*', '*'),
];

export const networkSecurityGroups: ResourceKind<NetworkSecurityGroup> = {
  type: 'Microsoft.Network/networkSecurityGroups',
  writes: 'network',
  operation: 'PutNetworkSecurityGroupOperation',
  location: 'required',
  wanted(request) {
    const { securityRules } = parseProperties(schema, request.properties);
    assertDistinctNames(securityRules, request.id);
    for (const rule of securityRules) assertRule(rule, request.id);
    assertDistinctPriorities(securityRules, request.id);
    return {
      properties: {
        securityRules: securityRules.map(({ name, properties }) => ({ name, properties: withoutReadOnly(properties) })),
      },
    };
  },
  render(resource, world) {
    return {
      securityRules: resource.properties.securityRules.map((rule) => renderChild(resource, 'securityRules', rule)),
      defaultSecurityRules: DEFAULT_SECURITY_RULES.map((rule) => renderChild(resource, 'defaultSecurityRules', rule)),
      networkInterfaces: usersOf(resource.id, world).interfaces.map((id) => ({ id })),
      subnets: usersOf(resource.id, world).subnets.map((id) => ({ id })),
    } satisfies JsonObject;
  },
  assertDeletable(resource, world) {
    const { interfaces, subnets } = usersOf(resource.id, world);
    const users = [...interfaces, ...subnets];
    if (users.length === 0) return;
    throw new ArmError(
      400,
      'InUseNetworkSecurityGroupCannotBeDeleted',
      `Network security group ${resource.id} cannot be deleted because it is in use by the following resources: ` +
        `${users.join(', ')}. In order to delete the Network security group, remove the association with the ` +
        'resource(s). To learn how to do this, see aka.ms/deletensg.',
    );
  },
  children: {
    securityrules: { name: 'securityRules', writable: true, operation: 'PutSecurityRuleOperation' },
    defaultsecurityrules: { name: 'defaultSecurityRules', writable: false, operation: '' },
  },
};

function assertRule(rule: { name: string; properties: SecurityRuleProperties }, id: string): void {
  const { properties } = rule;
  refuseFeatures(properties, {
    sourceApplicationSecurityGroups: 'The lab has no application security groups.',
    destinationApplicationSecurityGroups: 'The lab has no application security groups.',
  });
  if (properties.protocol === 'Esp' || properties.protocol === 'Ah') {
    throw notInLab(`Rule ${rule.name}: the lab judges Tcp, Udp, Icmp and * only.`, 'protocol');
  }
  if (properties.priority < 100 || properties.priority > 4096) {
    throw new ArmError(
      400,
      'SecurityRuleInvalidPriority',
      `Security rule has invalid Priority. Value provided: ${properties.priority} Allowed range 100-4096.`,
    );
  }
  const sides = [
    ['SourcePortRange', properties.sourcePortRange, properties.sourcePortRanges],
    ['DestinationPortRange', properties.destinationPortRange, properties.destinationPortRanges],
    ['SourceAddressPrefix', properties.sourceAddressPrefix, properties.sourceAddressPrefixes],
    ['DestinationAddressPrefix', properties.destinationAddressPrefix, properties.destinationAddressPrefixes],
  ] as const;
  for (const [side, one, many] of sides) {
    if ((one === undefined || one === '') && many.length === 0) {
      throw new ArmError(
        400,
        'SecurityRuleParameterMissing',
        `Security rule ${id}/securityRules/${rule.name} must specify ${side} or ${side}${side.endsWith('x') ? 'es' : 's'}.`,
      );
    }
  }
  for (const range of [
    properties.sourcePortRange,
    ...properties.sourcePortRanges,
    properties.destinationPortRange,
    ...properties.destinationPortRanges,
  ]) {
    if (range !== undefined && range !== '' && !isPortRange(range)) {
      throw new ArmError(
        400,
        'SecurityRuleInvalidPortRange',
        `Security rule has invalid Port range. Value provided: ${range}. Value should be an integer OR integer range ` +
          'with min-max, or *, within 0-65535.',
      );
    }
  }
  for (const prefix of [
    properties.sourceAddressPrefix,
    ...properties.sourceAddressPrefixes,
    properties.destinationAddressPrefix,
    ...properties.destinationAddressPrefixes,
  ]) {
    if (prefix !== undefined && prefix !== '' && !isAddressPrefix(prefix)) {
      throw new ArmError(
        400,
        'SecurityRuleInvalidAddressPrefix',
        `Security rule ${rule.name} has invalid Address prefix. Value provided: ${prefix}. The lab knows IPv4 addresses and ` +
          'CIDR blocks, *, and the service tags VirtualNetwork, AzureLoadBalancer and Internet.',
      );
    }
  }
}

function isPortRange(range: string): boolean {
  if (range === '*') return true;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
  if (match === null) return false;
  const low = Number(match[1]);
  const high = Number(match[2] ?? match[1]);
  return low <= high && high <= 65535;
}

function isAddressPrefix(prefix: string): boolean {
  if (prefix === '*' || ['virtualnetwork', 'azureloadbalancer', 'internet'].includes(prefix.toLowerCase())) return true;
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(prefix);
  return match !== null && match.slice(1, 5).every((octet) => Number(octet) <= 255) && Number(match[5] ?? 32) <= 32;
}

function assertDistinctPriorities(
  rules: readonly { name: string; properties: SecurityRuleProperties }[],
  id: string,
): void {
  const seen = new Map<string, string>();
  for (const { name, properties } of rules) {
    const key = `${properties.direction} ${properties.priority}`;
    const other = seen.get(key);
    if (other !== undefined) {
      throw new ArmError(
        400,
        'SecurityRuleConflict',
        `Security rule ${id}/securityRules/${other} conflicts with rule ${id}/securityRules/${name}. Rules cannot have the ` +
          `same Priority and Direction. Priority: ${properties.priority}, Direction: ${properties.direction}.`,
      );
    }
    seen.set(key, name);
  }
}

function usersOf(id: string, world: World): { interfaces: string[]; subnets: string[] } {
  return {
    interfaces: world
      .ofType('Microsoft.Network/networkInterfaces')
      .filter(
        ({ properties }) =>
          properties.networkSecurityGroup !== undefined && sameId(properties.networkSecurityGroup.id, id),
      )
      .map((nic) => nic.id),
    subnets: world
      .ofType('Microsoft.Network/virtualNetworks')
      .flatMap((network) =>
        network.properties.subnets
          .filter(
            ({ properties }) =>
              properties.networkSecurityGroup !== undefined && sameId(properties.networkSecurityGroup.id, id),
          )
          .map((subnet) => `${network.id}/subnets/${subnet.name}`),
      ),
  };
}
