import type { StepContext, StepOutcome } from '../../cluster/step';
import type { AzureSubmission } from '../../activities/azure/submission';
import { azure } from './activities';

/**
 * A long Azure operation is two activities: the first hands it over and keeps the poller in history, the second resumes
 * the poller until the operation has ended, so that a dead worker never repeats what was submitted.
 */
export async function azureOperation(
  step: StepContext,
  submit: (step: StepContext) => Promise<AzureSubmission>,
): Promise<StepOutcome> {
  const submission = await submit(step);
  if (submission.poller === undefined) return submission;
  const ended = await azure.awaitAzureOperation({ ...step, submission });
  return submission.movedAt === undefined ? ended : { ...ended, movedAt: submission.movedAt };
}
