import fc from 'fast-check';
import { planNetwork } from '../../../lab/control/network-plan';
import { DEFAULT_SECURITY_RULES } from '../../../lab/control/resources/network-security-group';
import type { Resource } from '../../../lab/control/resources/resource';
import {
  loadBalancer,
  networkInterface,
  publicAddress,
  resourceId,
  securityGroup,
  securityRule,
  virtualMachine,
  virtualNetwork,
} from './resources-for-tests';

const NIC = resourceId('Microsoft.Network/networkInterfaces', 'nic');
const NSG = resourceId('Microsoft.Network/networkSecurityGroups', 'nsg');
const IP = resourceId('Microsoft.Network/publicIPAddresses', 'ip');
const LB = resourceId('Microsoft.Network/loadBalancers', 'lb');
const POOL = `${LB}/backendAddressPools/pool`;
const NAT = `${LB}/inboundNatRules/ssh-1`;

const cluster = (): Resource[] => [
  virtualNetwork('vnet', '10.10.10.0/24', NSG),
  securityGroup('nsg', [securityRule('ssh')]),
  publicAddress('ip', '127.1.2.1', 'hadb'),
  loadBalancer('lb', IP),
  networkInterface('nic', '10.10.10.4', { pools: [POOL], natRules: [NAT] }),
  virtualMachine('hadb01', NIC),
];

describe('the network plan', () => {
  it('holds network, port, address, rule and NAT rule of a cluster', () => {
    const plan = planNetwork(cluster());

    expect(plan).toMatchObject({
      virtualNetworks: [{ name: 'g/vnet', prefix: '10.10.10.0/24' }],
      ports: [
        {
          machine: 'guid-hadb01',
          name: 'hadb01',
          virtualNetwork: 'g/vnet',
          mac: '60:45:bd:00:00:01',
          address: '10.10.10.4',
        },
      ],
      publicAddresses: [{ address: '127.1.2.1', name: 'hadb.westeurope.cloudapp.azure.com' }],
      loadBalancingRules: [
        {
          name: 'lb-mysql',
          frontendAddress: '127.1.2.1',
          backends: [{ address: '10.10.10.4', virtualNetwork: 'g/vnet' }],
          idleTimeoutMinutes: 4,
          tcpReset: true,
          probe: { name: 'probe', protocol: 'Tcp', port: 61000, intervalSeconds: 5, threshold: 2 },
        },
      ],
      inboundNatRules: [
        {
          name: 'ssh-1',
          frontendAddress: '127.1.2.1',
          frontendPort: 50001,
          backendAddress: '10.10.10.4',
          backendPort: 22,
        },
      ],
    });
    expect(plan).not.toHaveProperty('packageMirror');
  });

  it('does not depend on the order of the resources', () => {
    const expected = planNetwork(cluster());

    fc.assert(
      fc.property(fc.shuffledSubarray(cluster(), { minLength: cluster().length }), (shuffled) => {
        expect(planNetwork(shuffled)).toEqual(expected);
      }),
    );
  });

  it('is valid for any part of the resources: nothing refers to what is not there', () => {
    fc.assert(
      fc.property(fc.subarray(cluster()), (part) => {
        const plan = planNetwork(part);
        const networks = plan.virtualNetworks.map(({ name }) => name);
        const addresses = plan.publicAddresses.map(({ address }) => address);
        for (const rule of [...plan.loadBalancingRules, ...plan.inboundNatRules]) {
          expect(addresses).toContain(rule.frontendAddress);
        }
        for (const port of plan.ports) expect(networks).toContain(port.virtualNetwork);
      }),
    );
  });

  it('gives each group complete, with the default rules behind its own, by priority', () => {
    const resources = cluster().map((resource) =>
      resource.name === 'nsg'
        ? securityGroup('nsg', [
            securityRule('late', { priority: 4000 }),
            securityRule('early', {
              priority: 100,
              sourceAddressPrefixes: ['10.0.0.0/8', '127.0.0.1'],
              destinationPortRanges: ['22', '3306'],
            }),
          ])
        : resource,
    );

    const [group] = planNetwork(resources).ports[0]?.securityGroups ?? [];

    expect(group?.slice(0, 2)).toMatchObject([
      { name: 'early', sources: ['10.0.0.0/8', '127.0.0.1'], destinationPorts: ['22', '3306'] },
      { name: 'late', sources: ['127.0.0.0/8'], destinationPorts: ['22'] },
    ]);
    expect(
      group
        ?.slice(2)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(DEFAULT_SECURITY_RULES.map(({ name }) => name).toSorted());
  });

  it('judges by the group of the subnet, then by that of the interface', () => {
    const own = resourceId('Microsoft.Network/networkSecurityGroups', 'own');
    const resources = [
      ...cluster().filter(({ name }) => name !== 'nic'),
      networkInterface('nic', '10.10.10.4', { securityGroup: own }),
      securityGroup('own', [securityRule('mysql', { destinationPortRange: '3306' })]),
    ];

    const groups = planNetwork(resources).ports[0]?.securityGroups ?? [];

    expect(groups.map((rules) => rules[0]?.name)).toEqual(['ssh', 'mysql']);
  });

  it('closes an interface without a group behind a Standard balancer, and leaves one alone that is behind none', () => {
    const without = [
      virtualNetwork('vnet', '10.10.10.0/24'),
      ...cluster().filter(({ name }) => name !== 'vnet' && name !== 'nsg'),
    ];
    const alone = [
      virtualNetwork('vnet', '10.10.10.0/24'),
      networkInterface('nic', '10.10.10.4'),
      virtualMachine('hadb01', NIC),
    ];

    expect(planNetwork(without).ports[0]?.securityGroups[0]?.map(({ name }) => name)).toContain('DenyAllInBound');
    expect(planNetwork(alone).ports[0]?.securityGroups).toEqual([]);
  });

  it('leaves out what is being deleted and machines that do not exist yet', () => {
    const deleting = cluster().map((resource) =>
      resource.name === 'lb' ? { ...resource, provisioningState: 'Deleting' as const } : resource,
    );
    const vm = virtualMachine('hadb01', NIC);
    const { machine: _none, ...hidden } = vm.hidden;
    const unborn: Resource[] = [...cluster().filter(({ name }) => name !== 'hadb01'), { ...vm, hidden }];

    expect(planNetwork(deleting)).toMatchObject({ loadBalancingRules: [], inboundNatRules: [] });
    expect(planNetwork(unborn).ports).toEqual([]);
  });

  it('lets guests of the clean image reach the package mirror', () => {
    const resources = [...cluster().filter(({ name }) => name !== 'hadb01'), virtualMachine('hadb01', NIC, 'clean')];

    expect(planNetwork(resources).packageMirror).toBe(true);
  });
});
