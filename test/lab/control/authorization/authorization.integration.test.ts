import { randomUUID } from 'node:crypto';
import { GROUP, buildCluster, groupOf, idOf, machineBody, type BuiltMachine } from '../cluster-build';
import { guestOf } from '../guest';
import type { Guest } from '../guest';
import { startTestLab } from '../lab-fixture';
import type { AzureClients, TestLab, TestResponse } from '../lab-fixture';

const VERSION = 'api-version=2022-04-01';
const COMPUTE_VERSION = 'api-version=2024-07-01';
const FENCE_ACTIONS = [
  'Microsoft.Compute/*/read',
  'Microsoft.Compute/virtualMachines/powerOff/action',
  'Microsoft.Compute/virtualMachines/start/action',
];
const NIL = '00000000-0000-0000-0000-000000000000';

describe('roles and assignments, and what they give to the identity of a machine', () => {
  let lab: TestLab;
  let azure: AzureClients;
  let now = Date.now();
  let group: string;
  let vms: (BuiltMachine & { guest: Guest })[];

  const roleBody = (changes: Record<string, unknown> = {}) => ({
    properties: {
      roleName: 'Linux Fence Agent Role',
      description: 'power of the cluster',
      type: 'CustomRole',
      permissions: [{ actions: FENCE_ACTIONS, notActions: [], dataActions: [], notDataActions: [] }],
      assignableScopes: [group],
      ...changes,
    },
  });
  const definitionPath = (name: string, scope = group) =>
    `${scope}/providers/Microsoft.Authorization/roleDefinitions/${name}?${VERSION}`;
  const assignmentPath = (name: string, scope: string) =>
    `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?${VERSION}`;
  const putRole = async (body: unknown = roleBody(), name: string = randomUUID()) =>
    lab.request('PUT', definitionPath(name), { body });
  const assign = (
    scope: string,
    role: string,
    principalId: string,
    options: { name?: string; principalType?: string } = {},
  ): Promise<TestResponse> =>
    lab.request('PUT', assignmentPath(options.name ?? randomUUID(), scope), {
      body: {
        properties: {
          roleDefinitionId: role,
          principalId,
          ...(options.principalType === undefined ? {} : { principalType: options.principalType }),
        },
      },
    });
  const roleId = (answer: TestResponse) => String(answer.body['id']);
  const removeAll = async () => {
    for (const type of ['roleAssignments', 'roleDefinitions']) {
      const { body } = await lab.request('GET', `${group}/providers/Microsoft.Authorization/${type}?${VERSION}`);
      for (const { id, properties } of body['value'] as { id: string; properties: { type?: string } }[]) {
        const own = properties.type === undefined ? id : `${group}${id.slice(id.indexOf('/providers/'))}`;
        if (properties.type !== 'BuiltInRole') await lab.request('DELETE', `${own}?${VERSION}`);
      }
    }
  };

  beforeAll(async () => {
    lab = await startTestLab({ rolePropagationMs: 30_000, now: () => new Date(now) });
    azure = lab.clients();
    group = groupOf(lab);
    vms = (await buildCluster(lab, azure)).map((vm) => ({ ...vm, guest: guestOf(lab, vm.vmId) }));
  });
  afterAll(() => lab.close());
  afterEach(async () => {
    await removeAll();
    now += 60_000;
  });

  describe('definitions', () => {
    it('a custom role is made, read, found by its name, and deleted', async () => {
      const created = await putRole();
      const name = String(created.body['name']);
      const read = await lab.request('GET', definitionPath(name));
      const list = await lab.request(
        'GET',
        `${definitionPath('').replace('/?', '?')}&$filter=${encodeURIComponent("roleName eq 'Linux Fence Agent Role'")}`,
      );
      const deleted = await lab.request('DELETE', definitionPath(name));

      expect(created.status).toBe(201);
      expect(created.body).toMatchObject({
        id: `/subscriptions/${lab.document.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${name}`,
        type: 'Microsoft.Authorization/roleDefinitions',
        properties: { roleName: 'Linux Fence Agent Role', type: 'CustomRole', assignableScopes: [group] },
      });
      expect(read.body).toEqual(created.body);
      expect((list.body['value'] as unknown[]).map((role) => (role as { name: string }).name)).toEqual([name]);
      expect(deleted.status).toBe(200);
      expect((await lab.request('GET', definitionPath(name))).error.code).toBe('RoleDefinitionDoesNotExist');
      expect((await lab.request('DELETE', definitionPath(name))).status).toBe(204);
    });

    it('a second PUT changes the same role', async () => {
      const name = randomUUID();
      await putRole(roleBody(), name);

      const changed = await putRole(roleBody({ description: 'changed' }), name);

      expect(changed.body).toMatchObject({ name, properties: { description: 'changed' } });
    });

    it.each([
      ['a name that is no GUID', () => putRole(roleBody(), 'fence'), 400, 'InvalidRoleDefinitionId'],
      ['no role name', () => putRole(roleBody({ roleName: '' })), 400, 'InvalidRequestContent'],
      ['no permissions', () => putRole(roleBody({ permissions: [] })), 400, 'InvalidRequestContent'],
      ['no assignable scopes', () => putRole(roleBody({ assignableScopes: [] })), 400, 'InvalidRequestContent'],
      [
        'an action that no provider has',
        () => putRole(roleBody({ permissions: [{ actions: ['Microsoft.Compute/virtualMachines/powerDown/action'] }] })),
        400,
        'InvalidActionOrNotAction',
      ],
      [
        'a scope that is not there',
        () => putRole(roleBody({ assignableScopes: [group, `${group}-other`] })),
        404,
        'ResourceGroupNotFound',
      ],
      [
        'other scopes than its own',
        () => putRole(roleBody({ assignableScopes: [`/subscriptions/${lab.document.subscriptionId}`] })),
        400,
        'InvalidAssignableScope',
      ],
    ])('refuses a role with %s', async (_what, put, status, code) => {
      const answer = await put();

      expect([answer.status, answer.error.code]).toEqual([status, code]);
    });

    it('refuses a second role of the same name', async () => {
      await putRole();

      const answer = await putRole();

      expect([answer.status, answer.error.code]).toEqual([409, 'RoleDefinitionWithSameNameExists']);
    });

    it('keeps a role that is assigned', async () => {
      const role = await putRole();
      await assign(vms[0]!.id, roleId(role), vms[0]!.principalId, { principalType: 'ServicePrincipal' });

      const answer = await lab.request('DELETE', definitionPath(String(role.body['name'])));

      expect([answer.status, answer.error.code]).toEqual([400, 'RoleDefinitionHasAssignments']);
    });
  });

  describe('assignments', () => {
    it('one is made, read, listed at its scope and above, and deleted', async () => {
      const role = await putRole();
      const name = randomUUID();
      const [vm] = vms;
      const created = await assign(vm!.id, roleId(role), vm!.principalId, { name });
      const list = (scope: string, filter: string) =>
        lab.request('GET', `${assignmentPath('', scope).replace('/?', '?')}&$filter=${encodeURIComponent(filter)}`);

      expect(created.status).toBe(201);
      expect(created.body).toMatchObject({
        id: `${vm!.id}/providers/Microsoft.Authorization/roleAssignments/${name}`,
        properties: { roleDefinitionId: roleId(role), principalId: vm!.principalId, scope: vm!.id },
      });
      expect((await lab.request('GET', assignmentPath(name, vm!.id))).body).toEqual(created.body);
      expect((await list(group, `principalId eq '${vm!.principalId}'`)).body['value']).toEqual([created.body]);
      expect((await list(group, 'atScope()')).body['value']).toEqual([]);
      expect((await list(vm!.id, `atScope() and assignedTo('${vm!.principalId}')`)).body['value']).toEqual([
        created.body,
      ]);
      expect((await lab.request('DELETE', assignmentPath(name, vm!.id))).status).toBe(200);
      expect((await lab.request('DELETE', assignmentPath(name, vm!.id))).status).toBe(204);
    });

    it('the same again is no error under its own name, and RoleAssignmentExists under another', async () => {
      const role = await putRole();
      const name = randomUUID();
      const [vm] = vms;
      await assign(vm!.id, roleId(role), vm!.principalId, { name });

      const again = await assign(vm!.id, roleId(role), vm!.principalId, { name });
      const other = await assign(vm!.id, roleId(role), vm!.principalId);
      const changed = await assign(vm!.id, roleId(role), vms[1]!.principalId, { name });

      expect(again.status).toBe(200);
      expect([other.status, other.error.code]).toEqual([409, 'RoleAssignmentExists']);
      expect(other.error.message).toContain(name.replaceAll('-', ''));
      expect([changed.status, changed.error.code]).toEqual([400, 'RoleAssignmentUpdateNotPermitted']);
    });

    it('a role that is not there, a scope that is not there, and names that are no GUIDs are refused', async () => {
      const role = roleId(await putRole());
      const principal = vms[0]!.principalId;
      const missing = idOf(lab, 'Microsoft.Compute/virtualMachines', 'hadb09');

      expect((await assign(vms[0]!.id, role.replace(/.{12}$/, '000000000000'), principal)).error.code).toBe(
        'RoleDefinitionDoesNotExist',
      );
      expect((await assign(missing, role, principal)).error.code).toBe('ResourceNotFound');
      expect((await assign(vms[0]!.id, role, principal, { name: 'fence' })).error.code).toBe('InvalidRoleAssignmentId');
      expect((await assign(vms[0]!.id, role, 'me')).error.code).toBe('InvalidPrincipalId');
      expect((await assign(vms[0]!.id, role, principal, { principalType: 'User' })).error.code).toBe(
        'UnmatchedPrincipalType',
      );
      expect((await assign(vms[0]!.id, role, NIL, { principalType: 'ServicePrincipal' })).error.code).toBe(
        'PrincipalNotFound',
      );
    });

    it('a new identity is not found until the directory knows it, unless the request names its type', async () => {
      const role = roleId(await putRole());
      await azure.compute.virtualMachines.delete(GROUP, 'hadb02', { updateIntervalInMs: 20 });
      const fresh = await azure.compute.virtualMachines.createOrUpdate(GROUP, 'hadb02', machineBody(lab, 2), {
        updateIntervalInMs: 20,
      });
      const principalId = fresh.identity?.principalId ?? '';
      expect(principalId).not.toBe(vms[1]!.principalId);
      Object.assign(vms[1]!, { principalId, vmId: fresh.vmId, guest: guestOf(lab, fresh.vmId ?? '') });

      const early = await assign(vms[0]!.id, role, principalId);
      const typed = await assign(vms[0]!.id, role, principalId, { principalType: 'ServicePrincipal' });
      now += 31_000;
      const later = await assign(vms[1]!.id, role, principalId);

      expect([early.status, early.error.code]).toEqual([400, 'PrincipalNotFound']);
      expect([typed.status, later.status]).toEqual([201, 201]);
    });

    it('outlives a restart of control, and goes with the resource it was made at', async () => {
      const role = roleId(await putRole());
      const name = randomUUID();
      await azure.compute.disks.createOrUpdate(
        GROUP,
        'spare',
        { location: 'westeurope', creationData: { createOption: 'Empty' }, diskSizeGB: 1 },
        { updateIntervalInMs: 20 },
      );
      const disk = idOf(lab, 'Microsoft.Compute/disks', 'spare');
      await assign(disk, role, vms[0]!.principalId, { name });

      await lab.restart();
      expect((await lab.request('GET', assignmentPath(name, disk))).status).toBe(200);
      await azure.compute.disks.delete(GROUP, 'spare', { updateIntervalInMs: 20 });

      expect((await lab.request('GET', assignmentPath(name, disk))).error.code).toBe('RoleAssignmentNotFound');
    });
  });

  describe('what an identity may do', () => {
    const vmPath = (index: number, rest = '') => `${vms[index]!.id}${rest}?${COMPUTE_VERSION}`;
    const listPath = () => `${group}/providers/Microsoft.Compute/virtualMachines?${COMPUTE_VERSION}`;
    const as = async (index: number, method: string, path: string) => {
      const { guest } = vms[index]!;
      return guest.management(method, path, `Bearer ${await guest.token()}`);
    };

    it('nothing without a role, in the words of Azure', async () => {
      const { status, error } = await as(0, 'GET', vmPath(1));

      expect([status, error.code]).toEqual([403, 'AuthorizationFailed']);
      expect(error.message).toContain(`with object id '${vms[0]!.principalId}' does not have authorization`);
      expect(error.message).toContain(
        `perform action 'Microsoft.Compute/virtualMachines/read' over scope '${vms[1]!.id}'`,
      );
      expect((await as(0, 'GET', listPath())).status).toBe(403);
    });

    it('what is assigned, once it has spread, and nothing else', async () => {
      const role = roleId(await putRole());
      await assign(vms[1]!.id, role, vms[0]!.principalId, { principalType: 'ServicePrincipal' });
      const early = await as(0, 'GET', vmPath(1));
      now += 31_000;

      expect(early.status).toBe(403);
      expect((await as(0, 'GET', vmPath(1))).status).toBe(200);
      expect((await as(0, 'GET', vmPath(1, '/instanceView'))).status).toBe(200);
      expect((await as(0, 'POST', vmPath(1, '/powerOff'))).status).toBe(202);
      expect((await as(0, 'POST', vmPath(1, '/start'))).status).toBe(202);
      for (const [method, path, action] of [
        ['GET', vmPath(0), 'Microsoft.Compute/virtualMachines/read'],
        ['POST', vmPath(0, '/powerOff'), 'Microsoft.Compute/virtualMachines/powerOff/action'],
        ['POST', vmPath(1, '/deallocate'), 'Microsoft.Compute/virtualMachines/deallocate/action'],
        ['POST', vmPath(1, '/restart'), 'Microsoft.Compute/virtualMachines/restart/action'],
        ['DELETE', vmPath(1), 'Microsoft.Compute/virtualMachines/delete'],
        ['PUT', vmPath(1), 'Microsoft.Compute/virtualMachines/write'],
        ['GET', `${group}?api-version=2021-04-01`, 'Microsoft.Resources/subscriptions/resourceGroups/read'],
        ['DELETE', `${group}?api-version=2021-04-01`, 'Microsoft.Resources/subscriptions/resourceGroups/delete'],
        [
          'GET',
          `${vms[1]!.id}/providers/Microsoft.Authorization/roleAssignments?${VERSION}`,
          'Microsoft.Authorization/roleAssignments/read',
        ],
        ['PUT', assignmentPath(randomUUID(), vms[0]!.id), 'Microsoft.Authorization/roleAssignments/write'],
        [
          'PUT',
          `${group}/providers/Microsoft.Resources/tags/default?api-version=2021-04-01`,
          'Microsoft.Resources/tags/write',
        ],
      ] as const) {
        const { status, error } = await as(0, method, path);
        expect([method, path, status, error.code]).toEqual([method, path, 403, 'AuthorizationFailed']);
        expect(error.message).toContain(`action '${action}'`);
      }
      expect((await as(1, 'GET', vmPath(1))).status).toBe(403);
    });

    it('a list holds only what may be read', async () => {
      const role = roleId(await putRole());
      await assign(vms[1]!.id, role, vms[0]!.principalId, { principalType: 'ServicePrincipal' });
      await assign(group, role, vms[1]!.principalId, { principalType: 'ServicePrincipal' });
      now += 31_000;
      const names = async (index: number, path: string) =>
        ((await as(index, 'GET', path)).body['value'] as { name: string }[]).map(({ name }) => name);

      expect(await names(0, listPath())).toEqual(['hadb02']);
      expect((await names(1, listPath())).toSorted()).toEqual(['hadb01', 'hadb02']);
    });

    it('the end of an operation is seen by who began it, at the address that the answer names', async () => {
      const role = roleId(await putRole());
      await assign(vms[1]!.id, role, vms[0]!.principalId, { principalType: 'ServicePrincipal' });
      now += 31_000;
      const token = `Bearer ${await vms[0]!.guest.token()}`;

      const begun = await lab.request('POST', vmPath(1, '/powerOff'), { authorization: token });
      const url = begun.header('azure-asyncoperation') ?? '';
      const own = await lab.request('GET', url, { authorization: token });
      const others = await lab.request('GET', url, { authorization: `Bearer ${await vms[1]!.guest.token()}` });

      expect(own.status).toBe(200);
      expect(['InProgress', 'Succeeded']).toContain(own.body['status']);
      expect([others.status, others.error.code]).toEqual([403, 'AuthorizationFailed']);
    });

    it('a built-in role serves where a team may not make its own', async () => {
      const builtIn = `${group}/providers/Microsoft.Authorization/roleDefinitions/9980e02c-c2be-4d73-94e8-173b1dc7cf3c`;
      await assign(vms[1]!.id, builtIn, vms[0]!.principalId, { principalType: 'ServicePrincipal' });
      now += 31_000;

      expect((await as(0, 'POST', vmPath(1, '/start'))).status).toBe(202);
      expect(
        (await as(0, 'GET', `${group}/providers/Microsoft.Network/virtualNetworks?api-version=2024-05-01`)).status,
      ).toBe(403);
    });
  });
});
