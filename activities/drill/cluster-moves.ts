import {
  clusterProblems,
  describeFailedAction,
  nodesOf,
  promotedNodes,
  sortFailedActions,
  type ClusterState,
  type FailedAction,
} from '../../cluster/cib/crm-mon';
import { RESOURCES } from '../../cluster/cib/cib';
import { databaseProfile } from '../../cluster/database/profile';
import { describeDrbd, isInSync } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import {
  renderCleanUp,
  renderClearMove,
  renderConstraintsRead,
  renderMovePrimary,
  renderPacemakerRead,
  renderPacemakerStop,
  renderShutdown,
  renderStandbyOff,
  renderStandbyOn,
  renderStandbyRead,
} from '../../cluster/node/drill-moves';
import { renderRelease } from '../../cluster/node/roles';
import type { StepContext, StepOutcome } from '../../cluster/step';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { describeCluster, observeCluster, type ObservedCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { makeMove, readRuntime, stopLimitMs } from '../node/runtime';
import { waitUntil } from '../node/waiting';
import { performStep, type NodeStep } from '../step';

export interface ClusterMoveDependencies {
  sessions: NodeSessions;
  /** How long what is seen must last before it counts. */
  settling?: SettlingTimes;
}

export interface SettlingTimes {
  /** Failed actions as the only thing that is wrong: a recovery that just begins looks the same for a moment. */
  failuresMs: number;
  /** A healthy pair after a clean-up: Pacemaker probes anew, and then the monitors run, every 10 s. */
  cleanedMs: number;
}

const SETTLING: SettlingTimes = { failuresMs: 3_000, cleanedMs: 15_000 };

/** Planned moves, the gate before them, and the waits after them. */
export function createClusterMoveActivities({ sessions, settling = SETTLING }: ClusterMoveDependencies) {
  return {
    /**
     * What must hold before anything is moved or broken on purpose: a second fault on top of a first one is an outage. Returns who is primary now.
     * Errors: GateNotMet with all that is wrong.
     */
    async readDrillGate(step: StepContext): Promise<StepOutcome & { primary: string; standby: string }> {
      const [first, second] = step.specification.nodes;
      const seen = await Promise.all(
        [first, second].map(async ({ name }) => {
          const session = await sessions.open(step, name);
          return { name, cluster: await observeCluster(session, step), constraints: await readConstraints(session) };
        }),
      );
      const problems = new Set(
        seen.flatMap(({ name, cluster, constraints }) => gateProblems(name, cluster, constraints)),
      );
      const [{ cluster: view } = { cluster: undefined }] = seen;
      const primary = view?.primary;
      if (problems.size > 0 || view === undefined || primary === undefined) {
        throw new HadbError('GateNotMet', `the cluster is not healthy: ${[...problems].join('; ') || 'no primary'}`, {
          subject: step.specification.name,
          observed: seen.map(({ name, cluster }) => `${name}: ${describeCluster(cluster)}`).join(' | '),
          whatNow: 'Put right what is named, then retry. Nothing was moved or broken.',
        });
      }
      return {
        result: 'unchanged',
        observed: describeCluster(view),
        primary,
        standby: pairOf(step, primary).peer.name,
      };
    },

    /** Asks Pacemaker to promote the peer of `node`, which is primary. Errors: GuardRefused, NotReady. */
    async movePrimary(step: NodeStep): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => ({
          cluster: await observeCluster(session, step),
          constraints: await readConstraints(session),
        }),
        isDone: ({ cluster, constraints }) => cluster.primary === peer.name || constraints.some(isMove),
        describe: ({ cluster, constraints }) => `promoted ${cluster.primary ?? 'nowhere'}${listed(constraints)}`,
        act: async () => {
          await makeMove(session, step, renderMovePrimary({ to: peer.name }));
          return `asked Pacemaker to promote ${peer.name}`;
        },
      });
    },

    /** Takes the preference that a move has left back. */
    async clearMove(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => (await readConstraints(session)).filter(isMove),
        isDone: (moves) => moves.length === 0,
        describe: (moves) => (moves.length === 0 ? 'no constraint of a move' : `left by a move: ${moves.join(', ')}`),
        act: async () => {
          await session.change(step, renderClearMove());
          return 'cleared the constraint';
        },
      });
    },

    /** The article's soft test. `on` is refused unless the peer can take over. Errors: GuardRefused, NotReady. */
    async setStandby(step: NodeStep & { standby: 'on' | 'off' }): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      const { node } = step;
      return performStep(session, step, {
        observe: async () => (await session.read(renderStandbyRead({ node }))).stdout.trim(),
        isDone: (value) => value === step.standby,
        describe: (value) => `standby ${value}`,
        act: async () => {
          const script =
            step.standby === 'on' ? renderStandbyOn({ node, peer: peer.name }) : renderStandbyOff({ node });
          await makeMove(session, step, script);
          return `crm_standby ${step.standby}`;
        },
      });
    },

    /**
     * Ends Pacemaker, and with it everything it runs on the node. A primary is refused while its peer's Pacemaker runs, which would take over.
     * Errors: GuardRefused.
     */
    async stopPacemaker(step: NodeStep): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => (await session.read(renderPacemakerRead())).stdout.trim(),
        isDone: (state) => state === 'stopped',
        describe: (state) => `Pacemaker ${state}`,
        act: async () => {
          await session.change(step, renderPacemakerStop({ peer: peer.name }), { timeoutMs: stopLimitMs(step) });
          return 'ended Pacemaker';
        },
      });
    },

    /** Nothing may run by hand when Pacemaker starts. Does nothing where Pacemaker runs already. Errors: GuardRefused, NotReady. */
    async releaseToPacemaker(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = databaseProfile(step.specification.database.engine);
      return performStep(session, step, {
        observe: async () => ({
          pacemaker: (await session.read(renderPacemakerRead())).stdout.trim(),
          runtime: await readRuntime(session, step),
        }),
        isDone: ({ pacemaker, runtime }) =>
          pacemaker === 'active' ||
          (runtime.drbd.role !== 'Primary' && runtime.mountedFrom === undefined && runtime.serverPid === undefined),
        describe: ({ pacemaker, runtime }) => `Pacemaker ${pacemaker}; ${describeDrbd(runtime.drbd)}`,
        act: async () => {
          await makeMove(session, step, renderRelease(profile), { timeoutMs: stopLimitMs(step) });
          return 'stopped the server, unmounted, demoted';
        },
      });
    },

    /** Orders the shutdown from inside; the machine is still up when this returns. Errors: GuardRefused, NotReady. */
    async orderShutdown(step: NodeStep): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      await makeMove(session, step, renderShutdown({ peer: peer.name }));
      return { result: 'changed', observed: `${step.node} runs`, done: 'ordered systemctl poweroff' };
    },

    /**
     * Waits until `node` is the only primary and everything runs there; asked of that node itself. Returns the time (ms since the epoch) at which it was
     * seen. Errors: NotReady.
     */
    async awaitPrimary(step: NodeStep & { withinSeconds: number }): Promise<StepOutcome & { at: number }> {
      const session = await sessions.open(step, step.node);
      const observed = await waitUntil(step, {
        waitingFor: `${step.node} to take over`,
        limitMs: step.withinSeconds * 1000,
        observe: () => observeCluster(session, step),
        isDone: (cluster) => servesOn(cluster, step.node),
        describe: describeCluster,
        whatNow:
          'Look at "crm_mon -1 -r" there: a failed promotion or start has its reason under "Failed Resource Actions".',
      });
      return { result: 'unchanged', observed: describeCluster(observed), at: Date.now() };
    },

    /**
     * Waits until the pair is whole again: both online, one primary, both copies current, no constraint left, nothing failed. Asked of `node`. A monitor that
     * failed once is cleaned up when its resource runs again and nothing else is wrong; what was cleaned up, and why, is returned. Any other failed
     * action is left as it is.
     * Errors: NotReady; AssertionFailed as soon as failed actions are left that are not to be cleaned up, or come back.
     */
    async awaitPairHealthy(
      step: NodeStep & { withinSeconds: number },
    ): Promise<StepOutcome & { primary: string; cleanedUp?: string[] }> {
      const session = await sessions.open(step, step.node);
      const cleaner = createCleaner(session, step, settling);
      const seen = await waitUntil(step, {
        waitingFor: 'a healthy pair, both copies current',
        limitMs: step.withinSeconds * 1000,
        intervalMs: 500,
        observe: async () => {
          const [cluster, constraints] = [await observeCluster(session, step), await readConstraints(session)];
          await cleaner.look(cluster, constraints);
          return { cluster, constraints };
        },
        isDone: ({ cluster, constraints }) =>
          gateProblems(step.node, cluster, constraints).length === 0 && cleaner.isSettled(),
        describe: ({ cluster, constraints }) => gateProblems(step.node, cluster, constraints).join('; '),
        progress: ({ cluster }) =>
          cluster.drbd.donePercent === undefined ? {} : { percent: Math.floor(cluster.drbd.donePercent) },
        whatNow: 'Look at "crm_mon -1 -r" and "drbdadm status r0" on both nodes.',
      });
      const observed = describeCluster(seen.cluster);
      const primary = seen.cluster.primary ?? '';
      const cleanedUp = cleaner.cleanedUp();
      if (cleanedUp.length > 0) {
        const done = `cleaned up, with the resource running again and nothing else wrong: ${cleanedUp.join('; ')}`;
        return { result: 'changed', observed: cleanedUp.join('; '), done, verified: observed, primary, cleanedUp };
      }
      if (!(await session.wasDoneBy(step))) return { result: 'unchanged', observed, primary };
      const lost = `failed actions, by an earlier try whose report was lost ("journalctl -t hadb" on ${step.node} has them)`;
      return { result: 'changedEarlier', observed, done: `cleaned up ${lost}`, primary, cleanedUp: [lost] };
    },

    /**
     * The limitation that the article names: a node in standby has DRBD stopped, so that it does not get what is written meanwhile. Asked of the primary.
     * Errors: AssertionFailed when it replicates all the same.
     */
    async readStandbyReplication(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { drbd } = await observeCluster(session, step);
      const observed = `${describeDrbd(drbd)}; the node in standby replicates nothing`;
      if (drbd.connection !== 'Connected' && drbd.replication === 'Off') return { result: 'unchanged', observed };
      throw new HadbError('AssertionFailed', 'the node in standby still replicates', {
        subject: step.node,
        observed: describeDrbd(drbd),
        whatNow: 'Look at "crm_mon -1 -r": the resource agent stops DRBD on a node in standby.',
      });
    },
  };
}

/** Watches a pair for failed actions that are all that is wrong with it, and cleans up those that tell of the past only. */
function createCleaner(session: NodeSession, step: NodeStep, settling: SettlingTimes) {
  const cleaned: FailedAction[] = [];
  let cleanedAt: number | undefined;
  let failuresSince: number | undefined;
  return {
    /** Errors: AssertionFailed, GuardRefused. */
    async look(cluster: ObservedCluster, constraints: string[]): Promise<void> {
      const { state } = cluster;
      const besides = clusterProblems({ ...state, failures: [] }, step.specification);
      const isOnlyFailures =
        state.failures.length > 0 &&
        gateProblems(step.node, { ...cluster, problems: besides }, constraints).length === 0;
      const isWorthALook = isOnlyFailures || hasFailureForGood(state);
      failuresSince = isWorthALook ? (failuresSince ?? Date.now()) : undefined;
      if (failuresSince === undefined || Date.now() - failuresSince < settling.failuresMs) return;
      failuresSince = undefined;
      const { passing, lasting } = sortFailedActions(state);
      const back = passing.filter((failure) => cleaned.some((earlier) => isSameAction(earlier, failure)));
      if (lasting.length > 0 || back.length > 0) throw failedActionsLeft(step, cluster, lasting, back);
      for (const [first, ...more] of groupBySite(passing)) {
        const reason = [first, ...more].map(describeWithTime).join('; ');
        await session.change(step, renderCleanUp({ resource: first.resource, node: first.node, reason }), {
          timeoutMs: CLEAN_UP_LIMIT_MS,
        });
        cleaned.push(first, ...more);
        cleanedAt = Date.now();
      }
    },
    isSettled: (): boolean => cleanedAt === undefined || Date.now() - cleanedAt >= settling.cleanedMs,
    cleanedUp: (): string[] => cleaned.map(describeWithTime),
  };
}

/** `crm_resource` waits for the answers of the controllers, a minute at most. */
const CLEAN_UP_LIMIT_MS = 90_000;

const describeWithTime = (failure: FailedAction): string =>
  `${describeFailedAction(failure)}${failure.at === undefined ? '' : `, at ${failure.at}`}`;

/** Whatever else is still on its way: no wait makes such a one undone. What an absent node left behind is gone when it comes back. */
const hasFailureForGood = ({ failures, nodes }: ClusterState): boolean =>
  failures.some(
    ({ operation, node }) =>
      operation !== 'monitor' && nodes.some(({ name, online, pending }) => name === node && online && !pending),
  );

const isSameAction = (one: FailedAction, other: FailedAction): boolean =>
  one.resource === other.resource && one.node === other.node && one.operation === other.operation;

/** A clean-up is for a resource on a node, whatever failed there. */
function groupBySite(failures: readonly FailedAction[]): [FailedAction, ...FailedAction[]][] {
  const sites = new Map<string, [FailedAction, ...FailedAction[]]>();
  for (const failure of failures) {
    const site = `${failure.resource} ${failure.node}`;
    const known = sites.get(site);
    if (known === undefined) sites.set(site, [failure]);
    else known.push(failure);
  }
  return [...sites.values()];
}

function failedActionsLeft(
  { specification }: NodeStep,
  cluster: ObservedCluster,
  lasting: readonly FailedAction[],
  back: readonly FailedAction[],
): HadbError {
  const [named] = lasting.length > 0 ? lasting : back;
  const why =
    lasting.length > 0
      ? 'failed actions are left that are no note of the past'
      : 'an action that was cleaned up failed again';
  const which = [...lasting, ...back].map(describeWithTime).join('; ');
  return new HadbError('AssertionFailed', `the pair is not as before: ${why}: ${which}`, {
    subject: specification.name,
    observed: describeCluster(cluster),
    whatNow: `Find the reason on ${named?.node ?? 'the node'} ("journalctl -u pacemaker"); nothing of this was cleaned up. Then "crm resource cleanup ${named?.resource ?? ''}", and decide "retry".`,
  });
}

function gateProblems(node: string, { state, drbd, problems }: ObservedCluster, constraints: string[]): string[] {
  if (!state.available) return [`Pacemaker does not answer on ${node}`];
  return [
    ...problems,
    ...(isInSync(drbd) ? [] : [`DRBD on ${node}: ${describeDrbd(drbd)}`]),
    ...constraints.map((id) => `the constraint ${id} is left`),
  ];
}

function servesOn({ state }: ObservedCluster, node: string): boolean {
  const promoted = promotedNodes(state);
  const everything = [RESOURCES.fileSystem, RESOURCES.server, RESOURCES.responder];
  return (
    promoted.length === 1 &&
    promoted[0] === node &&
    everything.every((id) => nodesOf(state, id).length === 1 && nodesOf(state, id)[0] === node) &&
    state.resources.every(({ id, pending }) => !everything.some((own) => own === id) || pending === undefined)
  );
}

async function readConstraints(session: NodeSession): Promise<string[]> {
  const { stdout } = await session.read(renderConstraintsRead());
  return stdout.split('\n').filter((id) => id !== '');
}

const isMove = (id: string): boolean => id.startsWith('cli-');
const listed = (constraints: string[]): string =>
  constraints.length === 0 ? '' : `; constraints ${constraints.join(', ')}`;
