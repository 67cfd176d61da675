import { log } from '@temporalio/workflow';
import type { StepContext, StepOutcome, Verdict } from '../../cluster/step';
import { drill as client } from '../chapters/activities';
import { describeFailure, isCancelOfTheRun } from '../failures';
import type { Run } from '../runbook';
import { inPhase } from './phases';
import type { NotedForReport, Stage } from './stage';

/** What a drill writes down: it changes no verdict, and a drill goes on without it. */

export async function withReport(
  { run, kind, id, drill, since }: Pick<Stage, 'run' | 'kind' | 'id' | 'drill' | 'since'>,
  work: (noted: NotedForReport) => Promise<Verdict>,
): Promise<Verdict> {
  const noted: NotedForReport = {};
  const firstStep = run.steps.length;
  return run.withUndo(
    async () => {
      try {
        noted.verdict = await work(noted);
        return noted.verdict;
      } catch (error) {
        if (isCancelOfTheRun(error)) noted.cancelled = true;
        else noted.failure = describeFailure(error);
        throw error;
      }
    },
    () =>
      inPhase({ run, kind }, 'report', async () => {
        await recordState({ run, id, drill }, 'after');
        const isFetched = run.steps.some((step) => step.id === id('logs'));
        if (noted.faultAt !== undefined && !isFetched) await recordLogs({ run, id, drill, since });
        await evidence(run, id('report'), 'Write the report of the drill', async (step) =>
          client.writeDrillReport({ ...step, drill, kind, ...noted, steps: run.steps.slice(firstStep) }),
        );
      }),
  );
}

/** What the nodes say of themselves, for the report. */
export async function recordState(
  { run, id, drill }: Pick<Stage, 'run' | 'id' | 'drill'>,
  when: 'before' | 'during' | 'after',
): Promise<void> {
  await evidence(run, id(`state-${when}`), STATE_SENTENCES[when], (step) =>
    client.recordClusterState({ ...step, drill, when }),
  );
}

/** What both nodes wrote since the drill began, for its audits and for its report. */
export async function recordLogs({
  run,
  id,
  drill,
  since,
}: Pick<Stage, 'run' | 'id' | 'drill' | 'since'>): Promise<void> {
  await evidence(run, id('logs'), 'Fetch what both nodes wrote into their logs since the drill began', (step) =>
    client.recordNodeLogs({ ...step, drill, since }),
  );
}

const STATE_SENTENCES = {
  before: 'Note what both nodes say, before the fault',
  during: 'Note what both nodes say, while the fault lasts',
  after: 'Note what both nodes say, after the drill',
} as const;

/**
 * A step that only looks or writes something down: when it cannot, that is told with what it means, the drill goes on as if it could, and nothing is
 * returned.
 */
export async function evidence<Outcome extends StepOutcome>(
  run: Run,
  id: string,
  sentence: string,
  work: (step: StepContext) => Promise<Outcome>,
  consequence = 'which changes no verdict',
): Promise<Outcome | undefined> {
  let outcome: Outcome | undefined;
  await run.step<StepOutcome>({ id }, sentence, async (step) => {
    try {
      outcome = await work(step);
      return outcome;
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      const { code, message } = describeFailure(error);
      const problem = `"${sentence}" could not be done, ${consequence}: ${message} (${code})`;
      log.warn('evidence of a drill is missing', { code: 'HADB_W2010', step: id, problem });
      run.warn(problem);
      return { result: 'unchanged' as const, observed: problem };
    }
  });
  return outcome;
}
