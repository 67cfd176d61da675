import type { Run } from '../runbook';
import { azure } from './activities';
import { azureOperation } from './azure-operation';

/**
 * "Vorbereitung": two virtual machines in a network of their own, with a data disk each, behind one public name. Where the
 * article has a cloud service and an affinity group there are now a resource group, a proximity placement group and a load
 * balancer.
 */
export const preparing = (run: Run): Promise<void> =>
  run.chapter('Preparing', async () => {
    await run.step({ id: 'resource-group' }, 'Create the resource group', (step) => azure.ensureResourceGroup(step));

    await run.parallel([
      async () => {
        await run.step({ id: 'proximity-placement-group' }, 'Create the proximity placement group', (step) =>
          azure.ensureProximityPlacementGroup(step),
        );
        await run.step({ id: 'availability-set' }, 'Create the availability set', (step) =>
          azure.ensureAvailabilitySet(step),
        );
      },
      async () => {
        await run.step({ id: 'network-security-group' }, 'Create the network security group', (step) =>
          azureOperation(step, azure.submitNetworkSecurityGroup),
        );
        await run.step({ id: 'virtual-network' }, 'Create the virtual network and its subnet', (step) =>
          azureOperation(step, azure.submitVirtualNetwork),
        );
      },
      async () => {
        await run.step({ id: 'public-address' }, 'Reserve the public address and its name', (step) =>
          azureOperation(step, azure.submitPublicAddress),
        );
        await run.step({ id: 'load-balancer' }, 'Create the load balancer with one SSH rule for each node', (step) =>
          azureOperation(step, azure.submitLoadBalancer),
        );
      },
    ]);

    await run.onBothNodes(async ({ name }) => {
      await run.step({ id: 'network-interface', node: name }, 'Create the network interface', (step) =>
        azureOperation(step, (submitted) => azure.submitNetworkInterface({ ...submitted, node: name })),
      );
      await run.step({ id: 'virtual-machine', node: name }, 'Create the virtual machine with its data disk', (step) =>
        azureOperation(step, (submitted) => azure.submitVirtualMachine({ ...submitted, node: name })),
      );
    });
  });
