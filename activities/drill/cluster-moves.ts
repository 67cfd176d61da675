import { CancelledFailure, sleep } from '@temporalio/activity';
import { databaseProfile } from '../../cluster/database/profile';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError, isHadbError } from '../../cluster/errors';
import {
  renderClearMove,
  renderMovePrimary,
  renderPacemakerRead,
  renderPacemakerStop,
} from '../../cluster/node/drill-moves';
import { renderRelease } from '../../cluster/node/roles';
import { renderStandbyOff, renderStandbyOn, renderStandbyRead } from '../../cluster/node/standby-moves';
import type { StepContext, StepOutcome } from '../../cluster/step';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { describeCluster, observeCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { makeMove, readRuntime, stopLimitMs } from '../node/runtime';
import { waitUntil, within } from '../node/waiting';
import { performStep, type NodeStep, type Plan } from '../step';
import { describeLeftFault } from '../../cluster/recovery/findings';
import { messageOf } from '../../processes/error-message';
import type { FaultInjector } from './fault-injector';
import { readLeftFaults, readLeftLinks } from './left-faults';
import { createCleaner, SETTLING, type SettlingTimes } from './failed-action-cleaner';
import { gateProblems, readConstraints, servesOn } from './pair-health';

export interface ClusterMoveDependencies {
  sessions: NodeSessions;
  faults?: FaultInjector;
  /** How long what is seen must last before it counts. */
  settling?: SettlingTimes;
  /** In which the gate dials a node again whose connection breaks. */
  answerMs?: number;
}

/** A healthy node answers within a second or two; nobody waits for one that boots. */
const ANSWER_MS = 20_000;
const REDIAL_MS = 1000;

/** Planned moves, the gate before them, and the waits after them. */
export function createClusterMoveActivities({
  sessions,
  faults,
  settling = SETTLING,
  answerMs = ANSWER_MS,
}: ClusterMoveDependencies) {
  /** What is wrong at one node must not hide what is wrong at the other. */
  const lookAt = async (step: StepContext, name: string) => {
    const look = async () => {
      const session = await sessions.open(step, name);
      const [cluster, constraints] = [await observeCluster(session, step), await readConstraints(session)];
      const left = [...(await readLeftFaults(session)), ...(await readLeftLinks(faults, name))];
      return { name, cluster, constraints, left };
    };
    const deadline = performance.now() + answerMs;
    for (;;) {
      try {
        return await within(Math.max(0, deadline - performance.now()), look);
      } catch (error) {
        if (error instanceof CancelledFailure) throw error;
        const isBroken = isHadbError(error) && (error.code === 'NodeUnreachable' || error.code === 'CommandUnknown');
        if (!isBroken || performance.now() + REDIAL_MS > deadline) return { name, silent: messageOf(error) };
        await sleep(REDIAL_MS);
      }
    }
  };

  return {
    /**
     * What must hold before anything is moved or broken on purpose: a second fault on top of a first one is an outage. Returns who is primary now.
     * Errors: GateNotMet with all that is wrong.
     */
    async readDrillGate(step: StepContext): Promise<StepOutcome & { primary: string; standby: string }> {
      const seen = await Promise.all(step.specification.nodes.map(({ name }) => lookAt(step, name)));
      const problems = new Set(
        seen.flatMap((look) =>
          'silent' in look
            ? [`${look.name} does not answer: ${look.silent}`]
            : [
                ...gateProblems(look.name, look.cluster, look.constraints),
                ...look.left.map((fault) => describeLeftFault(look.name, fault)),
              ],
        ),
      );
      const view = seen.flatMap((look) => ('silent' in look ? [] : [look.cluster]))[0];
      const primary = view?.primary;
      if (problems.size > 0 || view === undefined || primary === undefined) {
        throw new HadbError('GateNotMet', `the cluster is not healthy: ${[...problems].join('; ') || 'no primary'}`, {
          subject: step.specification.name,
          observed: seen
            .map((look) => `${look.name}: ${'silent' in look ? 'silent' : describeCluster(look.cluster)}`)
            .join(' | '),
          whatNow: `Put right what is named, then retry; "hadb recover" does what is safe. Nothing was moved or broken.`,
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
      return performTimedStep(session, step, {
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

    /**
     * The article's soft test. `on` is refused unless the peer can take over, and ends by itself after `undoSeconds`; `off` ends that timer as well.
     * Errors: GuardRefused, NotReady.
     */
    async setStandby(
      step: NodeStep & ({ standby: 'on'; undoSeconds: number } | { standby: 'off' }),
    ): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      const { node } = step;
      return performTimedStep(session, step, {
        observe: async () => ({
          standby: (await session.read(renderStandbyRead({ node }))).stdout.trim(),
          isTimed: (await readLeftFaults(session)).some(({ fault }) => fault === 'standby'),
        }),
        isDone: ({ standby, isTimed }) => standby === step.standby && isTimed === (standby === 'on'),
        describe: ({ standby, isTimed }) => `standby ${standby}${isTimed ? ', with a timer that is to end it' : ''}`,
        act: async () => {
          const script =
            step.standby === 'on'
              ? renderStandbyOn({ node, peer: peer.name, undoSeconds: step.undoSeconds })
              : renderStandbyOff({ node });
          await makeMove(session, step, script);
          return step.standby === 'on'
            ? `crm_standby on, for ${step.undoSeconds} s at most`
            : 'crm_standby off, and its timer ended';
        },
      });
    },

    /**
     * Ends Pacemaker, and with it everything it runs on the node. A primary is refused while its peer's Pacemaker runs, which would take over.
     * Errors: GuardRefused, NotReady.
     */
    async stopPacemaker(step: NodeStep): Promise<StepOutcome> {
      const { peer } = pairOf(step, step.node);
      const session = await sessions.open(step, step.node);
      return performTimedStep(session, step, {
        observe: async () => (await session.read(renderPacemakerRead())).stdout.trim(),
        isDone: (state) => state === 'stopped',
        describe: (state) => `Pacemaker ${state}`,
        act: async () => {
          await makeMove(session, step, renderPacemakerStop({ peer: peer.name }), { timeoutMs: stopLimitMs(step) });
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

/** As `performStep`, with the time at which the move was sent: a drill counts from it. */
async function performTimedStep<Seen>(session: NodeSession, step: NodeStep, plan: Plan<Seen>): Promise<StepOutcome> {
  let movedAt: number | undefined;
  const outcome = await performStep(session, step, {
    ...plan,
    act: (seen) => {
      movedAt = Date.now();
      return plan.act(seen);
    },
  });
  return movedAt === undefined ? outcome : { ...outcome, movedAt };
}

const isMove = (id: string): boolean => id.startsWith('cli-');
const listed = (constraints: string[]): string =>
  constraints.length === 0 ? '' : `; constraints ${constraints.join(', ')}`;
