import type { Progress } from '../cluster/step';
import { azure } from './chapters/activities';
import { azureOperation } from './chapters/azure-operation';
import { toApplicationFailure } from './failures';
import { DestroyCluster } from './inputs';
import type { DestroyClusterInput } from './messages';
import { runRunbook, type Run } from './runbook';

/** Deletes what carries the tag of the cluster, the data disks included, and nothing else. The name must have been typed. */
export const destroyCluster = (input: DestroyClusterInput): Promise<Progress> =>
  runRunbook({ runbook: 'destroyCluster', input, schema: DestroyCluster, body: (run) => destroy(run) });

async function destroy(run: Run): Promise<void> {
  await run.chapter('Destroying the cluster', async () => {
    const plan = await run.step(
      { id: 'look-for-resources' },
      'Look which resources carry the tag of the cluster',
      async (step) => {
        const { resources, foreign } = await azure.readDestroyPlan(step);
        const others = foreign.length === 0 ? '' : `; left alone, not ours: ${foreign.join(', ')}`;
        return { result: 'unchanged', observed: `${resources.length} resources are ours${others}`, resources, foreign };
      },
    );
    for (const alike of groupByKind(plan.resources)) {
      await run.parallel(
        alike.map(
          (resource) => () =>
            run.step(
              { id: `delete-${resource.kind}-${resource.name}` },
              `Delete ${resource.kind} ${resource.name}`,
              (step) => azureOperation(step, (submitted) => azure.submitDelete({ ...submitted, resource })),
            ),
        ),
      );
    }
    await run.step({ id: 'see-nothing-left' }, 'See that nothing of the cluster is left', async (step) => {
      const left = await azure.readDestroyPlan(step);
      if (left.resources.length > 0) {
        throw toApplicationFailure({
          code: 'VerificationFailed',
          message: `still there: ${left.resources.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`,
          whatNow: 'decide "abort" and start the destruction again: it deletes what is left',
        });
      }
      return { result: 'unchanged', observed: 'nothing carries the tag of the cluster' };
    });
    run.note(`Cluster ${run.specification.name} is deleted; its secrets stay in the secret store`);
  });
}

/** Neighbours of one kind do not depend on one another and are deleted at the same time; the order of the kinds stays. */
export function groupByKind<Resource extends { kind: string }>(resources: readonly Resource[]): Resource[][] {
  const groups: Resource[][] = [];
  for (const resource of resources) {
    const last = groups.at(-1);
    if (last?.[0]?.kind === resource.kind) last.push(resource);
    else groups.push([resource]);
  }
  return groups;
}
