import type { Verdict } from '../cluster/step';
import { drill as client } from './chapters/activities';
import { takeTheNodes } from './chapters/setting-up-the-cluster';
import { seeDrillsAllowed } from './drill-permission';
import { diskError, double, fenceLoss } from './drill/attended-faults';
import { noteTable } from './drill/audits';
import { drillByHand } from './drill/by-hand';
import { databaseHang, databaseKill } from './drill/database-faults';
import { recordState, withReport } from './drill/evidence';
import { passGate } from './drill/gate';
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
import { inPhase } from './drill/phases';
import { standby, switchover } from './drill/planned-moves';
import type { Fault, Stage } from './drill/stage';
import { seeServerKept } from './drill/target';
import { withWriter, type Writer } from './drill/writing-client';
import type { DrillKind, FaultPair } from './messages';
import type { Run } from './runbook';

/**
 * One fault, from a healthy pair to a healthy pair, with a client that writes all the while. What was broken is put right whatever happens in between, two
 * primaries excepted, and a report is written whatever the end. A verdict that does not pass is returned, not thrown.
 */
export const runDrill = (run: Run, { kind, pair, takesNodes = false }: DrillChoice): Promise<Verdict> => {
  const id = (name: string) => `${kind}-${name}`;
  const drill = `${run.operation.run}-${kind}`;
  const since = Date.now();
  return withReport({ run, kind, id, drill, since }, async (noted) => {
    const fault = kind === 'manual' ? undefined : FAULTS[kind](pair);
    const title = pair === undefined ? kind : `${kind} (${pair})`;
    const seen = await inPhase({ run, kind }, 'gate', async () => {
      const passed = await passGate(run, { kind, id, check: fault?.check });
      if (takesNodes) await takeTheNodes(run);
      return passed;
    });
    const { primary, standby: other } = seen;
    const state = { begun: false, twoPrimaries: false };
    const stage: Stage = { run, kind, title, id, drill, since, noted, tables: {}, state, primary, standby: other };
    return inPhase(stage, 'baseline', async () => {
      await recordState(stage, 'before');
      await noteTable(stage, 'before');
      return fault === undefined ? drillByHand(stage) : drillFault(stage, fault);
    });
  });
};

async function drillFault(stage: Stage, fault: Fault): Promise<Verdict> {
  const { run, id } = stage;
  let broken = false;
  return withWriter(stage, fault.limit, (writer) =>
    run.withUndo(
      async () => {
        const {
          at,
          serving,
          expectations = [],
          kept,
        } = await inPhase(stage, 'inject', async () => {
          await seeDrillsAllowed(run, id('still-allowed'));
          broken = true;
          return fault.inject(stage);
        });
        await inPhase(stage, 'recovered', async () => {
          if (fault.servedAfterRepair !== true) {
            await seeServed(stage, writer, { at, serving: serving ?? stage.standby });
          }
          await recordState(stage, 'during');
          await noteTable(stage, 'after');
        });
        const left = await inPhase(stage, 'rejoin', async () => {
          await fault.during?.(stage);
          await fault.repair(stage);
          broken = false;
          return pairHealthy(stage);
        });
        const restarts = kept === undefined ? [] : [await inPhase(stage, 'steady', () => seeServerKept(stage, kept))];
        if (fault.servedAfterRepair === true) await inPhase(stage, 'steady', () => writer.awaitSteady(at));
        return { ...left, expectations: [...expectations, ...restarts] };
      },
      async () => {
        if (!broken || stage.state.twoPrimaries) return;
        await inPhase(stage, 'rejoin', () => fault.repair({ ...stage, id: (name) => id(`undo-${name}`) }));
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
    client.remoteQuery({ ...step, primary: serving }),
  );
}

/** What is drilled; `pair` is of a double fault only. */
export interface DrillChoice {
  kind: DrillKind;
  pair?: FaultPair | undefined;
  /** Unless the run owns both nodes already. */
  takesNodes?: boolean;
}

/** Made anew for each drill: a fault remembers what it has broken. */
const FAULTS: Record<Exclude<DrillKind, 'manual'>, (pair?: FaultPair) => Fault> = {
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
