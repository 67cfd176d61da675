import { planDestruction } from '../../../cluster/azure/destroy-order';

const OURS = { 'hadb-cluster': 'hadb' };
const group = { id: '/subscriptions/S/resourceGroups/hadb', name: 'hadb', tags: OURS };
const resource = (type: string, name: string, tags: Record<string, string> = OURS) => ({
  id: `${group.id}/providers/${type}/${name}`,
  type,
  name,
  tags,
});

describe('planDestruction', () => {
  it('deletes users before what they use, alike ones by name, and the group last', () => {
    const { resources } = planDestruction('hadb', group, [
      resource('Microsoft.Compute/disks', 'hadb01-data'),
      resource('Microsoft.Network/loadBalancers', 'hadb-lb'),
      resource('microsoft.compute/virtualmachines', 'hadb02'),
      resource('Microsoft.Compute/virtualMachines', 'hadb01'),
      resource('Microsoft.Network/networkInterfaces', 'hadb01-nic'),
    ]);

    expect(resources.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'virtual-machine hadb01',
      'virtual-machine hadb02',
      'network-interface hadb01-nic',
      'load-balancer hadb-lb',
      'disk hadb01-data',
      'resource-group hadb',
    ]);
  });

  it.each([
    ['another cluster', resource('Microsoft.Compute/disks', 'x', { 'hadb-cluster': 'hadb2' })],
    ['nobody', resource('Microsoft.Compute/disks', 'x', {})],
    ['us, but of a kind that we never make', resource('Microsoft.Storage/storageAccounts', 'x')],
  ])('leaves what belongs to %s, and the group with it', (_whose, theirs) => {
    const plan = planDestruction('hadb', group, [resource('Microsoft.Compute/disks', 'hadb01-data'), theirs]);

    expect(plan.resources.map(({ name }) => name)).toEqual(['hadb01-data']);
    expect(plan.foreign).toEqual([theirs.id]);
  });

  it('an extension of our machine goes with the machine and does not keep the group', () => {
    const plan = planDestruction('hadb', group, [
      resource('Microsoft.Compute/virtualMachines', 'hadb01'),
      {
        id: `${group.id}/providers/Microsoft.Compute/virtualMachines/hadb01/extensions/AzureMonitor`,
        type: 'Microsoft.Compute/virtualMachines/extensions',
        name: 'hadb01/AzureMonitor',
      },
    ]);

    expect(plan.foreign).toEqual([]);
    expect(plan.resources.map(({ kind }) => kind)).toEqual(['virtual-machine', 'resource-group']);
  });

  it('leaves a group that is not ours', () => {
    expect(planDestruction('hadb', { ...group, tags: {} }, [])).toEqual({ resources: [], foreign: [] });
  });

  it('has nothing to do when there is no group', () => {
    expect(planDestruction('hadb', undefined, [])).toEqual({ resources: [], foreign: [] });
  });
});
