import type { Verdict } from '../../cluster/step';
import { drill as client, nodes } from '../chapters/activities';
import { seeDrillsAllowed, whereAllowed } from '../drill-permission';
import { noteTable } from './audits';
import { recordState } from './evidence';
import { pairHealthy } from './pair';
import { inPhase } from './phases';
import type { Stage } from './stage';
import { withWriter } from './writing-client';

/**
 * The article's manual failover, both ways: Pacemaker is ended on both nodes, the standby first, so that nothing moves by itself; at the end it starts
 * the database again, where it likes.
 */
export async function drillByHand(stage: Stage): Promise<Verdict> {
  const { run, id, primary, standby } = stage;
  let byHand = false;
  return withWriter(stage, 'none', (writer) =>
    run.withUndo(
      async () => {
        await inPhase(stage, 'inject', async () => {
          await seeDrillsAllowed(run, id('still-allowed'));
          byHand = true;
          await stopPacemaker(stage, standby);
          await stopPacemaker(stage, primary);
          await takeOver(stage, { from: primary, to: standby, name: 'over' });
        });
        await inPhase(stage, 'recovered', async () => {
          await recordState(stage, 'during');
          await noteTable(stage, 'after');
          await takeOver(stage, { from: standby, to: primary, name: 'back' });
          await writer.awaitSteady(0);
        });
        const left = await inPhase(stage, 'rejoin', async () => {
          await handBack(stage);
          byHand = false;
          return pairHealthy(stage);
        });
        return { ...left, expectations: [] };
      },
      async () => {
        if (!byHand) return;
        await inPhase(stage, 'rejoin', () => handBack({ ...stage, id: (name) => id(`undo-${name}`) }));
      },
    ),
  );
}

async function takeOver(
  { run, id }: Stage,
  { from, to, name }: { from: string; to: string; name: 'over' | 'back' },
): Promise<void> {
  await run.step({ id: id(`release-${name}`), node: from }, 'Stop the server, unmount, demote', (step) =>
    nodes.release({ ...step, node: from }),
  );
  await run.step({ id: id(`take-${name}`), node: to }, 'Promote, mount, start the server', (step) =>
    nodes.take({ ...step, node: to }),
  );
  await run.step({ id: id(`query-${name}`) }, `Query from outside, the database now on ${to}`, (step) =>
    client.remoteQuery({ ...step, primary: to }),
  );
}

async function stopPacemaker(stage: Stage, node: string): Promise<void> {
  const { run, id } = stage;
  await run.step(
    { id: id('stop-pacemaker'), node },
    'End Pacemaker, and with it everything on the node',
    whereAllowed(stage, (step) => client.stopPacemaker({ ...step, node })),
  );
}

/** Nothing runs by hand any more when Pacemaker starts: it must not find a server that it did not start. */
async function handBack({ run, id, primary, standby }: Stage): Promise<void> {
  for (const node of [standby, primary]) {
    await run.step({ id: id('release-to-pacemaker'), node }, 'Stop the server there, unmount, demote', (step) =>
      client.releaseToPacemaker({ ...step, node }),
    );
  }
  await run.onBothNodes(({ name: node }) =>
    run.step({ id: id('start-pacemaker'), node }, 'Start Pacemaker', (step) => nodes.startPacemaker({ ...step, node })),
  );
}
