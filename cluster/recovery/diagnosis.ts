import {
  clusterProblems,
  describeFailedAction,
  isIdle,
  mayPass,
  promotedNodes,
  sortFailedActions,
  type ClusterState,
} from '../cib/crm-mon';
import { RESOURCES } from '../cib/cib';
import { describeFence, fencesOf, nodesInDoubt, openFences, type Fence } from '../cib/fence-history';
import { describeDrbd, isInSync } from '../drbd/state';
import { assertNever } from '../errors';
import type { ClusterSpecification } from '../specification/specification';
import { describeLeftFault, type LeftFault, type NodeFinding, type NodeView, type PairFindings } from './findings';
import { OPENS_THE_WAY } from '../node/fault-guards';
import { pairProblems } from './pair-problems';

/**
 * What a night can leave behind, told apart: what may be put right without a person, in which order, and what may not. Knows nothing of how it is
 * done, and nothing of time but what the findings carry.
 */
export interface Diagnosis {
  healthy: boolean;
  /** What is not as it should be, each as a sentence. */
  problems: string[];
  /** What may be done next: one at a time, because each changes what there is to see. */
  remedy?: Remedy;
  /** Nothing is done as long as one of these is there. */
  refusals: PersonNeeded[];
  /** Only a person can put these right, but they forbid nothing else. */
  left: PersonNeeded[];
}

export type Remedy =
  | { kind: 'await-stop'; node: string }
  | { kind: 'await-fence'; node: string }
  | { kind: 'open-way' | 'end-faults'; node: string; faults: readonly LeftFault[] }
  | { kind: 'await-boot'; node: string }
  | { kind: 'await-member'; node: string }
  | { kind: 'start'; node: string; why: string }
  | { kind: 'lift-standby'; node: string; primary: string }
  | { kind: 'await-sync'; node: string }
  | { kind: 'remove-constraints'; node: string; ids: string[] }
  | { kind: 'await-health'; node: string };

export const PERSON_NEEDED = [
  'both-down',
  'machine-missing',
  'machine-released',
  'power-unknown',
  'other-machine',
  'falls-again',
  'split-brain',
  'two-primaries',
  'disk-failed',
  'both-inconsistent',
  'no-current-copy',
  'drbd-down',
  'drbd-banned',
  'maintenance',
  'both-standby',
  'standby-unsafe',
  'fence-failed',
  'fence-asserted',
  'failed-action',
] as const;

export interface PersonNeeded {
  code: (typeof PERSON_NEEDED)[number];
  /** What was found, with its evidence. */
  sentence: string;
  whatNow: string;
}

/** A node that went down this often within the hour does not stay: started once more, it would only fall once more. */
export const FALLS = { most: 3, withinMs: 3_600_000 } as const;

/** The node has told that it is another one, or that nobody may come in: waiting changes nothing about that. */
const FINAL_SILENCE = ['NodeMismatch', 'HostKeyMismatch', 'Denied'];

type Pair = readonly [NodeFinding, NodeFinding];
interface Speaking extends NodeFinding {
  says: NodeView;
}

export function diagnose(findings: PairFindings, specification: ClusterSpecification): Diagnosis {
  const { nodes } = findings;
  const problems = problemsOf(nodes, specification);
  const refusals = [
    ...powerRefusals(nodes),
    ...machineRefusals(nodes),
    ...operatorRefusals(nodes),
    ...copyRefusals(nodes),
    ...banRefusals(nodes),
    ...fenceRefusals(nodes, { isBlocking: true }),
    ...fallRefusals(findings),
    ...standbyRefusals(nodes),
  ];
  const left = [...fenceRefusals(nodes, { isBlocking: false }), ...failedActions(nodes)];
  const healthy = problems.length === 0 && refusals.length === 0;
  const remedy = healthy || refusals.length > 0 ? undefined : nextRemedy(findings, left.length > 0);
  return { healthy, problems, refusals, left, ...(remedy === undefined ? {} : { remedy }) };
}

/** Nothing is wrong that would not pass by itself. */
export const isUnderWay = ({ remedy, refusals, left }: Diagnosis): boolean =>
  refusals.length === 0 && left.length === 0 && remedy !== undefined && remedy.kind.startsWith('await-');

/** What the remedy does, as the sentence of a step. */
export function describeRemedy(remedy: Remedy): string {
  switch (remedy.kind) {
    case 'await-stop':
      return 'Wait until the machine has stopped';
    case 'await-fence':
      return 'Wait until the fencing of the node has ended';
    case 'open-way':
      return 'Open the way to Azure again, which a drill has cut';
    case 'end-faults':
      return `Take back what a drill has left: ${remedy.faults.map(({ fault }) => fault).join(', ')}`;
    case 'await-boot':
      return 'Wait until the node has booted and answers SSH';
    case 'await-member':
      return 'Wait until the node is a member of the cluster again';
    case 'start':
      return `Start the machine again: ${remedy.why}`;
    case 'lift-standby':
      return 'Take the node out of standby';
    case 'await-sync':
      return 'Wait until both copies are current again';
    case 'remove-constraints':
      return `Remove what was left over: ${remedy.ids.join(', ')}`;
    case 'await-health':
      return 'Wait until the pair is whole again: both current, one primary, nothing left over';
    default:
      return assertNever(remedy);
  }
}

/** What a recovery would say of the pair, on one line. */
export function describeDiagnosis({ healthy, problems, refusals, left, remedy }: Diagnosis): string {
  if (healthy) return 'the pair is whole';
  const needed = [...refusals, ...left].map(({ code, sentence, whatNow }) => `${code}: ${sentence}. ${whatNow}`);
  const next = remedy === undefined ? [] : [`${describeRemedy(remedy)} (${remedy.node})`];
  return [...needed, ...next, `seen: ${problems.join('; ')}`].join(' | ');
}

function problemsOf(nodes: Pair, specification: ClusterSpecification): string[] {
  const left = nodes.flatMap(({ node, leftFaults = [] }) => leftFaults.map((fault) => describeLeftFault(node, fault)));
  const found = nodes.flatMap(({ node, power, silence, says }) => {
    if (power !== 'running') return [`the machine of ${node} is ${power}`];
    if (says === undefined) return [`${node} does not answer${silence === undefined ? '' : ` (${silence.code})`}`];
    const { state, drbd, constraints } = says;
    const { available } = state;
    return pairProblems({ node, available, drbd, constraints, problems: clusterProblems(state, specification) });
  });
  return [...new Set([...found, ...left])];
}

function powerRefusals(nodes: Pair): PersonNeeded[] {
  const states = nodes.map(({ node, power }) => `${node} is ${power}`).join(', ');
  const isDown = ({ power }: NodeFinding) => power !== 'running' && power !== 'starting' && power !== 'unknown';
  if (nodes.every(isDown)) {
    return [
      {
        code: 'both-down',
        sentence: `both machines are down (${states})`,
        whatNow:
          'Find out which node was primary last ("journalctl -u pacemaker", the last drill, who powered them off), and start that one first; then recover again.',
      },
    ];
  }
  return nodes.flatMap(({ node, power }): PersonNeeded[] => {
    if (power === 'missing') {
      return [
        {
          code: 'machine-missing',
          sentence: `there is no virtual machine ${node}`,
          whatNow:
            'Look at the activity log of the resource group; a machine that is gone is not made anew by a recovery.',
        },
      ];
    }
    if (power === 'deallocated' || power === 'deallocating') {
      return [
        {
          code: 'machine-released',
          sentence: `the machine of ${node} is ${power}: no fence and no shutdown gives its host back, a person has`,
          whatNow: `Ask who has, and start ${node} in the Azure portal when they are done.`,
        },
      ];
    }
    if (power === 'unknown') {
      return [
        {
          code: 'power-unknown',
          sentence: `Azure does not say whether ${node} runs`,
          whatNow: 'Recover again in a few minutes; if it stays so, look at the machine in the Azure portal.',
        },
      ];
    }
    return [];
  });
}

const machineRefusals = (nodes: Pair): PersonNeeded[] =>
  nodes.flatMap(({ node, silence }) =>
    silence !== undefined && FINAL_SILENCE.includes(silence.code)
      ? [
          {
            code: 'other-machine' as const,
            sentence: `${node} does not let hadb in (${silence.code}: ${silence.message})`,
            whatNow: 'Find out which machine the SSH rule leads to, and whether its keys were changed.',
          },
        ]
      : [],
  );

function operatorRefusals(nodes: Pair): PersonNeeded[] {
  const seen = speaking(nodes).flatMap(({ says: { state } }) => [
    ...(state.maintenance ? ['the cluster is in maintenance mode'] : []),
    ...state.nodes.filter(({ maintenance }) => maintenance).map(({ name }) => `${name} is in maintenance mode`),
    ...state.resources.filter(({ managed }) => !managed).map(({ id }) => `${id} is not managed`),
  ]);
  // A cluster in maintenance says of each resource that it is not managed.
  const [first] = seen;
  if (first === undefined) return [];
  return [
    {
      code: 'maintenance',
      sentence: `somebody is at work on the cluster: ${first}`,
      whatNow: 'Ask who set it, and recover again when they have ended it.',
    },
  ];
}

function copyRefusals(nodes: Pair): PersonNeeded[] {
  const views = speaking(nodes);
  const evidence = views
    .map(({ node, says: { drbd, generations } }) =>
      [`${node}: ${describeDrbd(drbd)}`, ...(generations === undefined ? [] : [`generations ${generations}`])].join(
        ', ',
      ),
    )
    .join(' | ');
  const needed = (code: PersonNeeded['code'], what: string, whatNow: string): PersonNeeded => ({
    code,
    sentence: `${what} (${evidence})`,
    whatNow,
  });
  const up = views.filter(({ says: { drbd } }) => drbd.up);
  const [first] = up;
  const parted = up.filter(({ says: { drbd } }) => drbd.connection === 'StandAlone');
  const promoted = primariesOf(views);
  const broken = up.filter(({ says: { drbd } }) => drbd.disk === 'Diskless' || drbd.disk === 'Failed');
  const bothUp = up.length === 2 && up.every(({ says: { drbd } }) => drbd.connection === 'Connected');
  return [
    ...(parted.length === 0
      ? []
      : [
          needed(
            'split-brain',
            `r0 is StandAlone on ${namesOf(parted)}: the nodes refuse to connect, most likely a split brain`,
            'Nothing is resolved by itself. Compare the data of both sides and take snapshots of both disks before anything else; then a person chooses whose writes are given up.',
          ),
        ]),
    ...(promoted.length > 1
      ? [
          needed(
            'two-primaries',
            `${promoted.join(' and ')} are both primary`,
            'Keep clients away from both at once (the rule lb-mysql), take snapshots of both disks, then compare both sides.',
          ),
        ]
      : []),
    ...(broken.length === 0
      ? []
      : [
          needed(
            'disk-failed',
            `r0 has lost its disk on ${namesOf(broken)}`,
            'Look at the data disk in the Azure portal and at "journalctl -k" on the node; attach it again only when its reason is known.',
          ),
        ]),
    ...(up.length === 2 && up.every(({ says: { drbd } }) => drbd.disk === 'Inconsistent')
      ? [
          needed(
            'both-inconsistent',
            'both copies are inconsistent, there is nothing to synchronise from',
            'Take snapshots of both disks, then restore from a backup.',
          ),
        ]
      : []),
    ...(bothUp &&
    first?.says.drbd.replication === 'Established' &&
    up.every(({ says: { drbd } }) => drbd.disk !== 'UpToDate' && drbd.disk !== 'Inconsistent')
      ? [
          needed(
            'no-current-copy',
            'the nodes are connected, and neither copy is known to be current',
            'Compare the generations of both ("drbdadm get-gi r0") and find out which node was primary last.',
          ),
        ]
      : []),
    ...(views.length === 2 &&
    up.length === 0 &&
    views.every(({ says: { state } }) => isIdle(state) && !hasStandby(state))
      ? [
          needed(
            'drbd-down',
            'r0 is up on neither node, and Pacemaker does nothing about it',
            'Look at "crm_mon -1 -r" for why the resources do not start; a failed start has its reason under "Failed Resource Actions".',
          ),
        ]
      : []),
  ];
}

/**
 * `crm_resource --ban` of the whole of DRBD, which no drill and no recovery does: without DRBD the copy never becomes current, and until then no constraint is
 * removed. A ban of the promoted role leaves DRBD up.
 */
function banRefusals(nodes: Pair): PersonNeeded[] {
  return speaking(nodes).flatMap(({ node, says: { drbd, state, constraints } }): PersonNeeded[] => {
    const bans = constraints.filter((id) => id.startsWith('cli-ban-') && id.endsWith(`-on-${node}`));
    if (drbd.up || bans.length === 0 || !isMember(nodes, node) || !isIdle(state)) return [];
    return [
      {
        code: 'drbd-banned',
        sentence: `r0 is not up on ${node}: somebody has banned it from there (${bans.join(', ')})`,
        whatNow: `Ask who has, and why. When they are done: "crm_resource --clear --resource ${RESOURCES.drbdClone} --node ${node}" on either node; then recover again.`,
      },
    ];
  });
}

/** By what both nodes say of themselves, or one of them of both: words of two nodes about two moments are no proof. */
function primariesOf(views: readonly Speaking[]): string[] {
  const own = views.filter(({ says: { drbd } }) => drbd.up && drbd.role === 'Primary').map(({ node }) => node);
  const told = views.map(({ says: { state } }) => promotedNodes(state));
  return [own, ...told].reduce((one, other) => (other.length > one.length ? other : one), []);
}

/**
 * A fencing that failed, or that a person has only said to have happened, is nothing to act upon while the node is not back: its machine may live. Once the
 * node is a member again it is a note of the past, which only a person wipes away.
 */
function fenceRefusals(nodes: Pair, { isBlocking }: { isBlocking: boolean }): PersonNeeded[] {
  return nodes.flatMap(({ node, power }) =>
    openFencesOf(nodes, node).flatMap((fence): PersonNeeded[] => {
      if (fence.outcome === 'pending' || isMember(nodes, node) === isBlocking) return [];
      // Azure says the same as the person.
      if (fence.outcome === 'asserted' && power === 'stopped') return [];
      return [
        fence.outcome === 'asserted'
          ? {
              code: 'fence-asserted',
              sentence: describeFence(fence),
              whatNow: `See in the Azure portal whether ${node} is really stopped; then wipe the fence history of ${node} away in Pacemaker.`,
            }
          : {
              code: 'fence-failed',
              sentence: describeFence(fence),
              whatNow: `Find out why ("journalctl -u pacemaker" on ${fence.by ?? 'the other node'}, docs/fencing.md); stop ${node} in the Azure portal if the cluster waits for it, then wipe its fence history away in Pacemaker.`,
            },
      ];
    }),
  );
}

function fallRefusals({ at, nodes }: PairFindings): PersonNeeded[] {
  return nodes.flatMap(({ node, power, starts }): PersonNeeded[] => {
    if (power !== 'stopped') return [];
    const isRecent = (time: string | undefined) => time !== undefined && at - Date.parse(time) < FALLS.withinMs;
    const fences = fencesSeen(nodes, node).filter(({ outcome, at: time }) => outcome === 'confirmed' && isRecent(time));
    const started = starts.filter(isRecent);
    // Each start was preceded by a fall, and this one comes on top.
    const falls = Math.max(fences.length, started.length + 1);
    if (falls < FALLS.most) return [];
    return [
      {
        code: 'falls-again',
        sentence: `${node} is down for the ${ordinal(falls)} time within an hour (fenced ${times(fences)}; started again ${times(started.map((time) => ({ at: time })))})`,
        whatNow: `Find out why it does not stay ("journalctl -b -1" on ${node}, boot diagnostics, the log of the other node), and start it in the Azure portal.`,
      },
    ];
  });
}

function standbyRefusals(nodes: Pair): PersonNeeded[] {
  const states = speaking(nodes).map(({ says }) => says.state);
  const inStandby = new Set(
    states.flatMap((state) => state.nodes.filter(({ standby }) => standby).map(({ name }) => name)),
  );
  if (inStandby.size > 1) {
    return [
      {
        code: 'both-standby',
        sentence: `${[...inStandby].sort().join(' and ')} are both in standby`,
        whatNow:
          'No recovery does that, and no drill. Find out who did, and take the node that was primary last out of standby first.',
      },
    ];
  }
  const [node] = inStandby;
  const peer = speaking(nodes).find((finding) => finding.node !== node);
  if (node === undefined || peer === undefined || !isMember(nodes, node) || !isIdle(peer.says.state)) return [];
  const { drbd } = peer.says;
  if (drbd.role === 'Primary' && drbd.disk === 'UpToDate') return [];
  return [
    {
      code: 'standby-unsafe',
      sentence: `${node} is in standby, and ${peer.node} does not hold the database (${describeDrbd(drbd)})`,
      whatNow: `Find out which copy is the newer one before ${node} is taken out of standby.`,
    },
  ];
}

/** What no wait makes undone; a monitor that failed once is cleaned up at the end. What an absent node left behind is gone when it comes back. */
function failedActions(nodes: Pair): PersonNeeded[] {
  const found = new Map<string, PersonNeeded>();
  for (const { says } of speaking(nodes)) {
    for (const failure of sortFailedActions(says.state).lasting) {
      if (mayPass(failure) || !isMember(nodes, failure.node)) continue;
      const sentence = `${describeFailedAction(failure)}${failure.at === undefined ? '' : `, at ${failure.at}`}`;
      found.set(sentence, {
        code: 'failed-action',
        sentence,
        whatNow: `Find the reason on ${failure.node} ("journalctl -u pacemaker"), then clean it up by hand: hadb does so only for a monitor whose resource runs again, and for the start of a fencing device that runs.`,
      });
    }
  }
  return [...found.values()];
}

/** In the order in which one thing must be there before the next. */
function nextRemedy({ nodes }: PairFindings, isSomethingLeft: boolean): Remedy | undefined {
  const stopping = nodes.find(({ power }) => power === 'stopping');
  if (stopping !== undefined) return { kind: 'await-stop', node: stopping.node };

  // Before any fencing, which waits for it.
  const shut = endFaults(nodes, 'open-way', ({ fault }) => fault === OPENS_THE_WAY);
  if (shut !== undefined) return shut;

  const shot = nodes.find(({ node }) => isBeingFenced(nodes, node));
  if (shot !== undefined) return { kind: 'await-fence', node: shot.node };

  // Before any start, which would bring a node into it.
  const broken = endFaults(nodes, 'end-faults', () => true);
  if (broken !== undefined) return broken;

  const silent = nodes.find(({ power, says }) => power === 'starting' || (power === 'running' && says === undefined));
  if (silent !== undefined) return { kind: 'await-boot', node: silent.node };

  const alone = speaking(nodes).find(({ says }) => !says.state.available);
  if (alone !== undefined) return { kind: 'await-member', node: alone.node };

  const stopped = nodes.find(({ power }) => power === 'stopped');
  if (stopped !== undefined) return { kind: 'start', node: stopped.node, why: whyDown(nodes, stopped.node) };

  const absent = nodes.find(({ node }) => !isMember(nodes, node));
  if (absent !== undefined) return { kind: 'await-member', node: absent.node };

  const views = speaking(nodes);
  const standby = nodes.find(({ node }) => views.some(({ says }) => isInStandby(says.state, node)));
  const primary = views.find(({ says: { drbd } }) => drbd.up && drbd.role === 'Primary');
  if (standby !== undefined && primary !== undefined && primary !== standby) {
    return { kind: 'lift-standby', node: standby.node, primary: primary.node };
  }
  if (primary !== undefined && views.some(({ says }) => !isInSync(says.drbd))) {
    return { kind: 'await-sync', node: primary.node };
  }
  const constraints = [...new Set(views.flatMap(({ says }) => says.constraints))];
  if (primary !== undefined && constraints.length > 0) {
    return { kind: 'remove-constraints', node: primary.node, ids: constraints };
  }
  const asked = primary ?? views[0];
  return asked === undefined || isSomethingLeft ? undefined : { kind: 'await-health', node: asked.node };
}

function endFaults(
  nodes: Pair,
  kind: 'open-way' | 'end-faults',
  isMeant: (fault: LeftFault) => boolean,
): Remedy | undefined {
  const found = nodes.map(({ node, leftFaults = [] }) => ({ node, faults: leftFaults.filter(isMeant) }));
  const first = found.find(({ faults }) => faults.length > 0);
  return first === undefined ? undefined : { kind, ...first };
}

const speaking = (nodes: Pair): Speaking[] =>
  nodes.filter((finding): finding is Speaking => finding.says !== undefined);

const namesOf = (found: readonly { node: string }[]): string => found.map(({ node }) => node).join(' and ');

const isInStandby = (state: ClusterState, name: string): boolean =>
  state.nodes.some((node) => node.name === name && node.standby);

const hasStandby = (state: ClusterState): boolean => state.nodes.some(({ standby }) => standby);

/** Every node that Pacemaker runs on says so; nobody answers for a node that is away. */
export function isMember(nodes: Pair, name: string): boolean {
  const states = speaking(nodes)
    .map(({ says }) => says.state)
    .filter(({ available }) => available);
  return (
    states.length > 0 &&
    states.every((state) => state.nodes.some((node) => node.name === name && node.online && !node.pending))
  );
}

/** Fences that the node's peer remembers; its own memory ended with it. */
const fencesSeen = (nodes: Pair, name: string): Fence[] =>
  longest(
    speaking(nodes)
      .filter(({ says }) => says.state.available)
      .map(({ says }) => fencesOf(says.state).filter(({ node }) => node === name)),
  );

const openFencesOf = (nodes: Pair, name: string): Fence[] =>
  longest(
    speaking(nodes)
      .filter(({ says }) => says.state.available)
      .map(({ says }) => openFences(says.state).filter(({ node }) => node === name)),
  );

const longest = (lists: Fence[][]): Fence[] =>
  lists.reduce((one, other) => (other.length > one.length ? other : one), []);

/** A shot is under way, or is about to be: its target is in doubt, or was powered off and still counts as a member. */
export const isBeingFenced = (nodes: Pair, name: string): boolean =>
  openFencesOf(nodes, name).some(({ outcome }) => outcome === 'pending') ||
  speaking(nodes).some(({ says }) => nodesInDoubt(says.state).includes(name)) ||
  (nodes.some(({ node, power }) => node === name && power === 'stopped') &&
    speaking(nodes).some(({ says }) => says.state.nodes.some((node) => node.name === name && node.online)));

function whyDown(nodes: Pair, name: string): string {
  const waiting = speaking(nodes).find(
    ({ node, says: { state } }) => node !== name && state.available && !state.quorate,
  );
  if (waiting !== undefined) return `${waiting.node} came up alone, and waits for it before it promotes anything`;
  const last = fencesSeen(nodes, name).at(-1);
  return last === undefined ? 'it was stopped, and no fencing is known' : describeFence(last);
}

const ordinal = (count: number): string => (count === 3 ? 'third' : `${count}th`);

const times = (events: readonly { at?: string }[]): string =>
  events.length === 0 ? 'never' : `at ${events.map(({ at }) => at ?? 'an unknown time').join(', ')}`;
