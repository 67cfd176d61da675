import {
  clusterProblems,
  describeFailedAction,
  mayPass,
  sortFailedActions,
  type ClusterState,
  type FailedAction,
} from '../../cluster/cib/crm-mon';
import { HadbError } from '../../cluster/errors';
import { renderCleanUp } from '../../cluster/node/drill-moves';
import type { NodeSession } from '../connections/node-session';
import { describeCluster, type ObservedCluster } from '../node/cluster-state';
import type { NodeStep } from '../step';
import { gateProblems } from './pair-health';

export interface SettlingTimes {
  /** Failed actions as the only thing that is wrong: a recovery that just begins looks the same for a moment. */
  failuresMs: number;
  /** A healthy pair after a clean-up: Pacemaker probes anew, and then the monitors run, every 10 s. */
  cleanedMs: number;
}

export const SETTLING: SettlingTimes = { failuresMs: 3_000, cleanedMs: 15_000 };

/** Watches a pair for failed actions that are all that is wrong with it, and cleans up those that tell of the past only. */
export function createCleaner(session: NodeSession, step: NodeStep, settling: SettlingTimes) {
  const cleaned: FailedAction[] = [];
  let cleanedAt: number | undefined;
  let failuresSince: number | undefined;
  return {
    /** Errors: AssertionFailed, GuardRefused. */
    async look(cluster: ObservedCluster, constraints: string[]): Promise<void> {
      const { state } = cluster;
      const besides = clusterProblems({ ...state, failures: [] }, step.specification);
      const isOnlyFailures =
        state.failures.length > 0 &&
        gateProblems(step.node, { ...cluster, problems: besides }, constraints).length === 0;
      const isWorthALook = isOnlyFailures || hasFailureForGood(state);
      failuresSince = isWorthALook ? (failuresSince ?? Date.now()) : undefined;
      if (failuresSince === undefined || Date.now() - failuresSince < settling.failuresMs) return;
      failuresSince = undefined;
      const { passing, lasting } = sortFailedActions(state);
      const back = passing.filter((failure) => cleaned.some((earlier) => isSameAction(earlier, failure)));
      if (lasting.length > 0 || back.length > 0) throw failedActionsLeft(step, cluster, lasting, back);
      for (const [first, ...more] of groupBySite(passing)) {
        const reason = [first, ...more].map(describeWithTime).join('; ');
        await session.change(step, renderCleanUp({ resource: first.resource, node: first.node, reason }), {
          timeoutMs: CLEAN_UP_LIMIT_MS,
        });
        cleaned.push(first, ...more);
        cleanedAt = Date.now();
      }
    },
    isSettled: (): boolean => cleanedAt === undefined || Date.now() - cleanedAt >= settling.cleanedMs,
    cleanedUp: (): string[] => cleaned.map(describeWithTime),
  };
}

/** `crm_resource` waits for the answers of the controllers, a minute at most. */
const CLEAN_UP_LIMIT_MS = 90_000;

const describeWithTime = (failure: FailedAction): string =>
  `${describeFailedAction(failure)}${failure.at === undefined ? '' : `, at ${failure.at}`}`;

/** Whatever else is still on its way: no wait makes such a one undone. What an absent node left behind is gone when it comes back. */
const hasFailureForGood = ({ failures, nodes }: ClusterState): boolean =>
  failures.some(
    (failure) =>
      !mayPass(failure) && nodes.some(({ name, online, pending }) => name === failure.node && online && !pending),
  );

const isSameAction = (one: FailedAction, other: FailedAction): boolean =>
  one.resource === other.resource && one.node === other.node && one.operation === other.operation;

/** A clean-up is for a resource on a node, whatever failed there. */
function groupBySite(failures: readonly FailedAction[]): [FailedAction, ...FailedAction[]][] {
  const sites = new Map<string, [FailedAction, ...FailedAction[]]>();
  for (const failure of failures) {
    const site = `${failure.resource} ${failure.node}`;
    const known = sites.get(site);
    if (known === undefined) sites.set(site, [failure]);
    else known.push(failure);
  }
  return [...sites.values()];
}

function failedActionsLeft(
  { specification }: NodeStep,
  cluster: ObservedCluster,
  lasting: readonly FailedAction[],
  back: readonly FailedAction[],
): HadbError {
  const [named] = lasting.length > 0 ? lasting : back;
  const why =
    lasting.length > 0
      ? 'failed actions are left that are no note of the past'
      : 'an action that was cleaned up failed again';
  const which = [...lasting, ...back].map(describeWithTime).join('; ');
  return new HadbError('AssertionFailed', `the pair is not as before: ${why}: ${which}`, {
    subject: specification.name,
    observed: describeCluster(cluster),
    whatNow: `Find the reason on ${named?.node ?? 'the node'} ("journalctl -u pacemaker"); nothing of this was cleaned up. Then "crm resource cleanup ${named?.resource ?? ''}", and decide "retry".`,
  });
}
