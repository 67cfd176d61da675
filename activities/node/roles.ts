import { databaseProfile } from '../../cluster/database/profile';
import { describeDrbd } from '../../cluster/drbd/state';
import { FILE_SYSTEM_LABEL } from '../../cluster/node/drbd-moves';
import {
  renderRelease,
  renderResponderRead,
  renderStartResponder,
  renderStopResponder,
  renderTake,
  renderTakeStorage,
} from '../../cluster/node/roles';
import { isAtLevel, type Runtime } from '../../cluster/node/runtime';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../../cluster/specification/specification';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { makeMove, readRuntime, startLimitMs, stopLimitMs, toLevel } from './runtime';

/** The manual failover's two halves, each one guarded remote command, and the answer to the load balancer's probe. */
export function createRoleActivities(dependencies: Pick<NodeDependencies, 'sessions'>) {
  const { sessions } = dependencies;
  return {
    /** Step 17: stop the server, unmount, demote; refused unless the peer has everything. */
    async release(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = databaseProfile(step.specification.database.engine);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) =>
          runtime.drbd.up &&
          runtime.drbd.role !== 'Primary' &&
          runtime.mountedFrom === undefined &&
          runtime.serverPid === undefined,
        describe: describeRole,
        prepare: toLevel(dependencies, step, 'in-sync'),
        act: async () => {
          await makeMove(session, step, renderRelease(profile), { timeoutMs: stopLimitMs(step) });
          return 'stopped the server, unmounted, demoted';
        },
      });
    },

    /** Step 17: promote, mount, start the server, answer the probe; both must be secondary and current. */
    async take(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { specification } = step;
      const { fileSystem, loadBalancer } = specification;
      const profile = databaseProfile(specification.database.engine);
      return performStep(session, step, {
        observe: async () => {
          const runtime = await readRuntime(session, step);
          return { runtime, responder: (await session.read(renderResponderRead())).stdout.trim() };
        },
        isDone: ({ runtime, responder }) => isAtLevel(runtime, 'server') && responder !== '',
        describe: ({ runtime, responder }) =>
          `${describeRole(runtime)}, probe ${responder === '' ? 'not answered' : 'answered'}`,
        prepare: toLevel(dependencies, step, 'in-sync'),
        act: async () => {
          const script = renderTake(profile, { fileSystem, label: FILE_SYSTEM_LABEL, port: loadBalancer.probePort });
          await makeMove(session, step, script, { timeoutMs: startLimitMs(step) });
          return 'promoted, mounted, started the server';
        },
      });
    },

    /** As `take`, on a node that has no server yet. */
    async takeStorage(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { fileSystem } = step.specification;
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) => isAtLevel(runtime, 'mounted'),
        describe: describeRole,
        prepare: toLevel(dependencies, step, 'in-sync'),
        act: async () => {
          await makeMove(session, step, renderTakeStorage({ fileSystem, label: FILE_SYSTEM_LABEL }), {
            timeoutMs: 120_000,
          });
          return 'promoted, mounted';
        },
      });
    },

    /** On the active node only, until the agent azure-lb takes it over. */
    async startProbeResponder(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { probePort } = step.specification.loadBalancer;
      return performStep(session, step, {
        observe: async () => (await session.read(renderResponderRead())).stdout.trim(),
        isDone: (pid) => pid !== '',
        describe: (pid) =>
          pid === '' ? `nothing answers on port ${probePort}` : `process ${pid} answers on port ${probePort}`,
        prepare: toLevel(dependencies, step, 'server'),
        act: async () => {
          await makeMove(session, step, renderStartResponder({ port: probePort }));
          return `started a responder on port ${probePort}`;
        },
      });
    },

    async stopProbeResponder(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => (await session.read(renderResponderRead())).stdout.trim(),
        isDone: (pid) => pid === '',
        describe: (pid) => (pid === '' ? 'no responder' : `process ${pid} answers the probe`),
        act: async () => {
          await makeMove(session, step, renderStopResponder());
          return 'stopped the responder';
        },
      });
    },
  };
}

export function describeRole(runtime: Runtime): string {
  const mounted = runtime.mountedFrom === undefined ? 'not mounted' : `${runtime.mountedFrom} at ${DATA_DIRECTORY}`;
  const foreign = runtime.mountedFrom !== undefined && runtime.mountedFrom !== DRBD_DEVICE ? ' (not DRBD!)' : '';
  const server =
    runtime.serverPid === undefined
      ? 'no server'
      : `server ${runtime.serverPid} ${runtime.serverAnswers ? 'answers' : 'does not answer'}`;
  return `${describeDrbd(runtime.drbd)}, ${mounted}${foreign}, ${server}`;
}
