import type { DrillOrder } from '../cluster/drill-permission';
import type { TimeOfDay } from '../cluster/drill-schedule';
import { NEVER_SCHEDULED } from '../cluster/drill-schedule';
import {
  buildWorkflowId,
  destroyWorkflowId,
  drillOrderWorkflowId,
  drillWorkflowId,
  planWorkflowId,
  recoverWorkflowId,
  switchoverWorkflowId,
} from '../cluster/ids';
import type {
  BuildClusterInput,
  DestroyClusterInput,
  DrillKind,
  FaultPair,
  FailoverDrillInput,
  OrderDrillsInput,
  PlanClusterInput,
  RecoverClusterInput,
  ScheduledDrillInput,
  SwitchoverInput,
} from '../workflows/messages';
import { DRILL_KINDS, ROTATION } from '../workflows/messages';
import type { ScheduleRequest } from './schedules';
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

/** `pair` is of a double fault only. */
export function drillRequest(
  { input, specification }: ReadSpecification,
  { kind, pair }: { kind: DrillKind; pair?: FaultPair | undefined },
  starter: Starter,
  now: number,
): StartRequest {
  return request(starter, 'failoverDrill', drillWorkflowId(specification.name, kind, stamp(now)), {
    input: {
      specification: input,
      kind,
      ...(pair !== undefined && { pair }),
      onFailure: starter.onFailure,
    } satisfies FailoverDrillInput,
    summary: `Failover drill ${kind}${pair === undefined ? '' : ` (${pair})`} on ${specification.name}`,
  });
}

export function switchoverRequest({ input, specification }: ReadSpecification, starter: Starter): StartRequest {
  return request(starter, 'switchover', switchoverWorkflowId(specification.name), {
    input: { specification: input, onFailure: starter.onFailure } satisfies SwitchoverInput,
    summary: `Move the primary of ${specification.name}`,
  });
}

export function recoverRequest({ input, specification }: ReadSpecification, starter: Starter): StartRequest {
  return request(starter, 'recoverCluster', recoverWorkflowId(specification.name), {
    input: { specification: input, onFailure: starter.onFailure } satisfies RecoverClusterInput,
    summary: `Put the pair ${specification.name} right where that is safe`,
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

/** A later order takes the place of one that nobody has carried out yet: the last word counts. */
export function orderDrillsRequest(
  { input, specification }: ReadSpecification,
  order: DrillOrder,
  starter: Pick<Starter, 'taskQueue' | 'user'>,
): StartRequest {
  return request(starter, 'orderDrills', drillOrderWorkflowId(specification.name), {
    input: { specification: input, order } satisfies OrderDrillsInput,
    summary: `Drills of ${specification.name}: ${order.order}`,
    ifOpen: 'replace',
  });
}

export function scheduleRequest(
  { input, specification }: ReadSpecification,
  schedule: { name: string; at: TimeOfDay } & Pick<ScheduledDrillInput, 'kinds' | 'deadlineMinutes'>,
  { taskQueue, user }: Pick<Starter, 'taskQueue' | 'user'>,
): ScheduleRequest {
  const { name, at, kinds, deadlineMinutes } = schedule;
  return {
    purpose: 'drills',
    name,
    cluster: specification.name,
    at,
    taskQueue,
    user,
    input: { specification: input, schedule: name, kinds, deadlineMinutes },
  };
}

export function watchRequest(
  { input, specification }: ReadSpecification,
  { name, everyMinutes }: { name: string; everyMinutes: number },
  { taskQueue, user }: Pick<Starter, 'taskQueue' | 'user'>,
): ScheduleRequest {
  return {
    purpose: 'watch',
    name,
    cluster: specification.name,
    everyMinutes,
    taskQueue,
    user,
    input: { specification: input },
  };
}

export function planRequest({ input, specification }: ReadSpecification, starter: Starter, now: number): StartRequest {
  return request(starter, 'planCluster', planWorkflowId(specification.name, stamp(now)), {
    input: { specification: input } satisfies PlanClusterInput,
    summary: `Plan for ${specification.name}, read only`,
  });
}

function request(
  starter: Pick<Starter, 'taskQueue' | 'user'>,
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

/** Shorter words for those that an operator types most. */
const DRILL_ALIASES: Readonly<Record<string, DrillKind>> = {
  'power-off': 'node-power-off',
  shutdown: 'node-shutdown',
  crash: 'node-crash',
  partition: 'network-partition',
};

export const DRILL_WORDS = [...DRILL_KINDS, ...Object.keys(DRILL_ALIASES)] as const;

export function parseDrillKind(word: string): DrillKind {
  const kind = DRILL_KINDS.find((known) => known === word) ?? DRILL_ALIASES[word];
  if (kind === undefined) throw new Error(`"${word}" is no drill; use one of ${DRILL_WORDS.join(', ')}`);
  return kind;
}

/** `rotate`, or kinds separated by commas, in the order in which the nights take their turn. */
export function parseKinds(words: string): readonly [DrillKind, ...DrillKind[]] {
  if (words === 'rotate') return ROTATION;
  const [first, ...more] = words.split(',').map((word) => parseScheduledKind(word.trim()));
  if (first === undefined) throw new Error('name at least one kind');
  return [first, ...more];
}

function parseScheduledKind(word: string): DrillKind {
  if (NEVER_SCHEDULED.some((kind) => kind === word)) {
    throw new Error(`"${word}" ends with a person's help: it is never made by a schedule`);
  }
  return parseDrillKind(word);
}
