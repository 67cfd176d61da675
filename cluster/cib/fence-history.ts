import { assertNever } from '../errors';
import type { ClusterState } from './crm-mon';

/** One shot as Pacemaker remembers it (`fence_event` of crm_mon), in its own words. */
export interface FenceEvent {
  /** `off`, `reboot`, `on`. */
  action: string;
  target: string;
  /** `success`, `failed`, `pending`. */
  status: string;
  /** Node whose agent has done it; `a human` where a person has only said so. */
  delegate?: string;
  /** Node and program that asked for it. */
  origin?: string;
  client?: string;
  /** As Pacemaker writes it: `2026-11-22 18:23:53Z`, with fractions from 2.1.3 on; absent while pending. */
  completed?: string;
  reason?: string;
}

/**
 * `confirmed`: the agent has seen the machine off. `asserted`: a person has told Pacemaker so, which proves nothing. Whether Azure says the same is another
 * question, for the instance view.
 */
export type FenceOutcome = 'confirmed' | 'asserted' | 'failed' | 'pending';

export interface Fence {
  node: string;
  action: string;
  outcome: FenceOutcome;
  /** Node whose agent did it, or that asked for it while that is not known. */
  by?: string;
  /** ISO 8601; absent while pending. */
  at?: string;
  reason?: string;
}

const HUMAN = 'a human';

/** What was shot, in the order of their ends; what is still under way comes last. Starting a machine again is no shot. */
export const fencesOf = (state: Pick<ClusterState, 'fencing'>): Fence[] =>
  state.fencing
    .filter(({ action }) => action !== 'on')
    .map(readFence)
    .sort((left, right) => timeOf(left) - timeOf(right));

/** The last shot at the node that ended after `since` (ISO 8601), or is under way. */
export const lastFenceOf = (
  state: Pick<ClusterState, 'fencing'>,
  { node, since }: { node: string; since?: string },
): Fence | undefined =>
  fencesOf(state)
    .filter((fence) => fence.node === node && (since === undefined || timeOf(fence) > Date.parse(since)))
    .at(-1);

/**
 * Shots that nobody may pass over: under way, failed, or asserted by a person, with no confirmed one at the same node since. A failed try that was
 * followed by a good one is history.
 */
export function openFences(state: Pick<ClusterState, 'fencing'>): Fence[] {
  const fences = fencesOf(state);
  return fences.filter(
    (fence, index) =>
      fence.outcome !== 'confirmed' &&
      !fences.slice(index + 1).some((later) => later.node === fence.node && later.outcome === 'confirmed'),
  );
}

/**
 * Nodes that Pacemaker shoots, or is about to. A node that it takes for lost is left alone by a side without quorum, which waits for its peer instead; as long
 * as no DC is there, nobody has said who is lost.
 */
export const nodesInDoubt = ({ dc, quorate, nodes }: Pick<ClusterState, 'dc' | 'quorate' | 'nodes'>): string[] =>
  nodes.filter(({ unclean, online }) => unclean && (online || quorate || dc === undefined)).map(({ name }) => name);

/** `hadb01 was fenced (off) at 2026-11-22T18:23:53.000Z by hadb02: confirmed`. */
export function describeFence({ node, action, outcome, by, at, reason }: Fence): string {
  const whom = by === undefined ? '' : ` by ${by}`;
  const when = at === undefined ? '' : ` at ${at}`;
  const why = reason === undefined || reason === '' ? '' : ` (${reason})`;
  switch (outcome) {
    case 'pending':
      return `fencing (${action}) of ${node}${whom} is pending${why}`;
    case 'failed':
      return `fencing (${action}) of ${node}${whom} is failed${when}${why}`;
    case 'asserted':
      return `a person has told the cluster that ${node} is off${when}; no machine has confirmed it`;
    case 'confirmed':
      return `${node} was fenced (${action})${when}${whom}: confirmed`;
    default:
      return assertNever(outcome);
  }
}

function readFence({ action, target, status, delegate, origin, completed, reason }: FenceEvent): Fence {
  const by = delegate ?? origin;
  const at = readTime(completed);
  return {
    node: target,
    action,
    outcome: outcomeOf(status, delegate),
    ...(by === undefined ? {} : { by }),
    ...(at === undefined ? {} : { at }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A status that is not known is no success. */
function outcomeOf(status: string, delegate: string | undefined): FenceOutcome {
  if (status === 'success') return delegate === HUMAN ? 'asserted' : 'confirmed';
  return status === 'failed' ? 'failed' : 'pending';
}

/** `2026-11-22 18:23:53.088147Z` and `2026-11-22 19:23:53 +01:00` are times; milliseconds are kept. */
function readTime(text: string | undefined): string | undefined {
  const [, date, time, fraction = '', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,3})?\d*\s*(Z|[+-]\d\d:?\d\d)?$/.exec(text ?? '') ?? [];
  if (date === undefined || time === undefined) return undefined;
  const milliseconds = Date.parse(`${date}T${time}${fraction}${zone}`);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}

/** What has not ended is later than everything that has; what ended at a time that cannot be read is taken for old. */
const timeOf = ({ at, outcome }: Fence): number => {
  if (at !== undefined) return Date.parse(at);
  return outcome === 'pending' ? Number.MAX_SAFE_INTEGER : 0;
};
