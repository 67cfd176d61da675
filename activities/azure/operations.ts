import { heartbeat, sleep } from '@temporalio/activity';
import { HadbError, isFinal, isHadbError } from '../../cluster/errors';
import type { StepOutcome, StepWait } from '../../cluster/step';
import { waitForOperation } from '../connections/arm-clients';
import { currentCancellation } from '../connections/activity-scope';
import { restoreDeletion, submitDelete, verifyDeleted } from './destroy';
import { submitResource, verifyResource } from './ensure';
import { databaseRule, loadBalancer } from './load-balancer';
import { networkInterface } from './network-interface';
import { networkSecurityGroup } from './network-security-group';
import { restorePowerOff, restoreStart, submitPowerOff, submitStart, verifyPower } from './power';
import { publicAddress } from './public-address';
import type { AzureScope, Poller, ResourceKind, RestoreOptions } from './resource-kind';
import { isNotFound } from './resource-kind';
import type { AzureSubmission, SubmissionKind } from './submission';
import { OBSERVE } from './submission';
import { virtualMachine } from './virtual-machine';
import { virtualNetwork } from './virtual-network';

/** Goes on with what was handed to Azure, whoever did that. */

interface OperationKind {
  restore(state: string, options: RestoreOptions): Poller;
  /** What was seen; throws NotReady while the resource is on its way. */
  verify(): Promise<string>;
  /** As the activity that submitted it: looks first, so that nothing is sent that is there or under way. */
  submit(): Promise<AzureSubmission>;
}

const RESOURCES = {
  'network-security-group': networkSecurityGroup,
  'virtual-network': virtualNetwork,
  'public-address': publicAddress,
  'load-balancer': loadBalancer,
  'database-rule': databaseRule,
  'network-interface': networkInterface,
  'virtual-machine': virtualMachine,
} satisfies Record<Exclude<SubmissionKind, 'power-off' | 'start' | 'delete'>, ResourceKind>;

function operationKind(scope: AzureScope, submission: AzureSubmission): OperationKind {
  const { kind, resource } = submission;
  if (kind === 'power-off') {
    return {
      restore: (state, options) => restorePowerOff(scope, state, options),
      verify: () => verifyPower(scope, 'off'),
      submit: () => submitPowerOff(scope, { skipShutdown: submission.skipShutdown === true }),
    };
  }
  if (kind === 'start') {
    return {
      restore: (state, options) => restoreStart(scope, state, options),
      verify: () => verifyPower(scope, 'running'),
      submit: () => submitStart(scope),
    };
  }
  if (kind === 'delete') {
    if (resource === undefined) throw new HadbError('Internal', 'a deletion without a resource');
    return {
      restore: (state, options) => restoreDeletion(scope, resource, state, options),
      verify: () => verifyDeleted(scope, resource),
      submit: () => submitDelete(scope, resource),
    };
  }
  const made: ResourceKind = RESOURCES[kind];
  return {
    restore: (state, options) => made.restore(scope, state, options),
    verify: () => verifyResource(scope, made),
    submit: () => submitResource(scope, made),
  };
}

/** Only until Azure names its own interval (`Retry-After`, 10 to 50 s). */
const POLL_MS = 500;
/** How long a resource may be on its way after its operation has ended, or when there is no operation to ask. */
const SETTLE_MS = 120_000;
const OBSERVE_MS = 60 * 60_000;

/** What Azure accepted may still fail for a reason that passes (another operation, no capacity): then it is sent again. */
const SUBMISSIONS = 3;
const RESUBMIT_PAUSES_MS = [2_000, 10_000];

/**
 * Waits for the end of the operation and looks at what it has brought about. An operation that failed for a reason that
 * passes is submitted anew; a worker that dies meanwhile begins with the old poller and finds the new operation by the
 * resource's state. Errors: those of Azure's status document, VerificationFailed, NotReady.
 */
export async function awaitOperation(scope: AzureScope, submission: AzureSubmission): Promise<StepOutcome> {
  const { result, observed, done, drift } = submission;
  const outcome = {
    result,
    observed,
    ...(done === undefined ? {} : { done }),
    ...(drift === undefined ? {} : { drift }),
  };
  let current = submission;
  for (let count = 1; ; count += 1) {
    if (current.poller === undefined) {
      return count === 1 ? outcome : { ...outcome, verified: current.observed };
    }
    const end = await followOnce(scope, current, current.poller);
    if ('verified' in end) return { ...outcome, verified: end.verified };
    if (isFinal(end.failure.code) || count === SUBMISSIONS) throw end.failure;
    const pauseMs = end.failure.details.retryAfterMs ?? RESUBMIT_PAUSES_MS[count - 1] ?? 10_000;
    heartbeat({ step: scope.step.step, waitingFor: `another try: ${end.failure.message}` } satisfies StepWait);
    await sleep(pauseMs);
    current = await operationKind(scope, submission).submit();
  }
}

async function followOnce(
  scope: AzureScope,
  submission: AzureSubmission,
  poller: string,
): Promise<{ verified: string } | { failure: HadbError }> {
  const operation = operationKind(scope, submission);
  heartbeat({ step: scope.step.step, waitingFor: waitingFor(submission) } satisfies StepWait);
  const end = poller === OBSERVE ? 'forgotten' : await followPoller(operation, poller, submission.name);
  if (typeof end === 'object') return { failure: end };
  try {
    return { verified: await settle(operation, end === 'ended' ? SETTLE_MS : OBSERVE_MS) };
  } catch (error) {
    if (isHadbError(error) && error.code === 'VerificationFailed') return { failure: error };
    throw error;
  }
}

/** `forgotten`: Azure does not know the operation any more; then the resource itself must tell. */
async function followPoller(
  operation: OperationKind,
  state: string,
  name: string,
): Promise<'ended' | 'forgotten' | HadbError> {
  const cancellation = currentCancellation();
  const options = cancellation === undefined ? {} : { abortSignal: cancellation.signal };
  try {
    const failure = await waitForOperation(name, () =>
      operation.restore(state, { updateIntervalInMs: POLL_MS, ...options }).pollUntilDone(options),
    );
    return failure ?? 'ended';
  } catch (error) {
    if (cancellation?.signal.aborted === true) throw cancellation.signal.reason;
    if (isNotFound(error)) return 'forgotten';
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
