import { condition } from '@temporalio/workflow';
import type { StepContext } from '../../cluster/step';
import type { Run } from '../runbook';
import { drill, nodes } from './activities';

/** The load balancer takes up to two probes, 10 s, to notice a node; a reset in between is noticed as soon as this. */
const LOOK_AGAIN_MS = 8_000;

/**
 * The article's `select * from things`, from another machine. Before Pacemaker nobody but the runbook brings a node back that was
 * reset: while the answer is waited for, `node` is kept answering. On a cluster that looks after itself it is left out.
 */
export const remoteQuery = async (run: Run, id: string, sentence: string, node?: string): Promise<void> => {
  await run.step({ id }, sentence, async (step) => {
    let answered = false;
    const query = drill.remoteQuery({ ...step, ...(node !== undefined && { primary: node }) }).finally(() => {
      answered = true;
    });
    const [outcome, kept] = await Promise.allSettled([query, node && keepAnswering(step, node, () => answered)]);
    // Why the node could not be kept answering says more than that nothing answered.
    if (outcome.status === 'rejected') throw kept.status === 'rejected' ? kept.reason : outcome.reason;
    return outcome.value;
  });
};

async function keepAnswering(step: StepContext, node: string, isAnswered: () => boolean): Promise<void> {
  do await nodes.ensureRuntime({ ...step, node, level: 'answering' });
  while (!(await condition(isAnswered, LOOK_AGAIN_MS)));
}
