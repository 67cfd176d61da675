import { z } from 'zod';
import type { LinkFault, NetworkPlan } from '../model';
import { contains, parseAddress, parseMac, parsePrefix } from './addresses';
import { compileSecurityGroup } from './security-group';
import type { Target } from './switch';
import { messageOf } from '../../processes/error-message';

/** What comes over the control endpoint and from disk, checked once. */

const Address = checked((text) => parseAddress(text));
const CidrPrefix = checked((text) => parsePrefix(text));
const Mac = checked((text) => parseMac(text));
const Port = z.int().min(1).max(65_535);
const Cookie = z.string().regex(/^[0-9a-f]{8}$/, 'eight hexadecimal digits, lower case');

const Rule = z.object({
  name: z.string(),
  priority: z.number(),
  direction: z.enum(['Inbound', 'Outbound']),
  access: z.enum(['Allow', 'Deny']),
  protocol: z.enum(['Tcp', 'Udp', 'Icmp', '*']),
  sources: z.array(z.string()).readonly(),
  sourcePorts: z.array(z.string()).readonly(),
  destinations: z.array(z.string()).readonly(),
  destinationPorts: z.array(z.string()).readonly(),
});

const Plan = z.object({
  generation: z.int().nonnegative(),
  packageMirror: z.boolean().exactOptional(),
  virtualNetworks: z.array(z.object({ name: z.string(), prefix: CidrPrefix })).readonly(),
  ports: z
    .array(
      z.object({
        machine: z.string(),
        name: z.string(),
        virtualNetwork: z.string().exactOptional(),
        mac: Mac,
        address: Address,
        wiring: z.object({ switchPort: Port, machinePort: Port, machineCookie: Cookie, switchCookie: Cookie }),
        securityGroups: z.array(z.array(Rule).readonly()).readonly(),
      }),
    )
    .readonly(),
  publicAddresses: z.array(z.object({ address: Address, name: z.string().exactOptional() })).readonly(),
  loadBalancingRules: z
    .array(
      z.object({
        name: z.string(),
        frontendAddress: Address,
        frontendPort: Port,
        backendPort: Port,
        backends: z.array(z.object({ address: Address, virtualNetwork: z.string().exactOptional() })).readonly(),
        idleTimeoutMinutes: z.number().positive(),
        tcpReset: z.boolean(),
        probe: z
          .object({
            name: z.string(),
            protocol: z.enum(['Tcp', 'Http']),
            port: Port,
            requestPath: z.string().exactOptional(),
            intervalSeconds: z.number().positive(),
            threshold: z.int().positive(),
          })
          .exactOptional(),
      }),
    )
    .readonly(),
  inboundNatRules: z
    .array(
      z.object({
        name: z.string(),
        frontendAddress: Address,
        frontendPort: Port,
        backendAddress: Address,
        backendPort: Port,
      }),
    )
    .readonly(),
}) satisfies z.ZodType<NetworkPlan>;

const Fault = z.object({
  id: z.string().regex(/^[\w.-]{1,64}$/, 'letters, digits, dot, dash and underscore'),
  from: z.string().min(1),
  to: z.string().min(1),
  bothDirections: z.boolean(),
  loss: z.number().min(0).max(1),
  delayMs: z.number().min(0).max(600_000),
  ttlSeconds: z.number().positive().exactOptional(),
}) satisfies z.ZodType<LinkFault>;

export type Parsed<Value> = { value: Value } | { problems: string[] };

/** A plan with every problem named: shapes first, then what only shows when all of it is seen. */
export function parsePlan(input: unknown): Parsed<NetworkPlan> {
  const result = Plan.safeParse(input);
  if (!result.success) return { problems: describe(result.error) };
  const problems = planProblems(result.data);
  return problems.length > 0 ? { problems } : { value: result.data };
}

export function parseFault(input: unknown): Parsed<LinkFault> {
  const result = Fault.safeParse(input);
  return result.success ? { value: result.data } : { problems: describe(result.error) };
}

/** What tells one rule from all others: rules of different balancers may have the same name. */
export function frontendOf(rule: { frontendAddress: string; frontendPort: number }): string {
  return `${rule.frontendAddress}:${rule.frontendPort}`;
}

/** The virtual network of a port or backend: the one it names, else the first whose prefix holds its address. */
export function networkOf(plan: NetworkPlan, target: Target): string | undefined {
  if (target.virtualNetwork !== undefined) return target.virtualNetwork;
  const address = parseAddress(target.address);
  return plan.virtualNetworks.find((network) => contains(parsePrefix(network.prefix), address))?.name;
}

/** A virtual network has as many entries in the plan as it has prefixes. */
export function prefixesOf(plan: NetworkPlan, network: string | undefined): string[] {
  return plan.virtualNetworks.filter(({ name }) => name === network).map(({ prefix }) => prefix);
}

function planProblems(plan: NetworkPlan): string[] {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  const once = (key: string, what: string, owner: string) => {
    const other = seen.get(key);
    if (other === undefined) seen.set(key, owner);
    else problems.push(`${what} belongs to ${other} and to ${owner}`);
  };
  for (const network of plan.virtualNetworks) {
    if (parsePrefix(network.prefix).bits > 29) {
      problems.push(`virtual network ${network.name}: ${network.prefix} has no room for machines`);
    }
  }
  for (const port of plan.ports) {
    const name = networkOf(plan, port);
    const prefixes = prefixesOf(plan, name).map(parsePrefix);
    if (name === undefined || prefixes.length === 0) {
      problems.push(`port of ${port.name}: no virtual network holds ${port.address}`);
      continue;
    }
    if (!prefixes.some((prefix) => contains(prefix, parseAddress(port.address)))) {
      problems.push(`port of ${port.name}: ${port.address} is not in ${prefixesOf(plan, name).join(', ')} of ${name}`);
    }
    once(`address ${name} ${port.address}`, `address ${port.address}`, port.name);
    once(`udp ${port.wiring.switchPort}`, `UDP port ${port.wiring.switchPort}`, port.name);
    once(`udp ${port.wiring.machinePort}`, `UDP port ${port.wiring.machinePort}`, port.name);
    for (const rules of port.securityGroups) {
      for (const rule of rules) {
        try {
          compileSecurityGroup([rule], prefixes);
        } catch (error) {
          problems.push(`security rule ${rule.name} of ${port.name}: ${messageOf(error)}`);
        }
      }
    }
  }
  return problems;
}

function describe(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join('.') || 'the document'}: ${issue.message}`);
}

function checked(parse: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
    }
  });
}
