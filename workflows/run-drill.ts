import { drillRefusal } from '../cluster/drill-refusals';
import type { Verdict } from '../cluster/step';
import { drill as client } from './chapters/activities';
import { seeDrillsAllowed } from './drill-permission';
import { diskError, double, fenceLoss } from './drill/attended-faults';
import { noteTable } from './drill/audits';
import { drillByHand } from './drill/by-hand';
import { databaseHang, databaseKill } from './drill/database-faults';
import { recordState, withReport } from './drill/evidence';
import {
  nodeCrash,
  nodeFreeze,
  nodeFreezeShort,
  nodePowerOff,
  nodeShutdown,
  secondaryLoss,
} from './drill/machine-faults';
import { networkLoss, networkLossHeavy, networkPartition } from './drill/network-faults';
import { pairHealthy } from './drill/pair';
import { standby, switchover } from './drill/planned-moves';
import type { Fault, Stage } from './drill/stage';
import { withWriter, type Writer } from './drill/writing-client';
import { toApplicationFailure } from './failures';
import type { DrillKind } from './messages';
import type { Run } from './runbook';

/**
 * One fault, from a healthy pair to a healthy pair, with a client that writes all the while. What was broken is put right whatever happens in between, two
 * primaries excepted, and a report is written whatever the end. A verdict that does not pass is returned, not thrown.
 */
export const runDrill = (run: Run, kind: DrillKind): Promise<Verdict> =>
  run.chapter('Tests', () => {
    const id = (name: string) => `${kind}-${name}`;
    const drill = `${run.operation.run}-${kind}`;
    const since = Date.now();
    return withReport({ run, kind, id, drill, since }, async (noted) => {
      refuseUnsafe(run, kind);
      await seeDrillsAllowed(run, id('allowed'));
      const pair = await run.step({ id: id('gate') }, 'See that the pair is healthy and free to be tested', (step) =>
        client.readDrillGate(step),
      );
      if (run.specification.fencing !== 'none') {
        await run.step({ id: id('fencing-gate') }, 'See that both nodes could fence now', (step) =>
          client.readFencingGate(step),
        );
      }
      const { primary, standby: other } = pair;
      const stage: Stage = {
        run,
        kind,
        id,
        drill,
        since,
        noted,
        tables: {},
        state: { begun: false, twoPrimaries: false },
        primary,
        standby: other,
      };
      const fault = kind === 'manual' ? undefined : FAULTS[kind]();
      await fault?.check?.(stage);
      await run.step({ id: id('query-before') }, 'Query from outside, before the fault', (step) =>
        client.remoteQuery(step),
      );
      await recordState(stage, 'before');
      await noteTable(stage, 'before');
      return fault === undefined ? await drillByHand(stage) : await drillFault(stage, fault);
    });
  });

/** What the specification alone forbids. Errors: GateNotMet. */
function refuseUnsafe({ specification }: Run, kind: DrillKind): void {
  const reason = drillRefusal(kind, specification);
  if (reason === undefined) return;
  throw toApplicationFailure({
    code: 'GateNotMet',
    message: reason,
    whatNow: 'Build the cluster with "fencing: azure", then make this drill. Nothing was moved or broken.',
  });
}

async function drillFault(stage: Stage, fault: Fault): Promise<Verdict> {
  const { run, id } = stage;
  let broken = false;
  return withWriter(stage, fault.limit, (writer) =>
    run.withUndo(
      async () => {
        await seeDrillsAllowed(run, id('still-allowed'));
        broken = true;
        const { at, serving, expectations = [] } = await fault.inject(stage);
        if (fault.servedAfterRepair !== true) await seeServed(stage, writer, { at, serving: serving ?? stage.standby });
        await recordState(stage, 'during');
        await noteTable(stage, 'after');
        await fault.during?.(stage);
        await fault.repair(stage);
        broken = false;
        const cleanedUp = await pairHealthy(stage);
        if (fault.servedAfterRepair === true) await writer.awaitSteady(at);
        return { cleanedUp, expectations };
      },
      async () => {
        if (broken && !stage.state.twoPrimaries) {
          await fault.repair({ ...stage, id: (name) => id(`undo-${name}`) });
        }
      },
    ),
  );
}

async function seeServed(
  { run, id }: Stage,
  writer: Writer,
  { at, serving }: { at: number; serving: string },
): Promise<void> {
  await writer.awaitSteady(at);
  await run.step({ id: id('query-during') }, `Query from outside, the database now on ${serving}`, (step) =>
    client.remoteQuery(step),
  );
}

/** Made anew for each drill: a fault remembers what it has broken. */
const FAULTS: Record<Exclude<DrillKind, 'manual'>, () => Fault> = {
  switchover,
  standby,
  'database-kill': databaseKill,
  'database-hang': databaseHang,
  'node-power-off': nodePowerOff,
  'node-shutdown': nodeShutdown,
  'node-crash': nodeCrash,
  'node-freeze-short': nodeFreezeShort,
  'node-freeze': nodeFreeze,
  'secondary-loss': secondaryLoss,
  'network-partition': networkPartition,
  'network-loss': networkLoss,
  'network-loss-heavy': networkLossHeavy,
  'disk-error': diskError,
  'fence-loss': fenceLoss,
  double,
};
