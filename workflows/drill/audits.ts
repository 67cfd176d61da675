import type { Audit } from '../../activities/drill/audits';
import type { StepContext, VerdictCheck } from '../../cluster/step';
import { auditTable } from '../../cluster/verdict/audit-table';
import { expectation } from '../../cluster/verdict/expectations';
import { drill as client } from '../chapters/activities';
import { evidence, recordLogs } from './evidence';
import type { Stage } from './stage';

/** What is looked at once the pair calls itself healthy again: by code that had no part in bringing it there. What cannot be told makes the verdict unknown. */
export async function auditPair(stage: Stage): Promise<VerdictCheck[]> {
  const { kind, drill, since } = stage;
  const cluster = await audit(
    stage,
    'audit-cluster',
    'See that both nodes tell of the same whole pair: CIB, actions, constraints, copies, no core file',
    (step) => client.auditCluster({ ...step, kind, since }),
  );
  const copies = await audit(stage, 'verify', 'Have DRBD compare both copies, block by block', (step) =>
    client.verifyCopies({ ...step, since }),
  );
  await recordLogs(stage);
  const logs = await audit(
    stage,
    'audit-logs',
    'See that no log tells of a split brain, of corruption or of an assertion, and when both copies were current again',
    (step) => client.auditLogs({ ...step, drill, kind, since, ...redundancyOf(stage) }),
  );
  const { before, after } = stage.tables;
  return [...cluster, ...copies, ...logs, ...(isPlanned(stage) ? [auditTable(before, after)] : [])];
}

/** From the fault until the pair was seen whole, by the workflow's clock: the logs tell it better where they tell it. */
function redundancyOf({ run, id, noted }: Stage): { faultAt?: number; wholeAt?: number } {
  const whole = run.steps.find((step) => step.id === id('healthy') && step.state === 'done')?.endedAt;
  return {
    ...(noted.faultAt !== undefined && { faultAt: noted.faultAt }),
    ...(whole !== undefined && { wholeAt: Date.parse(whole) }),
  };
}

async function audit(
  { run, id }: Stage,
  name: string,
  sentence: string,
  look: (step: StepContext) => Promise<Audit>,
): Promise<VerdictCheck[]> {
  const seen = await evidence(run, id(name), sentence, look, 'so that its checks are not known');
  return seen?.checks ?? [expectation({ name: sentence, problems: [], detail: 'it could not be done', unknown: true })];
}

/** The article's table at the primary, before a planned move and when the other node has it. A fault that nobody planned may meet somebody who writes to it. */
export async function noteTable(stage: Stage, when: 'before' | 'after'): Promise<void> {
  if (!isPlanned(stage)) return;
  const { run, id } = stage;
  const sentence =
    when === 'before' ? 'Take the checksum of the table' : 'Take the checksum of the table on the other side';
  const read = await evidence(
    run,
    id(`table-${when}`),
    sentence,
    (step) => client.readTable(step),
    'so that it is not known whether it came over as it was',
  );
  if (read !== undefined) stage.tables[when] = read.table;
}

const isPlanned = ({ kind }: Stage): boolean => ['switchover', 'standby', 'manual'].includes(kind);
