import { describeDrbd } from '../../cluster/drbd/state';
import { isOff } from '../../cluster/azure/power';
import { HadbError } from '../../cluster/errors';
import { parseIdentity, renderIdentityRead } from '../../cluster/node/access';
import type { StepOutcome } from '../../cluster/step';
import { readPower } from '../azure/power';
import { createScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSessions } from '../connections/node-session';
import { refuseOtherMachine } from '../node/access';
import { describeCluster, observeCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { waitUntil } from '../node/waiting';
import type { NodeStep } from '../step';
import { seeTarget, type DrillRole } from './faults';
import { servesOn } from './pair-health';

/** A clean stop of the database may take five minutes, everything else on the node one. */
const STOPPED_LIMIT_MS = 15 * 60_000;

export interface PowerDependencies extends AzureDependencies {
  sessions: NodeSessions;
}

export function createPowerActivities(dependencies: PowerDependencies) {
  return {
    /**
     * Right before the power of `node` is cut, at each try, because Azure takes no condition along: the machine that it would cut is the one that
     * answers in its role (the primary's unless said otherwise), and the other node has everything. One that does not run any more was cut by a try
     * whose answer was lost. Errors: NodeMismatch, GuardRefused.
     */
    async readPowerCutGate(step: NodeStep & { role?: DrillRole }): Promise<StepOutcome> {
      const { state, vmId } = await readPower(createScope(dependencies, step, step.node));
      if (state !== 'running') return { result: 'unchanged', observed: `the machine is ${state}` };
      const session = await dependencies.sessions.open(step, step.node);
      const { cluster } = await seeTarget(session, { ...step, vmId, role: step.role ?? 'Primary' });
      return { result: 'unchanged', observed: `vmId ${vmId}; ${describeCluster(cluster)}` };
    },

    /**
     * Right before the power of a survivor is cut, whose peer was cut before: it is the machine that answers, it alone serves, and its peer is off. What it
     * has acknowledged is on its disk. Errors as `readPowerCutGate`.
     */
    async readSurvivorCutGate(step: NodeStep): Promise<StepOutcome> {
      const { self, peer } = pairOf(step, step.node);
      const { state, vmId } = await readPower(createScope(dependencies, step, step.node));
      if (state !== 'running') return { result: 'unchanged', observed: `the machine is ${state}` };
      const other = await readPower(createScope(dependencies, step, peer.name));
      const session = await dependencies.sessions.open(step, step.node);
      refuseOtherMachine(
        { ...step, vmId },
        parseIdentity((await session.read(renderIdentityRead())).stdout),
        self.address,
      );
      const cluster = await observeCluster(session, step);
      const problems = [
        ...(servesOn(cluster, step.node) ? [] : [`it does not serve: ${describeCluster(cluster)}`]),
        ...(cluster.drbd.disk === 'UpToDate' ? [] : [`DRBD on ${step.node}: ${describeDrbd(cluster.drbd)}`]),
        ...(other.state === 'stopped' ? [] : [`${peer.name} is ${other.state}, not stopped`]),
      ];
      if (problems.length === 0) return { result: 'unchanged', observed: `vmId ${vmId}; ${describeCluster(cluster)}` };
      throw new HadbError('GuardRefused', `the power of ${step.node} is not cut: ${problems.join('; ')}`, {
        subject: step.node,
        observed: describeCluster(cluster),
        whatNow: 'The second fault of the pair is not made. The drill puts the first one right.',
      });
    },

    /** Waits for a shutdown that the machine does by itself; asks Azure for nothing. Errors: NotReady. */
    async awaitStopped(step: NodeStep): Promise<StepOutcome> {
      const { state } = await waitUntil(step, {
        waitingFor: 'the end of the shutdown',
        limitMs: STOPPED_LIMIT_MS,
        intervalMs: 1000,
        observe: () => readPower(createScope(dependencies, step, step.node)),
        isDone: ({ state }) => isOff(state),
        describe: (power) => `the machine is ${power.state}`,
        whatNow: 'Look at the console of the machine for what it waits for.',
      });
      return { result: 'unchanged', observed: `the machine is ${state}` };
    },
  };
}
