import { randomUUID } from 'node:crypto';
import type { RoleAssignment, RoleDefinition } from '@azure/arm-authorization';
import { OWNER_TAG } from '../../../cluster/ids';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';
import type { AzureWorld } from './azure-fixture';
import { buildAll, CLUSTER, createAzureWorld, NEXT_RUN } from './azure-fixture';

const AZURE = { specification: { fencing: 'azure' as const } };
const NODES = ['hadb01', 'hadb02'];

let lab: TestLab;
let world: AzureWorld;
let group: string;

beforeEach(async () => {
  lab = await startTestLab({ rolePropagationMs: 2_000 });
  world = createAzureWorld(lab);
  group = `/subscriptions/${lab.document.subscriptionId}/resourceGroups/${CLUSTER}`;
  await buildAll(world, AZURE);
  world.requests.length = 0;
});
afterEach(() => lab.close());

const writes = () => world.requests.filter(({ method }) => method !== 'GET');
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );
const inject = (id: string, fault: object) =>
  lab.request('PUT', `${lab.document.faultsEndpoint}/arm/${id}`, { authorization: null, body: fault });
const strike = (path: string, status: number, code: string, count = 1) =>
  inject(code, { method: 'PUT', path, count, action: { kind: 'status', status, code } });

const makeRole = (changes: object = AZURE) => world.run('ensureFencingRole', world.step('fencing-role', changes));
const assign = (node: string, roleId: string, changes: object = AZURE) =>
  world.run('ensureFencingAssignments', { ...world.step(`assign-fencing-role/${node}`, changes), node, roleId });

async function makeAll(changes: object = AZURE) {
  const role = await makeRole(changes);
  const assigned = [];
  for (const node of NODES) assigned.push(await assign(node, role.roleId, changes));
  return { role, assigned };
}

async function assignments(): Promise<RoleAssignment[]> {
  const found: RoleAssignment[] = [];
  for await (const one of world.arm.authorization.roleAssignments.listForScope(group.slice(1))) found.push(one);
  return found;
}

async function customRoles(): Promise<RoleDefinition[]> {
  const found: RoleDefinition[] = [];
  for await (const role of world.arm.authorization.roleDefinitions.list(group.slice(1))) {
    if (role.roleType === 'CustomRole') found.push(role);
  }
  return found;
}

const putRole = (name: string, changes: Partial<RoleDefinition> = {}) =>
  world.arm.authorization.roleDefinitions.createOrUpdate(group.slice(1), name, {
    roleName: 'ready-made',
    roleType: 'CustomRole',
    permissions: [{ actions: ['Microsoft.Compute/virtualMachines/*'] }],
    assignableScopes: [group],
    ...changes,
  });

describe('role and assignments', () => {
  it('come about: one role, and each identity on both machines', async () => {
    const { role, assigned } = await makeAll();

    expect([role, ...assigned].map(({ result }) => result)).toEqual(['changed', 'changed', 'changed']);
    expect(role).toMatchObject({ subscriptionId: lab.document.subscriptionId, resourceGroup: CLUSTER });
    expect(await customRoles()).toMatchObject([
      { roleName: `hadb fencing of ${CLUSTER} (${lab.document.subscriptionId})`, assignableScopes: [group] },
    ]);
    const principals = await Promise.all(
      NODES.map(async (node) => (await world.arm.compute.virtualMachines.get(CLUSTER, node)).identity?.principalId),
    );
    const found = (await assignments()).map(({ principalId, scope, roleDefinitionId }) => ({
      node: NODES[principals.indexOf(principalId)],
      machine: scope?.split('/').at(-1),
      role: roleDefinitionId,
    }));
    expect(found.sort((a, b) => `${a.node} ${a.machine}`.localeCompare(`${b.node} ${b.machine}`))).toEqual(
      NODES.flatMap((node) => NODES.map((machine) => ({ node, machine, role: role.roleId }))),
    );
  });

  it('stay untouched when another operation looks at them', async () => {
    await makeAll();
    world.requests.length = 0;

    const { role, assigned } = await makeAll({ ...AZURE, run: NEXT_RUN });

    expect([role, ...assigned].map(({ result }) => result)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect(writes()).toEqual([]);
  });

  it('are known again by the step that made them, when its report was lost', async () => {
    await makeAll();
    world.requests.length = 0;

    const { role, assigned } = await makeAll();

    expect([role, ...assigned].map(({ result }) => result)).toEqual(Array(3).fill('changedEarlier'));
    expect(writes()).toEqual([]);
  });

  it('a second PUT after a lost answer finds the same names', async () => {
    await inject('lost', { method: 'PUT', path: 'roleAssignments', count: 1, action: { kind: 'dropResponse' } });

    await makeAll();

    expect(await assignments()).toHaveLength(4);
  });

  it('are named as missing, and not made, by who only looks', async () => {
    const looked = async (node?: string, roleId = '') =>
      node === undefined
        ? world.run('ensureFencingRole', { ...world.step('fencing-role', AZURE), observeOnly: true })
        : world.run('ensureFencingAssignments', { ...world.step('x', AZURE), node, roleId, observeOnly: true });

    expect(await looked()).toMatchObject({ observed: 'missing', drift: [expect.stringContaining('is missing')] });
    const { roleId } = await makeRole();
    world.requests.length = 0;
    expect(await looked()).not.toHaveProperty('drift');
    expect(await looked('hadb02', roleId)).toMatchObject({
      drift: ['the identity of hadb02 lacks the role on hadb01', 'the identity of hadb02 lacks the role on hadb02'],
    });
    expect(writes()).toEqual([]);
  });

  it('a role that lets too much or too little is put right, and stays the same role', async () => {
    const { roleId } = await makeRole();
    const [role] = await customRoles();
    await world.arm.authorization.roleDefinitions.createOrUpdate(group.slice(1), role?.name ?? '', {
      ...role,
      permissions: [{ actions: ['*'] }],
    });

    const outcome = await makeRole({ ...AZURE, run: NEXT_RUN });

    expect(outcome).toMatchObject({
      result: 'changed',
      roleId,
      observed: expect.stringContaining('also has "*"') as string,
    });
    expect((await customRoles())[0]?.permissions?.[0]?.actions).toHaveLength(3);
  });

  it('a role under our name that somebody else has described is refused and stays as it is', async () => {
    await makeRole();
    const [role] = await customRoles();
    await world.arm.authorization.roleDefinitions.createOrUpdate(group.slice(1), role?.name ?? '', {
      ...role,
      description: 'of accounting',
    });
    world.requests.length = 0;

    expect(await failure(makeRole())).toMatchObject({ type: 'NotOurs', nonRetryable: true });
    expect(writes()).toEqual([]);
  });

  it('an assignment that somebody else has made for the whole group serves', async () => {
    const { roleId } = await makeRole();
    const { identity } = await world.arm.compute.virtualMachines.get(CLUSTER, 'hadb01');
    await world.arm.authorization.roleAssignments.create(group.slice(1), randomUUID(), {
      roleDefinitionId: roleId,
      principalId: identity?.principalId ?? '',
      principalType: 'ServicePrincipal',
    });
    world.requests.length = 0;

    expect(await assign('hadb01', roleId)).toMatchObject({ result: 'unchanged' });
    expect(writes()).toEqual([]);
  });

  it('an identity that the directory has not heard of yet is waited for', async () => {
    const { roleId } = await makeRole();
    await strike('roleAssignments', 400, 'PrincipalNotFound', 2);

    expect(await assign('hadb01', roleId)).toMatchObject({ result: 'changed' });
    expect(await assignments()).toHaveLength(2);
  });

  it('so is a role that is not known everywhere yet', async () => {
    const { roleId } = await makeRole();
    await strike('roleAssignments', 404, 'RoleDefinitionDoesNotExist', 2);

    expect(await assign('hadb01', roleId)).toMatchObject({ result: 'changed' });
  });

  it.each([
    ['roleDefinitions', 403, 'AuthorizationFailed', 'Denied', 'fencingRole'],
    ['roleDefinitions', 400, 'RoleDefinitionLimitExceeded', 'QuotaExceeded', 'fencingRole'],
    ['roleAssignments', 403, 'AuthorizationFailed', 'Denied', 'made by somebody who may'],
  ])('where Azure refuses %s with %i %s, a person is told what to do', async (path, status, code, type, advice) => {
    const { roleId } = path === 'roleAssignments' ? await makeRole() : { roleId: '' };
    await strike(path, status, code, 3);

    const error = await failure(path === 'roleAssignments' ? assign('hadb01', roleId) : makeRole());

    expect(error).toMatchObject({ type, nonRetryable: true });
    expect(JSON.stringify((error as { details?: unknown }).details)).toContain(advice);
  });

  it('a machine without an identity is refused, with the command that gives it one', async () => {
    const { roleId } = await makeRole();
    await world.arm.compute.virtualMachines.update(CLUSTER, 'hadb02', { identity: { type: 'None' } });

    const error = await failure(assign('hadb02', roleId));

    expect(error).toMatchObject({ type: 'Drift' });
    expect(JSON.stringify((error as { details?: unknown }).details)).toContain('az vm identity assign');
    expect(await assignments()).toEqual([]);
  });
});

describe('a ready-made role', () => {
  const withRole = (fencingRole: string) => ({ specification: { fencing: 'azure' as const, fencingRole } });

  it('is used as it is; none is made', async () => {
    const { id = '' } = await putRole(randomUUID());

    const { role, assigned } = await makeAll(withRole(id));

    expect(role).toMatchObject({
      result: 'unchanged',
      roleId: id,
      observed: expect.stringContaining('ready-made') as string,
    });
    expect(assigned.map(({ result }) => result)).toEqual(['changed', 'changed']);
    expect((await customRoles()).map(({ roleName }) => roleName)).toEqual(['ready-made']);
  });

  it.each([
    ['gives too little', { permissions: [{ actions: ['*/read'] }] }, 'powerOff/action'],
    ['belongs elsewhere', { assignableScopes: ['other'] }, 'cannot be assigned'],
  ])('that %s is refused', async (_what, changes, problem) => {
    const elsewhere = `${group}-other`;
    await world.arm.resources.resourceGroups.createOrUpdate(`${CLUSTER}-other`, { location: 'westeurope' });
    const isElsewhere = 'assignableScopes' in changes;
    const { id = '' } = await world.arm.authorization.roleDefinitions.createOrUpdate(
      (isElsewhere ? elsewhere : group).slice(1),
      randomUUID(),
      {
        roleName: 'ready-made',
        roleType: 'CustomRole',
        permissions: [{ actions: ['*'] }],
        ...changes,
        assignableScopes: [isElsewhere ? elsewhere : group],
      },
    );

    expect(await failure(makeRole(withRole(id)))).toMatchObject({
      type: 'BadSpecification',
      message: expect.stringContaining(problem) as string,
    });
  });

  it('that is not there is refused', async () => {
    const id = `/subscriptions/${lab.document.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${randomUUID()}`;

    expect(await failure(makeRole(withRole(id)))).toMatchObject({ type: 'BadSpecification', nonRetryable: true });
  });

  it('stays when the cluster is destroyed; its assignments go', async () => {
    const { id = '' } = await putRole(randomUUID());
    await makeAll(withRole(id));

    const deleted = await destroyFencing(withRole(id));

    expect(deleted).toEqual(Array(4).fill('role-assignment'));
    expect(await assignments()).toEqual([]);
    expect((await customRoles()).map(({ roleName }) => roleName)).toEqual(['ready-made']);
  });
});

describe('the end of a cluster', () => {
  it('takes its assignments first and then its role, before the machines', async () => {
    await makeAll();

    const { resources, foreign } = await world.run('readDestroyPlan', world.step('look', AZURE));

    expect(foreign).toEqual([]);
    expect(resources.slice(0, 6).map(({ kind }) => kind)).toEqual([
      ...(Array(4).fill('role-assignment') as string[]),
      'role-definition',
      'virtual-machine',
    ]);
    await destroyFencing();
    expect(await assignments()).toEqual([]);
    expect(await customRoles()).toEqual([]);
    const left = await world.run('readDestroyPlan', world.step('see', AZURE));
    expect(left.resources.some(({ kind }) => kind.startsWith('role-'))).toBe(false);
  });

  it('leaves assignments and roles of others alone', async () => {
    const { id = '' } = await putRole(randomUUID());
    const { identity } = await world.arm.compute.virtualMachines.get(CLUSTER, 'hadb01');
    await world.arm.authorization.roleAssignments.create(group.slice(1), randomUUID(), {
      roleDefinitionId: id,
      principalId: identity?.principalId ?? '',
      principalType: 'ServicePrincipal',
      description: `of another cluster (${OWNER_TAG}=${CLUSTER}2)`,
    });

    const { resources } = await world.run('readDestroyPlan', world.step('look', AZURE));

    expect(resources.filter(({ kind }) => kind.startsWith('role-'))).toEqual([]);
  });

  it('finds the role of a group that was deleted by hand', async () => {
    await makeAll();
    await world.arm.resources.resourceGroups.delete(CLUSTER);

    const { resources } = await world.run('readDestroyPlan', world.step('look', AZURE));

    expect(resources.map(({ kind }) => kind)).toEqual(['role-definition']);
    await destroyFencing();
    expect((await world.run('readDestroyPlan', world.step('see', AZURE))).resources).toEqual([]);
  });

  it('an assignment that is not ours any more is not deleted', async () => {
    await makeAll();
    const { resources } = await world.run('readDestroyPlan', world.step('look', AZURE));
    const resource = resources.find(({ kind }) => kind === 'role-definition');
    const [role] = await customRoles();
    await world.arm.authorization.roleDefinitions.createOrUpdate(group.slice(1), role?.name ?? '', {
      ...role,
      description: 'of accounting',
    });

    const refusal = failure(world.run('submitDelete', { ...world.step('delete', AZURE), resource: resource! }));

    expect(await refusal).toMatchObject({ type: 'NotOurs' });
    expect(await customRoles()).toHaveLength(1);
  });

  it.each([
    ['none', [] as string[]],
    ['azure', 'Denied'],
  ] as const)('with fencing %s and a worker that may not look at roles', async (fencing, expected) => {
    await inject('denied', {
      method: 'GET',
      path: 'Microsoft.Authorization',
      count: 10,
      action: { kind: 'status', status: 403, code: 'AuthorizationFailed' },
    });

    const plan = await world.run('readDestroyPlan', world.step('look', { specification: { fencing } })).then(
      ({ resources }) => resources.map(({ kind }) => kind).filter((kind) => kind.startsWith('role-')),
      (error: unknown) => (error as { type?: string }).type,
    );

    expect(plan).toEqual(expected);
  });
});

/** Deletes what the plan says of roles and assignments; the kinds, in their order. */
async function destroyFencing(changes: object = AZURE): Promise<string[]> {
  const { resources } = await world.run('readDestroyPlan', world.step('look', changes));
  const ours = resources.filter(({ kind }) => kind.startsWith('role-'));
  for (const resource of ours) {
    await world.run('submitDelete', { ...world.step(`delete-${resource.name}`, changes), resource });
  }
  return ours.map(({ kind }) => kind);
}
