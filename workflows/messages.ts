import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { DrillOrder } from '../cluster/drill-permission';
import type { ClusterSpecificationInput } from '../cluster/specification/specification';
import type { Decision, Progress } from '../cluster/step';

/** What clients say to workflows and ask of them. Every workflow takes one object: the UI's form sends a single JSON payload. */

export const progressQuery = defineQuery<Progress>('progress');

export interface DecideInput {
  /** Identity of the waiting step, node included. */
  step: string;
  decision: Decision;
  by: string;
  reason: string;
}
/** Answers a failed step; refused by the validator when the step does not wait or forbids the choice. */
export const decideUpdate = defineUpdate<Progress, [DecideInput]>('decide');

export interface RunOptions {
  /** `wait` for a decision at a failed step, or `fail` at once with the same evidence. */
  onFailure?: 'wait' | 'fail';
}

export interface BuildClusterInput extends RunOptions {
  specification: ClusterSpecificationInput;
}

export interface SwitchoverInput extends RunOptions {
  specification: ClusterSpecificationInput;
}

export interface RecoverClusterInput extends RunOptions {
  specification: ClusterSpecificationInput;
}

export const DRILL_KINDS = [
  'manual',
  'switchover',
  'standby',
  'database-kill',
  'database-hang',
  'node-power-off',
  'node-shutdown',
  'node-crash',
  'node-freeze-short',
  'node-freeze',
  'secondary-loss',
  'network-partition',
  'network-loss',
  'network-loss-heavy',
  'disk-error',
  'fence-loss',
  'double',
] as const;
export type DrillKind = (typeof DRILL_KINDS)[number];

/** Which faults a drill of kind `double` makes. The second is always that the survivor of the first loses its power; the name tells who comes back alone. */
export const FAULT_PAIRS = ['off-then-reset', 'both-off-one-back'] as const;
export type FaultPair = (typeof FAULT_PAIRS)[number];

/** What `rotate` stands for. A new kind comes in by decision: each must be fit for a night without anybody. */
export const ROTATION = [
  'switchover',
  'node-power-off',
  'standby',
  'node-shutdown',
] as const satisfies readonly DrillKind[];

export interface FailoverDrillInput extends RunOptions {
  specification: ClusterSpecificationInput;
  kind: DrillKind;
  /** Of a drill of kind `double` only; default: the first of them. */
  pair?: FaultPair;
}

/** What a schedule starts each night. A drill that does not pass fails the run, so that the schedule pauses. */
export interface ScheduledDrillInput {
  specification: ClusterSpecificationInput;
  /** Name of the schedule: the nights that it skips are counted under it. */
  schedule: string;
  /** The kind of a night is the entry of its UTC day number modulo the length. */
  kinds: readonly [DrillKind, ...DrillKind[]];
  /** The drill is cancelled then, which undoes its fault. */
  deadlineMinutes: number;
}

/** A drill with everything around it takes well under an hour when it goes well; the waits inside may add an hour. */
export const DEADLINE_MINUTES = { least: 30, usual: 120, most: 720 } as const;

/** What a schedule starts every few minutes: reads only. */
export interface WatchClusterInput {
  specification: ClusterSpecificationInput;
}

/** A look takes seconds; one that is due while the one before still waits for a silent node is left out. */
export const WATCH_MINUTES = { least: 1, usual: 5, most: 60 } as const;

export interface OrderDrillsInput {
  specification: ClusterSpecificationInput;
  order: DrillOrder;
}

export interface DestroyClusterInput extends RunOptions {
  specification: ClusterSpecificationInput;
  /** The cluster's name, typed by the person who wants it gone. */
  confirm: string;
}

export interface PlanClusterInput {
  specification: ClusterSpecificationInput;
}
