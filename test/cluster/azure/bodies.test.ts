import { parse } from 'yaml';
import { azureIds, sameId } from '../../../cluster/azure/ids';
import { databaseRuleBody, loadBalancerBody } from '../../../cluster/azure/load-balancer';
import {
  networkInterfaceBody,
  networkSecurityGroupBody,
  publicAddressBody,
  virtualNetworkBody,
} from '../../../cluster/azure/network';
import { availabilitySetBody, proximityPlacementGroupBody } from '../../../cluster/azure/placement';
import { parsePowerState } from '../../../cluster/azure/power';
import { resourceGroupBody } from '../../../cluster/azure/resource-group';
import { isOurs, isWrittenBy, ownershipTags } from '../../../cluster/azure/tags';
import { cloudConfig, virtualMachineBody, virtualMachinePutBody } from '../../../cluster/azure/virtual-machine';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import type { StepContext } from '../../../cluster/step';

const specification = ClusterSpecification.parse({
  network: { clients: ['192.0.2.0/24', '198.51.100.7/32'], administrators: ['203.0.113.0/28'] },
});
const context: StepContext = {
  specification,
  operation: { workflowId: 'build-cluster/hadb', run: 'RUN', runbook: 'buildCluster' },
  step: 'load-balancer',
  generation: 1,
};
const tags = ownershipTags(context);
const ids = azureIds('SUB', 'hadb');

describe('the tags of ownership', () => {
  it('say whose the resource is and which step wrote it', () => {
    expect(tags).toEqual({ 'hadb-cluster': 'hadb', 'hadb-operation': 'RUN load-balancer' });
    expect(isOurs(tags, 'hadb')).toBe(true);
    expect(isOurs(tags, 'hadb2')).toBe(false);
    expect(isOurs(undefined, 'hadb')).toBe(false);
    expect(isWrittenBy(tags, context)).toBe(true);
    expect(isWrittenBy(tags, { ...context, step: 'database-rule' })).toBe(false);
  });

  it.each([
    ['resource group', resourceGroupBody(specification, tags)],
    ['proximity placement group', proximityPlacementGroupBody(specification, tags)],
    ['availability set', availabilitySetBody(specification, ids, tags)],
    ['network security group', networkSecurityGroupBody(specification, tags)],
    ['virtual network', virtualNetworkBody(specification, ids, tags)],
    ['public address', publicAddressBody(specification, tags)],
    ['load balancer', loadBalancerBody(specification, ids, tags)],
    ['network interface', networkInterfaceBody(specification, ids, 'hadb01', tags)],
    ['virtual machine', virtualMachineBody(specification, ids, 'hadb01', tags)],
  ])('are on the %s, which is where the specification says', (_kind, body) => {
    expect(body).toMatchObject({ location: 'westeurope', tags });
  });
});

describe('the network security group', () => {
  it('opens SSH and the database to the named ranges, the probe to Azure, and nothing to everybody', () => {
    const { securityRules } = networkSecurityGroupBody(specification, tags);

    expect(
      securityRules.map((rule) => [
        rule.priority,
        rule.destinationPortRange,
        'sourceAddressPrefixes' in rule ? rule.sourceAddressPrefixes : rule.sourceAddressPrefix,
      ]),
    ).toEqual([
      [100, '22', ['203.0.113.0/28']],
      [110, '3306', ['192.0.2.0/24', '198.51.100.7/32']],
      [120, '61000', 'AzureLoadBalancer'],
    ]);
  });
});

describe('the load balancer', () => {
  it('forwards one port to SSH of each node', () => {
    expect(
      loadBalancerBody(specification, ids, tags).inboundNatRules.map(({ name, frontendPort, backendPort }) => [
        name,
        frontendPort,
        backendPort,
      ]),
    ).toEqual([
      ['ssh-hadb01', 50001, 22],
      ['ssh-hadb02', 50002, 22],
    ]);
  });

  it("the article's endpoint gives no outbound access, which Azure refuses beside an outbound rule", () => {
    const { loadBalancingRules, probes } = databaseRuleBody(specification, ids);

    expect(loadBalancingRules).toMatchObject([
      {
        name: 'lb-mysql',
        frontendPort: 3306,
        backendPort: 3306,
        disableOutboundSnat: true,
        probe: { id: ids.databaseProbe },
      },
    ]);
    expect(probes).toMatchObject([
      { name: 'lb-mysql', protocol: 'Tcp', port: 61000, intervalInSeconds: 5, probeThreshold: 2 },
    ]);
  });
});

describe('a node', () => {
  it('has its static address, the pool and its own SSH rule', () => {
    expect(networkInterfaceBody(specification, ids, 'hadb02', tags).ipConfigurations).toMatchObject([
      {
        privateIPAddress: '10.10.10.5',
        privateIPAllocationMethod: 'Static',
        loadBalancerBackendAddressPools: [{ id: ids.backendPool }],
        loadBalancerInboundNatRules: [{ id: ids.sshRule('hadb02') }],
      },
    ]);
    expect(() => networkInterfaceBody(specification, ids, 'hadb03', tags)).toThrow('no node hadb03');
  });

  it('has a data disk at LUN 0 without a host cache, which outlives the machine', () => {
    expect(virtualMachineBody(specification, ids, 'hadb01', tags).storageProfile.dataDisks).toEqual([
      {
        lun: 0,
        name: 'hadb01-data',
        createOption: 'Empty',
        diskSizeGB: 5,
        caching: 'None',
        deleteOption: 'Detach',
        managedDisk: { storageAccountType: 'Premium_LRS' },
      },
    ]);
  });

  const keys = {
    adminPublicKey: 'ssh-ed25519 AAAA admin',
    hostPrivateKey: '-----BEGIN X-----\nline: #1\n-----END X-----\n',
    hostPublicKey: 'ssh-ed25519 BBBB',
  };

  it('gets the SSH host key that we know through cloud-init, and keeps none of the image', () => {
    const text = cloudConfig(keys);

    expect(text.startsWith('#cloud-config\n')).toBe(true);
    expect(parse(text)).toEqual({
      ssh_deletekeys: true,
      ssh_keys: { ed25519_private: keys.hostPrivateKey, ed25519_public: keys.hostPublicKey },
    });
  });

  it('lets the administrator in by key only', () => {
    const body = virtualMachinePutBody(specification, ids, 'hadb01', tags, keys, (text) => `base64(${text.length})`);

    expect(body.osProfile).toEqual({
      computerName: 'hadb01',
      adminUsername: 'azureuser',
      customData: `base64(${cloudConfig(keys).length})`,
      linuxConfiguration: {
        disablePasswordAuthentication: true,
        ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: keys.adminPublicKey }] },
      },
    });
    expect(JSON.stringify(virtualMachineBody(specification, ids, 'hadb01', tags))).not.toContain('customData');
  });
});

describe('parsePowerState', () => {
  it.each([
    [[{ code: 'ProvisioningState/succeeded' }, { code: 'PowerState/running' }], 'running'],
    [[{ code: 'PowerState/deallocated' }], 'deallocated'],
    [[{ code: 'PowerState/hibernated' }], 'unknown'],
    [[{}], 'unknown'],
    [undefined, 'unknown'],
  ])('%j is %s', (statuses, expected) => {
    expect(parsePowerState(statuses)).toBe(expected);
  });
});

describe('sameId', () => {
  it('does not look at case, and nothing is the same as nothing known', () => {
    expect(sameId('/A/b', '/a/B')).toBe(true);
    expect(sameId(undefined, undefined)).toBe(false);
  });
});
