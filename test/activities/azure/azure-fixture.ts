import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TokenCredential } from '@azure/identity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { AzureActivities as ResourceActivities } from '../../../activities/azure';
import { createAzureActivities } from '../../../activities/azure';
import { createPermissionActivities } from '../../../activities/drill/permission';
import type { AzureSubmission } from '../../../activities/azure/submission';
import { createArmClients, createCredential } from '../../../activities/connections/arm-clients';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import { createRedactor } from '../../../activities/connections/redactor';
import { createDirectorySecretStore } from '../../../activities/connections/secret-store';
import type { SecretStore } from '../../../activities/connections/secret-store';
import { failureInterceptor } from '../../../activities/interceptors/failures';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import type { ClusterSpecificationInput } from '../../../cluster/specification/specification';
import type { StepContext, StepOutcome } from '../../../cluster/step';
import type { TestLab } from '../../lab/control/lab-fixture';

type AzureActivities = ResourceActivities & ReturnType<typeof createPermissionActivities>;

/** The activities on Azure as a worker runs them, against an ARM endpoint in this process. */
export interface AzureWorld {
  arm: ArmClients;
  secrets: SecretStore;
  /** Method and path of every request that was sent. */
  requests: { method: string; path: string }[];
  step(id: string, changes?: { run?: string; specification?: Partial<ClusterSpecificationInput> }): StepContext;
  /** As the worker does it: with the interceptor that turns errors into failures. */
  run<Name extends keyof AzureActivities>(
    name: Name,
    input: Parameters<AzureActivities[Name]>[0],
  ): Promise<Awaited<ReturnType<AzureActivities[Name]>>>;
  /** Both halves of a long operation. */
  operate(step: StepContext, submission: Promise<AzureSubmission>): Promise<StepOutcome>;
}

export const CLUSTER = 'hadb-test';
export const RUN = '11111111-2222-3333-4444-555555555555';
export const NEXT_RUN = '99999999-2222-3333-4444-555555555555';

export function createAzureWorld(
  lab: TestLab,
  changes: { clientSecret?: string; credential?: TokenCredential; ca?: string; endpoint?: string } = {},
): AzureWorld {
  const { document } = lab;
  const ca = changes.ca ?? readFileSync(document.caFile, 'utf8');
  const requests: { method: string; path: string }[] = [];
  const arm = createArmClients({
    credential:
      changes.credential ??
      createCredential({
        tenantId: document.tenantId,
        clientId: document.clientId,
        clientSecret: changes.clientSecret ?? document.clientSecret,
        authorityHost: document.authorityHost,
        ca: readFileSync(document.caFile, 'utf8'),
      }),
    subscriptionId: document.subscriptionId,
    endpoint: changes.endpoint ?? document.armEndpoint,
    ca,
    onRequest: ({ method, path }) => requests.push({ method, path }),
  });
  const redactor = createRedactor();
  const secrets = createDirectorySecretStore(join(lab.stateDirectory, 'secrets'), redactor);
  const activities = { ...createAzureActivities({ arm, secrets }), ...createPermissionActivities({ arm, secrets }) };
  const run: AzureWorld['run'] = (name, input) => {
    const environment = new MockActivityEnvironment(undefined, {
      interceptors: [failureInterceptor(redactor)],
      // Failures that a test provokes are no news.
      logger: new DefaultLogger('ERROR'),
    });
    return environment.run(activities[name] as (argument: unknown) => Promise<never>, input);
  };
  return {
    arm,
    secrets,
    requests,
    run,
    step: (id, { run: operation = RUN, specification } = {}) => ({
      specification: ClusterSpecification.parse({
        name: CLUSTER,
        dnsLabel: CLUSTER,
        network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.1/32'] },
        vm: { size: 'Standard_D2s_v5' },
        ...specification,
      }),
      operation: { workflowId: `build-cluster/${CLUSTER}`, run: operation, runbook: 'buildCluster' },
      step: id,
      generation: 1,
    }),
    async operate(step, submitted) {
      const submission = await submitted;
      if (submission.poller === undefined) return submission;
      // What lies in history has been through JSON.
      return run('awaitAzureOperation', {
        ...step,
        submission: JSON.parse(JSON.stringify(submission)) as AzureSubmission,
      });
    },
  };
}

/** What machines need before they can be made; the outcomes by step. */
export async function buildNetwork(
  world: AzureWorld,
  changes: Parameters<AzureWorld['step']>[1] = {},
): Promise<Record<string, StepOutcome>> {
  const outcomes: Record<string, StepOutcome> = {};
  const step = (id: string) => world.step(id, changes);
  for (const name of ['ensureResourceGroup', 'ensureProximityPlacementGroup', 'ensureAvailabilitySet'] as const) {
    outcomes[name] = await world.run(name, step(name));
  }
  for (const name of [
    'submitNetworkSecurityGroup',
    'submitVirtualNetwork',
    'submitPublicAddress',
    'submitLoadBalancer',
  ] as const) {
    outcomes[name] = await world.operate(step(name), world.run(name, step(name)));
  }
  return outcomes;
}

/** Steps 1, 2 and 15; the outcomes by step. */
export async function buildAll(
  world: AzureWorld,
  changes: Parameters<AzureWorld['step']>[1] = {},
): Promise<Record<string, StepOutcome>> {
  const outcomes = await buildNetwork(world, changes);
  const step = (id: string) => world.step(id, changes);
  for (const node of ['hadb01', 'hadb02']) {
    for (const name of ['submitNetworkInterface', 'submitVirtualMachine'] as const) {
      const id = `${name}/${node}`;
      outcomes[id] = await world.operate(step(id), world.run(name, { ...step(id), node }));
    }
  }
  outcomes['submitDatabaseRule'] = await world.operate(
    step('submitDatabaseRule'),
    world.run('submitDatabaseRule', step('submitDatabaseRule')),
  );
  return outcomes;
}
