import type { PowerState } from '../azure/power';
import type { ClusterState } from '../cib/crm-mon';
import { describeDrbd, type DrbdState } from '../drbd/state';

/** What is seen of a pair from outside: by Azure, and by each node that answers. */

export interface PairFindings {
  /** When it was asked, in ms since the epoch. */
  at: number;
  nodes: readonly [NodeFinding, NodeFinding];
}

export interface NodeFinding {
  node: string;
  /** By Azure's instance view; `missing` when there is no such machine. */
  power: PowerState | 'missing';
  /** Starts of the machine by recoveries, ISO 8601, oldest first. */
  starts: readonly string[];
  /** Faults of drills that are still to be taken back there: nobody but a timer does any more. */
  leftFaults?: readonly LeftFault[];
  /** Why a machine that runs tells nothing. */
  silence?: { code: string; message: string };
  /** What the node says. */
  says?: NodeView;
}

export interface LeftFault {
  /** As drills call it: `server-hang`, `partition`. */
  fault: string;
  /** `node`: by the node itself. `network`: in the network itself, by whoever can. */
  where: 'node' | 'network';
}

export const describeLeftFault = (node: string, { fault, where }: LeftFault): string =>
  `the fault ${fault} of a drill is still to be taken back ${where === 'node' ? `on ${node}` : `in the network of ${node}`}`;

export interface NodeView {
  state: ClusterState;
  drbd: DrbdState;
  /** Ids of the constraints that moves, bans and fence-peer handlers have left. */
  constraints: readonly string[];
  /** Generations of its copy, as `drbdadm get-gi` has them; read only where the copies have parted. */
  generations?: string;
}

/** One line for people. */
export const describeFindings = ({ nodes }: PairFindings): string => nodes.map(describeFinding).join(' | ');

function describeFinding(finding: NodeFinding): string {
  const left = (finding.leftFaults ?? []).map((fault) => `, ${describeLeftFault(finding.node, fault)}`).join('');
  return `${describeNode(finding)}${left}`;
}

function describeNode({ node, power, silence, says }: NodeFinding): string {
  if (silence !== undefined) return `${node}: ${power}, does not answer (${silence.code}: ${silence.message})`;
  if (says === undefined) return `${node}: ${power}`;
  const { state, drbd, constraints, generations } = says;
  const parts = [
    state.available ? memberOf(state, node) : 'Pacemaker does not answer',
    describeDrbd(drbd),
    ...(constraints.length === 0 ? [] : [`constraints ${constraints.join(', ')}`]),
    ...(generations === undefined ? [] : [`generations ${generations}`]),
  ];
  return `${node}: ${power}, ${parts.join(', ')}`;
}

function memberOf(state: ClusterState, name: string): string {
  const own = state.nodes.find((node) => node.name === name);
  const words = [
    own?.online === true ? 'online' : 'offline',
    ...(own?.standby === true ? ['standby'] : []),
    ...(own?.maintenance === true || state.maintenance ? ['maintenance'] : []),
    ...(own?.unclean === true ? ['unclean'] : []),
    ...(state.quorate ? [] : ['no quorum']),
  ];
  return words.join(' ');
}
