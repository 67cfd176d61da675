import type { ClusterResource, DestroyPlan } from '../../cluster/azure/destroy-order';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { readDestroyPlan, submitDelete } from './destroy';
import { submitResource } from './ensure';
import { describeEvidence, readEvidence, writeEvidence } from './evidence';
import type { FencingRole } from './fencing';
import { ensureFencingAssignments, ensureFencingRole } from './fencing';
import { databaseRule, loadBalancer } from './load-balancer';
import { networkInterface } from './network-interface';
import { networkSecurityGroup } from './network-security-group';
import { awaitOperation } from './operations';
import { ensureAvailabilitySet, ensureProximityPlacementGroup } from './placement';
import type { Power } from './power';
import { readPower, submitPowerOff, submitStart } from './power';
import type { Endpoint } from './public-address';
import { publicAddress, readEndpoint } from './public-address';
import { ensureResourceGroup } from './resource-group';
import { createScope } from './resource-kind';
import type { AzureDependencies, AzureStep, AzureSubmission } from './submission';
import { virtualMachine } from './virtual-machine';
import { virtualNetwork } from './virtual-network';

type NodeOfAzure = AzureStep & { node: string };

/**
 * Steps 1, 2 and 15, the power of the machines, the evidence tags, and the end of a cluster. What takes Azure longer than a
 * request is handed over by a `submitX` and followed by `awaitAzureOperation`.
 */
export function createAzureActivities(dependencies: AzureDependencies) {
  const scope = (step: AzureStep, node?: string) => createScope(dependencies, step, node);
  return {
    ensureResourceGroup: async (step: AzureStep): Promise<StepOutcome> => ensureResourceGroup(scope(step)),
    ensureProximityPlacementGroup: async (step: AzureStep): Promise<StepOutcome> =>
      ensureProximityPlacementGroup(scope(step)),
    ensureAvailabilitySet: async (step: AzureStep): Promise<StepOutcome> => ensureAvailabilitySet(scope(step)),

    submitNetworkSecurityGroup: async (step: AzureStep): Promise<AzureSubmission> =>
      submitResource(scope(step), networkSecurityGroup),
    submitVirtualNetwork: async (step: AzureStep): Promise<AzureSubmission> =>
      submitResource(scope(step), virtualNetwork),
    submitPublicAddress: async (step: AzureStep): Promise<AzureSubmission> =>
      submitResource(scope(step), publicAddress),
    submitLoadBalancer: async (step: AzureStep): Promise<AzureSubmission> => submitResource(scope(step), loadBalancer),
    submitNetworkInterface: async (step: NodeOfAzure): Promise<AzureSubmission> =>
      submitResource(scope(step, step.node), networkInterface),
    submitVirtualMachine: async (step: NodeOfAzure): Promise<AzureSubmission> =>
      submitResource(scope(step, step.node), virtualMachine),
    submitDatabaseRule: async (step: AzureStep): Promise<AzureSubmission> => submitResource(scope(step), databaseRule),

    awaitAzureOperation: async (step: AzureStep & { submission: AzureSubmission }): Promise<StepOutcome> =>
      awaitOperation(scope(step, step.submission.node), step.submission),

    /** Host, port and user of the database, and the SSH ports. Errors: NotReady. */
    readEndpoint: async (step: StepContext): Promise<Endpoint> => readEndpoint(scope(step)),

    readEvidence: async (step: StepContext): Promise<StepOutcome & { tags: Record<string, string> }> => {
      const tags = await readEvidence(scope(step));
      return { result: 'unchanged', observed: describeEvidence(tags), tags };
    },
    writeEvidence: async (step: StepContext & { test: string; value: string }): Promise<StepOutcome> =>
      writeEvidence(scope(step), step.test, step.value),

    readPower: async (step: StepContext & { node: string }): Promise<Power> => readPower(scope(step, step.node)),
    submitPowerOff: async (step: StepContext & { node: string; skipShutdown: boolean }): Promise<AzureSubmission> =>
      submitPowerOff(scope(step, step.node), step),
    submitStart: async (step: StepContext & { node: string }): Promise<AzureSubmission> =>
      submitStart(scope(step, step.node)),

    ensureFencingRole: async (step: AzureStep): Promise<FencingRole> => ensureFencingRole(scope(step)),
    ensureFencingAssignments: async (step: NodeOfAzure & { roleId: string }): Promise<StepOutcome> =>
      ensureFencingAssignments(scope(step, step.node), step.roleId),

    readDestroyPlan: async (step: StepContext): Promise<DestroyPlan> => readDestroyPlan(scope(step)),
    submitDelete: async (step: StepContext & { resource: ClusterResource }): Promise<AzureSubmission> =>
      submitDelete(scope(step), step.resource),
  };
}

export type AzureActivities = ReturnType<typeof createAzureActivities>;
