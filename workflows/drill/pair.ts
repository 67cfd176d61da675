import { DRILL_SECONDS } from '../../cluster/drill-limits';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { azure, drill as client } from '../chapters/activities';
import { awaitBooted } from '../chapters/await-booted';
import { azureOperation } from '../chapters/azure-operation';
import { faultTimingOf, limitSeconds, type Stage } from './stage';

/** Moves and waits of a pair that several drills share. */

type Work = (step: StepContext) => Promise<StepOutcome>;

/** Asks for the planned move, without standby: DRBD stays connected, nothing is outdated for a moment. A drill puts its condition around the move itself. */
export async function movePrimaryRole(
  stage: Pick<Stage, 'run' | 'id' | 'primary' | 'standby'>,
  around: (work: Work) => Work = (work) => work,
): Promise<void> {
  const { run, id, primary, standby } = stage;
  await run.step(
    { id: id('move'), node: primary },
    `Ask Pacemaker to promote ${standby} instead`,
    around((step) => client.movePrimary({ ...step, node: primary })),
  );
}

export async function clearMove({ run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>): Promise<void> {
  await run.step({ id: id('clear-move'), node: standby }, 'Take the constraint of the move back', (step) =>
    client.clearMove({ ...step, node: standby }),
  );
}

/** Returns what was cleaned up, and why: whoever reads the result is told. */
export async function pairHealthy({ run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>): Promise<PairLeft> {
  const { primary, cleanedUp = [] } = await run.step(
    { id: id('healthy') },
    'Wait until the pair is whole again: both current, one primary, nothing left over',
    (step) => client.awaitPairHealthy({ ...step, node: standby, withinSeconds: DRILL_SECONDS.healthy }),
  );
  return { primary, cleanedUp };
}

/** Who is primary at the end, and what had to be cleaned up before it was one. */
export interface PairLeft {
  primary: string;
  cleanedUp: string[];
}

export async function awaitOtherServes(
  { run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>,
  limit: 'soft' | 'hard',
): Promise<StepOutcome & { at: number }> {
  return run.step({ id: id('take-over'), node: standby }, 'Wait until the other node is primary and serves', (step) =>
    client.awaitPrimary({ ...step, node: standby, withinSeconds: waitSeconds({ run }, limit) }),
  );
}

/** How long the outcome of a fault is waited for: the figure is wanted also when the SLO is broken. */
export const waitSeconds = ({ run }: Pick<Stage, 'run'>, limit: 'soft' | 'hard'): number =>
  limitSeconds(run, limit) + DRILL_SECONDS.grace;

export async function startNode({ run, id }: Pick<Stage, 'run' | 'id'>, node: string): Promise<void> {
  await run.step({ id: id('start'), node }, 'Start the machine again', (step) =>
    azureOperation(step, (submitted) => azure.submitStart({ ...submitted, node })),
  );
  await run.step({ id: id('reach'), node }, 'Wait until it has booted and answers SSH', (step) =>
    awaitBooted(step, node),
  );
}

/** Whichever of the two is off; one that runs is only seen to answer. Not before every fencing has ended, and that of a machine whose power was cut has begun. */
export async function startWhatWasShot(stage: Stage): Promise<void> {
  const { run, id, primary, standby } = stage;
  await run.step({ id: id('settled'), node: standby }, 'Wait until no fencing is under way', (step) =>
    client.awaitFencingSettled({
      ...step,
      node: standby,
      withinSeconds: faultTimingOf(run).settledSeconds + DRILL_SECONDS.grace,
    }),
  );
  await run.parallel([primary, standby].map((node) => () => startNode(stage, node)));
}
