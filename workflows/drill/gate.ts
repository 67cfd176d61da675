import { drillRefusal } from '../../cluster/drill-refusals';
import type { StepContext, StepFailure, StepOutcome } from '../../cluster/step';
import { drill as client } from '../chapters/activities';
import { seeDrillsAllowed } from '../drill-permission';
import { describeFailure, isCancelOfTheRun, toApplicationFailure } from '../failures';
import type { DrillKind } from '../messages';
import type { Run } from '../runbook';
import type { DrilledPair, Fault } from './stage';

/** What must hold before anything is moved or broken: a second fault on top of a first one is an outage. */

/** All that is wrong is told at once, so that nobody puts one thing right only to be told of the next. Errors: GateNotMet, DrillsForbidden. */
export async function passGate(
  run: Run,
  { kind, id, check }: { kind: DrillKind; id: (name: string) => string; check: Fault['check'] },
): Promise<DrilledPair> {
  refuseUnsafe(run, kind);
  await seeDrillsAllowed(run, id('allowed'));
  return run.step(
    { id: id('gate') },
    'See that the pair is healthy, that both nodes could fence now, and that the load balancer leads to the primary',
    (step) => seePair(step, check),
  );
}

async function seePair(step: StepContext, check: Fault['check']): Promise<StepOutcome & DrilledPair> {
  const failures: StepFailure[] = [];
  const look = async <Outcome extends StepOutcome>(ask: () => Promise<Outcome>): Promise<Outcome | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      failures.push(describeFailure(error));
      return undefined;
    }
  };
  // First: they alone may be what keeps a small server from answering.
  await client.endLeftWriters(step);
  const pair = await look(() => client.readDrillGate(step));
  const fences = step.specification.fencing !== 'none';
  const fencing = fences ? await look(() => client.readFencingGate(step)) : undefined;
  const query = await look(() =>
    client.readQueryGate({ ...step, ...(pair !== undefined && { primary: pair.primary }) }),
  );
  const possible = check === undefined ? undefined : await look(() => check(step));
  if (pair === undefined || failures.length > 0) throw refusalOf(failures);
  const { primary, standby } = pair;
  const observed = [pair, fencing, query, possible].flatMap((outcome) => outcome?.observed ?? []).join(' | ');
  return { result: 'unchanged', observed, primary, standby };
}

/** A node or an Azure that does not answer is as good a reason as one that says what is wrong. */
function refusalOf(failures: readonly StepFailure[]): Error {
  const told = failures.map(({ code, message }) => (code === 'GateNotMet' ? message : `${message} (${code})`));
  const textOf = (key: 'observed' | 'whatNow') => [...new Set(failures.flatMap((failure) => failure[key] ?? []))];
  return toApplicationFailure({
    code: 'GateNotMet',
    message: told.join('; '),
    observed: textOf('observed').join(' | '),
    whatNow: textOf('whatNow').join(' '),
  });
}

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
