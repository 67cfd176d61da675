import { heartbeat, sleep } from '@temporalio/activity';
import { assertNever, HadbError, isHadbError } from '../../cluster/errors';
import type { StepOutcome, StepWait } from '../../cluster/step';
import { withOperationFailures } from '../connections/arm-clients';
import { currentCancellation } from '../connections/activity-scope';
import { restoreDeletion, verifyDeleted } from './destroy';
import { verifyResource } from './ensure';
import { databaseRule, loadBalancer } from './load-balancer';
import { networkInterface } from './network-interface';
import { networkSecurityGroup } from './network-security-group';
import { restorePowerOff, restoreStart, verifyPower } from './power';
import { publicAddress } from './public-address';
import type { AzureScope, Poller, ResourceKind, RestoreOptions } from './resource-kind';
import { isNotFound } from './resource-kind';
import type { AzureSubmission } from './submission';
import { OBSERVE } from './submission';
import { virtualMachine } from './virtual-machine';
import { virtualNetwork } from './virtual-network';

/** Goes on with what was handed to Azure, whoever did that. */

interface OperationKind {
  restore(state: string, options: RestoreOptions): Poller;
  /** What was seen; throws NotReady while the resource is on its way. */
  verify(): Promise<string>;
}

function operationKind(scope: AzureScope, submission: AzureSubmission): OperationKind {
  const ofResource = (kind: ResourceKind): OperationKind => ({
    restore: (state, options) => kind.restore(scope, state, options),
    verify: () => verifyResource(scope, kind),
  });
  switch (submission.kind) {
    case 'network-security-group':
      return ofResource(networkSecurityGroup);
    case 'virtual-network':
      return ofResource(virtualNetwork);
    case 'public-address':
      return ofResource(publicAddress);
    case 'load-balancer':
      return ofResource(loadBalancer);
    case 'database-rule':
      return ofResource(databaseRule);
    case 'network-interface':
      return ofResource(networkInterface);
    case 'virtual-machine':
      return ofResource(virtualMachine);
    case 'power-off':
      return {
        restore: (state, options) => restorePowerOff(scope, state, options),
        verify: () => verifyPower(scope, 'off'),
      };
    case 'start':
      return {
        restore: (state, options) => restoreStart(scope, state, options),
        verify: () => verifyPower(scope, 'running'),
      };
    case 'delete': {
      const { resource } = submission;
      if (resource === undefined) throw new HadbError('Internal', 'a deletion without a resource');
      return {
        restore: (state, options) => restoreDeletion(scope, resource, state, options),
        verify: () => verifyDeleted(scope, resource),
      };
    }
    default:
      return assertNever(submission.kind);
  }
}

/** Only until Azure names its own interval (`Retry-After`, 10 to 50 s). */
const POLL_MS = 500;
/** How long a resource may be on its way after its operation has ended, or when there is no operation to ask. */
const SETTLE_MS = 120_000;
const OBSERVE_MS = 60 * 60_000;

/**
 * Waits for the end of the operation and looks at what it has brought about. Errors: those of Azure's status document,
 * VerificationFailed, NotReady.
 */
export async function awaitOperation(scope: AzureScope, submission: AzureSubmission): Promise<StepOutcome> {
  const { poller, kind: _, name, node: __, resource: ___, ...outcome } = submission;
  if (poller === undefined) return outcome;
  const operation = operationKind(scope, submission);
  heartbeat({ step: scope.step.step, waitingFor: waitingFor(submission) } satisfies StepWait);
  const known = poller !== OBSERVE && (await followPoller(operation, poller, name));
  const verified = await settle(operation, known ? SETTLE_MS : OBSERVE_MS);
  return { ...outcome, verified };
}

/** False when Azure does not know the operation any more: then the resource itself must tell. */
async function followPoller(operation: OperationKind, state: string, name: string): Promise<boolean> {
  const cancellation = currentCancellation();
  const options = cancellation === undefined ? {} : { abortSignal: cancellation.signal };
  try {
    await withOperationFailures(name, () =>
      operation.restore(state, { updateIntervalInMs: POLL_MS, ...options }).pollUntilDone(options),
    );
    return true;
  } catch (error) {
    if (cancellation?.signal.aborted === true) throw cancellation.signal.reason;
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function settle(operation: OperationKind, limitMs: number): Promise<string> {
  const deadline = Date.now() + limitMs;
  for (let pauseMs = POLL_MS; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await operation.verify();
    } catch (error) {
      // Right after a PUT, Azure may answer from a place that has not heard of it.
      const mayPass = isNotFound(error) || (isHadbError(error) && error.code === 'NotReady');
      if (!mayPass || Date.now() > deadline) throw error;
      await sleep(pauseMs);
    }
  }
}

function waitingFor({ kind, name, resource }: AzureSubmission): string {
  if (kind === 'delete') return `Azure to delete ${resource?.kind ?? ''} ${name}`;
  if (kind === 'power-off') return `Azure to power off ${name}`;
  if (kind === 'start') return `Azure to start ${name}`;
  if (kind === 'database-rule') return `Azure to write the rule into ${name}`;
  return `Azure to make ${kind.replaceAll('-', ' ')} ${name}`;
}
