import { describeDrbd, isInSync } from '../../cluster/drbd/state';
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

/** A clean stop of the database may take five minutes, everything else on the node one. */
const STOPPED_LIMIT_MS = 15 * 60_000;

export interface PowerDependencies extends AzureDependencies {
  sessions: NodeSessions;
}

export function createPowerActivities(dependencies: PowerDependencies) {
  return {
    /**
     * Right before the power of `node` is cut, at each try, because Azure takes no condition along: the machine that it would cut is the one that
     * answers as the primary, and the other node has everything. One that does not run any more was cut by a try whose answer was lost.
     * Errors: NodeMismatch, GuardRefused.
     */
    async readPowerCutGate(step: NodeStep): Promise<StepOutcome> {
      const { state, vmId } = await readPower(createScope(dependencies, step, step.node));
      if (state !== 'running') return { result: 'unchanged', observed: `the machine is ${state}` };
      const session = await dependencies.sessions.open(step, step.node);
      const { stdout } = await session.read(renderIdentityRead());
      refuseOtherMachine({ ...step, vmId }, parseIdentity(stdout), pairOf(step, step.node).self.address);
      const cluster = await observeCluster(session, step);
      const problems = [
        ...(cluster.primary === step.node ? [] : [`the primary is ${cluster.primary ?? 'nowhere'}, not ${step.node}`]),
        ...(isInSync(cluster.drbd) ? [] : [`DRBD on ${step.node}: ${describeDrbd(cluster.drbd)}`]),
        ...cluster.problems,
      ];
      if (problems.length === 0) return { result: 'unchanged', observed: `vmId ${vmId}; ${describeCluster(cluster)}` };
      throw new HadbError('GuardRefused', `the power of ${step.node} is not cut: ${problems.join('; ')}`, {
        subject: step.node,
        observed: describeCluster(cluster),
        whatNow: 'The cluster has changed since the drill began. Put right what is named, then begin another drill.',
      });
    },

    /** Waits for a shutdown that the machine does by itself; asks Azure for nothing. Errors: NotReady. */
    async awaitStopped(step: NodeStep): Promise<StepOutcome> {
      const { state } = await waitUntil(step, {
        waitingFor: 'the end of the shutdown',
        limitMs: STOPPED_LIMIT_MS,
        intervalMs: 1000,
        observe: () => readPower(createScope(dependencies, step, step.node)),
        isDone: (power) => power.state === 'stopped' || power.state === 'deallocated',
        describe: (power) => `the machine is ${power.state}`,
        whatNow: 'Look at the console of the machine for what it waits for.',
      });
      return { result: 'unchanged', observed: `the machine is ${state}` };
    },
  };
}
