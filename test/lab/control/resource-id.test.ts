import { idKey, parsePath, sameId, splitChildId } from '../../../lab/control/resource-id';

describe('paths and ids', () => {
  it.each([
    ['/subscriptions/s', { subscription: 's', rest: [] }],
    ['/subscriptions/s/resourcegroups/G', { subscription: 's', group: 'G', rest: [] }],
    ['/subscriptions/s/resourcegroups', { subscription: 's', rest: ['resourcegroups'] }],
    [
      '//subscriptions//s/providers/N/locations/l/operations/o',
      { subscription: 's', provider: 'N', rest: ['locations', 'l', 'operations', 'o'] },
    ],
    [
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network//networkInterfaces/x/ipConfigurations/y',
      {
        subscription: 's',
        group: 'g',
        provider: 'Microsoft.Network',
        rest: ['networkInterfaces', 'x', 'ipConfigurations', 'y'],
      },
    ],
    ['/tenants', { rest: ['tenants'] }],
  ])('%s', (path, expected) => {
    expect(parsePath(path)).toEqual(expected);
  });

  it('compare without regard to case and doubled slashes', () => {
    expect(sameId('/Subscriptions/S/resourcegroups/G', '/subscriptions/s//resourceGroups/g/')).toBe(true);
    expect(idKey('/a/b')).not.toBe(idKey('/a/c'));
  });

  it('split into parent and child', () => {
    expect(splitChildId('/p/vnet/subnets/s')).toEqual({ parent: '/p/vnet', childType: 'subnets', childName: 's' });
  });
});
