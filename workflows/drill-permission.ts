import type { StepContext, StepOutcome } from '../cluster/step';
import { drill as client } from './chapters/activities';
import { describeFailure, isCancelOfTheRun, toApplicationFailure } from './failures';
import type { Run } from './runbook';

/** The safety switch and the freeze windows: asked at the gate, and again when the next thing is the fault. */
export async function seeDrillsAllowed(run: Run, id: string): Promise<void> {
  await run.step(
    { id },
    'See that drills are allowed: neither stopped nor in a freeze window',
    readDrillPermissionClosed,
  );
}

/**
 * The work of a step that breaks something, which may come again hours later, when a person decides to retry it: the switch is read in the step itself, at each
 * try. Where something of the fault is there already, a no is a move that was refused, and no longer a drill that was. Errors: DrillsForbidden, GateNotMet; GuardRefused.
 */
export const whereAllowed =
  <Outcome>({ state }: { state: { begun: boolean } }, work: (step: StepContext) => Promise<Outcome>) =>
  async (step: StepContext): Promise<Outcome> => {
    try {
      await readDrillPermissionClosed(step);
    } catch (error) {
      if (!state.begun || isCancelOfTheRun(error)) throw error;
      const failure = describeFailure(error);
      const message = `drills were forbidden in the middle of the fault (${failure.code}: ${failure.message})`;
      const whatNow = 'The rest of the fault is not made; what was made is put right.';
      throw toApplicationFailure({ ...failure, code: 'GuardRefused', message, whatNow });
    }
    state.begun = true;
    return work(step);
  };

/** What cannot be read counts as closed. Errors: DrillsForbidden, GateNotMet. */
export async function readDrillPermissionClosed(step: StepContext): Promise<StepOutcome> {
  try {
    return await client.readDrillPermission(step);
  } catch (error) {
    if (isCancelOfTheRun(error)) throw error;
    const failure = describeFailure(error);
    if (failure.code === 'DrillsForbidden' || failure.code === 'GateNotMet') throw error;
    throw toApplicationFailure({
      ...failure,
      code: 'GateNotMet',
      message: `whether drills are allowed cannot be read, which counts as a no (${failure.code}: ${failure.message})`,
    });
  }
}
