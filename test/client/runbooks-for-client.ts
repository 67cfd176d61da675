import type { Progress } from '../../cluster/step';
import { stepActivities } from '../../workflows/activity-proxies';
import { BuildCluster, FailoverDrill } from '../../workflows/inputs';
import { runRunbook } from '../../workflows/runbook';
import type { FakeActivities } from '../workflows/fake-activities';

/** The runbooks by their real names, with the real engine and small bodies. */
export { clusterLock } from '../../workflows/lock';

const activities = stepActivities<FakeActivities>();

export async function buildCluster(input: unknown): Promise<Progress> {
  return runRunbook({
    runbook: 'buildCluster',
    input,
    schema: BuildCluster,
    body: async (run) => {
      await run.chapter('Preparing', () =>
        run.onBothNodes(({ name: node }) =>
          run.step({ id: 'first', node }, 'Do the first thing', (step) =>
            activities.change({ ...step, name: `first-${node}` }),
          ),
        ),
      );
      await run.chapter('Setting up', () =>
        run.skippableStep({ id: 'second' }, 'Do the second thing', (step) =>
          activities.change({ ...step, name: 'second' }),
        ),
      );
    },
  });
}

export async function failoverDrill(input: unknown): Promise<Progress> {
  return runRunbook({
    runbook: 'failoverDrill',
    input,
    schema: FailoverDrill,
    body: async (run, { kind }) => {
      await run.step({ id: 'inject' }, `Inject ${kind}`, (step) => activities.change({ ...step, name: 'inject' }));
      const passed = kind !== 'standby';
      run.verdict({ passed, summary: passed ? 'nothing is lost' : '3 rows are lost', checks: [] });
    },
  });
}

/** Fails its first task for ever, as code does that does not fit its history. */
export async function switchover(): Promise<Progress> {
  throw new Error('this code does not fit its history');
}
