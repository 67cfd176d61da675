import { log, upsertMemo, workflowInfo } from '@temporalio/workflow';
import type { LockActivities } from '../activities/coordination/lock';
import { assertNever } from '../cluster/errors';
import { clusterLockId } from '../cluster/ids';
import { judgeLook, whatToTell, namesOf, type WatchFinding, type WatchNote } from '../cluster/recovery/watch';
import type { Progress, StepOutcome } from '../cluster/step';
import { stepActivities } from './activity-proxies';
import { recovery } from './chapters/activities';
import { describeFailure, isCancelOfTheRun } from './failures';
import { WatchCluster } from './inputs';
import type { WatchClusterInput } from './messages';
import { runRunbook, type Run } from './runbook';

const lock = stepActivities<LockActivities>();

/**
 * The half of a recovery that only looks, every few minutes; a schedule starts it. It takes no lock and changes nothing, steps aside while an operation holds the
 * cluster, and completes whatever it sees: what is wrong is an alert, not a failed run.
 */
export const watchCluster = (input: WatchClusterInput): Promise<Progress> =>
  runRunbook({
    runbook: 'watchCluster',
    input,
    schema: WatchCluster,
    lock: 'none',
    body: (run) => run.chapter('Watch', () => watch(run)),
  });

interface Look extends StepOutcome {
  state: WatchNote['state'];
  findings: WatchFinding[];
}

async function watch(run: Run): Promise<void> {
  const before = noteOfTheLookBefore();
  const held = await heldBy(run, 'free');
  if (held !== undefined) return stepAside(run, before, held);
  const look = await lookAtThePair(run);
  // What began meanwhile may be what was seen.
  const heldSince = look.state === 'whole' ? undefined : await heldBy(run, 'still-free');
  if (heldSince !== undefined) return stepAside(run, before, heldSince);

  const { state, findings, observed } = look;
  const carried = before?.told === undefined ? {} : { told: before.told };
  const note: WatchNote = { state, findings, ...carried };
  await run.step({ id: 'note' }, 'Note what was seen, for the log and the metrics', (step) =>
    recovery.noteLook({ ...step, note, ...(before !== undefined && { before }), observed }),
  );
  const telling = whatToTell(note, before, Date.now());
  const told = telling === 'nothing' ? undefined : await tell(run, { state: telling, findings, observed });
  const sentence = sentenceOf(run, note);
  run.watched(handOn(note, telling, told));
  upsertMemo({ outcome: sentence });
  run.note(sentence);
}

/** The server hands the result of the schedule's last completed run to the next one. */
function noteOfTheLookBefore(): WatchNote | undefined {
  const last = workflowInfo().lastResult as Partial<Progress> | undefined;
  return last?.watch;
}

/** Findings that could not be told are told at the next look. */
function handOn(note: WatchNote, telling: ReturnType<typeof whatToTell>, told: boolean | undefined): WatchNote {
  if (telling === 'nothing' || told !== true) return note;
  const { told: _, ...rest } = note;
  return telling === 'over'
    ? rest
    : { ...rest, told: { at: new Date().toISOString(), findings: namesOf(note.findings) } };
}

function sentenceOf({ specification: { name } }: Run, { state, findings }: WatchNote): string {
  const what = findings.map(({ sentence }) => sentence).join('; ');
  switch (state) {
    case 'whole':
      return `The pair ${name} is whole`;
    case 'under-way':
      return `The pair ${name} is on its way: ${what}`;
    case 'unseen':
      return `The pair ${name} could not be looked at: ${what}`;
    case 'wrong':
      return `Alert: the pair ${name} is not whole: ${what}`;
    default:
      return assertNever(state);
  }
}

/** The note of the look before is handed on, so that an alert does not begin anew after each operation. */
function stepAside(run: Run, before: WatchNote | undefined, held: string): void {
  if (before !== undefined) run.watched(before);
  upsertMemo({ outcome: `skipped: ${held}` });
  run.skip(held);
}

async function heldBy(run: Run, id: string): Promise<string | undefined> {
  const { reason } = await run.step(
    { id },
    'See that no operation holds the cluster',
    async ({ specification, operation }): Promise<StepOutcome & { reason?: string }> => {
      const lockId = clusterLockId(specification.name);
      const found = await lock.describeLockHolder({ lockId, workflowId: operation.workflowId });
      if (found.state !== 'held') return { result: 'unchanged', observed: 'nobody holds it' };
      const held = `cluster ${specification.name} is held by ${found.holder}`;
      return { result: 'unchanged', observed: held, reason: held };
    },
  );
  return reason;
}

/** A look that fails is something to know, not the end of the watch. */
const lookAtThePair = (run: Run): Promise<Look> =>
  run.step({ id: 'look' }, 'Look at both nodes, by Azure, DRBD and Pacemaker', async (step): Promise<Look> => {
    try {
      const { diagnosis, ...outcome } = await recovery.readPairDiagnosis(step);
      return { ...outcome, ...judgeLook(diagnosis, run.specification.name) };
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      const { code, message, whatNow = 'Look at the log of the worker.' } = describeFailure(error);
      const sentence = `it could not be looked at both nodes: ${message} (${code})`;
      const findings = [{ finding: 'cannot-look', sentence, whatNow }];
      return { result: 'unchanged', observed: sentence, state: 'unseen', findings };
    }
  });

/** An alert that cannot be told is in the log all the same. */
async function tell(
  run: Run,
  alert: { state: 'alert' | 'over'; findings: WatchFinding[]; observed: string },
): Promise<boolean> {
  const { told } = await run.step({ id: 'tell' }, 'Tell whoever is to be told', async (step) => {
    try {
      return await recovery.postAlert({ ...step, ...alert });
    } catch (error) {
      if (isCancelOfTheRun(error)) throw error;
      const { code, message } = describeFailure(error);
      log.warn('the webhook could not be told of an alert', { code: 'HADB_W8003', message, failure: code });
      run.warn(`the webhook could not be told: ${message} (${code})`);
      return { result: 'unchanged' as const, observed: `${message} (${code})`, told: false };
    }
  });
  return told;
}
