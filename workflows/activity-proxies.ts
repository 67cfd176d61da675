import { ActivityCancellationType, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import { tryUntilForGood } from './tries';

/**
 * How long an activity may take is a matter of its class. No `scheduleToCloseTimeout` anywhere: a worker that is down must not use it
 * up. One attempt each: tries are counted by the step (`tries.ts`).
 */

/**
 * Every activity heartbeats each 2.5 s; a killed worker's step is made again after 10 s. A cancel waits until the activity has really stopped: what is undone
 * afterwards must not meet it at work.
 */
const heartbeat = {
  heartbeatTimeout: '10 seconds',
  retry: { maximumAttempts: 1 },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} as const satisfies ActivityOptions;

const CLASSES = {
  /** A few commands of at most 30 s, or Azure reads with the SDK's own retries. */
  read: { ...heartbeat, startToCloseTimeout: '2 minutes' },
  /** The longest single change is the start of a database that recovers after a crash: 300 s in the cluster's own time-outs. */
  change: { ...heartbeat, startToCloseTimeout: '10 minutes' },
  /** Packages over a slow mirror, the initialisation of a data directory: a durable job on the node that has its own limit. */
  job: { ...heartbeat, startToCloseTimeout: '2 hours' },
  /** One PUT; Azure answers within seconds, throttling may ask for minutes. */
  submit: { ...heartbeat, startToCloseTimeout: '10 minutes' },
  /** A virtual machine is made in minutes; Azure's own operations give up after an hour. */
  azureWait: { ...heartbeat, startToCloseTimeout: '90 minutes' },
  /** Machines booting, clusters forming, resources moving: minutes, with a limit of their own inside. */
  wait: { ...heartbeat, startToCloseTimeout: '30 minutes' },
  /** The largest data disk (32 TiB) at 50 MiB/s takes a week; the wait shows its progress and can be cancelled. */
  syncWait: { ...heartbeat, startToCloseTimeout: '14 days' },
} as const satisfies Record<string, ActivityOptions>;
export type ActivityClass = keyof typeof CLASSES;

/** Activities whose class does not follow from their verb. */
const EXCEPTIONS: Readonly<Record<string, ActivityClass>> = {
  installPackages: 'job',
  installServer: 'job',
  installFenceAgent: 'job',
  initialiseDataDirectory: 'job',
  makeFileSystem: 'job',
  startServer: 'wait',
  stopServer: 'wait',
  awaitAzureOperation: 'azureWait',
  awaitInSync: 'syncWait',
  awaitCopiesCurrent: 'syncWait',
  verifyCopies: 'syncWait',
  describeLockHolder: 'read',
  remoteQuery: 'wait',
  judgeDrill: 'wait',
  recordClusterState: 'read',
  recordNodeLogs: 'read',
  // Every row of a table, twice.
  readTable: 'wait',
  writeDrillReport: 'read',
};

export const EXCEPTIONAL_ACTIVITIES = Object.keys(EXCEPTIONS);

/** `readX` and its kind change nothing, `awaitX` waits, `submitX` hands an operation to Azure; everything else is a change. */
export function activityClass(name: string): ActivityClass {
  const exception = EXCEPTIONS[name];
  if (exception !== undefined) return exception;
  if (/^(?:read|probe|check|describe|inspect|audit)[A-Z]/.test(name)) return 'read';
  if (name.startsWith('await')) return 'wait';
  if (name.startsWith('submit')) return 'submit';
  return 'change';
}

type Activity = (input: never) => Promise<unknown>;

/** The activities as steps call them: with the time-outs of their class, tried until they succeed or fail for good. */
export function stepActivities<Activities extends { [Name in keyof Activities]: Activity }>(): Activities {
  const proxies = new Map<ActivityClass, Record<string, (input: unknown) => Promise<unknown>>>();
  const proxyFor = (name: string) => {
    const kind = activityClass(name);
    const known =
      proxies.get(kind) ?? proxyActivities<Record<string, (input: unknown) => Promise<unknown>>>(CLASSES[kind]);
    proxies.set(kind, known);
    return known;
  };
  return new Proxy({} as Activities, {
    get: (_, name) => {
      if (typeof name !== 'string') return undefined;
      return (input: unknown) =>
        tryUntilForGood(async () => {
          const activity = proxyFor(name)[name];
          if (activity === undefined) throw new Error(`no activity ${name}`);
          return activity(input);
        });
    },
  });
}
