import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { LOCATION, startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

describe('the call sequence of a cluster build, through the unmodified Azure clients', () => {
  let lab: TestLab;
  let azure: AzureClients;

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
  });
  afterAll(() => lab.close());

  it('builds the network', async () => {
    await buildNetwork(lab, azure);

    const vnet = await azure.network.virtualNetworks.get(GROUP, 'vnet');
    expect(vnet.provisioningState).toBe('Succeeded');
    expect(vnet.subnets?.[0]?.ipConfigurations?.map(({ id }) => id)).toEqual([
      `${idOf(lab, 'Microsoft.Network/networkInterfaces', 'nic-1')}/ipConfigurations/ip`,
      `${idOf(lab, 'Microsoft.Network/networkInterfaces', 'nic-2')}/ipConfigurations/ip`,
    ]);
    const address = await azure.network.publicIPAddresses.get(GROUP, 'ip');
    expect(address.ipAddress).toBe(`${lab.document.publicAddressPrefix}.1`);
    expect(address.dnsSettings?.fqdn).toBe(`hadb-test.${LOCATION}.cloudapp.azure.com`);
    const nsg = await azure.network.networkSecurityGroups.get(GROUP, 'nsg');
    expect(nsg.defaultSecurityRules?.map(({ priority }) => priority)).toEqual([
      65000, 65001, 65500, 65000, 65001, 65500,
    ]);
  });

  it('creates both machines at once, with disks, interfaces and identities', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map((node) =>
        azure.compute.virtualMachines.createOrUpdate(GROUP, `hadb0${node}`, machineBody(lab, node), {
          updateIntervalInMs: 20,
        }),
      ),
    );

    expect(first?.provisioningState).toBe('Succeeded');
    expect(first?.vmId).toMatch(/^[0-9a-f-]{36}$/);
    expect(first?.identity?.principalId).toMatch(/^[0-9a-f-]{36}$/);
    expect(second?.storageProfile?.dataDisks?.[0]?.managedDisk?.id).toBe(
      idOf(lab, 'Microsoft.Compute/disks', 'hadb02-data'),
    );
    expect(JSON.stringify(first)).not.toContain('customData');
    const disk = await azure.compute.disks.get(GROUP, 'hadb01-data');
    expect(disk.managedBy).toBe(idOf(lab, 'Microsoft.Compute/virtualMachines', 'hadb01'));
    expect(disk.diskState).toBe('Attached');
    const nic = await azure.network.networkInterfaces.get(GROUP, 'nic-1');
    expect(nic.virtualMachine?.id).toBe(first?.id);
    expect(nic.macAddress).toMatch(/^60-45-BD(-[0-9A-F]{2}){3}$/);
  });

  it('plans a port for each machine, judged by the group of the subnet', () => {
    const plan = lab.network.latest();

    expect(plan.ports.map(({ name, address }) => [name, address])).toEqual([
      ['hadb01', '10.10.10.4'],
      ['hadb02', '10.10.10.5'],
    ]);
    expect(plan.ports[0]?.securityGroups[0]?.[0]).toMatchObject({
      name: 'ssh',
      sources: ['127.0.0.0/8'],
      destinationPorts: ['22'],
    });
    expect(plan.inboundNatRules.map(({ frontendPort, backendAddress }) => [frontendPort, backendAddress])).toEqual([
      [50001, '10.10.10.4'],
      [50002, '10.10.10.5'],
    ]);
    expect(plan.publicAddresses).toEqual([
      { address: `${lab.document.publicAddressPrefix}.1`, name: `hadb-test.${LOCATION}.cloudapp.azure.com` },
    ]);
  });

  it('gives each wire cookies of its own, which no other lab has', async () => {
    const cookiesOf = ({ network }: TestLab) =>
      network.latest().ports.flatMap(({ wiring }) => [wiring.machineCookie, wiring.switchCookie]);
    const other = await startTestLab();

    try {
      await buildNetwork(other, other.clients());
      await other.clients().compute.virtualMachines.createOrUpdate(GROUP, 'hadb01', machineBody(other, 1));

      const cookies = [...cookiesOf(lab), ...cookiesOf(other)];
      expect(cookies).toHaveLength(6);
      for (const cookie of cookies) expect(cookie).toMatch(/^[0-9a-f]{8}$/);
      expect(new Set(cookies).size).toBe(6);
    } finally {
      await other.close();
    }
  });

  it('adds rule and probe to the load balancer by get, merge and put with If-Match', async () => {
    const balancer = await azure.network.loadBalancers.get(GROUP, 'lb');
    const id = balancer.id ?? '';

    const updated = await azure.network.loadBalancers.createOrUpdate(
      GROUP,
      'lb',
      {
        ...balancer,
        probes: [{ name: 'lb-mysql', protocol: 'Tcp', port: 61000, intervalInSeconds: 5, probeThreshold: 2 }],
        loadBalancingRules: [
          {
            name: 'lb-mysql',
            protocol: 'Tcp',
            frontendPort: 3306,
            backendPort: 3306,
            disableOutboundSnat: true,
            frontendIPConfiguration: { id: `${id}/frontendIPConfigurations/front` },
            backendAddressPool: { id: `${id}/backendAddressPools/pool` },
            probe: { id: `${id}/probes/lb-mysql` },
          },
        ],
      },
      { requestOptions: { headers: { 'If-Match': balancer.etag ?? '' } } },
    );

    expect(updated.loadBalancingRules?.[0]?.provisioningState).toBe('Succeeded');
    expect(updated.inboundNatRules).toHaveLength(2);
    expect(updated.etag).not.toBe(balancer.etag);
    expect(lab.network.latest().loadBalancingRules).toEqual([
      {
        name: 'lb-mysql',
        frontendAddress: `${lab.document.publicAddressPrefix}.1`,
        frontendPort: 3306,
        backendPort: 3306,
        backends: [
          { address: '10.10.10.4', virtualNetwork: 'hadb-test/vnet' },
          { address: '10.10.10.5', virtualNetwork: 'hadb-test/vnet' },
        ],
        idleTimeoutMinutes: 4,
        tcpReset: false,
        probe: { name: 'lb-mysql', protocol: 'Tcp', port: 61000, intervalSeconds: 5, threshold: 2 },
      },
    ]);
  });

  it('shows and changes the power of a machine', async () => {
    const power = async () => {
      const view = await azure.compute.virtualMachines.instanceView(GROUP, 'hadb01');
      return view.statuses?.find(({ code }) => code?.startsWith('PowerState/'))?.code;
    };
    expect(await power()).toBe('PowerState/running');

    await azure.compute.virtualMachines.powerOff(GROUP, 'hadb01', { skipShutdown: true });
    expect(await power()).toBe('PowerState/stopped');
    expect(lab.machines.calls.at(-1)).toBe('stop hadb01 hard');

    await azure.compute.virtualMachines.start(GROUP, 'hadb01');
    expect(await power()).toBe('PowerState/running');

    await azure.compute.virtualMachines.restart(GROUP, 'hadb01');
    expect(lab.machines.calls.slice(-2)).toEqual(['stop hadb01 graceful', 'start hadb01']);

    await azure.compute.virtualMachines.deallocate(GROUP, 'hadb01');
    expect(await power()).toBe('PowerState/deallocated');
    await azure.compute.virtualMachines.start(GROUP, 'hadb01');
    expect(await power()).toBe('PowerState/running');
  });

  it('answers an unchanged PUT of a machine with an operation and no change', async () => {
    const before = await azure.compute.virtualMachines.get(GROUP, 'hadb02');
    const calls = lab.machines.calls.length;

    const after = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb02', machineBody(lab, 2));

    expect(after.vmId).toBe(before.vmId);
    expect(lab.machines.calls).toHaveLength(calls);
  });

  it('lists by tag, across types', async () => {
    await azure.resources.tagsOperations.updateAtScope(idOf(lab, 'Microsoft.Network/loadBalancers', 'lb'), {
      operation: 'Merge',
      properties: { tags: { 'hadb-evidence': 'yes' } },
    });
    const found: string[] = [];
    for await (const resource of azure.resources.resources.list({
      filter: "tagName eq 'hadb-evidence' and tagValue eq 'yes'",
    })) {
      found.push(resource.name ?? '');
    }
    expect(found).toEqual(['lb']);
  });

  it('deletes a machine with its disks, keeps its interface, and then the group with the rest', async () => {
    await azure.compute.virtualMachines.delete(GROUP, 'hadb01');
    await expect(azure.compute.disks.get(GROUP, 'hadb01-os')).rejects.toMatchObject({ statusCode: 404 });
    expect((await azure.network.networkInterfaces.get(GROUP, 'nic-1')).virtualMachine).toBeUndefined();

    await azure.resources.resourceGroups.delete(GROUP);

    expect((await azure.resources.resourceGroups.checkExistence(GROUP)).body).toBe(false);
    expect(lab.network.latest()).toMatchObject({ ports: [], publicAddresses: [], inboundNatRules: [] });
  });
});
