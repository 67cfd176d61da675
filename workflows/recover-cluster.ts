import { assertNever } from '../cluster/errors';
import { describeRemedy, type Diagnosis, type PersonNeeded, type Remedy } from '../cluster/recovery/diagnosis';
import type { Progress, StepOutcome, Verdict } from '../cluster/step';
import { RECOVERY_SECONDS } from '../cluster/drill-limits';
import { azure, drill as client, nodes, recovery } from './chapters/activities';
import { awaitBooted } from './chapters/await-booted';
import { azureOperation } from './chapters/azure-operation';
import { toApplicationFailure } from './failures';
import { RecoverCluster } from './inputs';
import type { RecoverClusterInput } from './messages';
import { runRunbook, type Run } from './runbook';

/**
 * Puts right what a night has left behind, where that is safe, and puts the rest before a person with the evidence. Looks, does the one thing that comes next,
 * and looks again, until the pair is whole or nothing may be done any more; on a whole pair it only looks.
 */
export const recoverCluster = (input: RecoverClusterInput): Promise<Progress> =>
  runRunbook({
    runbook: 'recoverCluster',
    input,
    schema: RecoverCluster,
    body: (run) => run.chapter('Recovery', () => recover(run)),
  });

/** What was done so far, in its order. */
interface Made {
  name: string;
  outcome: StepOutcome;
}

interface Seen extends StepOutcome {
  diagnosis: Diagnosis;
}

async function recover(run: Run): Promise<void> {
  const made: Made[] = [];
  const clients = await run.step({ id: 'end-clients' }, 'End the clients that a drill has left writing', (step) =>
    client.endLeftWriters(step),
  );
  if (clients.result === 'changed') made.push({ name: 'end-clients', outcome: clients });
  const owned = new Set<string>();
  for (let look = 1; ; look += 1) {
    const { diagnosis } = await examine(run, look, made);
    if (diagnosis.healthy) return conclude(run, made);
    const { remedy } = diagnosis;
    if (remedy === undefined) throw new Error('a pair that is not whole has neither a remedy nor a refusal');
    for (const node of ownersOf(remedy)) await own(run, node, owned);
    made.push({ name: nameOf(remedy), outcome: await apply(run, remedy) });
  }
}

/** Fails where a person is needed; decided "retry", it looks again. */
async function examine(run: Run, look: number, made: readonly Made[]): Promise<Seen> {
  const id = look === 1 ? 'look' : `look-${look}`;
  return run.step({ id }, 'Look at both nodes, by Azure, DRBD and Pacemaker', async (step) => {
    const seen = await recovery.readPairDiagnosis(step);
    refuse(run, seen, made);
    return seen;
  });
}

function refuse(run: Run, { observed, diagnosis }: Seen, made: readonly Made[]): void {
  const needed = personNeeded(diagnosis, made);
  if (needed.length === 0) return;
  const sentence = needed.map((one) => one.sentence).join('; ');
  const summary =
    made.length === 0
      ? `A person is needed, nothing was done: ${sentence}`
      : `A person is needed for what is left: ${sentence}; done before: ${told(made)}`;
  run.verdict(verdictOf(summary, made, needed));
  throw toApplicationFailure({
    // What was refused at first sight was not begun.
    code: made.length === 0 ? 'GateNotMet' : 'AssertionFailed',
    message: summary,
    observed,
    whatNow: needed.map((one) => one.whatNow).join(' '),
  });
}

interface Needed extends Omit<PersonNeeded, 'code'> {
  code: PersonNeeded['code'] | 'no-effect';
}

/** What is left over but forbids nothing is told once all else is done. */
function personNeeded({ healthy, refusals, left, remedy, problems }: Diagnosis, made: readonly Made[]): Needed[] {
  if (refusals.length > 0) return [...refusals, ...left];
  if (healthy) return [];
  const again = remedy !== undefined && made.some(({ name }) => name === nameOf(remedy));
  if (again) {
    return [
      ...left,
      {
        code: 'no-effect',
        sentence: `"${describeRemedy(remedy)}" was done in this run already, and is needed again: ${problems.join('; ')}`,
        whatNow: 'Look at "crm_mon -1 -r" and "drbdadm status r0" on both nodes for what undoes it.',
      },
    ];
  }
  return remedy === undefined ? left : [];
}

const nameOf = ({ kind, node }: Remedy): string => `${kind} ${node}`;

/** Nodes on which something is changed: another operation's job may still run there. */
function ownersOf(remedy: Remedy): string[] {
  if (remedy.kind === 'lift-standby') return [remedy.primary];
  // What is in the network is on no node, which may not even answer.
  if (remedy.kind === 'open-way' || remedy.kind === 'end-faults')
    return remedy.faults.some(({ where }) => where === 'node') ? [remedy.node] : [];
  return remedy.kind === 'remove-constraints' || remedy.kind === 'await-health' ? [remedy.node] : [];
}

async function own(run: Run, node: string, owned: Set<string>): Promise<void> {
  if (owned.has(node)) return;
  await run.step({ id: 'own-node', node }, 'Make this operation the owner of the node', (step) =>
    nodes.takeOwnership({ ...step, node }),
  );
  owned.add(node);
}

function apply(run: Run, remedy: Remedy): Promise<StepOutcome> {
  const { node } = remedy;
  return run.step({ id: remedy.kind, node }, describeRemedy(remedy), async (step): Promise<StepOutcome> => {
    switch (remedy.kind) {
      case 'await-stop':
        return client.awaitStopped({ ...step, node });
      case 'await-fence':
        return recovery.awaitFenceOver({ ...step, node });
      case 'open-way':
      case 'end-faults':
        return recovery.endLeftFaults({ ...step, node, faults: remedy.faults });
      case 'await-boot':
        return awaitBooted(step, node);
      case 'await-member':
        return recovery.awaitMember({ ...step, node });
      case 'start':
        await recovery.readStartGate({ ...step, node });
        await recovery.noteStart({ ...step, node });
        return azureOperation(step, (submitted) => azure.submitStart({ ...submitted, node }));
      case 'lift-standby':
        return recovery.liftStandby({ ...step, node, primary: remedy.primary });
      case 'await-sync':
        return recovery.awaitCopiesCurrent({ ...step, node });
      case 'remove-constraints':
        return recovery.removeConstraints({ ...step, node, ids: remedy.ids });
      case 'await-health':
        return client.awaitPairHealthy({ ...step, node, withinSeconds: RECOVERY_SECONDS.healthy });
      default:
        return assertNever(remedy);
    }
  });
}

function conclude(run: Run, made: readonly Made[]): void {
  const summary =
    made.length === 0
      ? 'The pair is whole: nothing was found, nothing was done'
      : `The pair is whole again; done: ${told(made)}`;
  run.verdict(verdictOf(summary, made, []));
}

const told = (made: readonly Made[]): string =>
  made.map(({ name, outcome: { done } }) => `${name}${done === undefined ? '' : ` (${done})`}`).join(', ');

function verdictOf(summary: string, made: readonly Made[], needed: readonly Needed[]): Verdict {
  return {
    passed: needed.length === 0,
    summary,
    checks: [
      ...made.map(({ name, outcome }) => ({
        name,
        passed: true,
        detail: outcome.done ?? outcome.observed,
      })),
      ...needed.map(({ code, sentence, whatNow }) => ({
        name: code,
        passed: false,
        detail: `${sentence}. ${whatNow}`,
      })),
      ...(needed.length === 0 ? [{ name: 'pair whole', passed: true, detail: 'seen from both nodes' }] : []),
    ],
  };
}
