import { z } from 'zod';
import { ArmError, invalidResourceReference, notInLab, propertyChangeNotAllowed } from '../arm-error';
import { sameId } from '../resource-id';
import { assertReference, useOfPublicAddress } from './references';
import { assertDistinctNames, parseProperties, renderChild, subResourceSchema, withoutReadOnly } from './resource';
import type { JsonObject, ResourceBase, ResourceKind, SubResource, World } from './resource';

const port = z.int().min(0).max(65535);
const idleTimeout = z.int().min(4).max(100).default(4);
const transport = z
  .string()
  .transform((given) => given.charAt(0).toUpperCase() + given.slice(1).toLowerCase())
  .pipe(z.enum(['Tcp', 'Udp', 'All']));
const named = <Properties extends z.ZodType>(properties: Properties) =>
  z.array(z.looseObject({ name: z.string().min(1), properties })).default([]);

const schema = z.looseObject({
  frontendIPConfigurations: named(
    z.looseObject({ publicIPAddress: subResourceSchema.optional(), subnet: subResourceSchema.optional() }),
  ),
  backendAddressPools: z
    .array(z.looseObject({ name: z.string().min(1), properties: z.looseObject({}).default({}) }))
    .default([]),
  loadBalancingRules: named(
    z.looseObject({
      frontendIPConfiguration: subResourceSchema,
      backendAddressPool: subResourceSchema.optional(),
      backendAddressPools: z.array(subResourceSchema).optional(),
      probe: subResourceSchema.optional(),
      protocol: transport,
      loadDistribution: z.enum(['Default', 'SourceIP', 'SourceIPProtocol']).default('Default'),
      frontendPort: port,
      backendPort: port,
      idleTimeoutInMinutes: idleTimeout,
      enableFloatingIP: z.boolean().default(false),
      enableTcpReset: z.boolean().default(false),
      disableOutboundSnat: z.boolean().default(false),
    }),
  ),
  probes: named(
    z.looseObject({
      protocol: z.enum(['Tcp', 'Http', 'Https']),
      port: z.int().min(1).max(65535),
      requestPath: z.string().optional(),
      intervalInSeconds: z.int().min(5).default(15),
      numberOfProbes: z.int().min(1).default(1),
      probeThreshold: z.int().min(1).max(100).default(1),
      noHealthyBackendsBehavior: z.enum(['AllProbedDown', 'AllProbedUp']).default('AllProbedDown'),
    }),
  ),
  inboundNatRules: named(
    z.looseObject({
      frontendIPConfiguration: subResourceSchema,
      protocol: transport,
      frontendPort: port.default(0),
      backendPort: port,
      idleTimeoutInMinutes: idleTimeout,
      enableFloatingIP: z.boolean().default(false),
      enableTcpReset: z.boolean().default(false),
    }),
  ),
  outboundRules: named(
    z.looseObject({
      frontendIPConfigurations: z.array(subResourceSchema).min(1),
      backendAddressPool: subResourceSchema,
      protocol: transport,
      allocatedOutboundPorts: z.int().min(0).optional(),
      idleTimeoutInMinutes: idleTimeout,
      enableTcpReset: z.boolean().default(false),
    }),
  ),
  inboundNatPools: z.array(z.unknown()).default([]),
});

type Given = z.infer<typeof schema>;
type Children = Pick<
  Given,
  | 'frontendIPConfigurations'
  | 'backendAddressPools'
  | 'loadBalancingRules'
  | 'probes'
  | 'inboundNatRules'
  | 'outboundRules'
>;
type ChildName = keyof Children;

export type LoadBalancer = ResourceBase<'Microsoft.Network/loadBalancers', Children>;

/** Derived by Azure from other resources; never accepted. */
const DERIVED: Readonly<Record<ChildName, readonly string[]>> = {
  frontendIPConfigurations: ['inboundNatRules', 'inboundNatPools', 'loadBalancingRules', 'outboundRules'],
  backendAddressPools: [
    'backendIPConfigurations',
    'loadBalancerBackendAddresses',
    'loadBalancingRules',
    'outboundRule',
    'outboundRules',
    'inboundNatRules',
  ],
  loadBalancingRules: [],
  probes: ['loadBalancingRules'],
  inboundNatRules: ['backendIPConfiguration'],
  outboundRules: [],
};

export const loadBalancers: ResourceKind<LoadBalancer> = {
  type: 'Microsoft.Network/loadBalancers',
  writes: 'network',
  operation: 'PutLoadBalancerOperation',
  location: 'required',
  wanted(request, current, world) {
    const given = parseProperties(schema, request.properties);
    const sku = (request.body['sku'] as { name?: string } | undefined)?.name ?? current?.sku?.name ?? 'Basic';
    if (sku !== 'Basic' && sku !== 'Standard') throw notInLab(`The lab has no load balancer sku ${sku}.`, 'sku.name');
    if (current?.sku !== undefined && current.sku.name !== sku) throw propertyChangeNotAllowed('sku.name');
    if (given.inboundNatPools.length > 0) throw notInLab('The lab has no inbound NAT pools.', 'inboundNatPools');
    const wanted: Children = {
      frontendIPConfigurations: children('frontendIPConfigurations', given, request.id),
      backendAddressPools: children('backendAddressPools', given, request.id),
      loadBalancingRules: children('loadBalancingRules', given, request.id),
      probes: children('probes', given, request.id),
      inboundNatRules: children('inboundNatRules', given, request.id),
      outboundRules: children('outboundRules', given, request.id),
    };
    assertFrontends(wanted, request.id, sku, world);
    assertOwnReferences(wanted, request.id);
    assertProbes(wanted);
    assertPorts(wanted, request.id);
    assertOutbound(wanted, request.id);
    return { properties: wanted, sku: { name: sku, tier: 'Regional' } };
  },
  render(resource, world) {
    const { properties } = resource;
    const uses = (arrayName: ChildName, id: string, of: (properties: JsonObject) => readonly SubResource[]) =>
      properties[arrayName]
        .filter((child) => of(child.properties).some((reference) => sameId(reference.id, id)))
        .map((child) => ({ id: `${resource.id}/${arrayName}/${child.name}` }));
    return {
      frontendIPConfigurations: properties.frontendIPConfigurations.map((child) => {
        const id = `${resource.id}/frontendIPConfigurations/${child.name}`;
        return renderChild(
          resource,
          'frontendIPConfigurations',
          { name: child.name, properties: { privateIPAllocationMethod: 'Dynamic', ...child.properties } },
          withoutEmpty({
            loadBalancingRules: uses('loadBalancingRules', id, (rule) => list(rule['frontendIPConfiguration'])),
            inboundNatRules: uses('inboundNatRules', id, (rule) => list(rule['frontendIPConfiguration'])),
            outboundRules: uses('outboundRules', id, (rule) => list(rule['frontendIPConfigurations'])),
          }),
        );
      }),
      backendAddressPools: properties.backendAddressPools.map((child) => {
        const id = `${resource.id}/backendAddressPools/${child.name}`;
        const members = poolMembers(id, world);
        const outboundRules = uses('outboundRules', id, (rule) => list(rule['backendAddressPool']));
        return renderChild(
          resource,
          'backendAddressPools',
          child,
          withoutEmpty({
            loadBalancingRules: uses('loadBalancingRules', id, (rule) => [
              ...list(rule['backendAddressPool']),
              ...list(rule['backendAddressPools']),
            ]),
            outboundRules,
            backendIPConfigurations: members.map((member) => ({ id: member.id })),
            loadBalancerBackendAddresses: members.map((member) => ({
              name: member.id.split('/').slice(-3).join('_'),
              properties: { networkInterfaceIPConfiguration: { id: member.id } },
            })),
          }),
        );
      }),
      loadBalancingRules: properties.loadBalancingRules.map((child) => {
        const pools = [...list(child.properties.backendAddressPool), ...list(child.properties.backendAddressPools)];
        const distinct = pools.filter((pool, index) => pools.findIndex((other) => sameId(other.id, pool.id)) === index);
        return renderChild(
          resource,
          'loadBalancingRules',
          child,
          distinct[0] === undefined ? {} : { backendAddressPool: distinct[0], backendAddressPools: distinct },
        );
      }),
      probes: properties.probes.map((child) =>
        renderChild(
          resource,
          'probes',
          child,
          withoutEmpty({
            loadBalancingRules: uses('loadBalancingRules', `${resource.id}/probes/${child.name}`, (rule) =>
              list(rule['probe']),
            ),
          }),
        ),
      ),
      inboundNatRules: properties.inboundNatRules.map((child) => {
        const member = natRuleMember(`${resource.id}/inboundNatRules/${child.name}`, world);
        return renderChild(
          resource,
          'inboundNatRules',
          child,
          member === undefined ? {} : { backendIPConfiguration: { id: member.id } },
        );
      }),
      outboundRules: properties.outboundRules.map((child) => renderChild(resource, 'outboundRules', child)),
      inboundNatPools: [],
    };
  },
  assertDeletable() {
    // Azure lets go of the interfaces by itself; their references are left out from then on.
  },
  children: {
    frontendipconfigurations: { name: 'frontendIPConfigurations', writable: false, operation: '' },
    backendaddresspools: {
      name: 'backendAddressPools',
      writable: true,
      operation: 'PutLoadBalancerBackendAddressPoolOperation',
    },
    loadbalancingrules: { name: 'loadBalancingRules', writable: false, operation: '' },
    probes: { name: 'probes', writable: false, operation: '' },
    inboundnatrules: { name: 'inboundNatRules', writable: true, operation: 'PutInboundNatRuleOperation' },
    outboundrules: { name: 'outboundRules', writable: false, operation: '' },
  },
};

/** IP configurations in a backend pool, with their addresses. */
export function poolMembers(poolId: string, world: Pick<World, 'ofType'>): { id: string; address: string }[] {
  return memberships(world, poolId, 'loadBalancerBackendAddressPools');
}

export function natRuleMember(
  ruleId: string,
  world: Pick<World, 'ofType'>,
): { id: string; address: string } | undefined {
  return memberships(world, ruleId, 'loadBalancerInboundNatRules')[0];
}

function memberships(
  world: Pick<World, 'ofType'>,
  id: string,
  field: 'loadBalancerBackendAddressPools' | 'loadBalancerInboundNatRules',
): { id: string; address: string }[] {
  return world.ofType('Microsoft.Network/networkInterfaces').flatMap((nic) =>
    nic.properties.ipConfigurations
      .filter(({ properties }) => properties[field].some((reference) => sameId(reference.id, id)))
      .map(({ name, properties }) => ({
        id: `${nic.id}/ipConfigurations/${name}`,
        address: properties.privateIPAddress,
      })),
  );
}

function children<Name extends ChildName>(name: Name, given: Given, id: string): Children[Name] {
  const items = given[name];
  assertDistinctNames(items, id);
  return items.map((item) => ({
    name: item.name,
    properties: withoutReadOnly(item.properties as JsonObject, ...DERIVED[name]),
  })) as Children[Name];
}

function list(reference: unknown): readonly SubResource[] {
  if (reference === undefined || reference === null) return [];
  return (Array.isArray(reference) ? reference : [reference]) as readonly SubResource[];
}

function withoutEmpty(lists: Record<string, readonly unknown[]>): JsonObject {
  return Object.fromEntries(Object.entries(lists).filter(([, items]) => items.length > 0));
}

function assertFrontends(wanted: Children, id: string, sku: string, world: World): void {
  for (const { name, properties } of wanted.frontendIPConfigurations) {
    const frontendId = `${id}/frontendIPConfigurations/${name}`;
    if (properties.publicIPAddress === undefined) {
      throw notInLab(`Frontend ${name}: the lab has public load balancers only.`, 'frontendIPConfigurations.subnet');
    }
    const address = assertReference(
      properties.publicIPAddress.id,
      'Microsoft.Network/publicIPAddresses',
      frontendId,
      world,
    );
    if ((address.sku?.name ?? 'Basic') !== sku) {
      throw new ArmError(
        400,
        'DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed',
        `Different sku load balancers and public IP addresses is not allowed: ${id} is ${sku}, ${address.id} is ` +
          `${address.sku?.name ?? 'Basic'}.`,
      );
    }
    const user = useOfPublicAddress(address.id, world);
    if (user !== undefined && !sameId(user.owner.id, id)) {
      throw new ArmError(
        400,
        'PublicIPAddressInUse',
        `Resource ${frontendId} is referencing public IP address ${address.id} that is already allocated to resource ${user.id}.`,
      );
    }
  }
}

function assertOwnReferences(wanted: Children, id: string): void {
  const assertOwn = (reference: SubResource, arrayName: ChildName, user: string) => {
    const exists = wanted[arrayName].some(({ name }) => sameId(`${id}/${arrayName}/${name}`, reference.id));
    if (!exists) throw invalidResourceReference(reference.id, user);
  };
  for (const { name, properties } of wanted.loadBalancingRules) {
    const user = `${id}/loadBalancingRules/${name}`;
    if (properties.protocol !== 'Tcp') {
      throw notInLab(`Rule ${name}: the lab balances TCP only.`, 'loadBalancingRules.protocol');
    }
    if (properties.enableFloatingIP) {
      throw notInLab(`Rule ${name}: the lab has no floating IP.`, 'loadBalancingRules.enableFloatingIP');
    }
    assertOwn(properties.frontendIPConfiguration, 'frontendIPConfigurations', user);
    for (const pool of [...list(properties.backendAddressPool), ...list(properties.backendAddressPools)]) {
      assertOwn(pool, 'backendAddressPools', user);
    }
    if (properties.probe !== undefined) assertOwn(properties.probe, 'probes', user);
  }
  for (const { name, properties } of wanted.inboundNatRules) {
    if (properties.protocol !== 'Tcp') {
      throw notInLab(`Inbound NAT rule ${name}: the lab forwards TCP only.`, 'inboundNatRules.protocol');
    }
    if (properties.enableFloatingIP) {
      throw notInLab(`Inbound NAT rule ${name}: the lab has no floating IP.`, 'inboundNatRules.enableFloatingIP');
    }
    if (properties.frontendPort === 0 || 'frontendPortRangeStart' in properties) {
      throw notInLab(`Inbound NAT rule ${name}: the lab has single ports, no ranges.`, 'inboundNatRules.frontendPort');
    }
    assertOwn(properties.frontendIPConfiguration, 'frontendIPConfigurations', `${id}/inboundNatRules/${name}`);
  }
  for (const { name, properties } of wanted.outboundRules) {
    const user = `${id}/outboundRules/${name}`;
    for (const frontend of properties.frontendIPConfigurations) assertOwn(frontend, 'frontendIPConfigurations', user);
    assertOwn(properties.backendAddressPool, 'backendAddressPools', user);
  }
}

function assertProbes(wanted: Children): void {
  for (const { name, properties } of wanted.probes) {
    if (properties.protocol === 'Https')
      throw notInLab(`Probe ${name}: the lab probes by Tcp or Http.`, 'probes.protocol');
    if (properties.protocol === 'Http' && (properties.requestPath ?? '') === '') {
      throw new ArmError(400, 'ProbeRequestPathMissing', `Request path must be specified for http probe ${name}.`);
    }
    if (properties.noHealthyBackendsBehavior === 'AllProbedUp') {
      throw notInLab(`Probe ${name}: the lab knows AllProbedDown only.`, 'probes.noHealthyBackendsBehavior');
    }
  }
}

function assertPorts(wanted: Children, id: string): void {
  const frontends = new Map<string, string>();
  for (const [kind, rules] of [
    ['loadBalancingRules', wanted.loadBalancingRules],
    ['inboundNatRules', wanted.inboundNatRules],
  ] as const) {
    for (const { name, properties } of rules) {
      const key = `${properties.frontendIPConfiguration.id.toLowerCase()} ${properties.frontendPort}`;
      const ruleId = `${id}/${kind}/${name}`;
      const other = frontends.get(key);
      if (other !== undefined) {
        throw new ArmError(
          400,
          'RulesUseSameFrontendPortProtocolAndIPConfig',
          `Load balancing rules ${other} and ${ruleId} use the same frontend IP configuration, protocol ` +
            `${properties.protocol} and port ${properties.frontendPort}.`,
        );
      }
      frontends.set(key, ruleId);
    }
  }
  const backends = new Map<string, string>();
  for (const { name, properties } of wanted.loadBalancingRules) {
    const ruleId = `${id}/loadBalancingRules/${name}`;
    const pools = new Set(
      [...list(properties.backendAddressPool), ...list(properties.backendAddressPools)].map((pool) =>
        pool.id.toLowerCase(),
      ),
    );
    for (const pool of pools) {
      const key = `${pool} ${properties.backendPort}`;
      const other = backends.get(key);
      if (other !== undefined) {
        throw new ArmError(
          400,
          'RulesUseSameBackendPortProtocolAndPool',
          `Load balancing rules ${other} and ${ruleId} with floating IP disabled use the same protocol ${properties.protocol} ` +
            `and backend port ${properties.backendPort}, and must not be used with the same backend address pool ${pool}.`,
        );
      }
      backends.set(key, ruleId);
    }
  }
}

function assertOutbound(wanted: Children, id: string): void {
  for (const rule of wanted.loadBalancingRules) {
    if (rule.properties.disableOutboundSnat) continue;
    const frontend = rule.properties.frontendIPConfiguration.id;
    const outbound = wanted.outboundRules.filter(({ properties }) =>
      properties.frontendIPConfigurations.some((reference) => sameId(reference.id, frontend)),
    );
    if (outbound.length === 0) continue;
    throw new ArmError(
      400,
      'LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule',
      `Load Balancing Rules ${id}/loadBalancingRules/${rule.name} must have disableOutboundSNAT set to true when same ` +
        `FrontendIPConfiguration ${frontend} is referenced by Outbound Rules ` +
        `${outbound.map(({ name }) => `${id}/outboundRules/${name}`).join(', ')}.`,
    );
  }
}
