import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { LOCATION, startTestLab } from './lab-fixture';
import type { AzureClients, TestLab, TestResponse } from './lab-fixture';

const NETWORK = '2026-01-01';
const COMPUTE = '2026-04-01';

describe('refusals in the words of Azure', () => {
  let lab: TestLab;
  let azure: AzureClients;

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
    await buildNetwork(lab, azure);
    await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(lab, 1));
  });
  afterAll(() => lab.close());

  const network = (type: string, name: string, rest = '') =>
    `${idOf(lab, `Microsoft.Network/${type}`, name)}${rest}?api-version=${NETWORK}`;
  const compute = (type: string, name: string, rest = '') =>
    `${idOf(lab, `Microsoft.Compute/${type}`, name)}${rest}?api-version=${COMPUTE}`;
  const put = (path: string, properties: unknown, further: object = {}) =>
    lab.request('PUT', path, { body: { location: LOCATION, properties, ...further } });
  const currentProperties = async (path: string) =>
    (await lab.request('GET', path)).body['properties'] as Record<string, unknown>;
  const refusal = ({ status, error }: TestResponse) => ({ status, code: error.code, message: error.message });

  describe('while something is in use', () => {
    it('a subnet, and the network with it', async () => {
      expect(refusal(await lab.request('DELETE', network('virtualNetworks', 'vnet', '/subnets/nodes')))).toMatchObject({
        status: 400,
        code: 'InUseSubnetCannotBeDeleted',
        message: expect.stringMatching(/^Subnet nodes is in use by .*\/ipConfigurations\/ip and cannot be deleted\./),
      });
      expect(refusal(await lab.request('DELETE', network('virtualNetworks', 'vnet')))).toMatchObject({
        status: 400,
        code: 'InUseSubnetCannotBeDeleted',
      });
    });

    it('a subnet that a PUT of its network leaves out', async () => {
      const answer = await put(network('virtualNetworks', 'vnet'), {
        addressSpace: { addressPrefixes: ['10.10.10.0/24'] },
        subnets: [],
      });
      expect(refusal(answer)).toMatchObject({ status: 400, code: 'InUseSubnetCannotBeDeleted' });
    });

    it('a public address', async () => {
      expect(refusal(await lab.request('DELETE', network('publicIPAddresses', 'ip')))).toMatchObject({
        status: 400,
        code: 'PublicIPAddressCannotBeDeleted',
        message: expect.stringMatching(
          /still allocated to resource .*\/loadBalancers\/lb\/frontendIPConfigurations\/front/,
        ),
      });
    });

    it('an interface of a machine', async () => {
      expect(refusal(await lab.request('DELETE', network('networkInterfaces', 'nic-1')))).toMatchObject({
        status: 400,
        code: 'NicInUse',
        message: expect.stringMatching(/is used by existing resource .*\/virtualMachines\/hadb01/),
      });
    });

    it('a security group', async () => {
      expect(refusal(await lab.request('DELETE', network('networkSecurityGroups', 'nsg')))).toMatchObject({
        status: 400,
        code: 'InUseNetworkSecurityGroupCannotBeDeleted',
      });
    });

    it('an availability set, a placement group, an attached disk', async () => {
      expect(refusal(await lab.request('DELETE', compute('availabilitySets', 'set')))).toMatchObject({
        status: 409,
        code: 'OperationNotAllowed',
      });
      expect(refusal(await lab.request('DELETE', compute('proximityPlacementGroups', 'ppg')))).toMatchObject({
        status: 409,
        code: 'OperationNotAllowed',
      });
      const disk = `${idOf(lab, 'Microsoft.Compute/disks', 'hadb01-data')}?api-version=2026-03-02`;
      expect(refusal(await lab.request('DELETE', disk))).toMatchObject({
        status: 409,
        code: 'OperationNotAllowed',
        message: expect.stringMatching(/is attached to VM/),
      });
    });
  });

  describe('when something is missing', () => {
    it('a resource, a group, a subscription', async () => {
      expect(refusal(await lab.request('GET', compute('virtualMachines', 'none')))).toMatchObject({
        status: 404,
        code: 'ResourceNotFound',
        message: expect.stringMatching(
          /^The Resource 'Microsoft.Compute\/virtualMachines\/none' under resource group 'hadb-test' was not found\./,
        ),
      });
      const other = network('virtualNetworks', 'vnet').replace(GROUP, 'none');
      expect(refusal(await lab.request('GET', other))).toMatchObject({ status: 404, code: 'ResourceGroupNotFound' });
      expect(refusal(await lab.request('PUT', other, { body: { location: LOCATION } }))).toMatchObject({
        status: 404,
        code: 'ResourceGroupNotFound',
      });
      const elsewhere = `/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups?api-version=2025-04-01`;
      expect(refusal(await lab.request('GET', elsewhere))).toMatchObject({ status: 404, code: 'SubscriptionNotFound' });
    });

    it('a parent', async () => {
      expect(
        refusal(await put(network('virtualNetworks', 'none', '/subnets/a'), { addressPrefix: '10.0.0.0/24' })),
      ).toMatchObject({ status: 404, code: 'ParentResourceNotFound' });
    });

    it('a resource that another refers to', async () => {
      const answer = await put(network('networkInterfaces', 'nic-9'), {
        ipConfigurations: [
          {
            name: 'ip',
            properties: { subnet: { id: idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet/subnets/none') } },
          },
        ],
      });
      expect(refusal(answer)).toMatchObject({
        status: 400,
        code: 'InvalidResourceReference',
        message: expect.stringMatching(/subnets\/none referenced by resource .*nic-9 was not found/),
      });
    });

    it('deleting what is not there is 204', async () => {
      expect((await lab.request('DELETE', network('loadBalancers', 'none'))).status).toBe(204);
      expect((await lab.request('DELETE', compute('virtualMachines', 'none'))).status).toBe(204);
      expect((await lab.request('DELETE', network('networkSecurityGroups', 'nsg', '/securityRules/none'))).status).toBe(
        204,
      );
    });
  });

  describe('addresses', () => {
    const nic = (address: string | undefined, name = 'nic-9') =>
      put(network('networkInterfaces', name), {
        ipConfigurations: [
          {
            name: 'ip',
            properties: {
              privateIPAllocationMethod: 'Static',
              privateIPAddress: address,
              subnet: { id: idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet/subnets/nodes') },
            },
          },
        ],
      });

    it.each([
      ['taken', '10.10.10.4', 'PrivateIPAddressIsAllocated'],
      ['reserved by Azure', '10.10.10.3', 'PrivateIPAddressInReservedRange'],
      ['the broadcast address', '10.10.10.255', 'PrivateIPAddressInReservedRange'],
      ['outside', '10.10.11.4', 'PrivateIPAddressNotInSubnet'],
      ['no address', '10.10.10.400', 'InvalidIPAddressFormat'],
      ['missing', undefined, 'PrivateIPAddressMissing'],
    ])('%s', async (_what, address, code) => {
      expect(refusal(await nic(address))).toMatchObject({ status: 400, code });
    });

    it('a dynamic one is the first that is free, and stays', async () => {
      const path = network('networkInterfaces', 'dynamic');
      const body = {
        ipConfigurations: [
          {
            name: 'ip',
            properties: { subnet: { id: idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet/subnets/nodes') } },
          },
        ],
      };
      const first = await put(path, body);
      const second = await put(path, body);

      for (const answer of [first, second]) {
        const properties = answer.body['properties'] as { ipConfigurations: { properties: Record<string, unknown> }[] };
        expect(properties.ipConfigurations[0]?.properties['privateIPAddress']).toBe('10.10.10.6');
      }
      await azure.network.networkInterfaces.delete(GROUP, 'dynamic');
    });
  });

  describe('networks and rules', () => {
    it.each([
      ['a subnet outside its network', ['10.20.0.0/24'], 'NetcfgInvalidSubnet'],
      ['overlapping subnets', ['10.10.10.0/25', '10.10.10.64/26'], 'NetcfgSubnetRangesOverlap'],
      ['a prefix that is none', ['10.10.10.1/24'], 'InvalidCIDRNotation'],
    ])('%s', async (_what, prefixes, code) => {
      const answer = await put(network('virtualNetworks', 'other'), {
        addressSpace: { addressPrefixes: ['10.10.10.0/24'] },
        subnets: prefixes.map((addressPrefix, index) => ({ name: `s${index}`, properties: { addressPrefix } })),
      });
      expect(refusal(answer)).toMatchObject({ status: 400, code });
    });

    const rule = (properties: object) => ({
      name: 'r',
      properties: {
        protocol: 'Tcp',
        access: 'Allow',
        direction: 'Inbound',
        priority: 200,
        sourceAddressPrefix: '*',
        sourcePortRange: '*',
        destinationAddressPrefix: '*',
        destinationPortRange: '22',
        ...properties,
      },
    });

    it.each([
      ['a priority out of range', [rule({ priority: 99 })], 'SecurityRuleInvalidPriority'],
      ['a port that is none', [rule({ destinationPortRange: '70000' })], 'SecurityRuleInvalidPortRange'],
      ['an unknown service tag', [rule({ sourceAddressPrefix: 'Storage' })], 'SecurityRuleInvalidAddressPrefix'],
      ['no destination port', [rule({ destinationPortRange: undefined })], 'SecurityRuleParameterMissing'],
      ['one priority twice', [rule({}), { ...rule({}), name: 'other' }], 'SecurityRuleConflict'],
      ['a protocol that is none', [rule({ protocol: 'Sctp' })], 'InvalidRequestFormat'],
    ])('a security rule with %s', async (_what, securityRules, code) => {
      expect(refusal(await put(network('networkSecurityGroups', 'other'), { securityRules }))).toMatchObject({
        status: 400,
        code,
      });
    });

    it('a security rule of its own is written into its group and taken out again', async () => {
      const path = network('networkSecurityGroups', 'nsg', '/securityRules/extra');
      const created = await lab.request('PUT', path, { body: { properties: rule({ priority: 300 }).properties } });
      expect(created.status).toBe(201);
      expect(created.body['id']).toMatch(/\/securityRules\/extra$/);
      expect(
        ((await currentProperties(network('networkSecurityGroups', 'nsg')))['securityRules'] as unknown[]).length,
      ).toBe(2);

      expect((await lab.request('DELETE', path)).status).toBe(202);
      expect((await lab.request('GET', path)).status).toBe(404);
    });
  });

  describe('load balancers', () => {
    const path = () => network('loadBalancers', 'lb');
    const balancerRule = (properties: object = {}, name = 'mysql') => {
      const id = idOf(lab, 'Microsoft.Network/loadBalancers', 'lb');
      return {
        name,
        properties: {
          protocol: 'Tcp',
          frontendPort: 3306,
          backendPort: 3306,
          disableOutboundSnat: true,
          frontendIPConfiguration: { id: `${id}/frontendIPConfigurations/front` },
          backendAddressPool: { id: `${id}/backendAddressPools/pool` },
          ...properties,
        },
      };
    };
    const putRules = async (loadBalancingRules: unknown[], further: object = {}) =>
      put(
        path(),
        { ...(await currentProperties(path())), loadBalancingRules, ...further },
        { sku: { name: 'Standard' } },
      );

    it('a rule beside an outbound rule must not give outbound addresses itself', async () => {
      expect(refusal(await putRules([balancerRule({ disableOutboundSnat: false })]))).toMatchObject({
        status: 400,
        code: 'LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule',
      });
    });

    it('two rules on one frontend port, or into one backend port', async () => {
      expect(refusal(await putRules([balancerRule(), balancerRule({ backendPort: 3307 }, 'other')]))).toMatchObject({
        status: 400,
        code: 'RulesUseSameFrontendPortProtocolAndIPConfig',
      });
      expect(refusal(await putRules([balancerRule(), balancerRule({ frontendPort: 3307 }, 'other')]))).toMatchObject({
        status: 400,
        code: 'RulesUseSameBackendPortProtocolAndPool',
      });
      expect(refusal(await putRules([balancerRule({ frontendPort: 50001 })]))).toMatchObject({
        status: 400,
        code: 'RulesUseSameFrontendPortProtocolAndIPConfig',
      });
    });

    it('a probe that is not there', async () => {
      const probe = { id: `${idOf(lab, 'Microsoft.Network/loadBalancers', 'lb')}/probes/none` };
      expect(refusal(await putRules([balancerRule({ probe })]))).toMatchObject({
        status: 400,
        code: 'InvalidResourceReference',
      });
    });

    it('the public address of another one, and one of another sku', async () => {
      const frontends = (name: string) => ({
        frontendIPConfigurations: [
          {
            name: 'f',
            properties: { publicIPAddress: { id: idOf(lab, 'Microsoft.Network/publicIPAddresses', name) } },
          },
        ],
      });
      await azure.network.publicIPAddresses.createOrUpdate(GROUP, 'basic', {
        location: LOCATION,
        publicIPAllocationMethod: 'Static',
      });
      const other = network('loadBalancers', 'other');
      expect(refusal(await put(other, frontends('ip'), { sku: { name: 'Standard' } }))).toMatchObject({
        status: 400,
        code: 'PublicIPAddressInUse',
      });
      expect(refusal(await put(other, frontends('basic'), { sku: { name: 'Standard' } }))).toMatchObject({
        status: 400,
        code: 'DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed',
      });
    });

    it.each([
      ['UDP', { protocol: 'Udp' }],
      ['floating IP', { enableFloatingIP: true }],
    ])('says plainly that the lab has no %s', async (_what, properties) => {
      expect(refusal(await putRules([balancerRule(properties)]))).toMatchObject({
        status: 400,
        code: 'FeatureNotSupportedInLab',
      });
    });

    it.each<[string, () => [path: string, properties: object]]>([
      [
        'floating IP of an inbound NAT rule',
        () => [network('loadBalancers', 'nat'), natRuleWith({ enableFloatingIP: true })],
      ],
      [
        'route tables',
        () => [
          network('virtualNetworks', 'routed'),
          {
            addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
            subnets: [{ name: 's', properties: { addressPrefix: '10.9.0.0/24', routeTable: { id: '/x' } } }],
          },
        ],
      ],
      [
        'NAT gateways',
        () => [
          network('virtualNetworks', 'routed'),
          {
            addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
            subnets: [{ name: 's', properties: { addressPrefix: '10.9.0.0/24', natGateway: { id: '/x' } } }],
          },
        ],
      ],
      [
        'peerings',
        () => [
          network('virtualNetworks', 'peered'),
          {
            addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
            virtualNetworkPeerings: [{ name: 'p', properties: {} }],
          },
        ],
      ],
      [
        'application security groups',
        () => [network('networkSecurityGroups', 'asg'), ruleWith({ sourceApplicationSecurityGroups: [{ id: '/x' }] })],
      ],
      ['ESP', () => [network('networkSecurityGroups', 'esp'), ruleWith({ protocol: 'Esp' })]],
    ])('says plainly that the lab has no %s, and takes nothing of it', async (_what, request) => {
      const [path, properties] = request();

      expect(refusal(await put(path, properties, { sku: { name: 'Standard' } }))).toMatchObject({
        status: 400,
        code: 'FeatureNotSupportedInLab',
      });
      expect((await lab.request('GET', path)).status).toBe(404);
    });

    const ruleWith = (properties: object) => ({
      securityRules: [
        {
          name: 'rule',
          properties: {
            protocol: 'Tcp',
            sourcePortRange: '*',
            destinationPortRange: '22',
            sourceAddressPrefix: '*',
            destinationAddressPrefix: '*',
            access: 'Allow',
            priority: 100,
            direction: 'Inbound',
            ...properties,
          },
        },
      ],
    });
    const natRuleWith = (properties: object) => ({
      inboundNatRules: [
        {
          name: 'ssh',
          properties: {
            frontendIPConfiguration: {
              id: `${idOf(lab, 'Microsoft.Network/loadBalancers', 'nat')}/frontendIPConfigurations/f`,
            },
            protocol: 'Tcp',
            frontendPort: 50009,
            backendPort: 22,
            ...properties,
          },
        },
      ],
    });

    it('a DNS label is given once per region', async () => {
      const answer = await put(network('publicIPAddresses', 'second'), {
        publicIPAllocationMethod: 'Static',
        dnsSettings: { domainNameLabel: 'hadb-test' },
      });
      expect(refusal(answer)).toMatchObject({ status: 400, code: 'DnsRecordInUse' });
    });
  });

  describe('machines', () => {
    const path = (name = 'hadb09') => compute('virtualMachines', name);
    const wire = (change: (properties: Record<string, never>) => unknown) => ({
      hardwareProfile: { vmSize: 'Standard_D2s_v5' },
      storageProfile: {
        imageReference: { publisher: 'Debian', offer: 'debian-12', sku: '12-gen2', version: 'latest' },
        osDisk: { createOption: 'FromImage' },
        dataDisks: [],
      },
      osProfile: {
        computerName: 'hadb09',
        adminUsername: 'azureuser',
        linuxConfiguration: { ssh: { publicKeys: [{ keyData: 'ssh-ed25519 AAAA test' }] } },
      },
      networkProfile: {
        networkInterfaces: [{ id: idOf(lab, 'Microsoft.Network/networkInterfaces', 'nic-2') }],
      },
      ...(change({}) as object),
    });

    it.each<[string, () => object, number, string]>([
      ['an unknown size', () => ({ hardwareProfile: { vmSize: 'Standard_Huge' } }), 400, 'InvalidParameter'],
      [
        'an unknown image',
        () => ({
          storageProfile: {
            imageReference: { publisher: 'Canonical', offer: 'ubuntu', sku: '24_04', version: 'latest' },
          },
        }),
        404,
        'PlatformImageNotFound',
      ],
      [
        'an interface of another machine',
        () => ({
          networkProfile: { networkInterfaces: [{ id: idOf(lab, 'Microsoft.Network/networkInterfaces', 'nic-1') }] },
        }),
        400,
        'NicInUse',
      ],
      ['no interface', () => ({ networkProfile: { networkInterfaces: [] } }), 400, 'NetworkInterfaceRequired'],
      [
        'an admin called root',
        () => ({ osProfile: { computerName: 'x', adminUsername: 'root' } }),
        400,
        'InvalidParameter',
      ],
      [
        'neither key nor password',
        () => ({ osProfile: { computerName: 'x', adminUsername: 'azureuser' } }),
        400,
        'InvalidParameter',
      ],
      [
        'a password',
        () => ({ osProfile: { computerName: 'x', adminUsername: 'azureuser', adminPassword: 'Secret123!' } }),
        400,
        'FeatureNotSupportedInLab',
      ],
      [
        'a password beside a key',
        () => ({
          osProfile: {
            computerName: 'x',
            adminUsername: 'azureuser',
            adminPassword: 'Secret123!',
            linuxConfiguration: { ssh: { publicKeys: [{ keyData: 'ssh-ed25519 AAAA test' }] } },
          },
        }),
        400,
        'FeatureNotSupportedInLab',
      ],
      [
        'custom data that is not base64',
        () => ({ osProfile: { computerName: 'x', adminUsername: 'azureuser', customData: '#cloud-config' } }),
        400,
        'InvalidParameter',
      ],
      [
        'one LUN twice',
        () => ({
          storageProfile: {
            imageReference: { publisher: 'Debian', offer: 'debian-12', sku: '12', version: 'latest' },
            dataDisks: [1, 2].map(() => ({ lun: 0, createOption: 'Empty', diskSizeGB: 5 })),
          },
        }),
        400,
        'InvalidParameter',
      ],
      [
        'a disk name that is taken',
        () => ({
          storageProfile: {
            imageReference: { publisher: 'Debian', offer: 'debian-12', sku: '12', version: 'latest' },
            dataDisks: [{ lun: 0, name: 'hadb01-data', createOption: 'Empty', diskSizeGB: 5 }],
          },
        }),
        409,
        'ConflictingUserInput',
      ],
      [
        'more cores than the quota',
        () => ({ hardwareProfile: { vmSize: 'Standard_D64s_v5' } }),
        409,
        'OperationNotAllowed',
      ],
    ])('with %s', async (_what, change, status, code) => {
      expect(refusal(await put(path(), wire(change)))).toMatchObject({ status, code });
      expect((await lab.request('GET', path())).status).toBe(404);
    });

    it.each([
      ['adminUsername', { adminUsername: 'other' }, 'osProfile.adminUsername'],
      ['computerName', { computerName: 'other' }, 'osProfile.computerName'],
      ['customData', { customData: Buffer.from('#cloud-config\n#\n').toString('base64') }, 'customData'],
    ])('do not change their %s', async (_what, osProfile, property) => {
      const body = machineBody(lab, 1);

      await expect(
        azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', {
          ...body,
          osProfile: { ...body.osProfile, ...osProfile },
        }),
      ).rejects.toMatchObject({
        statusCode: 409,
        code: 'PropertyChangeNotAllowed',
        message: `Changing property '${property}' is not allowed.`,
      });
    });
  });

  describe('requests that are wrong in themselves', () => {
    it('a place that is none, and another place than before', async () => {
      const path = network('networkSecurityGroups', 'nsg');
      expect(refusal(await lab.request('PUT', path, { body: { properties: {} } }))).toMatchObject({
        status: 400,
        code: 'LocationRequired',
      });
      expect(refusal(await lab.request('PUT', path, { body: { location: 'moon' } }))).toMatchObject({
        status: 400,
        code: 'LocationNotAvailableForResourceType',
      });
      expect(refusal(await lab.request('PUT', path, { body: { location: 'northeurope' } }))).toMatchObject({
        status: 409,
        code: 'InvalidResourceLocation',
      });
      const group = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/${GROUP}?api-version=2025-04-01`;
      expect(refusal(await lab.request('PUT', group, { body: { location: 'northeurope' } }))).toMatchObject({
        status: 409,
        code: 'InvalidResourceGroupLocation',
      });
      expect(refusal(await lab.request('PUT', group, { body: { location: 'moon' } }))).toMatchObject({
        status: 400,
        code: 'LocationNotAvailableForResourceGroup',
      });
      expect(refusal(await lab.request('PUT', group, { body: {} }))).toMatchObject({
        status: 400,
        code: 'LocationRequired',
      });
      expect((await lab.request('PUT', group, { body: { location: 'West Europe' } })).status).toBe(200);
    });

    it('a body that is not JSON, a method that is not served, a type the lab does not have', async () => {
      const path = network('networkSecurityGroups', 'nsg');
      expect(refusal(await lab.request('PUT', path, { body: '{' }))).toMatchObject({
        status: 400,
        code: 'InvalidRequestContent',
      });
      expect(refusal(await lab.request('POST', path))).toMatchObject({ status: 405, code: 'HttpMethodNotAllowed' });
      expect(refusal(await lab.request('GET', network('applicationGateways', 'x')))).toMatchObject({
        status: 404,
        code: 'InvalidResourceType',
      });
    });

    it('no api-version, and one that does not exist', async () => {
      const path = idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet');
      expect(refusal(await lab.request('GET', path))).toMatchObject({
        status: 400,
        code: 'MissingApiVersionParameter',
      });
      expect(refusal(await lab.request('GET', `${path}?api-version=2013-01-01`))).toMatchObject({
        status: 400,
        code: 'NoRegisteredProviderFound',
        message: expect.stringMatching(
          /API version '2013-01-01' for type 'virtualNetworks'\. The supported api-versions are '2026-01-01, /,
        ),
      });
      const group = `/subscriptions/${lab.document.subscriptionId}/resourcegroups/${GROUP}?api-version=2013-01-01`;
      expect(refusal(await lab.request('GET', group))).toMatchObject({
        status: 400,
        code: 'InvalidApiVersionParameter',
      });
    });

    it.each(['2018-10-01', '2023-09-01', '2026-01-01'])('api-version %s of the network is served', async (version) => {
      const path = `${idOf(lab, 'Microsoft.Network/virtualNetworks', 'vnet')}?api-version=${version}`;
      expect((await lab.request('GET', path)).status).toBe(200);
    });

    it.each<[string, string, string[]]>([
      ['Microsoft.Compute/virtualMachines', 'hadb01', ['2019-03-01', '2023-03-01', '2026-04-01']],
      ['Microsoft.Compute/disks', 'hadb01-data', ['2019-07-01', '2022-07-02', '2026-03-02']],
      ['Microsoft.Network/loadBalancers', 'lb', ['2018-10-01', '2023-09-01', '2026-01-01']],
    ])('every api-version of %s gives the same body', async (type, name, versions) => {
      const bodies = await Promise.all(
        versions.map(
          async (version) => (await lab.request('GET', `${idOf(lab, type, name)}?api-version=${version}`)).body,
        ),
      );

      expect(bodies[0]).toMatchObject({ name });
      for (const body of bodies) expect(body).toEqual(bodies[0]);
    });

    it('casing and doubled slashes do not matter, and the first writer’s casing is echoed', async () => {
      const path = idOf(lab, 'Microsoft.Network', 'networkInterfaces/NIC-1').replace(
        'resourceGroups',
        'RESOURCEGROUPS',
      );

      const answer = await lab.request(
        'GET',
        `${path.replace('Microsoft.Network/', 'microsoft.network//')}?API-Version=${NETWORK}`,
      );

      expect(answer.status).toBe(200);
      expect(answer.body['id']).toBe(idOf(lab, 'Microsoft.Network/networkInterfaces', 'nic-1'));
    });

    it('an error carries the headers of every answer', async () => {
      const answer = await lab.request('GET', compute('virtualMachines', 'none'), {
        headers: { 'x-ms-client-request-id': 'abc' },
      });

      expect(answer.header('x-ms-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.header('x-ms-client-request-id')).toBe('abc');
      expect(answer.header('x-ms-ratelimit-remaining-subscription-reads')).toBe('249');
    });
  });
});
