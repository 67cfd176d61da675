import type { StepOutcome } from '../../cluster/step';
import { readPower } from '../azure/power';
import { createScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import { waitUntil } from '../node/waiting';
import type { NodeStep } from '../step';

/** A clean stop of the database may take five minutes, everything else on the node one. */
const STOPPED_LIMIT_MS = 15 * 60_000;

export function createPowerActivities(dependencies: AzureDependencies) {
  return {
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
