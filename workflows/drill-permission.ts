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
