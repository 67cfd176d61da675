import { clusterProblems, parseCrmMon, promotedNodes, readCrmMon, type ClusterState } from '../../cluster/cib/crm-mon';
import { describeDrbd, type DrbdState } from '../../cluster/drbd/state';
import { parseBuilt, renderBuiltRead, type BuiltFacts } from '../../cluster/node/pacemaker-moves';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { NodeSession } from '../connections/node-session';
import type { NodeStep } from '../step';
import { openPair, type NodeDependencies } from './dependencies';
import { readRuntime } from './runtime';

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

export function createClusterStateActivities(dependencies: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Reads only: Pacemaker's and DRBD's own words, and what is not as in a healthy cluster. */
    async readClusterState(step: NodeStep): Promise<StepOutcome & ObservedCluster> {
      const session = await dependencies.sessions.open(step, step.node);
      const observed = await observeCluster(session, step);
      return { result: 'unchanged', observed: describeCluster(observed), ...observed };
    },

    /**
     * A cluster is built when a node's CIB holds `drbd_mysql` and its first start is over; `managed` from the first start on.
     * `active` is the node that is primary now, built or not.
     */
    async readBuilt(step: NodeStep): Promise<StepOutcome & { built: boolean; managed: boolean; active?: string }> {
      const { own, peer } = await openPair(dependencies, step, step.node);
      const found = await Promise.all(
        [own, peer].map(async (session) => {
          const [{ cib, seeded }, { drbd }] = await Promise.all([
            readBuiltOn(session, step),
            readRuntime(session, step),
          ]);
          return { node: session.node, ours: cib === 'ours', seeded, isPrimary: drbd.role === 'Primary' };
        }),
      );
      const built = found.some(({ ours }) => ours) && !found.some((node) => node.seeded);
      const active = found.find(({ isPrimary }) => isPrimary)?.node;
      const stage = built
        ? 'built'
        : found.some(({ ours }) => ours)
          ? 'its build was interrupted during the first start'
          : 'not built';
      return {
        result: 'unchanged',
        observed: `${stage}, ${active === undefined ? 'no primary' : `primary is ${active}`}`,
        built,
        managed: found.some(({ ours }) => ours),
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
