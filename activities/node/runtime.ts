import { databaseProfile } from '../../cluster/database/profile';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import { renderModuleLoad } from '../../cluster/node/kernel-module';
import { NOT_READY } from '../../cluster/node/guards';
import { renderMount, renderPromote, renderStartResponder, renderStartServer } from '../../cluster/node/roles';
import {
  isAtLevel,
  parseRuntime,
  renderRuntimeRead,
  RUNTIME_LEVELS,
  type Runtime,
  type RuntimeLevel,
} from '../../cluster/node/runtime';
import { FILE_SYSTEM_LABEL, renderBringUp } from '../../cluster/node/drbd-moves';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { CommandOptions, NodeSession } from '../connections/node-session';
import type { NodeStep } from '../step';
import { openPair, type NodeDependencies } from './dependencies';
import { describeProgress, syncProgress } from './sync-progress';
import { waitUntil } from './waiting';

/** Two nodes that come up at the same moment find each other at the second try, 10 s later (DRBD's connect-int). */
const CONNECT_LIMIT_MS = 120_000;
const SYNC_LIMIT_MS = 14 * 24 * 3_600_000;

export async function readRuntime(session: NodeSession, context: Pick<StepContext, 'specification'>): Promise<Runtime> {
  const { socket } = databaseProfile(context.specification.database.engine);
  return parseRuntime((await session.read(renderRuntimeRead({ socket }))).stdout);
}

/** As `change`, but what is not possible yet is `NotReady` (another try may find it possible), not a failed command. */
export async function makeMove(
  session: NodeSession,
  context: StepContext,
  script: string,
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await session.change(context, script, { ...options, accept: [0, NOT_READY] });
  if (code === NOT_READY) {
    throw new HadbError('NotReady', `${session.node}: not possible yet: ${stderr.trim()}`, {
      subject: session.node,
      observed: stderr.trim(),
      whatNow: 'Look at both nodes with "drbdadm status r0"; the step is tried again.',
    });
  }
  return stdout.trim();
}

/**
 * Brings a node (and, from `connected` on, its peer) back to the run-time state that a step needs: a reboot undoes module,
 * DRBD, role, mount and server, and nothing else. Each move has its usual guard; what persists is never done twice. Returns
 * what was brought back, nothing when all was there.
 */
export async function bringBack(
  dependencies: Pick<NodeDependencies, 'sessions'>,
  step: NodeStep,
  level: RuntimeLevel,
): Promise<string[]> {
  const { own, peer } = await openPair(dependencies, step, step.node);
  const before = await readRuntime(own, step);
  if (isAtLevel(before, level)) return [];
  const broughtBack: string[] = [];
  const context = preparing(step);
  const { specification } = step;
  const profile = databaseProfile(specification.database.engine);
  const wanted = RUNTIME_LEVELS.slice(0, RUNTIME_LEVELS.indexOf(level) + 1);
  for (const next of wanted) {
    const runtime = await readRuntime(own, step);
    if (isAtLevel(runtime, next)) continue;
    switch (next) {
      case 'module':
        await own.change(context, renderModuleLoad());
        break;
      case 'up':
        await makeMove(own, context, renderBringUp());
        break;
      case 'connected':
        await bringUpPeer(peer, context, step);
        await awaitConnection(own, step);
        break;
      case 'in-sync':
        await awaitSync(own, step);
        break;
      case 'primary':
        await makeMove(own, context, renderPromote());
        break;
      case 'mounted':
        await makeMove(own, context, renderMount({ fileSystem: specification.fileSystem, label: FILE_SYSTEM_LABEL }));
        break;
      case 'server':
        await makeMove(own, context, renderStartServer(profile), { timeoutMs: startLimitMs(step) });
        break;
      case 'answering':
        await makeMove(own, context, renderStartResponder({ port: specification.loadBalancer.probePort }));
        break;
    }
    broughtBack.push(next);
  }
  return broughtBack;
}

export const startLimitMs = (context: Pick<StepContext, 'specification'>): number =>
  (timingOf(context.specification).pacemaker.server.startSeconds + 15) * 1000;
export const stopLimitMs = (context: Pick<StepContext, 'specification'>): number =>
  (timingOf(context.specification).pacemaker.server.stopSeconds + 15) * 1000;

/** Not the step's own marker: what has to be there first may be brought back more than once. */
export const preparing = (step: NodeStep): NodeStep => ({ ...step, step: `${step.step}/run-time` });

/** The prepare part of a step's plan. */
export const toLevel =
  (dependencies: Pick<NodeDependencies, 'sessions'>, step: NodeStep, level: RuntimeLevel) => (): Promise<string[]> =>
    bringBack(dependencies, step, level);

async function bringUpPeer(peer: NodeSession, context: StepContext, step: NodeStep): Promise<void> {
  const runtime = await readRuntime(peer, step);
  if (!runtime.moduleLoaded) await peer.change(context, renderModuleLoad());
  if (!runtime.drbd.up) await makeMove(peer, context, renderBringUp());
}

export async function awaitConnection(own: NodeSession, step: NodeStep): Promise<Runtime> {
  return waitUntil(step, {
    waitingFor: 'the connection of r0 to the peer',
    limitMs: CONNECT_LIMIT_MS,
    observe: async () => {
      const runtime = await readRuntime(own, step);
      if (runtime.drbd.up && runtime.drbd.connection === 'StandAlone') throw refusedConnection(own.node, runtime);
      return runtime;
    },
    isDone: (runtime) => isAtLevel(runtime, 'connected'),
    describe: ({ drbd }) => describeDrbd(drbd),
    whatNow: `Look whether both nodes have r0 up and reach each other on port ${step.specification.drbd.port}.`,
  });
}

/** However long it takes; percent, rate and time left are in the heartbeat. */
export async function awaitSync(own: NodeSession, step: NodeStep): Promise<Runtime> {
  const progress = syncProgress();
  return waitUntil(step, {
    waitingFor: 'the synchronisation of r0',
    limitMs: SYNC_LIMIT_MS,
    intervalMs: 300,
    observe: async () => {
      const runtime = await readRuntime(own, step);
      if (runtime.drbd.up && runtime.drbd.connection === 'StandAlone') throw refusedConnection(own.node, runtime);
      refuseStalled(own.node, runtime);
      return runtime;
    },
    isDone: (runtime) => isAtLevel(runtime, 'in-sync'),
    describe: ({ drbd }) => describeDrbd(drbd),
    progress: ({ drbd }) => describeProgress(progress, drbd, Date.now()),
    whatNow: 'Look at "drbdadm status r0" on both nodes.',
  });
}

function refuseStalled(node: string, { drbd }: Runtime): void {
  if (drbd.connection === 'Connected' && drbd.disk === 'Inconsistent' && drbd.peerDisk === 'Inconsistent') {
    throw new HadbError('GuardRefused', `${node}: both copies are inconsistent, there is nothing to synchronise from`, {
      subject: node,
      observed: describeDrbd(drbd),
      whatNow: 'On a new pair the step "declare the disks equal" is missing. On a used one, restore from a backup.',
    });
  }
}

function refusedConnection(node: string, { drbd }: Runtime): HadbError {
  return new HadbError(
    'GuardRefused',
    `${node}: r0 is StandAlone; the nodes refuse to connect, most likely a split brain`,
    {
      subject: node,
      observed: describeDrbd(drbd),
      whatNow:
        'Nothing is resolved by itself: compare both sides, take snapshots of both disks, choose the victim, then "drbdadm connect --discard-my-data r0" there.',
    },
  );
}

export function createRuntimeActivities(dependencies: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Brings the node's run-time state back to `level`; nothing when it is there. */
    async ensureRuntime(step: NodeStep & { level: RuntimeLevel }): Promise<StepOutcome> {
      const broughtBack = await bringBack(dependencies, step, step.level);
      return broughtBack.length === 0
        ? { result: 'unchanged', observed: `at level ${step.level}` }
        : { result: 'changed', observed: `below level ${step.level}`, done: `brought back: ${broughtBack.join(', ')}` };
    },
  };
}
