import type { LastingFault } from '../../cluster/node/faults';
import { servedWithin } from '../../cluster/verdict/expectations';
import { drill as client } from '../chapters/activities';
import { waitSeconds } from './pair';
import { inPhase } from './phases';
import { faultTimingOf, type Fault, type Stage } from './stage';
import { breakNode, mendNode, seeServer } from './target';

/** Faults of the server alone: machine, DRBD and cluster are well. Whether the database comes back there or on the other node is Pacemaker's. */

export const databaseKill = (): Fault => ({
  inject: async (stage) => {
    const { pid } = await seeServer(stage);
    await breakNode(stage, stage.primary, 'Kill the database server (SIGKILL)', { fault: 'server-kill', pid });
    return awaitServedAgain(stage, pid);
  },
  // What is killed stays so: that Pacemaker starts another one is what is tested.
  repair: async () => undefined,
  limit: 'hard',
});

export function databaseHang(): Fault {
  let fault: LastingFault | undefined;
  return {
    inject: async (stage) => {
      const { pid, at } = await seeServer(stage);
      const { hangNoticedSeconds, hangServedSeconds, hangUndoSeconds } = faultTimingOf(stage.run);
      fault = { fault: 'server-hang', pid, undoSeconds: hangUndoSeconds };
      const sentence = 'Stop the database server where it stands (SIGSTOP)';
      const { movedAt: from = at } = await breakNode(stage, stage.primary, sentence, fault);
      const seen = await awaitServedAgain(stage, pid);
      const by = `${seen.serving}, as the nodes tell it; the monitor may take ${hangNoticedSeconds} s of it`;
      return { ...seen, expectations: [servedWithin({ from, to: seen.at, limitSeconds: hangServedSeconds, by })] };
    },
    repair: async (stage) => {
      if (fault === undefined) return;
      await mendNode(stage, stage.primary, 'Let the stopped server go on, if it is still there', fault);
    },
    limit: 'hard',
  };
}

async function awaitServedAgain(stage: Stage, pid: number): Promise<{ at: number; serving: string }> {
  const { run, id, primary } = stage;
  const { at, serving } = await inPhase(stage, 'observe', () =>
    run.step(
      { id: id('served-again'), node: primary },
      'Wait until a database server serves again, there or on the other node',
      (step) => client.awaitServedAgain({ ...step, node: primary, pid, withinSeconds: waitSeconds(stage, 'hard') }),
    ),
  );
  return { at, serving };
}
