import type { ExitName } from './exit-codes';

/**
 * Every message a program might match has a code here. Match by code, never by text or level: texts may get better.
 * `docs/messages.md` is generated from this table, and a test compares them.
 */

export type MessageLevel = 'info' | 'warning' | 'error';

interface MessageDefinition {
  level: MessageLevel;
  /** When it is said. */
  meaning: string;
}

export const MESSAGES = {
  HADB_I1001: { level: 'info', meaning: 'a run was started' },
  HADB_I1002: { level: 'info', meaning: 'a run that was open already is watched' },
  HADB_I1003: { level: 'info', meaning: 'the command stopped watching; the run goes on' },
  HADB_I1004: { level: 'info', meaning: 'a run was started and is not watched' },
  HADB_I2001: { level: 'info', meaning: 'a step changed its state' },
  HADB_I2002: { level: 'info', meaning: 'what a running step waits for, and how far it is' },
  HADB_W2003: { level: 'warning', meaning: 'a try of a step failed and is made again' },
  HADB_W2004: { level: 'warning', meaning: 'a step failed and waits for a decision' },
  HADB_E2005: { level: 'error', meaning: 'a step failed for good' },
  HADB_W2007: {
    level: 'warning',
    meaning: 'a step has waited for a decision for more than an hour (in the log of the worker)',
  },
  HADB_W2006: { level: 'warning', meaning: 'a built cluster deviates from its specification (drift)' },
  HADB_I2008: { level: 'info', meaning: 'a build would change this (found by a plan)' },
  HADB_W2009: { level: 'warning', meaning: 'the specification is possible and yet unwise' },
  HADB_W2010: {
    level: 'warning',
    meaning: 'the report of a drill, or a part of its evidence, could not be written; no verdict changes by it',
  },
  HADB_W3001: { level: 'warning', meaning: 'no worker answers for the run; it waits for one' },
  HADB_I3002: { level: 'info', meaning: 'a worker answers again' },
  HADB_W3003: { level: 'warning', meaning: 'Temporal does not answer; the command keeps trying' },
  HADB_I3004: { level: 'info', meaning: 'Temporal answers again' },
  HADB_E3005: {
    level: 'error',
    meaning: 'the workflow task of the run keeps failing: its code does not fit its history',
  },
  HADB_I3006: { level: 'info', meaning: 'the workflow task of the run no longer fails' },
  HADB_E4001: { level: 'error', meaning: 'the specification is impossible or cannot be read' },
  HADB_E4003: { level: 'error', meaning: 'Temporal cannot be reached' },
  HADB_E4004: { level: 'error', meaning: 'there is no such run' },
  HADB_E4005: { level: 'error', meaning: 'the run refused the decision' },
  HADB_E4006: { level: 'error', meaning: 'the name typed is not the name of the cluster' },
  HADB_E4007: { level: 'error', meaning: 'a run of this operation on this cluster is open already' },
  HADB_E4008: { level: 'error', meaning: 'an argument is wrong, or is missing' },
  HADB_E4009: { level: 'error', meaning: 'something that the command needs is missing on this machine' },
  HADB_E4010: { level: 'error', meaning: 'an embedded piece does not start' },
  HADB_E4011: { level: 'error', meaning: 'the command was interrupted before it was done' },
  HADB_E4012: { level: 'error', meaning: 'what is kept of an embedded piece is damaged, or is of another version' },
  HADB_E4013: { level: 'error', meaning: 'the schedule belongs to another cluster, or was not made by hadb' },
  HADB_E4014: { level: 'error', meaning: 'what cluster is meant cannot be told: its specification is not known here' },
  HADB_E4015: { level: 'error', meaning: 'the order about drills was not carried out on the resource group' },
  HADB_E4016: { level: 'error', meaning: 'there is no such schedule' },
  HADB_E4017: { level: 'error', meaning: 'there is no report of such a drill on this computer' },
  HADB_W4018: {
    level: 'warning',
    meaning: 'a file that was asked for cannot be written; the exit code stays that of the run',
  },
  HADB_E4070: { level: 'error', meaning: 'an unexpected error of hadb' },
  HADB_I5001: { level: 'info', meaning: 'an embedded piece is being started, installed or made' },
  HADB_I5002: { level: 'info', meaning: 'an embedded piece runs' },
  HADB_I5003: { level: 'info', meaning: 'an embedded piece was ended' },
  HADB_I5004: { level: 'info', meaning: 'packages of the host are installed' },
  HADB_I5005: { level: 'info', meaning: 'the embedded pieces keep running after a start' },
  HADB_W5006: { level: 'warning', meaning: 'the data plane of the lab runs other code than this hadb' },
  HADB_I6001: { level: 'info', meaning: 'a worker is ready (in its log)' },
  HADB_W6002: { level: 'warning', meaning: 'a worker waits for Temporal (in its log)' },
  HADB_I7001: { level: 'info', meaning: 'a schedule was paused or unpaused by the safety switch of drills' },
  HADB_I7002: { level: 'info', meaning: 'a drill was asked to stop by the safety switch' },
  HADB_I7003: { level: 'info', meaning: 'how far a series of drills has come, and how to go on with it' },
  HADB_W7004: {
    level: 'warning',
    meaning: 'a drill of a series did not pass; the series goes on only with a pair that is whole',
  },
  HADB_W8001: {
    level: 'warning',
    meaning: 'the watch has found something wrong with a pair (in the log of the worker, and in its webhook)',
  },
  HADB_I8002: { level: 'info', meaning: 'what the watch had found is over (in its webhook)' },
  HADB_W8003: { level: 'warning', meaning: 'the webhook could not be told of an alert (in the log of the worker)' },
  HADB_I9001: { level: 'info', meaning: 'how the run ended' },
} as const satisfies Record<string, MessageDefinition>;

export type MessageCode = keyof typeof MESSAGES;

export function messageLevel(code: MessageCode): MessageLevel {
  return MESSAGES[code].level;
}

/** The table of `docs/messages.md`. */
export function renderMessageTable(): string {
  const rows = Object.entries(MESSAGES).map(([code, { level, meaning }]) => `| \`${code}\` | ${level} | ${meaning} |`);
  return ['| code | level | when |', '| --- | --- | --- |', ...rows].join('\n');
}

/** An error of the command line: what failed and what to do next; it ends the command with `exit`. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  constructor(
    readonly code: MessageCode,
    readonly exit: ExitName,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Realm-safe: Jest and the workflow sandbox have classes of their own. */
export function isClientError(error: unknown): error is ClientError {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'ClientError';
}
