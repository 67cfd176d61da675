import { DRILL_SECONDS } from '../../cluster/drill-limits';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { expectation } from '../../cluster/verdict/expectations';
import { azure, drill as client } from '../chapters/activities';
import { whereAllowed } from '../drill-permission';
import { describeFailure } from '../failures';
import { awaitOtherServes, startWhatWasShot, waitSeconds } from './pair';
import { inPhase } from './phases';
import { faultTimingOf, type Fault, type Stage } from './stage';
import { breakNode, cutPower, seeServer, seeTarget } from './target';

/** A whole machine is lost: by its power, in good order, by a panic of its kernel, or because it stands still. */

export const nodePowerOff = (): Fault => ({
  inject: async (stage) => {
    const { run, id, primary } = stage;
    const [, seen] = await run.parallel([
      () =>
        run.step(
          { id: id('power-off'), node: primary },
          'Cut the power of the primary',
          whereAllowed(stage, (step) => cutPower({ ...step, node: primary })),
        ),
      () => inPhase(stage, 'observe', () => awaitOtherServes(stage, 'hard')),
    ]);
    return seen;
  },
  repair: (stage) => startWhatWasShot(stage),
  limit: 'hard',
});

export const nodeShutdown = (): Fault => ({
  inject: async (stage) => {
    const { run, id, primary } = stage;
    await run.step(
      { id: id('order-shutdown'), node: primary },
      'Shut the primary down from inside',
      whereAllowed(stage, (step) => shutDown({ ...step, node: primary })),
    );
    const [seen] = await run.parallel([
      () => inPhase(stage, 'observe', () => awaitOtherServes(stage, 'hard')),
      () =>
        inPhase(stage, 'observe', () =>
          run.step({ id: id('await-stopped'), node: primary }, 'Wait until the machine has stopped', (step) =>
            client.awaitStopped({ ...step, node: primary }),
          ),
        ),
    ]);
    return seen;
  },
  repair: (stage) => startWhatWasShot(stage),
  limit: 'hard',
});

/** A machine that is down already was shut down by an earlier try whose answer was lost. */
async function shutDown(step: StepContext & { node: string }): Promise<StepOutcome> {
  const { state } = await azure.readPower(step);
  return state === 'running'
    ? client.orderShutdown(step)
    : { result: 'changedEarlier', observed: `the machine is ${state}` };
}

export function nodeCrash(): Fault {
  let bootId: string | undefined;
  return {
    inject: async (stage) => {
      ({ bootId } = await seeTarget(stage));
      const { panicSeconds } = faultTimingOf(stage.run);
      await breakNode(stage, stage.primary, 'Have the kernel of the primary panic', { fault: 'crash', panicSeconds });
      return inPhase(stage, 'observe', () => awaitOtherServes(stage, 'hard'));
    },
    repair: async (stage) => {
      const { run, id, primary } = stage;
      if (bootId === undefined) return;
      const boot = bootId;
      const withinSeconds = faultTimingOf(run).panicSeconds + DRILL_SECONDS.grace;
      await run.step(
        { id: id('crashed'), node: primary },
        'Wait until the machine is off, or boots by itself',
        (step) => client.awaitCrashed({ ...step, node: primary, bootId: boot, withinSeconds }),
      );
      await startWhatWasShot(stage);
    },
    limit: 'hard',
  };
}

/** The forgotten one: nothing moves, and yet writes stand still until the other copy is known to be out of the way. */
export const secondaryLoss = (): Fault => ({
  inject: async (stage) => {
    const { run, id, primary, standby } = stage;
    const { pid, bootId } = await seeServer(stage);
    await run.step(
      { id: id('power-off'), node: standby },
      'Cut the power of the secondary',
      whereAllowed(stage, (step) => cutPower({ ...step, node: standby, role: 'Secondary' })),
    );
    const seen = await inPhase(stage, 'observe', () =>
      run.step(
        { id: id('alone'), node: primary },
        'Wait until the primary goes on alone, and nothing of DRBD is frozen',
        (step) => client.awaitSurvivor({ ...step, node: primary, withinSeconds: waitSeconds(stage, 'hard') }),
      ),
    );
    const problems = seen.pid === pid ? [] : [`the server process was ${pid ?? 'none'} and is ${seen.pid ?? 'none'}`];
    return {
      at: seen.at,
      serving: primary,
      expectations: [
        expectation({
          name: 'nothing moved',
          problems,
          detail: `${primary} stayed primary, with server process ${pid}`,
        }),
      ],
      kept: { node: primary, bootId, pid },
    };
  },
  repair: (stage) => startWhatWasShot(stage),
  limit: 'hard',
});

/** A machine that stands still for less than a token: nobody may notice. */
export const nodeFreezeShort = (): Fault => ({
  check: checkFreezable,
  inject: async (stage) => {
    const { run, id, primary } = stage;
    const { pid } = await seeTarget(stage);
    const { shortFreezeSeconds, holdSeconds } = faultTimingOf(run);
    await freeze(stage, shortFreezeSeconds);
    const seen = await inPhase(stage, 'observe', () =>
      run.step({ id: id('hold'), node: primary }, 'See that nothing moves, while it stands and after it', (step) =>
        client.awaitNothingMoves({ ...step, node: primary, holdSeconds, ...(pid !== undefined && { pid }) }),
      ),
    );
    return {
      at: seen.at,
      serving: primary,
      expectations: [
        expectation({ name: 'nothing moved', problems: seen.moved, detail: seen.observed, unknown: seen.looks === 0 }),
      ],
    };
  },
  repair: (stage) => thawAndStart(stage),
  limit: 'soft',
});

/** For longer than a token: it is taken for dead, and must not come back as a second primary. */
export const nodeFreeze = (): Fault => ({
  check: checkFreezable,
  inject: async (stage) => {
    await freeze(stage, faultTimingOf(stage.run).longFreezeSeconds);
    const { at, survivor } = await awaitOneSurvivor(stage);
    const problems = survivor === stage.standby ? [] : [`${survivor}, which was frozen, is the survivor`];
    return {
      at,
      serving: survivor,
      expectations: [
        expectation({ name: 'one survivor, the frozen node off', problems, detail: `${survivor} serves` }),
      ],
    };
  },
  repair: (stage) => thawAndStart(stage),
  limit: 'hard',
});

const checkFreezable = (step: StepContext): Promise<StepOutcome> => client.checkFreezable(step);

async function freeze(stage: Stage, seconds: number): Promise<void> {
  const { run, id, primary } = stage;
  await run.step(
    { id: id('freeze'), node: primary },
    `Freeze the primary for ${seconds} s`,
    whereAllowed(stage, (step) => client.freezeNode({ ...step, node: primary, role: 'Primary', seconds })),
  );
}

async function thawAndStart(stage: Stage): Promise<void> {
  const { run, id, primary } = stage;
  await run.step({ id: id('thaw'), node: primary }, 'Let the machine go on, if it still stands', (step) =>
    client.thawNode({ ...step, node: primary }),
  );
  await startWhatWasShot(stage);
}

export async function awaitOneSurvivor(stage: Stage): Promise<{ at: number; survivor: string; lost: string }> {
  const { run, id, primary, state } = stage;
  return inPhase(stage, 'observe', () =>
    run.step(
      { id: id('one-survivor'), node: primary },
      'Wait until one node serves, and Azure says that the other is off',
      async (step) => {
        try {
          const seen = await client.awaitOneSurvivor({
            ...step,
            node: primary,
            withinSeconds: waitSeconds(stage, 'hard'),
          });
          state.twoPrimaries = false;
          return seen;
        } catch (error) {
          // Noted here: a person who ends the run, or a cancel, brings another error.
          if (describeFailure(error).code === 'TwoPrimaries') state.twoPrimaries = true;
          throw error;
        }
      },
    ),
  );
}
