import type { RoleAssignment, RoleDefinition } from '@azure/arm-authorization';
import { heartbeat, sleep } from '@temporalio/activity';
import { findDeviations } from '../../cluster/azure/compare';
import type { ListedResource } from '../../cluster/azure/destroy-order';
import {
  fencingAssignmentBody,
  fencingRoleBody,
  isSameRole,
  isScopeOf,
  missingFenceActions,
} from '../../cluster/azure/fencing-role';
import { isOurs, isWrittenBy, ownershipInDescription } from '../../cluster/azure/tags';
import { HadbError, isHadbError } from '../../cluster/errors';
import { fencingNames } from '../../cluster/ids';
import type { StepOutcome, StepWait } from '../../cluster/step';
import { refuseForeign } from './ensure';
import { explainAzureError } from './failures';
import type { AzureScope, Found } from './resource-kind';
import { nodeOf, unlessMissing } from './resource-kind';
import { stableGuid } from './stable-guid';

/** Step 19, the part in Azure: a role, and both identities with it on both machines. */

export interface FencingRole extends StepOutcome {
  roleId: string;
  /** What the fence agent must be told. */
  subscriptionId: string;
  resourceGroup: string;
}

/** New roles, identities and assignments are known everywhere after minutes; learn.microsoft.com, "Troubleshoot Azure RBAC". */
const PROPAGATION_MS = 4 * 60_000;
const LONGEST_PAUSE_MS = 10_000;

const READY_MADE =
  'Have somebody who may make one of it give you a role (docs/fencing.md has its definition), and name its id in the field fencingRole; or give the worker "User Access Administrator" on the resource group.';
const BY_HAND =
  'Give the worker "User Access Administrator" on the resource group, or have the named assignment made by somebody who may, then retry: it will be found.';

/** Ids begin with a slash, and so does the path that the client builds. */
const pathOf = (id: string): string => id.replace(/^\//, '');

export async function ensureFencingRole(scope: AzureScope): Promise<FencingRole> {
  const { fencingRole } = scope.step.specification;
  const { subscriptionId } = scope.arm;
  const { outcome, roleId } =
    fencingRole === undefined ? await ensureOwnRole(scope) : await examineReadyMadeRole(scope, fencingRole);
  return { ...outcome, roleId, subscriptionId, resourceGroup: scope.names.resourceGroup };
}

async function ensureOwnRole(scope: AzureScope): Promise<{ outcome: StepOutcome; roleId: string }> {
  const { arm, ids, step, tags } = scope;
  const { roleTitle, roleName } = ownRole(scope);
  const wanted = fencingRoleBody(ids, roleTitle, tags);
  const current = await unlessMissing(() => arm.authorization.roleDefinitions.get(pathOf(ids.resourceGroup), roleName));
  if (current !== undefined) {
    refuseForeign(foundOf(current), 'role', roleTitle, step.specification.name);
    const { description: _, ...compared } = wanted;
    const deviations = findDeviations(compared, current);
    const observed = [describeRole(current), ...deviations].join('; ');
    if (step.observeOnly === true) {
      const drift = deviations.map((line) => `role ${roleTitle}: ${line}`);
      return {
        outcome: { result: 'unchanged', observed, ...(drift.length === 0 ? {} : { drift }) },
        roleId: current.id ?? '',
      };
    }
    if (deviations.length === 0) {
      return { outcome: { result: resultOf(scope, current.description), observed }, roleId: current.id ?? '' };
    }
    const made = await putRole(scope, roleName, wanted);
    return {
      outcome: { result: 'changed', observed, done: `put right the role ${roleTitle}`, verified: describeRole(made) },
      roleId: made.id ?? '',
    };
  }
  if (step.observeOnly === true) {
    const drift = [`role ${roleTitle} is missing`];
    return { outcome: { result: 'unchanged', observed: 'missing', drift }, roleId: '' };
  }
  const made = await putRole(scope, roleName, wanted);
  return {
    outcome: { result: 'changed', observed: 'none', done: `made the role ${roleTitle}`, verified: describeRole(made) },
    roleId: made.id ?? '',
  };
}

async function putRole(scope: AzureScope, roleName: string, wanted: RoleDefinition): Promise<RoleDefinition> {
  const { arm, ids } = scope;
  const made = await withAdvice(READY_MADE, () =>
    arm.authorization.roleDefinitions.createOrUpdate(pathOf(ids.resourceGroup), roleName, wanted),
  );
  const missing = missingFenceActions(made.permissions);
  if (missing.length === 0 && made.id !== undefined) return made;
  throw new HadbError(
    'VerificationFailed',
    `the role ${wanted.roleName ?? roleName} was made without ${missing.join(', ')}`,
    {
      subject: roleName,
      observed: describeRole(made),
    },
  );
}

/** Errors: BadSpecification for a role that is not there, cannot be assigned at the machines, or lets a node do too little. */
async function examineReadyMadeRole(scope: AzureScope, id: string): Promise<{ outcome: StepOutcome; roleId: string }> {
  const { arm, ids } = scope;
  const role = await unlessMissing(() => arm.authorization.roleDefinitions.getById(pathOf(id)));
  const problems =
    role === undefined
      ? ['there is no such role, or the worker may not see it']
      : [
          ...missingFenceActions(role.permissions).map((action) => `it does not give ${action}`),
          ...(role.assignableScopes?.some((one) => one === '/' || isScopeOf(one, ids.resourceGroup)) === true
            ? []
            : [`it cannot be assigned in ${ids.resourceGroup}`]),
        ];
  if (role === undefined || problems.length > 0) {
    throw new HadbError('BadSpecification', `the role of fencingRole does not serve: ${problems.join('; ')}`, {
      subject: id,
      observed: role === undefined ? 'none' : describeRole(role),
      whatNow: 'Name another role in fencingRole, or have this one changed, then retry.',
    });
  }
  return { outcome: { result: 'unchanged', observed: `ready-made: ${describeRole(role)}` }, roleId: role.id ?? id };
}

/** The identity of the node gets the role on both machines. An assignment that somebody else made serves as well. */
export async function ensureFencingAssignments(scope: AzureScope, roleId: string): Promise<StepOutcome> {
  const node = nodeOf(scope);
  const principalId = await readIdentity(scope);
  const machines = scope.step.specification.nodes.map(({ name }) => ({ name, id: scope.ids.virtualMachine(name) }));
  const seen: { machine: string; assignment: RoleAssignment }[] = [];
  const made: string[] = [];
  const lacking: string[] = [];
  for (const machine of machines) {
    const found = await findAssignment(scope, { principalId, roleId, machineId: machine.id });
    if (found !== undefined) {
      seen.push({ machine: machine.name, assignment: found });
      continue;
    }
    if (scope.step.observeOnly === true) {
      lacking.push(machine.name);
      continue;
    }
    const name = stableGuid(
      fencingNames(scope.arm.subscriptionId, scope.step.specification.name).assignment({
        role: roleId,
        principalId,
        machineId: machine.id,
      }),
    );
    const body = fencingAssignmentBody({ roleId, principalId, tags: scope.tags, node, machine: machine.name });
    await patiently(scope, `Azure to know the identity of ${node} and the role`, () =>
      withAdvice(BY_HAND, () => scope.arm.authorization.roleAssignments.create(pathOf(machine.id), name, body)),
    );
    made.push(machine.name);
  }
  const observed = `identity ${principalId} of ${node} has the role on ${seen.map(({ machine }) => machine).join(', ') || 'no machine'}`;
  if (lacking.length > 0) {
    const drift = lacking.map((machine) => `the identity of ${node} lacks the role on ${machine}`);
    return { result: 'unchanged', observed, drift };
  }
  if (made.length > 0) {
    return {
      result: 'changed',
      observed,
      done: `assigned the role on ${made.join(', ')}`,
      verified: `it has the role on ${machines.map(({ name }) => name).join(', ')}`,
    };
  }
  const ours = seen.some(({ assignment }) => resultOf(scope, assignment.description) === 'changedEarlier');
  return { result: ours ? 'changedEarlier' : 'unchanged', observed };
}

/** Errors: Drift when the machine has no identity of its own. */
async function readIdentity(scope: AzureScope): Promise<string> {
  const name = scope.names.virtualMachine(nodeOf(scope));
  const machine = await scope.arm.compute.virtualMachines.get(scope.names.resourceGroup, name);
  refuseForeign(machine, 'virtual machine', name, scope.step.specification.name);
  const { principalId } = machine.identity ?? {};
  if (principalId !== undefined && principalId !== '') return principalId;
  throw new HadbError('Drift', `the virtual machine ${name} has no identity of its own, so it cannot fence`, {
    subject: name,
    observed: `identity ${machine.identity?.type ?? 'none'}`,
    whatNow: `Give it one, which does not touch what runs: az vm identity assign --resource-group ${scope.names.resourceGroup} --name ${name}; then retry.`,
  });
}

async function findAssignment(
  scope: AzureScope,
  wanted: { principalId: string; roleId: string; machineId: string },
): Promise<RoleAssignment | undefined> {
  const { roleAssignments } = scope.arm.authorization;
  const filter = `principalId eq '${wanted.principalId}'`;
  for await (const assignment of roleAssignments.listForScope(pathOf(wanted.machineId), { filter })) {
    const serves =
      isSameRole(assignment.roleDefinitionId, wanted.roleId) &&
      assignment.principalId?.toLowerCase() === wanted.principalId.toLowerCase() &&
      isScopeOf(assignment.scope, wanted.machineId) &&
      !assignment.condition;
    if (serves) return assignment;
  }
  return undefined;
}

/** What an order to destroy finds of it: by its description, as roles and assignments have no tags. A ready-made role is nobody's to delete. */
export async function listFencing(scope: AzureScope, group: Found | undefined): Promise<ListedResource[]> {
  const { arm, ids, step } = scope;
  const cluster = step.specification.name;
  const listed: ListedResource[] = [];
  if (group !== undefined) {
    for await (const { id, name, scope: at, description } of arm.authorization.roleAssignments.listForScope(
      pathOf(ids.resourceGroup),
    )) {
      const tags = ownershipInDescription(description);
      if (id === undefined || name === undefined || !isOurs(tags, cluster) || !isScopeOf(ids.resourceGroup, at ?? ''))
        continue;
      listed.push({ id, name, type: 'Microsoft.Authorization/roleAssignments', tags });
    }
  }
  // A group that was deleted by hand leaves the role behind.
  const at = group === undefined ? `/subscriptions/${arm.subscriptionId}` : ids.resourceGroup;
  const { roleName } = ownRole(scope);
  const role = await unlessMissing(() => arm.authorization.roleDefinitions.get(pathOf(at), roleName));
  const tags = ownershipInDescription(role?.description);
  if (role !== undefined && isOurs(tags, cluster)) {
    const id = `${at}/providers/Microsoft.Authorization/roleDefinitions/${roleName}`;
    listed.push({ id, name: roleName, type: 'Microsoft.Authorization/roleDefinitions', tags });
  }
  return listed;
}

export const getRoleAssignment = async ({ arm }: AzureScope, id: string): Promise<Found> =>
  foundOf(await arm.authorization.roleAssignments.getById(pathOf(id)));

export const removeRoleAssignment = async ({ arm }: AzureScope, id: string): Promise<void> => {
  await arm.authorization.roleAssignments.deleteById(pathOf(id));
};

export const getRoleDefinition = async ({ arm }: AzureScope, id: string): Promise<Found> =>
  foundOf(await arm.authorization.roleDefinitions.getById(pathOf(id)));

export const removeRoleDefinition = async ({ arm }: AzureScope, id: string): Promise<void> => {
  const [at = '', name = ''] = id.split('/providers/Microsoft.Authorization/roleDefinitions/');
  await arm.authorization.roleDefinitions.delete(pathOf(at), name);
};

function ownRole({ arm, step }: AzureScope): { roleTitle: string; roleName: string } {
  const { role, roleTitle } = fencingNames(arm.subscriptionId, step.specification.name);
  return { roleTitle, roleName: stableGuid(role) };
}

function foundOf({ id, description }: { id?: string; description?: string }): Found {
  return { ...(id === undefined ? {} : { id }), tags: ownershipInDescription(description) };
}

const resultOf = (scope: AzureScope, description: string | undefined): 'changedEarlier' | 'unchanged' =>
  isWrittenBy(ownershipInDescription(description), scope.step) ? 'changedEarlier' : 'unchanged';

const describeRole = ({ roleName, permissions }: RoleDefinition): string =>
  `role ${roleName ?? 'without a name'}: ${(permissions ?? []).flatMap(({ actions }) => actions ?? []).join(', ') || 'no actions'}`;

/** What to do where Azure does not let the worker do it, or has no room. */
async function withAdvice<Result>(whatNow: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = explainAzureError(error);
    if (failure === undefined) throw error;
    if (failure.code !== 'Denied') throw failure;
    throw new HadbError(failure.code, failure.message, { ...failure.details, whatNow }, { cause: error });
  }
}

/** Tries again while Azure's directory has not heard of what was just made. Errors: NotReady. */
async function patiently<Result>(scope: AzureScope, waitingFor: string, work: () => Promise<Result>): Promise<Result> {
  const startedAt = Date.now();
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isHadbError(error) || !mayPass(error)) throw error;
      const waitedMs = Date.now() - startedAt;
      if (waitedMs > PROPAGATION_MS) {
        throw new HadbError('NotReady', error.message, { ...error.details, waitedMs }, { cause: error });
      }
      heartbeat({ step: scope.step.step, waitingFor } satisfies StepWait);
      await sleep(pauseMs);
    }
  }
}

const mayPass = ({ code, details }: HadbError): boolean =>
  code === 'NotReady' || /\bRoleDefinitionDoesNotExist\b/.test(details.observed ?? '');
