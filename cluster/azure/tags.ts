import { OPERATION_TAG, OWNER_TAG } from '../ids';
import type { StepContext } from '../step';

export type Tags = Readonly<Record<string, string>>;

/** On every resource of a cluster: whose it is, and which step of which operation wrote it last. */
export function ownershipTags({
  specification,
  operation,
  step,
}: Pick<StepContext, 'specification' | 'operation' | 'step'>): Tags {
  return { [OWNER_TAG]: specification.name, [OPERATION_TAG]: `${operation.run} ${step}` };
}

export function isOurs(tags: Tags | undefined, cluster: string): boolean {
  return tags?.[OWNER_TAG] === cluster;
}

/** True when it was this very step of this operation that wrote the resource last. */
export function isWrittenBy(
  tags: Tags | undefined,
  context: Pick<StepContext, 'specification' | 'operation' | 'step'>,
): boolean {
  return tags?.[OPERATION_TAG] === ownershipTags(context)[OPERATION_TAG];
}
