import {
  clusterProblems,
  isIdle,
  parseCrmMon,
  promotedNodes,
  readCrmMon,
  type ClusterState,
} from '../../cluster/cib/crm-mon';
import { describeDrbd, type DrbdState } from '../../cluster/drbd/state';
import { isHadbError } from '../../cluster/errors';
import { parseBuilt, renderBuiltRead, type BuiltFacts } from '../../cluster/node/pacemaker-moves';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { NodeSession } from '../connections/node-session';
import type { NodeStep } from '../step';
import { openPair, type NodeDependencies } from './dependencies';
import { readRuntime } from './runtime';
import { waitUntil } from './waiting';

/** What one node and Pacemaker on it say. */
export interface ObservedCluster {
  state: ClusterState;
  drbd: DrbdState;
  /** Node on which DRBD is promoted. */
  primary?: string;
  problems: string[];
}

export async function observeCluster(
  session: NodeSession,
  context: Pick<StepContext, 'specification'>,
): Promise<ObservedCluster> {
  const [mon, runtime] = await Promise.all([session.read(readCrmMon()), readRuntime(session, context)]);
  const state = parseCrmMon(mon.stdout);
  const [primary] = promotedNodes(state);
  return {
    state,
    drbd: runtime.drbd,
    ...(primary === undefined ? {} : { primary }),
    problems: clusterProblems(state, context.specification),
  };
}

export async function readBuiltOn(
  session: NodeSession,
  context: Pick<StepContext, 'specification'>,
): Promise<BuiltFacts> {
  const { firstStartDcDeadtimeSeconds } = timingOf(context.specification).pacemaker;
  return parseBuilt((await session.read(renderBuiltRead(`${firstStartDcDeadtimeSeconds}s`))).stdout);
}

/** `limitMs`: machines that have just booted form their cluster and start the database within half of it. `restMs`: a pair that does nothing for so long stays as it is. */
const SETTLING = { limitMs: 60_000, restMs: 10_000, intervalMs: 500 };

export function createClusterStateActivities(dependencies: Pick<NodeDependencies, 'sessions'>, settling = SETTLING) {
  /** What is looked at too early is taken for drift. A pair that does not come to rest is looked at all the same: what is wrong is then said by who looks. */
  async function settle(step: NodeStep, pair: readonly NodeSession[]): Promise<void> {
    let restingSince: number | undefined;
    try {
      await waitUntil(step, {
        waitingFor: 'a cluster that has formed, and does nothing more',
        limitMs: settling.limitMs,
        intervalMs: settling.intervalMs,
        observe: () => Promise.all(pair.map((session) => observeCluster(session, step))),
        isDone: (seen) => {
          restingSince = seen.every(({ state }) => isIdle(state)) ? (restingSince ?? Date.now()) : undefined;
          const isHealthy = seen.every(({ problems }) => problems.length === 0);
          return isHealthy || (restingSince !== undefined && Date.now() - restingSince >= settling.restMs);
        },
        describe: (seen) => seen.map(describeCluster).join(' | '),
        whatNow: 'Look at "crm_mon -1 -r" on both nodes.',
      });
    } catch (error) {
      if (!isHadbError(error) || error.code !== 'NotReady') throw error;
    }
  }

  return {
    /** Reads only: Pacemaker's and DRBD's own words, and what is not as in a healthy cluster. */
    async readClusterState(step: NodeStep): Promise<StepOutcome & ObservedCluster> {
      const session = await dependencies.sessions.open(step, step.node);
      const observed = await observeCluster(session, step);
      return { result: 'unchanged', observed: describeCluster(observed), ...observed };
    },

    /**
     * A cluster is built when a node's CIB holds `drbd_mysql` and its first start is over; `managed` from the first start on.
     * `active` is the node that is primary now, built or not. Machines of a built cluster that have just booted are given the time to form it.
     */
    async readBuilt(step: NodeStep): Promise<StepOutcome & { built: boolean; managed: boolean; active?: string }> {
      const { own, peer } = await openPair(dependencies, step, step.node);
      const pair = [own, peer];
      const facts = await Promise.all(pair.map((session) => readBuiltOn(session, step)));
      const managed = facts.some(({ cib }) => cib === 'ours');
      const built = managed && !facts.some(({ seeded }) => seeded);
      if (built) await settle(step, pair);
      const roles = await Promise.all(
        pair.map(async (session) => ({ node: session.node, role: (await readRuntime(session, step)).drbd.role })),
      );
      const active = roles.find(({ role }) => role === 'Primary')?.node;
      const stage = built ? 'built' : managed ? 'its build was interrupted during the first start' : 'not built';
      return {
        result: 'unchanged',
        observed: `${stage}, ${active === undefined ? 'no primary' : `primary is ${active}`}`,
        built,
        managed,
        ...(active === undefined ? {} : { active }),
      };
    },
  };
}

export function describeCluster({ state, drbd, primary, problems }: ObservedCluster): string {
  if (!state.available) return 'Pacemaker does not answer';
  const online = state.nodes.filter((node) => node.online).map(({ name }) => name);
  const fault = problems.length === 0 ? 'healthy' : problems.join('; ');
  return `online ${online.join(', ') || 'none'}; promoted ${primary ?? 'nowhere'}; ${describeDrbd(drbd)}; ${fault}`;
}
