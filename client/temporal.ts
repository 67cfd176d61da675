import { Client, Connection, WorkflowFailedError, isGrpcServiceError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Payload } from '@temporalio/common';
import { runUrl } from '../cluster/ids';
import type { Progress } from '../cluster/step';
import { decideUpdate, progressQuery } from '../workflows/messages';
import type { DecideInput } from '../workflows/messages';
import { ClientError } from './messages';
import { parseProgress } from './progress-payload';
import { createSchedules } from './schedules';
import type { Schedules } from './schedules';
import { TemporalUnreachable } from './watched-run';
import type { PendingActivity, RunEnding, RunLook, WatchedRun } from './watched-run';
import { messageOf } from '../processes/error-message';

/** Everything the command line asks of a Temporal service, as plain data; gRPC and SDK types stay in this file. */
export interface Temporal {
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl?: string;
  /** Errors: HADB_E4007 when a run of this id is open and `ifOpen` is `refuse`; TemporalUnreachable. */
  start(request: StartRequest): Promise<{ runId: string; attached: boolean }>;
  watch(workflowId: string, runId?: string): WatchedRun;
  /** Errors: HADB_E4005 with the reason when the run refuses; HADB_E4004; TemporalUnreachable. */
  decide(workflowId: string, input: DecideInput): Promise<Progress>;
  cancel(workflowId: string): Promise<void>;
  terminate(workflowId: string, reason: string): Promise<void>;
  /** Runs that match a visibility query, newest first. Eventually consistent. */
  list(query: string, limit: number): Promise<RunSummary[]>;
  /** The one argument the workflow was started with. */
  readInput(workflowId: string, runId?: string): Promise<unknown>;
  /** The memo of an open run; undefined when it is not open or does not exist. */
  readOpenMemo(workflowId: string): Promise<Record<string, unknown> | undefined>;
  /** Errors: TemporalUnreachable. */
  check(): Promise<void>;
  /** Of drills. */
  readonly schedules: Schedules;
  close(): Promise<void>;
}

export interface StartRequest {
  workflowType: string;
  workflowId: string;
  taskQueue: string;
  input: object;
  /** One line, shown in the UI's list; only a starter can set it. */
  summary: string;
  memo?: Record<string, unknown>;
  /** `replace` ends an open run of this id, which must then be one that may be cut off anywhere. */
  ifOpen: 'refuse' | 'attach' | 'replace';
}

export interface RunSummary {
  workflowId: string;
  runId: string;
  type: string;
  status: string;
  startedAt: Date;
  closedAt?: Date;
}

export interface TemporalTarget {
  address: string;
  namespace: string;
  uiUrl?: string;
  /** Of `@temporalio/envconfig`; its address is overridden by `address`. */
  connectionOptions?: object;
  /** False when neither environment nor configuration file names an address: the customary default is a guess. */
  configured: boolean;
}

/** The Temporal that the user's environment or configuration file names. */
export function chosenTarget(environment: Record<string, string>, uiUrl?: string): TemporalTarget {
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: environment });
  return {
    address: connectionOptions.address ?? 'localhost:7233',
    namespace: namespace ?? 'default',
    connectionOptions,
    configured: connectionOptions.address !== undefined,
    ...(uiUrl === undefined ? {} : { uiUrl }),
  };
}

const CALL_DEADLINE_MS = 10_000;
/** A query waits for a worker; a service that answers it at all does so within milliseconds. */
const QUERY_DEADLINE_MS = 3_000;

export async function connect(target: TemporalTarget): Promise<Temporal> {
  const connection = Connection.lazy({
    ...target.connectionOptions,
    address: target.address,
    // gRPC's own back-off grows to two minutes; a server that comes back should be noticed at once.
    channelArgs: {
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.min_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 2_000,
    },
    // No retries beneath the caller: each loop here has a back-off of its own and says what it waits for.
    interceptors: [],
  });
  const client = new Client({ connection, namespace: target.namespace });
  const call = <Result>(action: () => Promise<Result>, deadlineMs = CALL_DEADLINE_MS): Promise<Result> =>
    connection.withDeadline(Date.now() + deadlineMs, action).catch((error: unknown) => rethrow(error, target.address));

  const look = async (workflowId: string, runId?: string): Promise<RunLook> => {
    const { raw } = await call(() => client.workflow.getHandle(workflowId, runId).describe());
    const info = raw.workflowExecutionInfo;
    const { status, runId: present } = { status: info?.status ?? 0, runId: info?.execution?.runId ?? '' };
    return {
      status: STATUS_NAMES[status] ?? 'UNKNOWN',
      runId: present,
      firstRunId: info?.firstRunId || present,
      workflowTaskAttempt: raw.pendingWorkflowTask?.attempt ?? 0,
      pending: (raw.pendingActivities ?? []).map(readPending),
    };
  };

  const watch = (workflowId: string, runId?: string): WatchedRun => ({
    workflowId,
    ...(target.uiUrl === undefined ? {} : { url: runUrl(target.uiUrl, target.namespace, workflowId, runId) }),
    look: () => look(workflowId, runId),
    async progress() {
      try {
        const answer = await call(
          () => client.workflow.getHandle(workflowId, runId).query(progressQuery),
          QUERY_DEADLINE_MS,
        );
        return parseProgress(answer);
      } catch (error) {
        // A missing worker and a failing workflow task look alike from here; `look` tells them apart.
        if (isName(error, 'ClientError')) throw error;
        return undefined;
      }
    },
    async ending(closedRunId) {
      const { status } = await look(workflowId, closedRunId);
      return { status, ...(await readResult(workflowId, closedRunId)) };
    },
    async workflowTaskFailure() {
      const answer = await call(() =>
        connection.workflowService.getWorkflowExecutionHistoryReverse({
          namespace: target.namespace,
          execution: { workflowId, ...(runId === undefined ? {} : { runId }) },
          maximumPageSize: 20,
        }),
      );
      // Newest first: a task that was completed later makes an older failure history. Only the first of a row of
      // failures is recorded.
      const task = answer.history?.events?.find(
        (event) => event.workflowTaskFailedEventAttributes ?? event.workflowTaskCompletedEventAttributes,
      );
      const failed = task?.workflowTaskFailedEventAttributes;
      return failed ? (failed.failure?.message ?? 'Temporal gives no reason') : undefined;
    },
  });

  const readResult = async (workflowId: string, runId: string): Promise<Omit<RunEnding, 'status'>> => {
    try {
      const result: unknown = await call(() => client.workflow.getHandle(workflowId, runId).result());
      return withProgress(parseProgress(result));
    } catch (error) {
      if (!(error instanceof WorkflowFailedError)) throw error;
      return readFailure(error.cause);
    }
  };

  return {
    address: target.address,
    namespace: target.namespace,
    ...(target.uiUrl === undefined ? {} : { uiUrl: target.uiUrl }),
    async start(request) {
      const start = (conflict: 'FAIL' | 'TERMINATE_EXISTING') =>
        client.workflow.start(request.workflowType, {
          workflowId: request.workflowId,
          taskQueue: request.taskQueue,
          args: [request.input],
          staticSummary: request.summary,
          ...(request.memo === undefined ? {} : { memo: request.memo }),
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: conflict,
        });
      try {
        const handle = await call(() => start(request.ifOpen === 'replace' ? 'TERMINATE_EXISTING' : 'FAIL'));
        return { runId: handle.firstExecutionRunId, attached: false };
      } catch (error) {
        if (!isName(error, 'WorkflowExecutionAlreadyStartedError')) throw error;
        if (request.ifOpen === 'refuse') throw alreadyOpen(request.workflowId, error);
        const open = await look(request.workflowId);
        return { runId: open.runId, attached: true };
      }
    },
    watch,
    async decide(workflowId, input) {
      try {
        return await call(() => client.workflow.getHandle(workflowId).executeUpdate(decideUpdate, { args: [input] }));
      } catch (error) {
        if (!isName(error, 'WorkflowUpdateFailedError')) throw error;
        throw new ClientError('HADB_E4005', 'failed', `${workflowId} refused the decision: ${causeMessage(error)}`, {
          cause: error,
        });
      }
    },
    async cancel(workflowId) {
      await call(() => client.workflow.getHandle(workflowId).cancel());
    },
    async terminate(workflowId, reason) {
      await call(() => client.workflow.getHandle(workflowId).terminate(reason));
    },
    async list(query, limit) {
      return call(async () => {
        const runs: RunSummary[] = [];
        for await (const run of client.workflow.list({ query, pageSize: Math.min(limit, 100) })) {
          runs.push({
            workflowId: run.workflowId,
            runId: run.runId,
            type: run.type,
            status: run.status.name,
            startedAt: run.startTime,
            ...(run.closeTime === undefined ? {} : { closedAt: run.closeTime }),
          });
          if (runs.length >= limit) break;
        }
        return runs;
      });
    },
    async readInput(workflowId, runId) {
      const answer = await call(() =>
        connection.workflowService.getWorkflowExecutionHistory({
          namespace: target.namespace,
          execution: { workflowId, ...(runId === undefined ? {} : { runId }) },
          maximumPageSize: 1,
        }),
      );
      const started = answer.history?.events?.[0]?.workflowExecutionStartedEventAttributes;
      return decodeFirst(started?.input?.payloads);
    },
    async readOpenMemo(workflowId) {
      try {
        const described = await call(() => client.workflow.getHandle(workflowId).describe());
        return described.status.name === 'RUNNING' ? (described.memo ?? {}) : undefined;
      } catch (error) {
        if (isName(error, 'ClientError')) return undefined;
        throw error;
      }
    },
    async check() {
      await call(() => connection.workflowService.getSystemInfo({}), 3_000);
    },
    schedules: createSchedules(client, call),
    close: () => connection.close(),
  };
}

/** `WorkflowExecutionStatus` of the API by number. */
const STATUS_NAMES: Record<number, string> = {
  1: 'RUNNING',
  2: 'COMPLETED',
  3: 'FAILED',
  4: 'CANCELLED',
  5: 'TERMINATED',
  6: 'CONTINUED_AS_NEW',
  7: 'TIMED_OUT',
  8: 'PAUSED',
};

function readPending(activity: {
  activityType?: { name?: string | null } | null;
  heartbeatDetails?: { payloads?: Payload[] | null } | null;
}): PendingActivity {
  const heartbeat = decodeFirst(activity.heartbeatDetails?.payloads);
  return { type: activity.activityType?.name ?? '', ...(heartbeat === undefined ? {} : { heartbeat }) };
}

function decodeFirst(payloads: Payload[] | null | undefined): unknown {
  const first = payloads?.[0];
  if (first === undefined) return undefined;
  try {
    return defaultPayloadConverter.fromPayload<unknown>(first);
  } catch {
    // Another codec's payload: it says nothing to us.
    return undefined;
  }
}

function readFailure(cause: unknown): Omit<RunEnding, 'status'> {
  const failure = readFields(cause);
  const details: unknown[] = Array.isArray(failure['details']) ? failure['details'] : [];
  const progress = details.map(parseProgress).find((found) => found !== undefined);
  return {
    ...withProgress(progress),
    failure: {
      ...(typeof failure['type'] === 'string' ? { code: failure['type'] } : {}),
      message: cause instanceof Error ? cause.message : 'the run failed without a reason',
    },
  };
}

function withProgress(progress: Progress | undefined): { progress?: Progress } {
  return progress === undefined ? {} : { progress };
}

function alreadyOpen(workflowId: string, cause: unknown): ClientError {
  return new ClientError(
    'HADB_E4007',
    'refused',
    `${workflowId} is open already. Watch it with: hadb watch ${workflowId}`,
    { cause },
  );
}

/** gRPC status codes: 1 cancelled, 4 deadline exceeded, 8 resource exhausted, 14 unavailable mean "not now". */
const TRANSIENT: ReadonlySet<number> = new Set([1, 4, 8, 14]);
const NOT_FOUND = 5;

function rethrow(error: unknown, address: string): never {
  const grpc = [error, readFields(error)['cause']].find((candidate) => isGrpcServiceError(candidate));
  if (isName(error, 'WorkflowNotFoundError') || Number(grpc?.code) === NOT_FOUND) {
    throw new ClientError('HADB_E4004', 'failed', `there is no such run: ${messageOf(error)}`, { cause: error });
  }
  if (grpc !== undefined && TRANSIENT.has(grpc.code)) {
    throw new TemporalUnreachable(`Temporal at ${address} does not answer: ${grpc.details}`, { cause: error });
  }
  throw error;
}

function causeMessage(error: unknown): string {
  const cause = readFields(error)['cause'];
  return messageOf(cause ?? error);
}

function isName(error: unknown, name: string): boolean {
  return readFields(error)['name'] === name;
}

function readFields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
