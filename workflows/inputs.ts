import { z } from 'zod';
import { ClusterSpecification } from '../cluster/specification/specification';
import { DRILL_KINDS } from './messages';

/** What the workflows accept, parsed in their first task: the UI's form sends whatever a person typed. */

const runbook = z.strictObject({
  specification: ClusterSpecification,
  onFailure: z.enum(['wait', 'fail']).default('wait'),
});

export const BuildCluster = runbook;
export const Switchover = runbook;
export const FailoverDrill = runbook.extend({ kind: z.enum(DRILL_KINDS) });
export const DestroyCluster = runbook
  .extend({ confirm: z.string() })
  .refine(({ specification, confirm }) => confirm === specification.name, {
    path: ['confirm'],
    message: 'type the name of the cluster here: everything in it is deleted, its data disks included',
  });
export const PlanCluster = z.strictObject({ specification: ClusterSpecification }).transform((input) => ({
  ...input,
  onFailure: 'fail' as const,
}));
