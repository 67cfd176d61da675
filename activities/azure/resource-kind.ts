import type { AzureIds } from '../../cluster/azure/ids';
import { azureIds } from '../../cluster/azure/ids';
import type { Tags } from '../../cluster/azure/tags';
import { ownershipTags } from '../../cluster/azure/tags';
import { HadbError } from '../../cluster/errors';
import { azureNames } from '../../cluster/ids';
import type { AzureDependencies, AzureStep, SubmissionKind } from './submission';

/** What one kind of resource has that others have not; `ensure.ts` does the rest, the same for all. */

/** The part of the SDK's restored pollers that hadb uses. */
export interface Poller {
  pollUntilDone(options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

export interface AzureScope extends AzureDependencies {
  step: AzureStep;
  node?: string;
  names: ReturnType<typeof azureNames>;
  ids: AzureIds;
  tags: Tags;
}

export interface Found {
  id?: string;
  tags?: Record<string, string>;
  etag?: string;
  provisioningState?: string;
}

export interface ResourceKind<Model extends Found = Found> {
  kind: SubmissionKind;
  /** For people: "load balancer". */
  title: string;
  name(scope: AzureScope): string;
  get(scope: AzureScope): Promise<Model>;
  /** What is wanted, without secrets: what a GET is compared with. Tags are compared elsewhere. */
  wanted(scope: AzureScope): object;
  /**
   * Sends the PUT and returns its serialised poller: a poller is also a promise, which would be awaited to its end when it
   * left an async function. `current` is undefined for a new resource, and what a PUT would lose must be taken over from it.
   * `options` carry the etag.
   */
  put(scope: AzureScope, current: Model | undefined, options: PutOptions): Promise<string>;
  restore(scope: AzureScope, state: string, options: RestoreOptions): Poller;
  /** True where a PUT on what exists could stop a machine or cut a connection: deviations are reported, never put right. */
  frozen?: boolean;
  /** What is there beyond what is wanted and should be known. */
  additions?(scope: AzureScope, current: Model): string[];
  /** Once the resource is there. Safe to repeat. */
  finish?(scope: AzureScope, current: Model): Promise<void>;
  describe(current: Model): string;
}

export interface PutOptions {
  requestOptions: { headers: Record<string, string> };
}

export interface RestoreOptions {
  updateIntervalInMs: number;
  abortSignal?: AbortSignal;
}

export function createScope(dependencies: AzureDependencies, step: AzureStep, node?: string): AzureScope {
  const cluster = step.specification.name;
  if (node !== undefined && !step.specification.nodes.some(({ name }) => name === node)) {
    throw new HadbError('BadSpecification', `${node} is not a node of cluster ${cluster}`, { subject: node });
  }
  return {
    ...dependencies,
    step,
    ...(node === undefined ? {} : { node }),
    names: azureNames(cluster),
    ids: azureIds(dependencies.arm.subscriptionId, cluster),
    tags: ownershipTags(step),
  };
}

export function nodeOf(scope: AzureScope): string {
  if (scope.node === undefined) throw new HadbError('Internal', 'this resource belongs to a node, and none is named');
  return scope.node;
}

/** Undefined when there is none. */
export async function unlessMissing<Model>(read: () => Promise<Model>): Promise<Model | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

export function isNotFound(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === 404;
}
