import { createAzureActivities } from './azure';
import type { AzureDependencies } from './azure/submission';
import { createLockActivities } from './coordination/lock';
import { createDrillActivities } from './drill';
import type { DrillDependencies } from './drill';
import { createNodeActivities } from './node';
import type { NodeDependencies } from './node';
import { createRecoveryActivities } from './recovery';
import type { RecoveryDependencies } from './recovery';

/** What the activities take from outside; the worker wires it. */
export type ActivityDependencies = AzureDependencies & NodeDependencies & DrillDependencies & RecoveryDependencies;

/** Every activity of the worker, by the name that workflows call. */
export function createActivities(dependencies: ActivityDependencies) {
  return mergeUnique(
    createAzureActivities(dependencies),
    createNodeActivities(dependencies),
    createDrillActivities(dependencies),
    createLockActivities(),
    createRecoveryActivities(dependencies),
  );
}

export type Activities = ReturnType<typeof createActivities>;

/** Two activities of one name would silently be one. */
function mergeUnique<A extends object, B extends object, C extends object, D extends object, E extends object>(
  a: A,
  b: B,
  c: C,
  d: D,
  e: E,
): A & B & C & D & E {
  const names = [a, b, c, d, e].flatMap((part) => Object.keys(part));
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  if (twice.length > 0) throw new Error(`two activities are called ${twice.join(' and ')}`);
  return { ...a, ...b, ...c, ...d, ...e };
}
