import type { Run } from '../runbook';
import { azure, nodes } from './activities';

/** What Pacemaker's fence device must be told. */
export interface Fencing {
  subscriptionId: string;
  resourceGroup: string;
}

/**
 * The article leaves STONITH as an exercise. Each node may cut the power of the other one, with the identity of its own
 * machine and no credential on it, and this is proved from both nodes before Pacemaker is told.
 */
export const proveFencing = (run: Run): Promise<Fencing> =>
  run.chapter('Fencing', async () => {
    const { roleId, subscriptionId, resourceGroup } = await run.step(
      { id: 'fencing-role' },
      'Make the role that lets a node see, start and power off both machines',
      (step) => azure.ensureFencingRole(step),
    );
    await run.onBothNodes(({ name: node }) =>
      run.parallel([
        () =>
          run.step(
            { id: 'assign-fencing-role', node },
            'Give the identity of the node the role on both machines',
            (step) => azure.ensureFencingAssignments({ ...step, node, roleId }),
          ),
        () =>
          run.step({ id: 'install-fence-agent', node }, 'Install the fence agent of Azure', (step) =>
            nodes.installFenceAgent({ ...step, node }),
          ),
      ]),
    );
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'prove-fencing', node }, 'See that the node can fence: list and power of both machines', (step) =>
        nodes.awaitFencingProved({ ...step, node, subscriptionId, resourceGroup }),
      ),
    );
    return { subscriptionId, resourceGroup };
  });
