import { cancelled, heartbeat } from '@temporalio/activity';
import { createActivities, type Activities, type ActivityDependencies } from '../../activities';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { diagnose } from '../../cluster/recovery/diagnosis';
import { describeFindings, type PairFindings } from '../../cluster/recovery/findings';
import { fencingInVain, findingsOf, waitingForPeer } from '../cluster/recovery/specimen-findings';
import { DEBIAN_12 } from '../cluster/specimens';

/**
 * Every activity of the worker, played: nothing is reached, each call is noted, and what the runbooks branch on is kept as a few
 * facts of an imagined cluster.
 */
export interface FakeCluster {
  activities: Record<string, (input: FakeStep) => Promise<unknown>>;
  calls: { activity: string; step: string; node?: string; generation: number }[];
  /** Activities called in the order of their calls, each with its node. */
  order(): string[];
  /** Answers to give instead of the default, by activity name: one for each call, the last one for all further calls. */
  answers: Record<string, ((input: FakeStep) => Promise<unknown>)[]>;
  primary: string;
  built: boolean;
  power: Record<string, string>;
  /** What is seen of the pair, look by look; the last one for good. */
  looks: PairFindings[];
  /** The way to Azure Resource Manager is cut. */
  cannotFence: boolean;
  /** Machines that stand still. */
  frozen: Set<string>;
  /** Skipped in a row, as days. */
  skippedNights: string[];
}

export type FakeStep = StepContext & {
  node?: string;
  resource?: { name: string };
  day?: string;
  fault?: { fault: string };
};

const outcome = (name: string): StepOutcome => ({ result: 'changed', observed: `before ${name}`, done: name });

export function createFakeCluster(): FakeCluster {
  const calls: FakeCluster['calls'] = [];
  const cluster: FakeCluster = {
    activities: {},
    calls,
    order: () => calls.map(({ activity, node }) => (node === undefined ? activity : `${activity}/${node}`)),
    answers: {},
    primary: 'hadb01',
    built: false,
    power: { hadb01: 'running', hadb02: 'running' },
    looks: [findingsOf()],
    cannotFence: false,
    frozen: new Set(),
    skippedNights: [],
  };
  const facts: Record<string, (input: FakeStep) => object> = {
    readDrillGate: () => ({ primary: cluster.primary, standby: other(cluster.primary) }),
    readPower: ({ node = '' }) => ({ state: cluster.power[node] ?? 'missing', vmId: `vm-${node}` }),
    endLeftWriters: () => ({ result: 'unchanged', observed: 'no client of an earlier drill runs', done: undefined }),
    readWriter: () => ({ at: Date.now(), running: true, counts: {} }),
    awaitPrimary: ({ node = '' }) => {
      cluster.primary = node;
      return { at: Date.now() };
    },
    take: ({ node = '' }) => {
      cluster.primary = node;
      return {};
    },
    readFaultTarget: ({ node = '' }) => ({ vmId: `vm-${node}`, bootId: 'boot', pid: 100, at: Date.now() }),
    awaitServedAgain: ({ node = '' }) => ({ at: Date.now(), serving: node }),
    awaitServedDiskless: ({ node = '' }) => ({ at: Date.now(), serving: node }),
    awaitLeftDiskless: ({ node = '' }) => {
      cluster.primary = other(node);
      return { at: Date.now(), serving: cluster.primary };
    },
    readServer: () => ({ bootId: 'boot', pid: 100 }),
    awaitSurvivor: () => ({ at: Date.now(), pid: 100 }),
    freezeNode: ({ node = '' }) => {
      cluster.frozen.add(node);
      return { at: Date.now() };
    },
    thawNode: ({ node = '' }) => {
      cluster.frozen.delete(node);
      return {};
    },
    // A frozen primary cannot shoot; one that is well shoots first.
    awaitOneSurvivor: ({ node = '' }) => {
      const survivor = cluster.frozen.has(node) ? other(node) : node;
      cluster.primary = survivor;
      cluster.frozen.clear();
      cluster.power[other(survivor)] = 'stopped';
      return { at: Date.now(), survivor, lost: other(survivor) };
    },
    awaitNothingMoves: () => ({ at: Date.now(), looks: 60, moved: [], twoPrimaries: false }),
    awaitNothingPromoted: () => ({ at: Date.now(), looks: 60, promoted: [] }),
    injectFault: ({ fault }) => {
      if (fault?.fault === 'resource-manager-cut') cluster.cannotFence = true;
      return {};
    },
    endFault: ({ fault }) => {
      if (fault?.fault === 'resource-manager-cut') cluster.cannotFence = false;
      return {};
    },
    judgeDrill: () => ({
      verdict: { passed: true, summary: '900 writes acknowledged, 0 lost', checks: [] },
      report: {},
    }),
    judgeRoles: () => ({ checks: [] }),
    auditCluster: () => ({ checks: [] }),
    auditLogs: () => ({ checks: [] }),
    verifyCopies: () => ({ checks: [] }),
    readTable: () => ({
      table: { node: cluster.primary, table: 'azureha.things', rows: 1, checksum: '1', isQuiet: true },
    }),
    readBuilt: () => ({ built: cluster.built, managed: cluster.built, active: cluster.primary }),
    readServerInstalled: () => ({ installed: cluster.built }),
    probePlatform: ({ node = '' }) => ({ platform: { ...DEBIAN_12, hostName: node } }),
    readEvidence: () => ({ tags: {} }),
    ensureFencingRole: () => ({ roleId: '/role', subscriptionId: 'subscription', resourceGroup: 'hadb' }),
    readDestroyPlan: () => ({ resources: [], foreign: [] }),
    submitPowerOff: ({ node = '' }) => {
      cluster.power[node] = 'stopped';
      return { kind: 'power-off', name: node, node, poller: 'poller' };
    },
    orderShutdown: ({ node = '' }) => {
      cluster.power[node] = 'stopped';
      return {};
    },
    submitStart: ({ node = '' }) => {
      cluster.power[node] = 'running';
      return { kind: 'start', name: node, node, poller: 'poller' };
    },
    noteSkippedNight: ({ day = '' }) => {
      cluster.skippedNights.push(day);
      return { nights: [...cluster.skippedNights] };
    },
    clearSkippedNights: () => {
      cluster.skippedNights = [];
      return {};
    },
    readPairDiagnosis: ({ specification }) => {
      const look = lookAt(cluster);
      return { observed: describeFindings(look), diagnosis: diagnose(look, specification) };
    },
    postAlert: () => ({ told: true }),
    submitDelete: ({ resource }) => ({ kind: 'delete', name: resource?.name ?? '', poller: 'poller' }),
  };
  for (const name of activityNames()) {
    cluster.activities[name] = async (input) => {
      const { step, generation, node } = input;
      const earlier = calls.filter((call) => call.activity === name).length;
      calls.push({ activity: name, step, generation, ...(node !== undefined && { node }) });
      const answers = cluster.answers[name];
      const answer = answers?.[Math.min(earlier, answers.length - 1)];
      if (answer !== undefined) return await answer(input);
      const submitted = name.startsWith('submit') ? { kind: 'virtual-machine', name: node ?? name } : {};
      return { ...outcome(name), ...submitted, ...facts[name]?.(input) };
    };
  }
  return cluster;
}

/** The real factories tell the names; nothing of what they make is called. */
function activityNames(): string[] {
  const nothing = new Proxy({}, { get: () => () => undefined });
  const activities: Activities = createActivities(nothing as ActivityDependencies);
  return Object.keys(activities).filter((name) => name !== 'describeLockHolder' && name !== 'terminateLeakedLock');
}

/** What was said beforehand; or, with one machine off, how the other one looks alone. */
function lookAt({ looks, power, cannotFence }: FakeCluster): PairFindings {
  const said = looks.length > 1 ? looks.shift() : looks[0];
  const [down, ...more] = (['hadb01', 'hadb02'] as const).filter((name) => power[name] === 'stopped');
  if (down === undefined || more.length > 0) return said ?? findingsOf();
  return cannotFence ? fencingInVain() : waitingForPeer(down);
}

const other = (node: string): string => (node === 'hadb01' ? 'hadb02' : 'hadb01');

/** Runs until it is cancelled. */
export const hangUntilCancelled = async (): Promise<never> => {
  const timer = setInterval(() => heartbeat(), 200);
  try {
    return await cancelled();
  } finally {
    clearInterval(timer);
  }
};
