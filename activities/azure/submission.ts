import type { ClusterResource } from '../../cluster/azure/destroy-order';
import type { StepContext, StepOutcome } from '../../cluster/step';
import type { ArmClients } from '../connections/arm-clients';
import type { SecretStore } from '../connections/secret-store';

export interface AzureDependencies {
  arm: ArmClients;
  secrets: SecretStore;
}

/** What every activity on Azure receives. */
export interface AzureStep extends StepContext {
  /** Read and report only; deviations become drift. */
  observeOnly?: boolean;
}

export type SubmissionKind =
  | 'network-security-group'
  | 'virtual-network'
  | 'public-address'
  | 'load-balancer'
  | 'database-rule'
  | 'network-interface'
  | 'virtual-machine'
  | 'power-off'
  | 'start'
  | 'delete';

/**
 * An operation that was handed to Azure, as it lies in history: whoever awaits it goes on from the poller, also on another
 * worker.
 */
export interface AzureSubmission extends StepOutcome {
  /** Serialised poller, or `OBSERVE`; nothing to wait for when it is missing. */
  poller?: string;
  kind: SubmissionKind;
  /** Name of the resource. */
  name: string;
  /** Node whose interface or machine it is. */
  node?: string;
  /** What is deleted. */
  resource?: ClusterResource;
  /** How power is taken. */
  skipShutdown?: boolean;
}

/** In place of a poller: the operation was submitted before and its poller was lost; the resource itself tells its end. */
export const OBSERVE = 'observe';
