import type { LinkFault, NetworkPlan } from '../../../lab/model';
import { networkOf, parseFault, parsePlan } from '../../../lab/wire/plan';
import { machinePort, networkPlan, rule } from './network-for-tests';

function problemsOf(input: unknown): string[] {
  const parsed = parsePlan(input);
  return 'problems' in parsed ? parsed.problems : [];
}

function wholePlan(): NetworkPlan {
  return networkPlan({
    packageMirror: true,
    ports: [machinePort(1), machinePort(2)],
    publicAddresses: [{ address: '127.77.0.10', name: 'hadb.lab.test' }, { address: '127.77.0.11' }],
    loadBalancingRules: [
      {
        name: 'lb-mysql',
        frontendAddress: '127.77.0.10',
        frontendPort: 3306,
        backendPort: 3306,
        backends: [{ address: '10.10.10.4' }, { address: '10.10.10.5', virtualNetwork: 'vnet-hadb' }],
        idleTimeoutMinutes: 4,
        tcpReset: false,
        probe: { name: 'p', protocol: 'Http', port: 80, requestPath: '/', intervalSeconds: 5, threshold: 2 },
      },
    ],
    inboundNatRules: [
      {
        name: 'ssh',
        frontendAddress: '127.77.0.10',
        frontendPort: 50_001,
        backendAddress: '10.10.10.4',
        backendPort: 22,
      },
    ],
  });
}

test('a whole plan is taken as it is, also after a trip through JSON', () => {
  const plan = wholePlan();

  expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual({ value: plan });
});

test('an empty network is a plan', () => {
  expect(problemsOf(networkPlan())).toEqual([]);
});

test('every problem of the shape is named with its place', () => {
  const plan = wholePlan();
  const problems = problemsOf({
    ...plan,
    generation: -1,
    ports: [{ ...plan.ports[0], mac: 'x', address: '10.10.10.400' }],
  });

  expect(problems).toEqual([
    expect.stringContaining('generation'),
    expect.stringContaining('ports.0.mac'),
    expect.stringContaining('ports.0.address'),
  ]);
});

it.each([
  [
    'an address twice',
    { ports: [machinePort(1), machinePort(2, { address: '10.10.10.4' })] },
    'address 10.10.10.4 belongs to hadb01 and to hadb02',
  ],
  [
    'an address outside every network',
    { ports: [machinePort(1, { address: '10.10.11.4' })] },
    'no virtual network holds 10.10.11.4',
  ],
  [
    'an address outside its own network',
    { ports: [machinePort(1, { address: '10.9.9.4', virtualNetwork: 'vnet-hadb' })] },
    '10.9.9.4 is not in 10.10.10.0/24',
  ],
  [
    'a network that is not there',
    { ports: [machinePort(1, { virtualNetwork: 'gone' })] },
    'no virtual network holds 10.10.10.4',
  ],
  ['a network without room', { virtualNetworks: [{ name: 'tiny', prefix: '10.0.0.0/30' }] }, 'has no room'],
  [
    'a security rule with an unknown tag',
    {
      ports: [
        machinePort(1, { securityGroups: [[rule({ name: 'odd', priority: 100, access: 'Allow', sources: ['Sql'] })]] }),
      ],
    },
    'security rule odd of hadb01',
  ],
])('a plan with %s is refused', (_what, changes, message) => {
  expect(problemsOf(networkPlan(changes)).join('\n')).toContain(message);
});

test('the same UDP port for two machines is refused', () => {
  const first = machinePort(1);
  const second = machinePort(2, { wiring: { ...machinePort(2).wiring, switchPort: first.wiring.switchPort } });

  expect(problemsOf(networkPlan({ ports: [first, second] }))).toEqual([
    `UDP port ${first.wiring.switchPort} belongs to hadb01 and to hadb02`,
  ]);
});

test('two balancers may have rules of one name', () => {
  const rules = wholePlan().loadBalancingRules;
  const others = rules.map((other) => ({ ...other, frontendAddress: '127.77.0.11' }));

  expect(problemsOf(networkPlan({ loadBalancingRules: [...rules, ...others] }))).toEqual([]);
});

test('a network may have several prefixes', () => {
  const virtualNetworks = ['10.10.10.0/24', '10.20.0.0/16'].map((prefix) => ({ name: 'vnet-hadb', prefix }));
  const second = machinePort(2, { address: '10.20.0.4', virtualNetwork: 'vnet-hadb' });

  expect(problemsOf(networkPlan({ virtualNetworks, ports: [machinePort(1), second] }))).toEqual([]);
});

test('a backend belongs to the network it names, else to the first that holds its address', () => {
  const plan = networkPlan({
    virtualNetworks: [
      { name: 'first', prefix: '10.10.0.0/16' },
      { name: 'second', prefix: '10.10.10.0/24' },
    ],
  });

  expect(networkOf(plan, { address: '10.10.10.4' })).toBe('first');
  expect(networkOf(plan, { address: '10.10.10.4', virtualNetwork: 'second' })).toBe('second');
  expect(networkOf(plan, { address: '192.168.0.1' })).toBeUndefined();
});

describe('a fault', () => {
  const fault: LinkFault = { id: 'cut-1', from: 'hadb01', to: '*', bothDirections: true, loss: 1, delayMs: 0 };

  test('is taken as it is', () => {
    expect(parseFault(fault)).toEqual({ value: fault });
  });

  it.each([
    ['an odd id', { id: 'a/b' }, 'id'],
    ['a loss above 1', { loss: 1.5 }, 'loss'],
    ['a delay without end', { delayMs: 1e9 }, 'delayMs'],
    ['no time to live', { ttlSeconds: 0 }, 'ttlSeconds'],
    ['nobody at one end', { from: '' }, 'from'],
  ])('with %s is refused', (_what, changes, field) => {
    const parsed = parseFault({ ...fault, ...changes });

    expect('problems' in parsed && parsed.problems.join()).toContain(field);
  });
});
