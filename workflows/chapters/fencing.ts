import type { AzureFencing } from '../../cluster/cib/cib';
import { azureNames } from '../../cluster/ids';
import type { Run } from '../runbook';
import { azure, nodes } from './activities';
import { platformOf, type Pair } from './setting-up-the-cluster';

/**
 * The article leaves STONITH as an exercise. Each node may cut the power of the other one, with the identity of its own
 * machine and no credential on it, and this is proved from both nodes before Pacemaker is told; undefined without fencing.
 */
export async function proveFencing(run: Run): Promise<AzureFencing | undefined> {
  if (run.specification.fencing !== 'azure') return undefined;
  return run.chapter('Fencing', async () => {
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
    const { virtualMachine } = azureNames(run.specification.name);
    const hosts = run.specification.nodes.map(({ name }) => ({ node: name, vm: virtualMachine(name) }));
    return { subscriptionId, resourceGroup, hosts };
  });
}

/**
 * For a cluster that was built without it: r0 first holds its writes up on both nodes until a lost peer is dead, the secondary's file before
 * the primary's; then Pacemaker is told. On one that fences already nothing changes.
 */
export async function putFencingIntoForce(run: Run, pair: Pair): Promise<AzureFencing | undefined> {
  const fencing = await proveFencing(run);
  if (fencing === undefined) return undefined;
  await run.chapter('Fencing', async () => {
    const { active, standby, platforms } = pair;
    for (const node of [standby, active]) {
      await run.step({ id: 'change-drbd-fencing', node }, 'Have r0 hold writes up until a lost peer is dead', (step) =>
        nodes.changeDrbdFencing({ ...step, node, platform: platformOf(platforms, node), fencing }),
      );
    }
    await run.step(
      { id: 'change-cluster-fencing', node: active },
      'Tell Pacemaker of the fence device, and of nothing else',
      (step) => nodes.changeClusterFencing({ ...step, node: active, platform: platformOf(platforms, active), fencing }),
    );
  });
  return fencing;
}
