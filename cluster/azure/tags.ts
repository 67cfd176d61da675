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

/** Roles and their assignments have no tags: their description says whose they are. */
export function describeOwnership(purpose: string, tags: Tags): string {
  const marks = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return `${purpose} (${marks.join(', ')})`;
}

/** The tags of `describeOwnership`; none in the description of somebody else's. */
export function ownershipInDescription(description: string | null | undefined): Record<string, string> {
  const marks = / \(([^()]*)\)$/.exec(description ?? '')?.[1] ?? '';
  return Object.fromEntries(
    marks.split(', ').flatMap((mark) => {
      const [, name, value] = /^([^=]+)=(.*)$/.exec(mark) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
}
