import type { Progress } from '../cluster/step';
import { drill as client } from './chapters/activities';
import { takeTheNodes } from './chapters/setting-up-the-cluster';
import { Switchover } from './inputs';
import type { SwitchoverInput } from './messages';
import { awaitOtherServes, clearMove, movePrimaryRole, pairHealthy } from './drill/pair';
import { runRunbook, type Run } from './runbook';

/** Planned move of the primary to the other node, by its promoted role and not by standby: both copies stay current. */
export const switchover = (input: SwitchoverInput): Promise<Progress> =>
  runRunbook({ runbook: 'switchover', input, schema: Switchover, body: (run) => move(run) });

async function move(run: Run): Promise<void> {
  await run.chapter('Switchover', async () => {
    const pair = await run.step({ id: 'gate' }, 'See that the pair is healthy', (step) => client.readDrillGate(step));
    await takeTheNodes(run);
    await run.step({ id: 'query-before' }, 'Query from outside, before the move', (step) =>
      client.readQueryGate({ ...step, primary: pair.primary }),
    );
    const stage = { run, id: (name: string) => name, primary: pair.primary, standby: pair.standby };
    await run.withUndo(
      async () => {
        await movePrimaryRole(stage);
        await awaitOtherServes(stage, 'soft');
      },
      () => clearMove(stage),
    );
    await run.step({ id: 'query-after' }, `Query from outside, the database now on ${pair.standby}`, (step) =>
      client.remoteQuery({ ...step, primary: pair.standby }),
    );
    const { cleanedUp } = await pairHealthy(stage);
    const left = cleanedUp.length === 0 ? '' : `; cleaned up afterwards: ${cleanedUp.join('; ')}`;
    run.note(`The database moved from ${pair.primary} to ${pair.standby}${left}`);
  });
}
