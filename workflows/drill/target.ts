import type { DrillRole, FaultTargetFacts } from '../../activities/drill/faults';
import { HadbError } from '../../cluster/errors';
import type { LastingFault, NodeFault } from '../../cluster/node/faults';
import type { StepContext, StepOutcome, VerdictCheck } from '../../cluster/step';
import { expectation } from '../../cluster/verdict/expectations';
import { azure, drill as client } from '../chapters/activities';
import { azureOperation } from '../chapters/azure-operation';
import { whereAllowed } from '../drill-permission';
import { evidence } from './evidence';
import type { ServerOnNode, Stage } from './stage';

/** The one moment of a drill that breaks something: what is broken is looked at right before, and again in the command that breaks it. */

export function seeTarget({ run, id, primary }: Stage): Promise<StepOutcome & FaultTargetFacts> {
  return run.step({ id: id('target'), node: primary }, 'See once more that it is the primary, by its VM id', (step) =>
    client.readFaultTarget({ ...step, node: primary, role: 'Primary' }),
  );
}

export async function seeServer(stage: Stage): Promise<FaultTargetFacts & { pid: number }> {
  const target = await seeTarget(stage);
  if (target.pid !== undefined) return { ...target, pid: target.pid };
  throw new HadbError('GuardRefused', `no database server runs on ${stage.primary}`, {
    subject: stage.primary,
    observed: target.observed,
    whatNow: 'The cluster has changed since the drill began. Look at "crm_mon -1 -r".',
  });
}

/** A server that is restarted without need throws everybody out who was connected to it. */
export async function seeServerKept({ run, id }: Stage, before: ServerOnNode): Promise<VerdictCheck> {
  const now = await evidence(
    run,
    id('server-kept'),
    'See that the database was not restarted',
    (step) => client.readServer({ ...step, node: before.node }),
    'so that it is not known whether it was restarted',
  );
  const isSame = now?.pid === before.pid && now?.bootId === before.bootId;
  return expectation({
    name: 'the database was not restarted',
    problems:
      now === undefined || isSame ? [] : [`on ${before.node} it was process ${before.pid}; now: ${now.observed}`],
    detail: now === undefined ? `${before.node} could not be asked` : `${before.node}: ${now.observed}, as before`,
    unknown: now === undefined,
  });
}

/** Has a node break itself; `movedAt` is when it was told to, unless an earlier try has told it. */
export async function breakNode(
  { run, id, primary, state }: Pick<Stage, 'run' | 'id' | 'primary' | 'state'>,
  node: string,
  sentence: string,
  fault: NodeFault,
): Promise<StepOutcome> {
  const role = node === primary ? 'Primary' : 'Secondary';
  const inject = whereAllowed({ state }, (step) => client.injectFault({ ...step, node, role, fault }));
  return run.step({ id: id('break'), node }, sentence, inject);
}

/** Takes back what a node has done to itself; nothing where that is gone, by its timer or with the machine. */
export async function mendNode(
  { run, id }: Pick<Stage, 'run' | 'id'>,
  node: string,
  sentence: string,
  fault: LastingFault,
): Promise<void> {
  await run.step({ id: id('mend'), node }, sentence, (step) => client.endFault({ ...step, node, fault }));
}

/** The gate of the drill may be long past, when a step in between has waited for a person. */
export async function cutPower(step: StepContext & { node: string; role?: DrillRole }): Promise<StepOutcome> {
  await client.readPowerCutGate(step);
  return takePower(step);
}

/** Of the one that serves alone, after the other's. */
export async function cutPowerOfSurvivor(step: StepContext & { node: string }): Promise<StepOutcome> {
  await client.readSurvivorCutGate(step);
  return takePower(step);
}

const takePower = (step: StepContext & { node: string }): Promise<StepOutcome> =>
  azureOperation(step, (submitted) => azure.submitPowerOff({ ...submitted, node: step.node, skipShutdown: true }));
