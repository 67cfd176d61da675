import type { ClusterSpecification } from './specification/specification';

/** Drills that a cluster of this specification must not make, each with the reason. */

/** Without fencing each of them may end with two primaries: nothing stops the side that the other one takes for dead. */
const NEED_FENCING: Readonly<Record<string, string>> = {
  'network-partition': 'nothing would stop both sides from serving',
  'network-loss': 'a lost token would leave both nodes serving',
  'network-loss-heavy': 'a lost token would leave both nodes serving',
  'node-freeze-short': 'a machine that stands still for longer than it should comes back as a second primary',
  'node-freeze': 'a frozen primary comes back as a second one',
  'fence-loss': 'there is no fencing that could be lost',
};

/** Why a drill of this kind is refused; undefined when it may be made. */
export function drillRefusal(
  kind: string,
  { fencing, name }: Pick<ClusterSpecification, 'fencing' | 'name'>,
): string | undefined {
  const reason = NEED_FENCING[kind];
  if (reason === undefined || fencing === 'azure') return undefined;
  return `a drill of kind ${kind} needs fencing, and ${name} has none: ${reason}`;
}
