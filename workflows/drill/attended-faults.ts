import type { LastingFault } from '../../cluster/node/faults';
import { expectation } from '../../cluster/verdict/expectations';
import { drill as client } from '../chapters/activities';
import { whereAllowed } from '../drill-permission';
import { awaitOtherServes, startNode, startWhatWasShot, waitSeconds } from './pair';
import { addressOf, faultTimingOf, type Fault, type Stage } from './stage';
import { breakNode, cutPower, cutPowerOfSurvivor, mendNode, seeServer, seeTarget } from './target';

/** Faults after which a cluster may need a person: never made by a schedule. */

/** No engine here fails a disk on request: DRBD lets go of it as if it had. The primary goes on with the other node's copy, or hands over. */
export function diskError(): Fault {
  const detach = ({ run }: Pick<Stage, 'run'>): LastingFault => ({
    fault: 'disk-detach',
    undoSeconds: faultTimingOf(run).holdUndoSeconds,
  });
  return {
    inject: async (stage) => {
      const { run, id, primary } = stage;
      await seeServer(stage);
      const sentence = 'Have DRBD let go of the data disk of the primary (drbdadm detach --force)';
      await breakNode(stage, primary, sentence, detach(stage));
      const seen = await run.step(
        { id: id('served-diskless'), node: primary },
        'Wait until the database is served with the copy that is left',
        (step) => client.awaitServedDiskless({ ...step, node: primary, withinSeconds: waitSeconds(stage, 'hard') }),
      );
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
      return watchSurvivor(stage, standby, faultTimingOf(run).fencingHoldSeconds);
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

/** The primary is lost, then the survivor is reset: it comes back alone and cannot know whether the other one writes. It waits for its peer. */
export const double = (): Fault => ({
  inject: async (stage) => {
    const { run, id, primary, standby } = stage;
    await run.step(
      { id: id('power-off'), node: primary },
      'Cut the power of the primary',
      whereAllowed(stage, (step) => cutPower({ ...step, node: primary })),
    );
    await awaitOtherServes(stage, 'hard');
    await run.step(
      { id: id('power-off-survivor'), node: standby },
      'Cut the power of the survivor as well',
      whereAllowed(stage, (step) => cutPowerOfSurvivor({ ...step, node: standby })),
    );
    await startNode({ run, id: (name) => id(`survivor-${name}`) }, standby);
    return watchSurvivor(stage, standby, faultTimingOf(run).holdSeconds);
  },
  servedAfterRepair: true,
  repair: (stage) => startWhatWasShot(stage),
  limit: 'none',
});

async function watchSurvivor(stage: Stage, node: string, holdSeconds: number) {
  const { run, id } = stage;
  const seen = await run.step({ id: id('hold'), node }, 'See that it promotes nothing, and says why', (step) =>
    client.awaitNothingPromoted({ ...step, node, holdSeconds }),
  );
  const unknown = seen.looks === 0;
  return {
    at: seen.at,
    expectations: [
      expectation({ name: 'nothing promoted', problems: seen.promoted, detail: seen.observed, unknown }),
      expectation({
        name: 'a person is asked',
        problems: unknown || seen.asks.length > 0 ? [] : [`${node} says that nothing is wrong`],
        detail: `${node} says: ${seen.asks.join('; ')}`,
        unknown,
      }),
    ],
  };
}
