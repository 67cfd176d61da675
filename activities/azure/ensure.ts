import { findDeviations } from '../../cluster/azure/compare';
import { isOurs, isWrittenBy } from '../../cluster/azure/tags';
import { HadbError } from '../../cluster/errors';
import { OWNER_TAG } from '../../cluster/ids';
import type { StepOutcome } from '../../cluster/step';
import type { AzureScope, Found, ResourceKind } from './resource-kind';
import { unlessMissing } from './resource-kind';
import type { AzureSubmission } from './submission';
import { OBSERVE } from './submission';

/** The one way in which resources come about: GET, compare, PUT, and once more GET. */

/** Refuses what carries another tag, or none: it is somebody else's. */
export function refuseForeign(found: Found, title: string, name: string, cluster: string): void {
  if (isOurs(found.tags, cluster)) return;
  throw new HadbError('NotOurs', `the ${title} ${name} exists and does not belong to cluster ${cluster}`, {
    subject: found.id ?? name,
    observed: `tag ${OWNER_TAG} is ${found.tags?.[OWNER_TAG] ?? 'not set'}`,
    whatNow: `Choose another name for the cluster, or, if it is its resource, give it the tag ${OWNER_TAG}=${cluster}.`,
  });
}

/** Azure's word for an operation that is not over. */
export function isBusy(provisioningState: string | undefined): boolean {
  return provisioningState !== undefined && !/^(succeeded|failed|canceled)$/i.test(provisioningState);
}

function deviationsOf(scope: AzureScope, kind: ResourceKind, current: Found): string[] {
  const { tags: _, ...wanted } = kind.wanted(scope) as { tags?: unknown };
  return findDeviations(wanted, current);
}

/** Hands the wanted state to Azure, unless it is there already. */
export async function submitResource(scope: AzureScope, kind: ResourceKind): Promise<AzureSubmission> {
  const { step } = scope;
  const name = kind.name(scope);
  const about = { kind: kind.kind, name, ...(scope.node === undefined ? {} : { node: scope.node }) };
  const current = await unlessMissing(() => kind.get(scope));
  if (current === undefined) {
    if (step.observeOnly === true)
      return { ...about, result: 'unchanged', observed: 'missing', drift: [`${kind.title} ${name} is missing`] };
    return {
      ...about,
      result: 'changed',
      observed: 'none',
      done: `create ${kind.title} ${name}`,
      poller: await send(scope, kind, undefined),
    };
  }

  refuseForeign(current, kind.title, name, step.specification.name);
  const deviations = deviationsOf(scope, kind, current);
  const additions = kind.additions?.(scope, current) ?? [];
  const state = current.provisioningState;
  const observed = [kind.describe(current), ...deviations].join('; ');
  const report = (drift: string[]) =>
    drift.length === 0 ? {} : { drift: drift.map((line) => `${kind.title} ${name}: ${line}`) };
  const ours = isWrittenBy(current.tags, step);

  if (isBusy(state) && step.observeOnly !== true) {
    // Submitted by a worker that died before it could say so, or by somebody else; either way it is not sent once more.
    return {
      ...about,
      result: ours ? 'changedEarlier' : 'unchanged',
      observed: `${state}; ${observed}`,
      poller: OBSERVE,
    };
  }
  if (deviations.length === 0 && state?.toLowerCase() !== 'failed') {
    if (step.observeOnly !== true) await kind.finish?.(scope, current);
    return { ...about, result: ours ? 'changedEarlier' : 'unchanged', observed, ...report(additions) };
  }
  if (step.observeOnly === true || (kind.frozen === true && state?.toLowerCase() !== 'failed')) {
    return { ...about, result: 'unchanged', observed, ...report([...deviations, ...additions]) };
  }
  return {
    ...about,
    result: 'changed',
    observed,
    done: `put right ${kind.title} ${name}`,
    ...report(additions),
    poller: await send(scope, kind, current),
  };
}

async function send(scope: AzureScope, kind: ResourceKind, current: Found | undefined): Promise<string> {
  // What is written back was read before: with If-Match a change of somebody else in between is not lost.
  const headers: Record<string, string> = current?.etag === undefined ? {} : { 'If-Match': current.etag };
  return kind.put(scope, current, { requestOptions: { headers } });
}

/** Looks whether the resource is as wanted, once its operation has ended. Errors: VerificationFailed, NotReady. */
export async function verifyResource(scope: AzureScope, kind: ResourceKind): Promise<string> {
  const name = kind.name(scope);
  const current = await kind.get(scope);
  const state = current.provisioningState;
  if (isBusy(state)) {
    throw new HadbError('NotReady', `the ${kind.title} ${name} is still ${state}`, { subject: name });
  }
  const deviations =
    kind.frozen === true && state?.toLowerCase() === 'succeeded' ? [] : deviationsOf(scope, kind, current);
  if (state?.toLowerCase() === 'failed' || deviations.length > 0) {
    throw new HadbError(
      'VerificationFailed',
      `the ${kind.title} ${name} is not as wanted: ${[state ?? '', ...deviations].join('; ')}`,
      {
        subject: name,
        observed: deviations.join('; ') || (state ?? ''),
        whatNow: 'Look at the activity log of the resource in the Azure portal; a retry writes it again.',
      },
    );
  }
  await kind.finish?.(scope, current);
  return kind.describe(current);
}

/** For resources whose PUT answers at once. */
export async function ensureResource(
  scope: AzureScope,
  resource: {
    title: string;
    name: string;
    get: () => Promise<Found>;
    wanted: object & { tags?: unknown };
    put: () => Promise<Found>;
    describe: (current: Found) => string;
  },
): Promise<StepOutcome> {
  const { step } = scope;
  const { title, name, describe } = resource;
  const { tags: _, ...wanted } = resource.wanted;
  const current = await unlessMissing(resource.get);
  if (current !== undefined) {
    refuseForeign(current, title, name, step.specification.name);
    if (isBusy(current.provisioningState)) {
      throw new HadbError('NotReady', `the ${title} ${name} is ${current.provisioningState}`, {
        subject: name,
        whatNow: 'It is tried again.',
      });
    }
    const deviations = findDeviations(wanted, current);
    return {
      result: isWrittenBy(current.tags, step) ? 'changedEarlier' : 'unchanged',
      observed: [describe(current), ...deviations].join('; '),
      // None of these can be changed once it is there.
      ...(deviations.length === 0 ? {} : { drift: deviations.map((line) => `${title} ${name}: ${line}`) }),
    };
  }
  if (step.observeOnly === true)
    return { result: 'unchanged', observed: 'missing', drift: [`${title} ${name} is missing`] };
  const made = await resource.put();
  const deviations = findDeviations(wanted, made);
  if (deviations.length > 0) {
    throw new HadbError('VerificationFailed', `the ${title} ${name} is not as wanted: ${deviations.join('; ')}`, {
      subject: name,
    });
  }
  return { result: 'changed', observed: 'none', done: `created ${title} ${name}`, verified: describe(made) };
}
