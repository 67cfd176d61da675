import { defineQuery, defineUpdate } from '@temporalio/workflow';
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

export const DRILL_KINDS = ['manual', 'switchover', 'standby', 'node-power-off', 'node-shutdown'] as const;
export type DrillKind = (typeof DRILL_KINDS)[number];

export interface FailoverDrillInput extends RunOptions {
  specification: ClusterSpecificationInput;
  kind: DrillKind;
}

export interface DestroyClusterInput extends RunOptions {
  specification: ClusterSpecificationInput;
  /** The cluster's name, typed by the person who wants it gone. */
  confirm: string;
}

export interface PlanClusterInput {
  specification: ClusterSpecificationInput;
}
