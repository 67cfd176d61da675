import type { ClusterSpecification } from '../specification/specification';
import { FENCING_DEVICE, RESOURCES } from './cib';
import { describeFence, openFences, type FenceEvent } from './fence-history';
import { attributeOf, childOf, childrenOf, descendantsOf, parseXml } from './parse-xml';
import type { XmlElement } from './xml';

/** What Pacemaker says of itself, from `crm_mon -1 --output-as=xml` (api 2.25 to 2.42 seen). */
export interface ClusterState {
  /** False when Pacemaker does not run on the node that was asked; everything else is then empty. */
  available: boolean;
  dc?: string;
  quorate: boolean;
  maintenance: boolean;
  fencingEnabled: boolean;
  nodes: ClusterNode[];
  resources: ClusterResource[];
  /** Operations that failed and were not cleaned up. */
  failures: FailedAction[];
  failCounts: { resource: string; node: string; count: number }[];
  /** Location constraints with a negative score that are in force, those of the fence-peer handler and of moves among them. */
  bans: { id: string; resource: string; node: string; promotedOnly: boolean }[];
  fencing: FenceEvent[];
}

export interface FailedAction {
  resource: string;
  node: string;
  operation: string;
  exitStatus: string;
  reason: string;
  /** As Pacemaker writes it: `2026-11-22 18:23:53Z`. */
  at?: string;
}

export interface ClusterNode {
  name: string;
  online: boolean;
  standby: boolean;
  maintenance: boolean;
  pending: boolean;
  unclean: boolean;
  isDc: boolean;
}

export interface ClusterResource {
  id: string;
  /** `Promoted`, `Unpromoted`, `Started`, `Stopped`. */
  role: string;
  active: boolean;
  managed: boolean;
  failed: boolean;
  blocked: boolean;
  /** Nodes it runs on; more than one is a fault for anything but a clone. */
  nodes: string[];
  /** What is being done to it, such as `Starting`. */
  pending?: string;
}

export const readCrmMon = (): string => 'crm_mon -1 --output-as=xml || :\n';

/** @throws HadbError CommandFailed when the text is not the answer of crm_mon. */
export function parseCrmMon(text: string): ClusterState {
  const root = parseXml(text, { root: findRoot(text), tool: 'crm_mon' });
  const summary = childOf(root, 'summary');
  const options = childOf(summary, 'cluster_options');
  const dc = childOf(summary, 'current_dc');
  const dcName = isTrue(dc, 'present') ? attributeOf(dc, 'name') : undefined;
  const nodes = childrenOf(childOf(root, 'nodes'), 'node').map(readNode);
  return {
    available: attributeOf(childOf(root, 'status'), 'code') === '0',
    ...(dcName === undefined ? {} : { dc: dcName }),
    quorate: isTrue(dc, 'with_quorum'),
    maintenance: isTrue(options, 'maintenance-mode'),
    fencingEnabled: isTrue(options, 'fencing-enabled') || isTrue(options, 'stonith-enabled'),
    nodes,
    resources: descendantsOf(childOf(root, 'resources'), 'resource').map(readResource),
    failures: childrenOf(childOf(root, 'failures'), 'failure').map(readFailure),
    failCounts: childrenOf(childOf(root, 'node_history'), 'node').flatMap((node) =>
      childrenOf(node, 'resource_history').flatMap((history) => {
        const count = Number(attributeOf(history, 'fail-count') ?? 0);
        return count > 0
          ? [{ resource: attributeOf(history, 'id') ?? '', node: attributeOf(node, 'name') ?? '', count }]
          : [];
      }),
    ),
    bans: childrenOf(childOf(root, 'bans'), 'ban').map((ban) => ({
      id: attributeOf(ban, 'id') ?? '',
      resource: attributeOf(ban, 'resource') ?? '',
      node: attributeOf(ban, 'node') ?? '',
      promotedOnly: isTrue(ban, 'promoted-only'),
    })),
    fencing: childrenOf(childOf(root, 'fence_history'), 'fence_event').map(readFenceEvent),
  };
}

/** Nodes on which DRBD is promoted; exactly one in a working cluster. */
export const promotedNodes = (state: ClusterState): string[] =>
  state.resources.filter(({ id, role }) => id === RESOURCES.drbd && role === 'Promoted').flatMap(({ nodes }) => nodes);

/** Nodes on which a resource runs. */
export const nodesOf = (state: ClusterState, resource: string): string[] =>
  state.resources.filter(({ id, active }) => id === resource && active).flatMap(({ nodes }) => nodes);

/** Everybody is there, and nothing is under way. */
export const isIdle = (state: ClusterState): boolean =>
  state.available &&
  state.quorate &&
  state.nodes.every(({ online, pending, unclean }) => online && !pending && !unclean) &&
  state.resources.every(({ pending }) => pending === undefined || pending === 'Monitoring');

/** What is not as it is in a healthy, idle cluster, each as a sentence; empty when healthy. */
export function clusterProblems(state: ClusterState, specification: ClusterSpecification): string[] {
  if (!state.available) return ['Pacemaker does not answer'];
  return [
    ...(state.quorate ? [] : ['the cluster has no quorum']),
    ...(state.maintenance ? ['the cluster is in maintenance mode'] : []),
    ...specification.nodes.flatMap(({ name }) =>
      nodeProblems(
        name,
        state.nodes.find((node) => node.name === name),
      ),
    ),
    ...placementProblems(state),
    ...state.resources.flatMap(resourceProblems),
    ...state.failures.map(describeFailedAction),
    ...state.bans.map(({ id, resource, node }) => `${resource} is kept away from ${node} by the constraint ${id}`),
    ...openFences(state).map(describeFence),
    ...(specification.fencing === 'none' ? [] : fencingProblems(state)),
  ];
}

function fencingProblems(state: ClusterState): string[] {
  const nodes = nodesOf(state, FENCING_DEVICE);
  return [
    ...(state.fencingEnabled ? [] : ['fencing is switched off']),
    ...(nodes.length === 1 ? [] : [`${FENCING_DEVICE} runs on ${nodes.join(' and ') || 'no node'}`]),
  ];
}

export const describeFailedAction = ({ resource, node, operation, exitStatus, reason }: FailedAction): string =>
  `${operation} of ${resource} failed on ${node}: ${exitStatus}${reason === '' ? '' : ` (${reason})`}`;

/**
 * Whether a failed action can be a note of the past: a monitor, or a start of the fencing device, which has no state and only asks Azure. As long as that one
 * is noted, Pacemaker does not let the node fence.
 */
export const mayPass = ({ resource, operation }: FailedAction): boolean =>
  operation === 'monitor' || (operation === 'start' && resource === FENCING_DEVICE);

/**
 * Failed actions of a pair that has nothing else to complain of. `passing`: one that may pass, and whose resource runs again, so that what is left is a
 * note of the past. Everything else is `lasting`: a failed stop, start or promotion tells of something that may well fail again when it matters.
 */
export function sortFailedActions(state: ClusterState): { passing: FailedAction[]; lasting: FailedAction[] } {
  const isPassing = (failure: FailedAction): boolean => {
    const own = failure.resource.replace(/:\d+$/, '');
    const runsOn = nodesOf(state, own);
    return mayPass(failure) && (own === RESOURCES.drbd ? runsOn.includes(failure.node) : runsOn.length === 1);
  };
  return {
    passing: state.failures.filter(isPassing),
    lasting: state.failures.filter((failure) => !isPassing(failure)),
  };
}

function nodeProblems(name: string, node: ClusterNode | undefined): string[] {
  if (node === undefined) return [`${name} is no member of the cluster`];
  const faults = [
    node.unclean && 'is unclean',
    !node.online && 'is offline',
    node.standby && 'is in standby',
    node.maintenance && 'is in maintenance mode',
    node.pending && 'is still joining',
  ];
  return faults.filter((fault) => fault !== false).map((fault) => `${name} ${fault}`);
}

function placementProblems(state: ClusterState): string[] {
  const promoted = promotedNodes(state);
  if (promoted.length !== 1) {
    return [promoted.length === 0 ? 'DRBD is promoted on no node' : `DRBD is promoted on ${promoted.join(' and ')}`];
  }
  const copies = nodesOf(state, RESOURCES.drbd);
  const placement = [RESOURCES.fileSystem, RESOURCES.server, RESOURCES.responder].flatMap((id) => {
    const nodes = nodesOf(state, id);
    return nodes.length === 1 && nodes[0] === promoted[0]
      ? []
      : [`${id} runs on ${nodes.join(' and ') || 'no node'}, DRBD is promoted on ${promoted[0]}`];
  });
  return copies.length === 2 ? placement : [...placement, `DRBD runs on ${copies.join(' and ') || 'no node'} only`];
}

function resourceProblems(resource: ClusterResource): string[] {
  const where = resource.nodes.length > 0 ? ` on ${resource.nodes.join(' and ')}` : '';
  return [
    ...(resource.failed ? [`${resource.id} has failed${where}`] : []),
    ...(resource.blocked ? [`${resource.id} is blocked${where}`] : []),
    ...(resource.managed ? [] : [`${resource.id} is not managed${where}`]),
    // A recurring monitor that runs just now disturbs nothing.
    ...(resource.pending === undefined || resource.pending === 'Monitoring'
      ? []
      : [`${resource.id} is ${resource.pending.toLowerCase()}${where}`]),
  ];
}

function readNode(node: XmlElement): ClusterNode {
  return {
    name: attributeOf(node, 'name') ?? '',
    online: isTrue(node, 'online'),
    standby: isTrue(node, 'standby') || isTrue(node, 'standby_onfail'),
    maintenance: isTrue(node, 'maintenance'),
    pending: isTrue(node, 'pending'),
    unclean: isTrue(node, 'unclean'),
    isDc: isTrue(node, 'is_dc'),
  };
}

function readResource(resource: XmlElement): ClusterResource {
  const pending = attributeOf(resource, 'pending');
  return {
    // An anonymous clone's instance is `drbd_mysql:0` in some versions.
    id: (attributeOf(resource, 'id') ?? '').replace(/:\d+$/, ''),
    role: MODERN_ROLES[attributeOf(resource, 'role') ?? ''] ?? attributeOf(resource, 'role') ?? 'Stopped',
    active: isTrue(resource, 'active'),
    managed: isTrue(resource, 'managed'),
    failed: isTrue(resource, 'failed'),
    blocked: isTrue(resource, 'blocked'),
    nodes: childrenOf(resource, 'node').map((node) => attributeOf(node, 'name') ?? ''),
    ...(pending === undefined ? {} : { pending }),
  };
}

export const MODERN_ROLES: Record<string, string> = { Master: 'Promoted', Slave: 'Unpromoted' };

function readFailure(failure: XmlElement): FailedAction {
  // `mysqld_monitor_10000`: resource, operation, interval.
  const key = attributeOf(failure, 'op_key') ?? attributeOf(failure, 'id') ?? '';
  const [, resource = key, operation = ''] = /^(.*)_([a-z-]+)_\d+$/.exec(key) ?? [];
  const at = attributeOf(failure, 'last-rc-change');
  return {
    resource,
    operation: attributeOf(failure, 'task') ?? operation,
    node: attributeOf(failure, 'node') ?? '',
    exitStatus: attributeOf(failure, 'exitstatus') ?? '',
    reason: attributeOf(failure, 'exitreason') ?? '',
    ...(at === undefined ? {} : { at }),
  };
}

function readFenceEvent(event: XmlElement): FenceEvent {
  const named = (field: 'delegate' | 'origin' | 'client' | 'completed' | 'reason', attribute: string = field) => {
    const value = attributeOf(event, attribute);
    return value === undefined ? {} : { [field]: value };
  };
  return {
    action: attributeOf(event, 'action') ?? '',
    target: attributeOf(event, 'target') ?? '',
    status: attributeOf(event, 'status') ?? '',
    ...named('delegate'),
    ...named('origin'),
    ...named('client'),
    ...named('completed'),
    ...named('reason', 'exit-reason'),
  };
}

const isTrue = (element: XmlElement | undefined, name: string): boolean => attributeOf(element, name) === 'true';

/** `pacemaker-result` since api 2; Pacemaker 3 calls it so as well, and `crm_mon` is the form before. */
const findRoot = (text: string): string => (text.includes('<crm_mon') ? 'crm_mon' : 'pacemaker-result');
