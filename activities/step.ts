import { HadbError } from '../cluster/errors';
import type { StepContext, StepOutcome } from '../cluster/step';
import type { NodeSession } from './connections/node-session';

/** The one shape of every step: observe, decide, act, verify. */

/** What every activity on a node receives. */
export interface NodeStep extends StepContext {
  node: string;
  /** Set on a built cluster: a step that is not done there is reported as drift and never put right silently. */
  observeOnly?: boolean;
}

export interface Plan<Seen> {
  /** Reads only. Runs before the move and once more after it. */
  observe: () => Promise<Seen>;
  isDone: (seen: Seen) => boolean;
  /** One line for people: what was seen, with what is missing. */
  describe: (seen: Seen) => string;
  /**
   * Before the move: brings back what a reboot has undone and the move needs (`toLevel`); returns what was brought back. Then
   * the step is observed again, because it may have been done all along.
   */
  prepare?: () => Promise<string[]>;
  /**
   * Makes the move, guard included, through `session.change`; returns one line about what was done. Left out by steps that
   * only check.
   */
  act: (seen: Seen) => Promise<string>;
  /** What a person can do when the move was made and its effect is not seen. */
  whatNow?: string;
}

/**
 * Observes; does nothing when the step is done; else acts and observes again.
 * Errors: VerificationFailed when the effect is not seen, and those of the plan's own parts.
 */
export async function performStep<Seen>(
  session: Pick<NodeSession, 'node' | 'wasDoneBy'>,
  context: StepContext & { observeOnly?: boolean },
  plan: Plan<Seen>,
): Promise<StepOutcome> {
  let before = await plan.observe();
  const observed = plan.describe(before);
  const found = async (): Promise<StepOutcome> => ({
    result: context.observeOnly !== true && (await session.wasDoneBy(context)) ? 'changedEarlier' : 'unchanged',
    observed,
  });
  if (plan.isDone(before)) return found();
  if (context.observeOnly === true) return { result: 'unchanged', observed, drift: [`${session.node}: ${observed}`] };
  const broughtBack = (await plan.prepare?.()) ?? [];
  if (broughtBack.length > 0) {
    before = await plan.observe();
    if (plan.isDone(before)) {
      return { ...(await found()), done: `brought back: ${broughtBack.join(', ')}`, verified: plan.describe(before) };
    }
  }
  const done = await plan.act(before);
  const after = await plan.observe();
  const verified = plan.describe(after);
  if (!plan.isDone(after)) {
    throw new HadbError('VerificationFailed', `${session.node}: ${done}, but its effect is not seen`, {
      subject: session.node,
      observed: verified,
      whatNow: plan.whatNow ?? 'Look at the node for what undid it, then decide "retry".',
    });
  }
  return { result: 'changed', observed, done, verified };
}
