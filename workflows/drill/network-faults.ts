import type { LastingFault } from '../../cluster/node/faults';
import type { VerdictCheck } from '../../cluster/step';
import { expectation } from '../../cluster/verdict/expectations';
import { drill as client } from '../chapters/activities';
import { awaitOneSurvivor } from './machine-faults';
import { startWhatWasShot } from './pair';
import { inPhase } from './phases';
import { addressOf, faultTimingOf, type Fault, type Stage } from './stage';
import { breakNode, mendNode, seeServer, seeTarget } from './target';

/** Faults of the network between the nodes. The network to the worker, to Azure and to clients is well. */

/** On one node both ways are cut: each takes the other for dead, and one of them must be shot. */
export function networkPartition(): Fault {
  const cut = ({ run, standby }: Stage): LastingFault => ({
    fault: 'partition',
    peerAddress: addressOf(run, standby),
    undoSeconds: faultTimingOf(run).cutUndoSeconds,
  });
  return {
    check: (step) => client.checkNetworkFault({ ...step, needs: 'rules' }),
    inject: async (stage) => {
      const { primary } = stage;
      const { pid, bootId } = await seeServer(stage);
      await breakNode(stage, primary, 'Cut the nodes off from each other, on the primary', cut(stage));
      const { at, survivor } = await awaitOneSurvivor(stage);
      const problems =
        survivor === primary ? [] : [`${survivor} is the survivor: the primary, which was well, was shot`];
      return {
        at,
        serving: survivor,
        expectations: [
          expectation({
            name: 'one survivor: the primary, the other node off',
            problems,
            detail: `${survivor} serves, and Azure says that the other machine is off`,
          }),
        ],
        ...(survivor === primary && { kept: { node: primary, bootId, pid } }),
      };
    },
    repair: async (stage) => {
      await mendNode(stage, stage.primary, 'Take the cut back, if it is still there', cut(stage));
      await startWhatWasShot(stage);
    },
    limit: 'hard',
  };
}

/** A network that a cluster must put up with. */
export const networkLoss = (): Fault =>
  disturbed({ lossPercent: 5, delayMs: 20 }, 'soft', ({ seen, hold }) => [
    expectation({ name: 'nothing moved', problems: seen.moved, detail: hold, unknown: seen.looks === 0 }),
  ]);

/** A network that it need not put up with: what it does is reported, and only two primaries are wrong. */
export const networkLossHeavy = (): Fault =>
  disturbed({ lossPercent: 30, delayMs: 20 }, 'none', ({ seen, hold }) => [
    expectation({
      name: 'never two primaries',
      problems: seen.twoPrimaries ? ['both nodes were primary'] : [],
      detail: hold,
      unknown: seen.looks === 0,
    }),
  ]);

interface Hold {
  seen: { moved: string[]; twoPrimaries: boolean; looks: number };
  hold: string;
}

function disturbed(
  amount: { lossPercent: number; delayMs: number },
  limit: Fault['limit'],
  judge: (hold: Hold) => VerdictCheck[],
): Fault {
  const towards = ({ run }: Stage, peer: string): LastingFault => ({
    fault: 'disturbance',
    peerAddress: addressOf(run, peer),
    ...amount,
    undoSeconds: faultTimingOf(run).holdUndoSeconds,
  });
  return {
    check: (step) => client.checkNetworkFault({ ...step, needs: 'disturbance' }),
    inject: async (stage) => {
      const { run, id, primary, standby } = stage;
      const { pid } = await seeTarget(stage);
      const sentence = `Lose ${amount.lossPercent} % of what goes to the other node, and delay the rest by ${amount.delayMs} ms`;
      await breakNode(stage, standby, sentence, towards(stage, primary));
      await breakNode(stage, primary, sentence, towards(stage, standby));
      const { holdSeconds } = faultTimingOf(run);
      const seen = await inPhase(stage, 'observe', () =>
        run.step({ id: id('hold'), node: primary }, 'Watch what moves while the network is bad', (step) =>
          client.awaitNothingMoves({ ...step, node: primary, holdSeconds, ...(pid !== undefined && { pid }) }),
        ),
      );
      return { at: seen.at, expectations: judge({ seen, hold: seen.observed }) };
    },
    // A client may well be too impatient for it.
    servedAfterRepair: true,
    repair: async (stage) => {
      const { run, primary, standby } = stage;
      await run.parallel(
        [
          [primary, standby],
          [standby, primary],
        ].map(
          ([node = '', peer = '']) =>
            () =>
              mendNode(stage, node, 'Make the network good again', towards(stage, peer)),
        ),
      );
      await startWhatWasShot(stage);
    },
    limit,
  };
}
