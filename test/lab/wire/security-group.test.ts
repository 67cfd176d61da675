import { AddressError, parseAddress, parsePrefix } from '../../../lab/wire/addresses';
import { PROTOCOL } from '../../../lab/wire/frame';
import type { Packet } from '../../../lab/wire/security-group';
import { PortRangeError, compileSecurityGroup, findDenial, judge } from '../../../lab/wire/security-group';
import { DEFAULT_RULES, rule } from './network-for-tests';

const network = [parsePrefix('10.10.10.0/24'), parsePrefix('10.20.0.0/16')];

function packet(changes: Partial<Packet> & { from?: string; to?: string } = {}): Packet {
  const { from = '127.0.0.1', to = '10.10.10.4', ...rest } = changes;
  return {
    direction: 'Inbound',
    protocol: PROTOCOL.tcp,
    source: parseAddress(from),
    sourcePort: 40_000,
    destination: parseAddress(to),
    destinationPort: 3306,
    ...rest,
  };
}

describe('the default rules', () => {
  const group = compileSecurityGroup(DEFAULT_RULES, network);

  it.each([
    ['a neighbour', packet({ from: '10.10.10.5' }), 'Allow', 'AllowVnetInBound'],
    [
      'a health probe',
      packet({ from: '168.63.129.16', destinationPort: 61_000 }),
      'Allow',
      'AllowAzureLoadBalancerInBound',
    ],
    ['a client outside', packet(), 'Deny', 'DenyAllInBound'],
    [
      'an answer to a neighbour',
      packet({ direction: 'Outbound', from: '10.10.10.4', to: '10.10.10.5' }),
      'Allow',
      'AllowVnetOutBound',
    ],
    [
      'a call to the Internet',
      packet({ direction: 'Outbound', from: '10.10.10.4', to: '9.9.9.9' }),
      'Allow',
      'AllowInternetOutBound',
    ],
    [
      'a call to the platform',
      packet({ direction: 'Outbound', from: '10.10.10.4', to: '168.63.129.16' }),
      'Deny',
      'DenyAllOutBound',
    ],
  ] as const)('judge %s', (_who, input, access, name) => {
    expect(judge(group, input)).toEqual({ access, rule: name });
  });
});

describe('a rule', () => {
  const decide = (changes: Parameters<typeof rule>[0], input: Packet) =>
    judge(compileSecurityGroup([rule(changes)], network), input).access;
  const allow = { name: 'r', priority: 100, access: 'Allow' } as const;

  it.each([
    ['its own port', { destinationPorts: ['3306'] }, packet(), 'Allow'],
    ['another port', { destinationPorts: ['22'] }, packet(), 'Deny'],
    ['a range', { destinationPorts: ['22', '3300-3310'] }, packet(), 'Allow'],
    ['the end of a range', { destinationPorts: ['3300-3306'] }, packet(), 'Allow'],
    ['beyond a range', { destinationPorts: ['3300-3305'] }, packet(), 'Deny'],
    ['a source port', { sourcePorts: ['40000'] }, packet(), 'Allow'],
    ['another source port', { sourcePorts: ['40001'] }, packet(), 'Deny'],
    ['a prefix', { sources: ['127.0.0.0/8'] }, packet(), 'Allow'],
    ['the second of two prefixes', { sources: ['10.0.0.0/8', '127.0.0.0/8'] }, packet(), 'Allow'],
    ['an address', { sources: ['127.0.0.1'] }, packet({ from: '127.0.0.2' }), 'Deny'],
    ['the tag Internet', { sources: ['Internet'] }, packet(), 'Allow'],
    ['the tag Internet from inside', { sources: ['Internet'] }, packet({ from: '10.10.10.5' }), 'Deny'],
    ['a tag in other case', { sources: ['virtualnetwork'] }, packet({ from: '10.10.10.5' }), 'Allow'],
    ['its protocol', { protocol: 'Tcp' }, packet(), 'Allow'],
    ['another protocol', { protocol: 'Udp' }, packet(), 'Deny'],
    ['the other direction', { direction: 'Outbound' }, packet(), 'Deny'],
    ['another destination', { destinations: ['10.10.10.5'] }, packet(), 'Deny'],
    [
      'a packet without ports',
      { destinationPorts: ['3306'] },
      packet({ protocol: PROTOCOL.icmp, destinationPort: undefined }),
      'Deny',
    ],
    ['any port, a packet without one', {}, packet({ protocol: PROTOCOL.icmp, destinationPort: undefined }), 'Allow'],
    ['ICMP', { protocol: 'Icmp' }, packet({ protocol: PROTOCOL.icmp, destinationPort: undefined }), 'Allow'],
  ] as const)('for %s', (_what, changes, input, access) => {
    expect(decide({ ...allow, ...changes }, input)).toBe(access);
  });
});

test('the rule with the smallest priority number decides, wherever it stands in the list', () => {
  const group = compileSecurityGroup(
    [
      rule({ name: 'late', priority: 300, access: 'Allow' }),
      rule({ name: 'early', priority: 200, access: 'Deny', destinationPorts: ['3306'] }),
    ],
    network,
  );

  expect(judge(group, packet())).toEqual({ access: 'Deny', rule: 'early' });
  expect(judge(group, packet({ destinationPort: 22 }))).toEqual({ access: 'Allow', rule: 'late' });
});

test('every security group has to allow: that of the subnet and that of the interface', () => {
  const open = compileSecurityGroup([rule({ name: 'open', priority: 100, access: 'Allow' })], network);
  const shut = compileSecurityGroup(DEFAULT_RULES, network);

  expect(findDenial([open, shut], packet())?.rule).toBe('DenyAllInBound');
  expect(findDenial([open, open], packet())).toBeUndefined();
  expect(findDenial([], packet())).toBeUndefined();
});

test('a group in which no rule matches denies', () => {
  expect(judge(compileSecurityGroup([], network), packet()).access).toBe('Deny');
});

test.each([
  [{ sources: ['Storage.WestEurope'] }, AddressError],
  [{ destinations: ['10.0.0.0/40'] }, AddressError],
  [{ destinationPorts: ['70000'] }, PortRangeError],
  [{ destinationPorts: ['20-10'] }, PortRangeError],
  [{ sourcePorts: ['mysql'] }, PortRangeError],
])('%j in a rule is refused', (changes, error) => {
  expect(() =>
    compileSecurityGroup([rule({ name: 'r', priority: 100, access: 'Allow', ...changes })], network),
  ).toThrow(error);
});
