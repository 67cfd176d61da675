import {
  buildWorkflowId,
  destroyWorkflowId,
  drillWorkflowId,
  planWorkflowId,
  switchoverWorkflowId,
} from '../cluster/ids';
import type {
  BuildClusterInput,
  DestroyClusterInput,
  DrillKind,
  FailoverDrillInput,
  PlanClusterInput,
  SwitchoverInput,
} from '../workflows/messages';
import { DRILL_KINDS } from '../workflows/messages';
import type { ReadSpecification } from './specification-file';
import type { StartRequest } from './temporal';

/** How each runbook is started: type, id, input and the line in the UI's list. Pure. */

export interface Starter {
  taskQueue: string;
  user: string;
  onFailure: 'wait' | 'fail';
}

export function buildRequest(
  { input, specification }: ReadSpecification,
  starter: Starter,
  ifOpen: StartRequest['ifOpen'],
): StartRequest {
  return request(starter, 'buildCluster', buildWorkflowId(specification.name), {
    input: { specification: input, onFailure: starter.onFailure } satisfies BuildClusterInput,
    summary: `Build the cluster ${specification.name}`,
    ifOpen,
  });
}

export function drillRequest(
  { input, specification }: ReadSpecification,
  kind: DrillKind,
  starter: Starter,
  now: number,
): StartRequest {
  return request(starter, 'failoverDrill', drillWorkflowId(specification.name, kind, stamp(now)), {
    input: { specification: input, kind, onFailure: starter.onFailure } satisfies FailoverDrillInput,
    summary: `Failover drill ${kind} on ${specification.name}`,
  });
}

export function switchoverRequest({ input, specification }: ReadSpecification, starter: Starter): StartRequest {
  return request(starter, 'switchover', switchoverWorkflowId(specification.name), {
    input: { specification: input, onFailure: starter.onFailure } satisfies SwitchoverInput,
    summary: `Move the primary of ${specification.name}`,
  });
}

export function destroyRequest(
  { input, specification }: ReadSpecification,
  confirm: string,
  starter: Starter,
): StartRequest {
  return request(starter, 'destroyCluster', destroyWorkflowId(specification.name), {
    input: { specification: input, confirm, onFailure: starter.onFailure } satisfies DestroyClusterInput,
    summary: `Destroy the cluster ${specification.name}`,
  });
}

export function planRequest({ input, specification }: ReadSpecification, starter: Starter, now: number): StartRequest {
  return request(starter, 'planCluster', planWorkflowId(specification.name, stamp(now)), {
    input: { specification: input } satisfies PlanClusterInput,
    summary: `Plan for ${specification.name}, read only`,
  });
}

function request(
  starter: Starter,
  workflowType: string,
  workflowId: string,
  rest: { input: object; summary: string; ifOpen?: StartRequest['ifOpen'] },
): StartRequest {
  return {
    ifOpen: 'refuse',
    ...rest,
    workflowType,
    workflowId,
    taskQueue: starter.taskQueue,
    memo: { startedBy: starter.user },
  };
}

/** `20261122T175512Z`: sorts by time and needs no quoting. */
function stamp(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
}

/** Shorter words for the two that an operator types most. */
const DRILL_ALIASES: Readonly<Record<string, DrillKind>> = { 'power-off': 'node-power-off', shutdown: 'node-shutdown' };

export const DRILL_WORDS = [...DRILL_KINDS, ...Object.keys(DRILL_ALIASES)] as const;

export function parseDrillKind(word: string): DrillKind {
  const kind = DRILL_KINDS.find((known) => known === word) ?? DRILL_ALIASES[word];
  if (kind === undefined) throw new Error(`"${word}" is no drill; use one of ${DRILL_WORDS.join(', ')}`);
  return kind;
}
