import { z } from 'zod';
import { FREEZE_LENGTH } from '../cluster/drill-permission';
import { NEVER_SCHEDULED } from '../cluster/drill-schedule';
import { ClusterSpecification } from '../cluster/specification/specification';
import { DEADLINE_MINUTES, DRILL_KINDS, FAULT_PAIRS } from './messages';

/** What the workflows accept, parsed in their first task: the UI's form sends whatever a person typed. */

const runbook = z.strictObject({
  specification: ClusterSpecification,
  onFailure: z.enum(['wait', 'fail']).default('wait'),
});

export const BuildCluster = runbook;
export const Switchover = runbook;
export const RecoverCluster = runbook;
export const FailoverDrill = runbook
  .extend({ kind: z.enum(DRILL_KINDS), pair: z.enum(FAULT_PAIRS).optional() })
  .refine(({ kind, pair }) => pair === undefined || kind === 'double', {
    path: ['pair'],
    message: 'a pair of faults is of a drill of kind double only',
  });
const unattended = z.strictObject({ specification: ClusterSpecification });
const failAtOnce = <Input extends object>(input: Input) => ({ ...input, onFailure: 'fail' as const });
const scheduledKind = z.enum(DRILL_KINDS).exclude(NEVER_SCHEDULED);

export const ScheduledDrill = unattended
  .extend({
    schedule: z.string().min(1),
    kinds: z.tuple([scheduledKind], scheduledKind),
    deadlineMinutes: z.int().min(DEADLINE_MINUTES.least).max(DEADLINE_MINUTES.most).default(DEADLINE_MINUTES.usual),
  })
  .transform(failAtOnce);
const by = { by: z.string().min(1), reason: z.string() };
export const OrderDrills = unattended
  .extend({
    order: z.discriminatedUnion('order', [
      z.strictObject({ order: z.literal('stop'), ...by }),
      z.strictObject({ order: z.literal('allow'), ...by }),
      z.strictObject({ order: z.literal('freeze'), windows: z.string().max(FREEZE_LENGTH) }),
    ]),
  })
  .transform(failAtOnce);
export const DestroyCluster = runbook
  .extend({ confirm: z.string() })
  .refine(({ specification, confirm }) => confirm === specification.name, {
    path: ['confirm'],
    message: 'type the name of the cluster here: everything in it is deleted, its data disks included',
  });
export const PlanCluster = unattended.transform(failAtOnce);
export const WatchCluster = unattended.transform(failAtOnce);
