import { log } from '@temporalio/workflow';
import type { DrillReportStep } from '../activities/drill/report';
import { DRILL_SECONDS } from '../cluster/drill-limits';
import type { StepOutcome, Verdict } from '../cluster/step';
import { azure, drill as client, nodes } from './chapters/activities';
import { azureOperation } from './chapters/azure-operation';
import { seeDrillsAllowed } from './drill-permission';
import { describeFailure, isCancelOfTheRun } from './failures';
import type { DrillKind } from './messages';
import type { Run } from './runbook';

/** Which node was primary before the fault, and which one takes over. */
export interface DrilledPair {
  primary: string;
  standby: string;
}

/** Steps of one drill: their ids carry the kind, because a build makes several drills. */
interface Stage extends DrilledPair {
  run: Run;
  kind: DrillKind;
  id: (name: string) => string;
  /** What names the drill's rows, its ledger and its report. */
  drill: string;
  noted: NotedForReport;
}

/** What the report tells beside the step table; filled in as the drill goes on, and written whatever its end. */
type NotedForReport = Partial<
  Pick<DrillReportStep, 'verdict' | 'failure' | 'cancelled' | 'writes' | 'limitSeconds' | 'faultAt'>
>;

interface Fault {
  /** Breaks or moves, and ends when the other node serves; returns when that was seen. */
  inject: (stage: Stage) => Promise<{ at: number }>;
  /** Only while the fault lasts. */
  during?: (stage: Stage) => Promise<void>;
  /** Puts right what was broken; observes first, so that it may come twice. */
  repair: (stage: Stage) => Promise<void>;
  limit: 'soft' | 'hard';
}

/**
 * One fault, from a healthy pair to a healthy pair, with a client that writes all the while. What was broken is put right whatever happens in between, and a
 * report is written whatever the end. A verdict that does not pass is returned, not thrown.
 */
export const runDrill = (run: Run, kind: DrillKind): Promise<Verdict> =>
  run.chapter('Tests', () => {
    const id = (name: string) => `${kind}-${name}`;
    const drill = `${run.operation.run}-${kind}`;
    return withReport({ run, kind, id, drill }, async (noted) => {
      await seeDrillsAllowed(run, id('allowed'));
      const pair = await run.step({ id: id('gate') }, 'See that the pair is healthy and free to be tested', (step) =>
        client.readDrillGate(step),
      );
      await run.step({ id: id('query-before') }, 'Query from outside, before the fault', (step) =>
        client.remoteQuery(step),
      );
      const stage: Stage = { run, kind, id, drill, noted, primary: pair.primary, standby: pair.standby };
      await recordState(stage, 'before');
      return kind === 'manual' ? await drillByHand(stage) : await drillFault(stage, FAULTS[kind]);
    });
  });

async function withReport(
  { run, kind, id, drill }: Pick<Stage, 'run' | 'kind' | 'id' | 'drill'>,
  work: (noted: NotedForReport) => Promise<Verdict>,
): Promise<Verdict> {
  const noted: NotedForReport = {};
  const firstStep = run.steps.length;
  return run.withUndo(
    async () => {
      try {
        noted.verdict = await work(noted);
        return noted.verdict;
      } catch (error) {
        if (isCancelOfTheRun(error)) noted.cancelled = true;
        else noted.failure = describeFailure(error);
        throw error;
      }
    },
    async () => {
      await recordState({ run, id, drill }, 'after');
      await evidence(run, id('report'), 'Write the report of the drill', async (step) =>
        client.writeDrillReport({ ...step, drill, kind, ...noted, steps: run.steps.slice(firstStep) }),
      );
    },
  );
}

/** What the nodes say of themselves, for the report. */
async function recordState(
  { run, id, drill }: Pick<Stage, 'run' | 'id' | 'drill'>,
  when: 'before' | 'during' | 'after',
): Promise<void> {
  await evidence(run, id(`state-${when}`), STATE_SENTENCES[when], (step) =>
    client.recordClusterState({ ...step, drill, when }),
  );
}

const STATE_SENTENCES = {
  before: 'Note what both nodes say, before the fault',
  during: 'Note what both nodes say, while the fault lasts',
  after: 'Note what both nodes say, after the drill',
} as const;

/** A step that only writes something down: when it cannot, that is told, and the drill goes on as if it could. */
async function evidence(
  run: Run,
  id: string,
  sentence: string,
  work: Parameters<typeof run.step<StepOutcome>>[2],
): Promise<void> {
  await run.step({ id }, sentence, async (step) => {
    try {
      return await work(step);
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      const { code, message } = describeFailure(error);
      const problem = `"${sentence}" could not be done, which changes no verdict: ${message} (${code})`;
      log.warn('evidence of a drill is missing', { code: 'HADB_W2010', step: id, problem });
      run.warn(problem);
      return { result: 'unchanged' as const, observed: problem };
    }
  });
}

async function drillFault(stage: Stage, fault: Fault): Promise<Verdict> {
  const { run, id, standby } = stage;
  let broken = false;
  return withWriter(stage, fault.limit, (writer) =>
    run.withUndo(
      async () => {
        await seeDrillsAllowed(run, id('still-allowed'));
        broken = true;
        const { at } = await fault.inject(stage);
        await writer.awaitSteady(at);
        await run.step({ id: id('query-during') }, `Query from outside, the database now on ${standby}`, (step) =>
          client.remoteQuery(step),
        );
        await recordState(stage, 'during');
        await fault.during?.(stage);
        await fault.repair(stage);
        broken = false;
        return pairHealthy(stage);
      },
      async () => {
        if (broken) await fault.repair({ ...stage, id: (name) => id(`undo-${name}`) });
      },
    ),
  );
}

const FAULTS: Record<Exclude<DrillKind, 'manual'>, Fault> = {
  switchover: {
    inject: (stage) => movePrimaryRole(stage),
    repair: (stage) => clearMove(stage),
    limit: 'soft',
  },
  standby: {
    inject: async (stage) => {
      const { run, id, primary } = stage;
      await run.step({ id: id('standby-on'), node: primary }, 'Put the primary into standby', (step) =>
        client.setStandby({ ...step, node: primary, standby: 'on' }),
      );
      return awaitOtherServes(stage, 'soft');
    },
    during: async ({ run, id, standby }) => {
      await run.step(
        { id: id('see-no-replication'), node: standby },
        'See that a node in standby replicates nothing',
        (step) => client.readStandbyReplication({ ...step, node: standby }),
      );
    },
    repair: async ({ run, id, primary }) => {
      await run.step({ id: id('standby-off'), node: primary }, 'Take the node out of standby', (step) =>
        client.setStandby({ ...step, node: primary, standby: 'off' }),
      );
    },
    limit: 'soft',
  },
  'node-power-off': {
    inject: async (stage) => {
      const { run, id, primary } = stage;
      const [, seen] = await run.parallel([
        () =>
          run.step({ id: id('power-off'), node: primary }, 'Cut the power of the primary', (step) =>
            cutPower({ ...step, node: primary }),
          ),
        () => awaitOtherServes(stage, 'hard'),
      ]);
      return seen;
    },
    repair: (stage) => startNode(stage),
    limit: 'hard',
  },
  'node-shutdown': {
    inject: async (stage) => {
      const { run, id, primary } = stage;
      await run.step({ id: id('order-shutdown'), node: primary }, 'Shut the primary down from inside', (step) =>
        shutDown({ ...step, node: primary }),
      );
      const [seen] = await run.parallel([
        () => awaitOtherServes(stage, 'hard'),
        () =>
          run.step({ id: id('await-stopped'), node: primary }, 'Wait until the machine has stopped', (step) =>
            client.awaitStopped({ ...step, node: primary }),
          ),
      ]);
      return seen;
    },
    repair: (stage) => startNode(stage),
    limit: 'hard',
  },
};

/** The planned move, without standby: DRBD stays connected, nothing is outdated for a moment. */
export async function movePrimaryRole(
  stage: Pick<Stage, 'run' | 'id' | 'primary' | 'standby'>,
): Promise<{ at: number }> {
  const { run, id, primary, standby } = stage;
  await run.step({ id: id('move'), node: primary }, `Ask Pacemaker to promote ${standby} instead`, (step) =>
    client.movePrimary({ ...step, node: primary }),
  );
  return awaitOtherServes(stage, 'soft');
}

export async function clearMove({ run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>): Promise<void> {
  await run.step({ id: id('clear-move'), node: standby }, 'Take the constraint of the move back', (step) =>
    client.clearMove({ ...step, node: standby }),
  );
}

/** Returns what was cleaned up, and why: whoever reads the result is told. */
export async function pairHealthy({ run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>): Promise<string[]> {
  const { cleanedUp = [] } = await run.step(
    { id: id('healthy') },
    'Wait until the pair is whole again: both current, one primary, nothing left over',
    (step) => client.awaitPairHealthy({ ...step, node: standby, withinSeconds: DRILL_SECONDS.healthy }),
  );
  return cleanedUp;
}

async function awaitOtherServes(
  { run, id, standby }: Pick<Stage, 'run' | 'id' | 'standby'>,
  limit: 'soft' | 'hard',
): Promise<StepOutcome & { at: number }> {
  return run.step({ id: id('take-over'), node: standby }, 'Wait until the other node is primary and serves', (step) =>
    client.awaitPrimary({ ...step, node: standby, withinSeconds: limitSeconds(run, limit) + DRILL_SECONDS.grace }),
  );
}

async function startNode({ run, id, primary }: Stage): Promise<void> {
  await run.step({ id: id('start'), node: primary }, 'Start the machine again', (step) =>
    azureOperation(step, (submitted) => azure.submitStart({ ...submitted, node: primary })),
  );
  await run.step({ id: id('reach'), node: primary }, 'Wait until it has booted and answers SSH', async (step) => {
    const { vmId } = await azure.readPower({ ...step, node: primary });
    return nodes.awaitNodeReachable({ ...step, node: primary, vmId });
  });
}

/** The gate of the drill may be long past, when a step in between has waited for a person. */
async function cutPower(step: Parameters<typeof client.readPowerCutGate>[0]): Promise<StepOutcome> {
  await client.readPowerCutGate(step);
  return azureOperation(step, (submitted) =>
    azure.submitPowerOff({ ...submitted, node: step.node, skipShutdown: true }),
  );
}

/** A machine that is down already was shut down by an earlier try whose answer was lost. */
async function shutDown(step: Parameters<typeof client.orderShutdown>[0]): Promise<StepOutcome> {
  const { state } = await azure.readPower(step);
  return state === 'running'
    ? client.orderShutdown(step)
    : { result: 'changedEarlier', observed: `the machine is ${state}` };
}

/**
 * The article's manual failover, both ways: Pacemaker is ended on both nodes, the standby first, so that nothing moves by itself; at the end it starts
 * the database again, where it likes.
 */
async function drillByHand(stage: Stage): Promise<Verdict> {
  const { run, id, primary, standby } = stage;
  let byHand = false;
  return withWriter(stage, 'none', (writer) =>
    run.withUndo(
      async () => {
        await seeDrillsAllowed(run, id('still-allowed'));
        byHand = true;
        await stopPacemaker(stage, standby);
        await stopPacemaker(stage, primary);
        for (const [from, to, name] of [
          [primary, standby, 'over'],
          [standby, primary, 'back'],
        ] as const) {
          await run.step({ id: id(`release-${name}`), node: from }, 'Stop the server, unmount, demote', (step) =>
            nodes.release({ ...step, node: from }),
          );
          await run.step({ id: id(`take-${name}`), node: to }, 'Promote, mount, start the server', (step) =>
            nodes.take({ ...step, node: to }),
          );
          await run.step({ id: id(`query-${name}`) }, `Query from outside, the database now on ${to}`, (step) =>
            client.remoteQuery(step),
          );
          if (name === 'over') await recordState(stage, 'during');
        }
        await writer.awaitSteady(0);
        await handBack(stage);
        byHand = false;
        return pairHealthy(stage);
      },
      async () => {
        if (byHand) await handBack({ ...stage, id: (name) => id(`undo-${name}`) });
      },
    ),
  );
}

async function stopPacemaker({ run, id }: Stage, node: string): Promise<void> {
  await run.step({ id: id('stop-pacemaker'), node }, 'End Pacemaker, and with it everything on the node', (step) =>
    client.stopPacemaker({ ...step, node }),
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

interface Writer {
  awaitSteady(after: number): Promise<void>;
}

/** Runs `work`, which returns what it had to clean up, while a client writes; then judges what the client noted against what is there. */
async function withWriter(
  stage: Stage,
  limit: 'soft' | 'hard' | 'none',
  work: (writer: Writer) => Promise<string[]>,
): Promise<Verdict> {
  const { run, kind, id, drill, noted } = stage;
  noted.limitSeconds = limitSeconds(run, limit);
  let writing = false;
  const stop = (name: string) =>
    run.step({ id: id(name) }, 'End the client that writes', (step) => client.stopWriter({ ...step, drill }));
  return run.withUndo(
    async () => {
      writing = true;
      await run.step({ id: id('start-writer') }, 'Start the clients that write, ten rows a second each', (step) =>
        client.startWriter({ ...step, drill }),
      );
      const { at: faultAt } = await run.step({ id: id('see-it-write') }, 'See it write', (step) =>
        client.readWriter({ ...step, drill }),
      );
      noted.faultAt = faultAt;
      const cleanedUp = await work({
        awaitSteady: async (since) => {
          await run.step({ id: id('steady') }, 'Wait until the client is answered steadily again', (step) =>
            client.awaitWriterSteady({ ...step, drill, since, withinSeconds: DRILL_SECONDS.steady }),
          );
        },
      });
      await run.step({ id: id('query-after') }, 'Query from outside, after the drill', (step) =>
        client.remoteQuery(step),
      );
      await stop('stop-writer');
      writing = false;
      const { verdict, report } = await run.step(
        { id: id('judge') },
        'Compare what was acknowledged with what is there',
        (step) => client.judgeDrill({ ...step, drill, faultAt, limitSeconds: limitSeconds(run, limit) }),
      );
      noted.writes = report;
      const named = { ...verdict, summary: `${kind}: ${verdict.summary}` };
      return cleanedUp.length === 0 ? named : withCleanUp(named, cleanedUp);
    },
    async () => {
      if (writing) await stop('undo-stop-writer');
    },
  );
}

/** The pair is as before only because something was wiped away: that is told where the verdict is. */
function withCleanUp(verdict: Verdict, cleanedUp: readonly string[]): Verdict {
  const count = cleanedUp.length === 1 ? 'a failed action was' : `${cleanedUp.length} failed actions were`;
  return {
    ...verdict,
    summary: `${verdict.summary}; ${count} cleaned up afterwards`,
    checks: [
      ...verdict.checks,
      {
        name: 'failed actions cleaned up',
        passed: true,
        detail: `the resource runs again and nothing else is wrong: ${cleanedUp.join('; ')}`,
      },
    ],
  };
}

function limitSeconds({ specification: { slo } }: Run, limit: 'soft' | 'hard' | 'none'): number {
  if (limit === 'none') return DRILL_SECONDS.byHand;
  return limit === 'soft' ? slo.softFailoverSeconds : slo.hardFailoverSeconds;
}
