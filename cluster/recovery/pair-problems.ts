import { describeDrbd, isInSync, type DrbdState } from '../drbd/state';

export interface SeenFromNode {
  node: string;
  /** False when Pacemaker does not run there. */
  available: boolean;
  drbd: DrbdState;
  /** What Pacemaker says that is not as in a healthy cluster. */
  problems: readonly string[];
  /** Ids of the constraints that moves, bans and fence-peer handlers have left. */
  constraints: readonly string[];
}

/** All that keeps a pair from being as it must be before a drill and after it, as one node sees it. */
export function pairProblems({ node, available, drbd, problems, constraints }: SeenFromNode): string[] {
  if (!available) return [`Pacemaker does not answer on ${node}`];
  return [
    ...problems,
    ...(isInSync(drbd) ? [] : [`DRBD on ${node}: ${describeDrbd(drbd)}`]),
    ...constraints.map((id) => `the constraint ${id} is left`),
  ];
}
