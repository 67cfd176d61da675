import { continueAsNew, proxyActivities, sleep } from '@temporalio/workflow';
import type { Progress } from '../../cluster/step';
import { stepActivities } from '../../workflows/activity-proxies';
import { BuildCluster } from '../../workflows/inputs';
import { runRunbook, type Run } from '../../workflows/runbook';
import type { FakeActivities } from './fake-activities';

/** Small runbooks that use the engine as the real ones do. */
export { clusterLock } from '../../workflows/lock';

const activities = stepActivities<FakeActivities>();

function runbook(input: unknown, body: (run: Run) => Promise<void>, alertAfterMs?: number): Promise<Progress> {
  return runRunbook({
    runbook: 'buildCluster',
    input,
    schema: BuildCluster,
    body,
    ...(alertAfterMs !== undefined && { alertAfterMs }),
  });
}

export async function oneStep(input: unknown): Promise<Progress> {
  return runbook(input, async (run) => {
    await run.chapter('Preparing', () =>
      run.step({ id: 'first', node: 'hadb01' }, 'Do the first thing', (step) =>
        activities.change({ ...step, name: 'first' }),
      ),
    );
  });
}

export async function twoSteps(input: unknown): Promise<Progress> {
  return runbook(input, async (run) => {
    await run.skippableStep({ id: 'first' }, 'Do the first thing', (step) =>
      activities.change({ ...step, name: 'first' }),
    );
    await run.step({ id: 'second' }, 'Do the second thing', (step) => activities.change({ ...step, name: 'second' }));
  });
}

/** Its alert is due at once: nobody can wait for an hour here. */
export async function impatient(input: unknown): Promise<Progress> {
  const body = (run: Run) =>
    run.step({ id: 'first' }, 'Do the first thing', (step) => activities.change({ ...step, name: 'first' }));
  return runbook(input, async (run) => void (await body(run)), 50);
}

export async function bothNodes(input: unknown): Promise<Progress> {
  return runbook(input, async (run) => {
    await run.onBothNodes(async ({ name: node }) => {
      await run.step({ id: 'first', node }, 'Do the first thing', (step) =>
        activities.change({ ...step, name: `first-${node}` }),
      );
      await run.step({ id: 'second', node }, 'Do the second thing', (step) =>
        activities.change({ ...step, name: `second-${node}` }),
      );
    });
  });
}

export async function undoing(input: unknown): Promise<Progress> {
  return runbook(input, async (run) => {
    await run.withUndo(
      () => run.step({ id: 'inject' }, 'Inject the fault', (step) => activities.change({ ...step, name: 'inject' })),
      async () => {
        await run.step({ id: 'undo' }, 'Undo the fault', (step) => activities.change({ ...step, name: 'undo' }));
      },
    );
  });
}

export async function defective(input: unknown): Promise<Progress> {
  return runbook(input, async () => {
    const nothing: unknown = undefined;
    (nothing as { missing: () => void }).missing();
    await sleep(1);
  });
}

export async function failedVerdict(input: unknown): Promise<Progress> {
  return runbook(input, async (run) => {
    await run.step({ id: 'first' }, 'Do the first thing', (step) => activities.change({ ...step, name: 'first' }));
    run.verdict({ passed: false, summary: '3 acknowledged rows are lost', checks: [] });
  });
}

/** Steps in any number, for sizes and times. */
export async function manySteps(input: {
  specification: unknown;
  onFailure?: unknown;
  steps: number;
}): Promise<Progress> {
  const { steps, ...rest } = input;
  return runbook(rest, async (run) => {
    for (let index = 1; index <= steps; index += 1) {
      await run.step({ id: `step-${index}` }, `Do the thing number ${index}`, (step) =>
        activities.change({ ...step, name: `step-${index}` }),
      );
    }
  });
}

/** The same activities without a runbook around them: what Temporal itself takes for each. */
export async function manyActivities(input: { steps: number }): Promise<void> {
  const plain = stepActivities<{ change(named: { name: string }): Promise<unknown> }>();
  for (let index = 1; index <= input.steps; index += 1) await plain.change({ name: `step-${index}` });
}

export async function continuing(input: { specification: unknown; again: boolean }): Promise<Progress> {
  const { again, ...rest } = input;
  return runbook(rest, async (run) => {
    await run.step({ id: 'first' }, 'Do the first thing', (step) =>
      activities.change({ ...step, name: again ? 'before' : 'after' }),
    );
    if (again) await continueAsNew<typeof continuing>({ ...input, again: false });
  });
}

/** Two branches: what follows from a timer lies behind more promises than what follows from an activity. */
export async function branchesOfUnequalDepth(): Promise<void> {
  const { change, completedFromOutside } = proxyActivities<{
    change: (input: { name: string }) => Promise<unknown>;
    completedFromOutside: () => Promise<void>;
  }>({ startToCloseTimeout: '1 minute', retry: { maximumAttempts: 1 } });
  const behind = async (promises: number): Promise<void> => {
    if (promises > 0) await behind(promises - 1);
  };
  await Promise.all([
    sleep(1000)
      .then(() => behind(20))
      .then(() => change({ name: 'after the timer' })),
    completedFromOutside().then(() => change({ name: 'after the activity' })),
  ]);
}
