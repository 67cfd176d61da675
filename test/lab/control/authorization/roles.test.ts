import { demandOf } from '../../../../lab/control/authorization/access';
import { containsScope, coversAction, isKnownAction, permits } from '../../../../lab/control/authorization/roles';

describe('patterns of actions', () => {
  it.each([
    ['Microsoft.Compute/*/read', 'Microsoft.Compute/virtualMachines/read', true],
    ['Microsoft.Compute/*/read', 'microsoft.compute/virtualMachines/instanceView/READ', true],
    ['Microsoft.Compute/*/read', 'Microsoft.Compute/virtualMachines/start/action', false],
    ['Microsoft.Compute/*/read', 'MicrosoftXCompute/virtualMachines/read', false],
    ['*', 'Microsoft.Network/loadBalancers/write', true],
    ['Microsoft.Compute/virtualMachines/read', 'Microsoft.Compute/virtualMachines/read/more', false],
  ])('%s covers %s: %s', (pattern, action, covered) => {
    expect(coversAction(pattern, action)).toBe(covered);
  });

  it('what one permission takes back another may still give', () => {
    const none = { dataActions: [], notDataActions: [] };
    const contributor = { actions: ['*'], notActions: ['Microsoft.Authorization/*/Write'], ...none };
    const author = { actions: ['Microsoft.Authorization/roleAssignments/write'], notActions: [], ...none };

    expect(permits([contributor], 'Microsoft.Authorization/roleAssignments/write')).toBe(false);
    expect(permits([contributor, author], 'Microsoft.Authorization/roleAssignments/write')).toBe(true);
  });

  it.each([
    ['Microsoft.Compute/virtualMachines/powerOff/action', true],
    ['Microsoft.Compute/virtualMachines/powerDown/action', false],
    ['Microsoft.Compute/virtualMachines/*/action', true],
    ['Microsoft.Compute/*', true],
    ['Microsoft.Storage/storageAccounts/read', true],
    ['powerOff', false],
  ])('%s is an action of a provider: %s', (action, known) => {
    expect(isKnownAction(action)).toBe(known);
  });
});

describe('scopes', () => {
  it.each([
    ['/', '/subscriptions/s', true],
    ['/subscriptions/s', '/subscriptions/S/resourceGroups/g', true],
    ['/subscriptions/s/resourceGroups/g', '/subscriptions/s/resourceGroups/group', false],
    ['/subscriptions/s/resourceGroups/g/', '/subscriptions/s//resourcegroups/G', true],
    ['/subscriptions/s/resourceGroups/g', '/subscriptions/s', false],
  ])('%s contains %s: %s', (outer, inner, contained) => {
    expect(containsScope(outer, inner)).toBe(contained);
  });
});

describe('what a request demands', () => {
  const vm = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/a';

  it.each([
    ['GET', vm, 'Microsoft.Compute/virtualMachines/read', vm, false],
    ['GET', `${vm}/instanceView`, 'Microsoft.Compute/virtualMachines/instanceView/read', vm, false],
    ['POST', `${vm}/powerOff`, 'Microsoft.Compute/virtualMachines/powerOff/action', vm, false],
    ['PATCH', vm, 'Microsoft.Compute/virtualMachines/write', vm, false],
    [
      'GET',
      '/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines',
      'Microsoft.Compute/virtualMachines/read',
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute',
      true,
    ],
    [
      'DELETE',
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n',
      'Microsoft.Network/virtualNetworks/subnets/delete',
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n',
      false,
    ],
    ['GET', '/subscriptions', 'Microsoft.Resources/subscriptions/read', '/subscriptions', false],
    [
      'GET',
      '/subscriptions/s/resourceGroups',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      '/subscriptions/s',
      true,
    ],
  ])('%s %s: %s over %s, a list: %s', (method, path, action, scope, list) => {
    expect(demandOf({ method, path })).toEqual({ action, scope, list });
  });
});
