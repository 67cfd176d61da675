import {
  FENCE_ACTIONS,
  fencingAssignmentBody,
  fencingRoleBody,
  isSameRole,
  isScopeOf,
  missingFenceActions,
} from '../../../cluster/azure/fencing-role';
import { azureIds } from '../../../cluster/azure/ids';
import { describeOwnership, isOurs, ownershipInDescription } from '../../../cluster/azure/tags';

const ids = azureIds('SUB', 'hadb');
const tags = { 'hadb-cluster': 'hadb', 'hadb-operation': 'RUN fencing-role' };
const POWER = ['Microsoft.Compute/virtualMachines/powerOff/action', 'Microsoft.Compute/virtualMachines/start/action'];

describe('the role of fencing', () => {
  it('gives three actions, in the resource group of the cluster and nowhere else', () => {
    const body = fencingRoleBody(ids, 'hadb fencing of hadb', tags);

    expect(body.permissions).toEqual([
      { actions: ['Microsoft.Compute/*/read', ...POWER], notActions: [], dataActions: [], notDataActions: [] },
    ]);
    expect(body.assignableScopes).toEqual([ids.resourceGroup]);
    expect(missingFenceActions(body.permissions)).toEqual([]);
  });

  it('and its assignments say in their description whose they are', () => {
    const assignment = fencingAssignmentBody({
      roleId: '/role',
      principalId: 'P',
      tags,
      node: 'hadb01',
      machine: 'hadb02',
    });

    expect(assignment).toMatchObject({ principalType: 'ServicePrincipal' });
    expect(assignment.description).toBe(
      'Lets hadb01 fence hadb02 (hadb-cluster=hadb, hadb-operation=RUN fencing-role)',
    );
    for (const { description } of [assignment, fencingRoleBody(ids, 'title', tags)]) {
      expect(ownershipInDescription(description)).toEqual(tags);
    }
  });

  it.each([undefined, null, '', 'power of the cluster', 'of the cluster (hadb)', describeOwnership('x', {})])(
    'is not ours by the description %j',
    (description) => {
      expect(isOurs(ownershipInDescription(description), 'hadb')).toBe(false);
    },
  );
});

describe('what a ready-made role lacks', () => {
  it.each([
    ['the three actions', [{ actions: [...FENCE_ACTIONS] }], []],
    ['everything', [{ actions: ['*'] }], []],
    ['everything about machines', [{ actions: ['microsoft.compute/virtualmachines/*'] }], []],
    ['its actions in two parts', [{ actions: ['*/read'] }, { actions: POWER }], []],
    ['reading', [{ actions: ['*/read'] }], POWER],
    ['nothing', [], ['Microsoft.Compute/virtualMachines/read', ...POWER]],
    ['all but starting', [{ actions: ['*'], notActions: ['*/start/action'] }], POWER.slice(1)],
    ['a longer word than start', [{ actions: ['*/read', POWER[0] ?? '', `${POWER[1]}s`] }], POWER.slice(1)],
  ])('that gives %s', (_what, permissions, missing) => {
    expect(missingFenceActions(permissions)).toEqual(missing);
  });
});

it.each([
  [ids.resourceGroup, true],
  [ids.resourceGroup.toUpperCase(), true],
  ['/subscriptions/SUB', true],
  [ids.virtualMachine('hadb01'), true],
  [ids.virtualMachine('hadb0'), false],
  [`${ids.resourceGroup}-other`, false],
  [undefined, false],
])('the scope %s reaches the machine: %s', (scope, expected) => {
  expect(isScopeOf(scope, ids.virtualMachine('hadb01'))).toBe(expected);
});

it('a role is the same one under another scope and in other letters, and another one under another name', () => {
  const role = '/subscriptions/SUB/providers/Microsoft.Authorization/roleDefinitions/aa-BB';

  expect(isSameRole('/providers/Microsoft.Authorization/roleDefinitions/AA-bb', role)).toBe(true);
  expect(isSameRole('/providers/Microsoft.Authorization/roleDefinitions/aa-cc', role)).toBe(false);
  expect(isSameRole(undefined, role)).toBe(false);
});
