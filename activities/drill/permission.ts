import {
  drillTags,
  judgeDrillPermission,
  parseFreezeWindows,
  type DrillOrder,
  type DrillPermission,
} from '../../cluster/drill-permission';
import { addSkippedNight, parseSkippedNights } from '../../cluster/drill-schedule';
import { assertNever, HadbError } from '../../cluster/errors';
import { skippedNightsTag } from '../../cluster/ids';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { refuseForeign } from '../azure/ensure';
import { createScope, unlessMissing, type AzureScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import { writeTags } from '../azure/tags';

/** The state of drills on the resource group: may there be one, and how many nights were without. */
export function createPermissionActivities(dependencies: AzureDependencies) {
  return {
    /**
     * Returns only when a drill may begin now. Errors: DrillsForbidden when somebody wants none; GateNotMet when nobody can tell; NotOurs;
     * what Azure answers.
     */
    async readDrillPermission(step: StepContext): Promise<StepOutcome> {
      const tags = await readTags(createScope(dependencies, step));
      return { result: 'unchanged', observed: permitted(step, judgeDrillPermission(tags, Date.now())) };
    },

    /** Turns the safety switch, or sets the freeze windows. Errors: BadRequest, GateNotMet, NotOurs, VerificationFailed. */
    async orderDrills(step: StepContext & { order: DrillOrder }): Promise<StepOutcome> {
      const { order } = step;
      if (order.order === 'freeze' && parseFreezeWindows(order.windows) === undefined) {
        throw new HadbError('BadRequest', `no freeze windows: ${order.windows}`, {
          whatNow: 'write each as 2026-12-20T00:00Z/2027-01-04T06:00Z, in UTC',
        });
      }
      return setTags(createScope(dependencies, step), drillTags(order, Date.now()));
    },

    /** Counts this night among those skipped in a row; returns all of them. */
    async noteSkippedNight(
      step: StepContext & { schedule: string; day: string },
    ): Promise<StepOutcome & { nights: string[] }> {
      const scope = createScope(dependencies, step);
      const tag = skippedNightsTag(step.schedule);
      const nights = addSkippedNight(parseSkippedNights((await readTags(scope))[tag]), step.day);
      return { ...(await setTags(scope, { [tag]: nights.join(' ') })), nights };
    },

    /** A drill was made: the row of skipped nights is over. */
    async clearSkippedNights(step: StepContext & { schedule: string }): Promise<StepOutcome> {
      const scope = createScope(dependencies, step);
      const tag = skippedNightsTag(step.schedule);
      const nights = parseSkippedNights((await readTags(scope))[tag]);
      if (nights.length === 0) return { result: 'unchanged', observed: 'no night was skipped before' };
      return setTags(scope, { [tag]: 'none' });
    },
  };
}

function permitted({ specification }: StepContext, permission: DrillPermission): string {
  switch (permission.state) {
    case 'allowed':
      return permission.observed;
    case 'forbidden':
      throw new HadbError('DrillsForbidden', permission.reason, {
        subject: specification.name,
        whatNow: 'Wait for the end of the window, or allow drills again with "hadb drills allow". Nothing was broken.',
      });
    case 'unreadable':
      throw new HadbError('GateNotMet', permission.reason, {
        subject: specification.name,
        whatNow: 'Correct the tag with "hadb drills freeze", or in the Azure portal. Nothing was broken.',
      });
    default:
      return assertNever(permission);
  }
}

/** Errors: GateNotMet without a group, NotOurs. */
async function readTags({ arm, names, step }: AzureScope): Promise<Record<string, string>> {
  const name = names.resourceGroup;
  const group = await unlessMissing(() => arm.resources.resourceGroups.get(name));
  if (group === undefined) {
    throw new HadbError('GateNotMet', `there is no resource group ${name}`, {
      subject: name,
      whatNow: 'The state of drills is kept in its tags: build the cluster first.',
    });
  }
  refuseForeign(group, 'resource group', name, step.specification.name);
  return { ...group.tags };
}

async function setTags(scope: AzureScope, wanted: Record<string, string>): Promise<StepOutcome> {
  const before = await readTags(scope);
  const told = (tags: Record<string, string>) =>
    Object.keys(wanted)
      .map((tag) => `${tag}: ${tags[tag] ?? 'not set'}`)
      .join('; ');
  const isSet = (tags: Record<string, string>) => Object.entries(wanted).every(([tag, value]) => tags[tag] === value);
  if (isSet(before)) return { result: 'unchanged', observed: told(before) };
  await writeTags(scope, scope.ids.resourceGroup, wanted);
  const after = await readTags(scope);
  if (!isSet(after)) {
    throw new HadbError('VerificationFailed', 'the tags were written, but Azure does not show them yet', {
      subject: scope.names.resourceGroup,
      observed: told(after),
      whatNow: 'Look at the tags of the resource group in the Azure portal, then retry.',
    });
  }
  return { result: 'changed', observed: told(before), done: 'wrote the tags', verified: told(after) };
}
