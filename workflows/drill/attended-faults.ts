import type { LastingFault } from '../../cluster/node/faults';
import { describeDiagnosis, type Diagnosis } from '../../cluster/recovery/diagnosis';
import { expectation } from '../../cluster/verdict/expectations';
import { drill as client, recovery } from '../chapters/activities';
import { whereAllowed } from '../drill-permission';
import type { FaultPair } from '../messages';
import { evidence } from './evidence';
import { awaitOtherServes, startNode, startWhatWasShot, waitSeconds } from './pair';
import { inPhase } from './phases';
import { addressOf, faultTimingOf, type Fault, type Injected, type Stage } from './stage';
import { breakNode, cutPower, cutPowerOfSurvivor, mendNode, seeServer, seeTarget } from './target';

/** Faults after which a cluster may need a person: never made by a schedule. */

/** The primary goes on with the other node's copy until Pacemaker moves the database to that node. Where nobody can have a disk fail, DRBD lets go of it as if it had; which it was, the step tells. */
export function diskError(): Fault {
  const detach = ({ run }: Pick<Stage, 'run'>): LastingFault => ({
    fault: 'disk-detach',
    undoSeconds: faultTimingOf(run).holdUndoSeconds,
  });
  return {
    inject: async (stage) => {
      const { run, id, primary } = stage;
      await seeServer(stage);
      const sentence =
        'Have the primary lose its data disk: by failing writes, or, where no engine can, by drbdadm detach --force';
      await breakNode(stage, primary, sentence, detach(stage));
      const withinSeconds = waitSeconds(stage, 'hard');
      const { holdSeconds } = faultTimingOf(run);
      const seen = await inPhase(stage, 'observe', async () => {
        await run.step(
          { id: id('served-diskless'), node: primary },
          'Wait until the database is served with the copy that is left',
          (step) => client.awaitServedDiskless({ ...step, node: primary, withinSeconds }),
        );
        return run.step(
          { id: id('left-diskless'), node: primary },
          'Give Pacemaker the time to move the database to the node that has a disk',
          (step) => client.awaitLeftDiskless({ ...step, node: primary, holdSeconds, withinSeconds }),
        );
      });
      return { at: seen.at, serving: seen.serving };
    },
    repair: (stage) => mendNode(stage, stage.primary, 'Attach the data disk again, if it is still away', detach(stage)),
    limit: 'hard',
  };
}

/** The primary dies while nobody can shoot it: whoever promotes then gambles with the data. */
export function fenceLoss(): Fault {
  const cut = ({ run }: Stage, peer: string): LastingFault => ({
    fault: 'resource-manager-cut',
    peerAddress: addressOf(run, peer),
    undoSeconds: faultTimingOf(run).fencingUndoSeconds,
  });
  const sentence = 'Cut the way to Azure Resource Manager';
  return {
    check: (step) => client.checkNetworkFault({ ...step, needs: 'rules' }),
    inject: async (stage) => {
      const { run, id, primary, standby } = stage;
      await seeTarget(stage);
      await breakNode(stage, standby, sentence, cut(stage, primary));
      await breakNode(stage, primary, sentence, cut(stage, standby));
      await run.step(
        { id: id('power-off'), node: primary },
        'Cut the power of the primary',
        whereAllowed(stage, (step) => cutPower({ ...step, node: primary })),
      );
      return watchAlone(stage, standby, {
        holdSeconds: faultTimingOf(run).fencingHoldSeconds,
        wanted: `a person is asked, because the fencing of ${primary} fails`,
        isTold: ({ refusals }) => refusals.some(({ code }) => code === 'fence-failed'),
      });
    },
    servedAfterRepair: true,
    repair: async (stage) => {
      const { primary, standby } = stage;
      for (const [node, peer] of [
        [standby, primary],
        [primary, standby],
      ] as const) {
        await mendNode(stage, node, 'Open the way to Azure again', cut(stage, peer));
      }
      await startWhatWasShot(stage);
    },
    limit: 'none',
  };
}

/**
 * The primary is lost, the other node takes over and is lost as well, and one of the two comes back alone. It cannot know whether the other one writes: it
 * waits for its peer. `off-then-reset`: it is the survivor, which has everything. `both-off-one-back`: it is the first that fell, which has missed writes.
 */
export const double = (pair: FaultPair = 'off-then-reset'): Fault => ({
  inject: async (stage) => {
    const { run, id, primary, standby } = stage;
    await run.step(
      { id: id('power-off'), node: primary },
      'Cut the power of the primary',
      whereAllowed(stage, (step) => cutPower({ ...step, node: primary })),
    );
    await inPhase(stage, 'observe', () => awaitOtherServes(stage, 'hard'));
    await run.step(
      { id: id('power-off-survivor'), node: standby },
      'Cut the power of the survivor as well',
      whereAllowed(stage, (step) => cutPowerOfSurvivor({ ...step, node: standby })),
    );
    const [back, peer] = pair === 'off-then-reset' ? [standby, primary] : [primary, standby];
    await startNode({ run, id: (name) => id(`alone-${name}`) }, back);
    return watchAlone(stage, back, {
      holdSeconds: faultTimingOf(run).holdSeconds,
      wanted: `recovery would start ${peer}, and needs nobody`,
      isTold: ({ remedy, refusals }) => refusals.length === 0 && remedy?.kind === 'start' && remedy.node === peer,
    });
  },
  servedAfterRepair: true,
  repair: (stage) => startWhatWasShot(stage),
  limit: 'none',
});

interface Alone {
  holdSeconds: number;
  /** What a recovery must say of the pair then. */
  wanted: string;
  isTold: (diagnosis: Diagnosis) => boolean;
}

/** Watches the node that is left, and has the pair diagnosed as `hadb recover` does, which changes nothing. */
function watchAlone(stage: Stage, node: string, { holdSeconds, wanted, isTold }: Alone): Promise<Injected> {
  const { run, id } = stage;
  return inPhase(stage, 'observe', async () => {
    const seen = await run.step({ id: id('hold'), node }, 'See that it promotes nothing', (step) =>
      client.awaitNothingPromoted({ ...step, node, holdSeconds }),
    );
    const found = await evidence(
      run,
      id('diagnosis'),
      'See what a recovery would make of this pair',
      (step) => recovery.readPairDiagnosis(step),
      'so that it is not known what a recovery would make of it',
    );
    const told = found === undefined ? 'not known' : describeDiagnosis(found.diagnosis);
    return {
      at: seen.at,
      expectations: [
        expectation({
          name: 'nothing promoted',
          problems: seen.promoted,
          detail: seen.observed,
          unknown: seen.looks === 0,
        }),
        expectation({
          name: wanted,
          problems: found === undefined || isTold(found.diagnosis) ? [] : [told],
          detail: told,
          unknown: found === undefined,
        }),
      ],
    };
  });
}
