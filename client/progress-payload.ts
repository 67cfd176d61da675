import { z } from 'zod';
import { isFailureCode } from '../cluster/errors';
import type { FailureCode } from '../cluster/errors';
import type { Progress, StepWait } from '../cluster/step';

/** What comes back from Temporal is data from outside: read here, tolerant of fields that a newer worker adds. */

const ProgressShape = z.looseObject({
  version: z.literal(1),
  runbook: z.string(),
  cluster: z.string(),
  state: z.enum(['running', 'waiting', 'completed', 'failed', 'cancelled']),
  sentence: z.string(),
  steps: z.array(
    z.looseObject({ id: z.string(), sentence: z.string(), state: z.string(), startedAt: z.string().optional() }),
  ),
});

/** The step table in a query's answer, a return value or a failure's details; undefined when it is something else. */
export function parseProgress(value: unknown): Progress | undefined {
  return ProgressShape.safeParse(value).success ? (value as Progress) : undefined;
}

const HeartbeatShape = z.looseObject({
  step: z.string(),
  waitingFor: z.string(),
  percent: z.number().optional(),
  rateKiBPerSecond: z.number().optional(),
  remainingSeconds: z.number().optional(),
});

/** What a running activity says of itself in its heartbeat; undefined when it says nothing for people. */
export function parseStepWait(heartbeat: unknown): StepWait | undefined {
  const parsed = HeartbeatShape.safeParse(heartbeat);
  if (!parsed.success) return undefined;
  const { step, waitingFor, percent, rateKiBPerSecond, remainingSeconds } = parsed.data;
  return {
    step,
    waitingFor,
    ...(percent === undefined ? {} : { percent }),
    ...(rateKiBPerSecond === undefined ? {} : { rateKiBPerSecond }),
    ...(remainingSeconds === undefined ? {} : { remainingSeconds }),
  };
}

export function parseFailureCode(code: unknown): FailureCode | undefined {
  return isFailureCode(code) ? code : undefined;
}
