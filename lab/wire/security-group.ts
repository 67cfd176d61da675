import type { SecurityRule } from '../model';
import { PLATFORM_ADDRESS } from '../model';
import type { Prefix } from './addresses';
import { contains, parseAddress, parsePrefix } from './addresses';
import { PROTOCOL } from './frame';

/** What a rule looks at. Ports are undefined where there are none: ICMP, other protocols, later fragments. */
export interface Packet {
  direction: 'Inbound' | 'Outbound';
  /** IP protocol number. */
  protocol: number;
  source: number;
  sourcePort: number | undefined;
  destination: number;
  destinationPort: number | undefined;
}

export interface Verdict {
  access: 'Allow' | 'Deny';
  /** The rule that decided. */
  rule: string;
}

/** Rules in a form that is quick to judge by; both directions, each in order of priority. */
export interface SecurityGroup {
  inbound: readonly CompiledRule[];
  outbound: readonly CompiledRule[];
}

interface CompiledRule {
  name: string;
  access: 'Allow' | 'Deny';
  protocol: number | undefined;
  sources: AddressTest;
  sourcePorts: PortTest;
  destinations: AddressTest;
  destinationPorts: PortTest;
}

type AddressTest = (address: number) => boolean;
type PortTest = (port: number | undefined) => boolean;

const PROTOCOLS = { Tcp: PROTOCOL.tcp, Udp: PROTOCOL.udp, Icmp: PROTOCOL.icmp, '*': undefined } as const;

/** Throws AddressError for an address, prefix or port that is none; `virtualNetwork` are the prefixes which that service tag means. */
export function compileSecurityGroup(rules: readonly SecurityRule[], virtualNetwork: readonly Prefix[]): SecurityGroup {
  const compiled = rules
    .toSorted((left, right) => left.priority - right.priority)
    .map((rule) => ({ direction: rule.direction, rule: compileRule(rule, virtualNetwork) }));
  const of = (direction: SecurityRule['direction']) =>
    compiled.filter((entry) => entry.direction === direction).map((entry) => entry.rule);
  return { inbound: of('Inbound'), outbound: of('Outbound') };
}

/** The first rule that matches decides; a group without a matching rule denies, as Azure's last default rule does. */
export function judge(group: SecurityGroup, packet: Packet): Verdict {
  const rules = packet.direction === 'Inbound' ? group.inbound : group.outbound;
  const rule = rules.find((candidate) => matches(candidate, packet));
  return rule === undefined ? { access: 'Deny', rule: '(no rule matches)' } : { access: rule.access, rule: rule.name };
}

/** The verdict that denies, if any: every group has to allow. No group allows everything. */
export function findDenial(groups: readonly SecurityGroup[], packet: Packet): Verdict | undefined {
  for (const group of groups) {
    const verdict = judge(group, packet);
    if (verdict.access === 'Deny') return verdict;
  }
  return undefined;
}

function matches(rule: CompiledRule, packet: Packet): boolean {
  return (
    (rule.protocol === undefined || rule.protocol === packet.protocol) &&
    rule.destinationPorts(packet.destinationPort) &&
    rule.sources(packet.source) &&
    rule.destinations(packet.destination) &&
    rule.sourcePorts(packet.sourcePort)
  );
}

function compileRule(rule: SecurityRule, virtualNetwork: readonly Prefix[]): CompiledRule {
  return {
    name: rule.name,
    access: rule.access,
    protocol: PROTOCOLS[rule.protocol],
    sources: anyAddress(rule.sources, virtualNetwork),
    sourcePorts: anyPort(rule.sourcePorts),
    destinations: anyAddress(rule.destinations, virtualNetwork),
    destinationPorts: anyPort(rule.destinationPorts),
  };
}

function anyAddress(list: readonly string[], virtualNetwork: readonly Prefix[]): AddressTest {
  const tests = list.map((entry) => addressTest(entry, virtualNetwork));
  return (address) => tests.some((test) => test(address));
}

function addressTest(entry: string, virtualNetwork: readonly Prefix[]): AddressTest {
  const platform = parseAddress(PLATFORM_ADDRESS);
  switch (entry.toLowerCase()) {
    case '*':
    case 'any':
      return () => true;
    case 'virtualnetwork':
      return (address) => virtualNetwork.some((prefix) => contains(prefix, address));
    case 'azureloadbalancer':
      return (address) => address === platform;
    // In the lab everything outside is a loopback address of this host: it plays the Internet.
    case 'internet':
      return (address) => address !== platform && !virtualNetwork.some((prefix) => contains(prefix, address));
    default: {
      const prefix = parsePrefix(entry);
      return (address) => contains(prefix, address);
    }
  }
}

function anyPort(list: readonly string[]): PortTest {
  if (list.includes('*')) return () => true;
  const ranges = list.map(parsePortRange);
  return (port) => port !== undefined && ranges.some(([from, to]) => port >= from && port <= to);
}

function parsePortRange(text: string): [number, number] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match === null || from > to || to > 65535) throw new PortRangeError(text);
  return [from, to];
}

export class PortRangeError extends Error {
  override readonly name = 'PortRangeError';
  constructor(text: string) {
    super(`"${text}" is not a port, a range of ports or *`);
  }
}
