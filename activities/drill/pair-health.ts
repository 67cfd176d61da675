import { nodesOf, promotedNodes } from '../../cluster/cib/crm-mon';
import { RESOURCES } from '../../cluster/cib/cib';
import { renderConstraintsRead } from '../../cluster/node/drill-moves';
import { pairProblems } from '../../cluster/recovery/pair-problems';
import type { NodeSession } from '../connections/node-session';
import type { ObservedCluster } from '../node/cluster-state';

/** Whether a pair is as it must be before a drill and after it. */

/** All that is wrong, as the node sees it. */
export const gateProblems = (
  node: string,
  { state, drbd, problems }: ObservedCluster,
  constraints: string[],
): string[] => pairProblems({ node, available: state.available, drbd, problems, constraints });

/** Whether the node is the only primary and everything runs there. */
export function servesOn({ state }: ObservedCluster, node: string): boolean {
  const promoted = promotedNodes(state);
  const everything = [RESOURCES.fileSystem, RESOURCES.server, RESOURCES.responder];
  return (
    promoted.length === 1 &&
    promoted[0] === node &&
    everything.every((id) => nodesOf(state, id).length === 1 && nodesOf(state, id)[0] === node) &&
    state.resources.every(({ id, pending }) => !everything.some((own) => own === id) || pending === undefined)
  );
}

/** Ids of the constraints that moves and bans have left. */
export async function readConstraints(session: NodeSession): Promise<string[]> {
  const { stdout } = await session.read(renderConstraintsRead());
  return stdout.split('\n').filter((id) => id !== '');
}
