import { ScheduleClient, ScheduleOverlapPolicy } from '@temporalio/client';
import type { Client, ConnectionLike, ScheduleDescription, ScheduleOptions } from '@temporalio/client';
import { renderTimeOfDay, type TimeOfDay } from '../cluster/drill-schedule';
import { DRILL_SCHEDULES, drillScheduleId, scheduledDrillWorkflowId, watchWorkflowId } from '../cluster/ids';
import type { ScheduledDrillInput, WatchClusterInput } from '../workflows/messages';
import { ClientError } from './messages';

/** The schedules of drills and watches, as the command line asks Temporal for them. */
export interface Schedules {
  /** Ours in this namespace, by name. What was made a moment ago may be missing. Errors: TemporalUnreachable. */
  list(): Promise<DrillSchedule[]>;
  /** Errors: HADB_E4016 when there is none. */
  read(name: string): Promise<DrillSchedule>;
  /**
   * Makes the schedule, or changes the one there is: its state (paused or not, and why) stays as it is.
   * Errors: HADB_E4013 when the name belongs to another cluster's schedule, or to one of the other purpose.
   */
  save(request: ScheduleRequest): Promise<'created' | 'updated'>;
  /** Errors: HADB_E4016. */
  pause(name: string, note: string): Promise<void>;
  /** Errors: HADB_E4016. */
  unpause(name: string, note: string): Promise<void>;
  /** Starts what it starts now, unless one of this schedule is open. Errors: HADB_E4016. */
  trigger(name: string): Promise<void>;
  /** Errors: HADB_E4016. */
  delete(name: string): Promise<void>;
}

export type ScheduleRequest = {
  name: string;
  cluster: string;
  taskQueue: string;
  user: string;
} & (
  | {
      purpose: 'drills';
      /** UTC. */
      at: TimeOfDay;
      input: ScheduledDrillInput;
    }
  | { purpose: 'watch'; everyMinutes: number; input: WatchClusterInput }
);

export interface DrillSchedule {
  name: string;
  cluster: string;
  purpose: 'drills' | 'watch';
  /** `02:30`, UTC; `every 5 minutes` of a watch. */
  at: string;
  /** None of a watch. */
  kinds: string[];
  deadlineMinutes?: number;
  paused: boolean;
  /** Why it is paused, or what was said when it last was not. */
  note?: string;
  /** ISO, UTC; absent while it is paused. */
  next?: string;
  /** The newest run it started. */
  last?: ScheduledRun;
  /** Ids of runs that are open. */
  open: string[];
  /** How often a run was due while the one before was still open, or while Temporal was away for too long. */
  missed: { overlap: number; catchUp: number };
}

export interface ScheduledRun {
  workflowId: string;
  runId: string;
  takenAt: string;
}

/** A Temporal that was away for longer has slept through the night: a drill at nine in the morning helps nobody. */
const CATCH_UP_MINUTES = 10;
/** Beyond the deadline, at which the drill is cancelled: undoing a fault may take a full boot and a resync. */
const UNDO_MINUTES = 60;
/** A watch that was due while Temporal was away is made up for by the next one. */
const WATCH_CATCH_UP_MINUTES = 1;
/** Silent nodes, an Azure that asks for patience and a webhook that does not answer take minutes, not more. */
const LOOK_MINUTES = 30;
const UPDATE_TRIES = 3;
/** The update is there at once, or not at all. */
const UPDATE_LOOKS = 5;
const UPDATE_LOOK_MS = 100;

export type Call = <Result>(action: () => Promise<Result>) => Promise<Result>;

export function createSchedules(client: Client, call: Call): Schedules {
  const handle = (name: string) => client.schedule.getHandle(drillScheduleId(name));
  const callFor = <Result>(name: string, action: () => Promise<Result>): Promise<Result> =>
    call(() => action().catch((error: unknown) => rethrowMissing(name, error)));
  const read = (name: string) =>
    callFor(name, async () => {
      const schedule = readDescription(await handle(name).describe());
      if (schedule === undefined) throw notOurs(name);
      return schedule;
    });

  const isUpdated = async (request: ScheduleRequest): Promise<boolean> => {
    for (let look = 1; look <= UPDATE_LOOKS; look += 1) {
      if (isAsWanted(await handle(request.name).describe(), request)) return true;
      await new Promise((resolve) => setTimeout(resolve, UPDATE_LOOK_MS));
    }
    return false;
  };

  const update = async (request: ScheduleRequest): Promise<void> => {
    const { name, cluster } = request;
    for (let attempt = 1; ; attempt += 1) {
      const current = await handle(name).describe();
      const known = readDescription(current);
      if (known === undefined) throw notOurs(name);
      if (known.cluster !== cluster) {
        throw new ClientError(
          'HADB_E4013',
          'usage',
          `schedule ${name} belongs to cluster ${known.cluster}: take another name for ${cluster}, or delete it first`,
        );
      }
      if (known.purpose !== request.purpose) {
        const is = known.purpose === 'watch' ? 'a watch' : 'a schedule of drills';
        throw new ClientError('HADB_E4013', 'usage', `${name} is ${is}: take another name, or delete it first`);
      }
      const { paused, note, remainingActions } = current.state;
      const state = {
        paused,
        ...(note === undefined ? {} : { note }),
        ...(remainingActions === undefined ? {} : { remainingActions }),
      };
      const guarded = guardedClient(client, current.raw.conflictToken);
      await guarded
        .getHandle(drillScheduleId(name))
        .update(() => ({ ...definition(request), state }))
        .catch((error: unknown) => {
          if (!isConflict(error)) throw error;
        });
      // A server refuses a stale token or, the older ones, passes over the update without a word.
      if (await isUpdated(request)) return;
      if (attempt === UPDATE_TRIES) throw new Error(`schedule ${name} changes all the time: it was not updated`);
    }
  };

  return {
    async list() {
      const names = await call(async () => {
        const found: string[] = [];
        for await (const { scheduleId } of client.schedule.list()) {
          if (scheduleId.startsWith(DRILL_SCHEDULES)) found.push(scheduleId.slice(DRILL_SCHEDULES.length));
        }
        return found.sort();
      });
      // One that was deleted since it was listed is none any more.
      const known = await Promise.all(
        names.map((name) =>
          read(name).catch((error: unknown) => (isMissing(error) ? undefined : Promise.reject(error))),
        ),
      );
      return known.filter((schedule) => schedule !== undefined);
    },
    read,
    save: (request) =>
      callFor(request.name, async () => {
        try {
          await client.schedule.create({
            ...definition(request),
            scheduleId: drillScheduleId(request.name),
            memo: { cluster: request.cluster },
          });
          return 'created';
        } catch (error) {
          if (nameOf(error) !== 'ScheduleAlreadyRunning') throw error;
          await update(request);
          return 'updated';
        }
      }),
    pause: (name, note) => callFor(name, () => handle(name).pause(note)),
    unpause: (name, note) => callFor(name, () => handle(name).unpause(note)),
    // The SDK's own default would start a second drill beside an open one.
    trigger: (name) => callFor(name, () => handle(name).trigger(ScheduleOverlapPolicy.SKIP)),
    delete: (name) => callFor(name, () => handle(name).delete()),
  };
}

const WORKFLOWS = { drills: 'scheduledDrill', watch: 'watchCluster' } as const;

/** All but the name and the state. */
function definition(request: ScheduleRequest) {
  const { name, cluster, taskQueue, user } = request;
  if (request.purpose === 'watch') {
    const { everyMinutes, input } = request;
    return {
      spec: { intervals: [{ every: `${everyMinutes} minutes` }] },
      action: {
        type: 'startWorkflow',
        workflowType: WORKFLOWS.watch,
        workflowId: watchWorkflowId(cluster, name),
        taskQueue,
        args: [input],
        workflowExecutionTimeout: `${LOOK_MINUTES} minutes`,
        staticSummary: `Look of the watch over ${cluster}`,
        memo: { startedBy: user, schedule: name },
      },
      policies: {
        overlap: ScheduleOverlapPolicy.SKIP,
        catchupWindow: `${WATCH_CATCH_UP_MINUTES} minutes`,
        // A watch that ended at its first trouble would be none.
        pauseOnFailure: false,
      },
    } satisfies Omit<ScheduleOptions, 'scheduleId'>;
  }
  const { at, input } = request;
  return {
    // UTC: in other time zones 02:30 does not exist once a year, and 01:30 comes twice.
    spec: { calendars: [{ ...at, comment: `${renderTimeOfDay(at)} UTC` }], timezone: 'UTC' },
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOWS.drills,
      workflowId: scheduledDrillWorkflowId(cluster, name),
      taskQueue,
      args: [input],
      workflowExecutionTimeout: `${input.deadlineMinutes + UNDO_MINUTES} minutes`,
      staticSummary: `Drill of the night on ${cluster}, by schedule ${name}`,
      memo: { startedBy: user, schedule: name },
    },
    policies: {
      overlap: ScheduleOverlapPolicy.SKIP,
      catchupWindow: `${CATCH_UP_MINUTES} minutes`,
      pauseOnFailure: true,
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}

/**
 * A client whose updates are refused when the schedule has changed since the token was read. The SDK sends no token, so that a pause that comes between
 * its read and its write would be undone.
 */
export function guardedClient(
  { connection, options }: Client,
  conflictToken: Uint8Array | null | undefined,
): ScheduleClient {
  const { workflowService } = connection;
  const guardedService = Object.assign(Object.create(workflowService) as typeof workflowService, {
    updateSchedule: (request: object) =>
      workflowService.updateSchedule({ ...request, ...(conflictToken ? { conflictToken } : {}) }),
  });
  const guarded = Object.create(connection, { workflowService: { value: guardedService } }) as ConnectionLike;
  return new ScheduleClient({ connection: guarded, namespace: options.namespace });
}

function isAsWanted({ spec, action, policies }: ScheduleDescription, request: ScheduleRequest): boolean {
  const { input, taskQueue, purpose } = request;
  return (
    readTime(spec) === (request.purpose === 'watch' ? everyText(request.everyMinutes) : renderTimeOfDay(request.at)) &&
    JSON.stringify(action.args?.[0]) === JSON.stringify(input) &&
    action.taskQueue === taskQueue &&
    policies.pauseOnFailure === (purpose === 'drills') &&
    policies.overlap === ScheduleOverlapPolicy.SKIP
  );
}

/** Undefined when it is none of hadb's, whatever its id says. */
export function readDescription(described: ScheduleDescription): DrillSchedule | undefined {
  const { scheduleId, spec, action, memo, state, info } = described;
  const cluster = memo?.['cluster'];
  const purpose = (['drills', 'watch'] as const).find((known) => WORKFLOWS[known] === action.workflowType);
  if (typeof cluster !== 'string' || purpose === undefined) return undefined;
  const [input] = (action.args ?? []) as [Partial<ScheduledDrillInput>?];
  const [next] = info.nextActionTimes;
  const last = info.recentActions.at(-1);
  return {
    name: scheduleId.slice(DRILL_SCHEDULES.length),
    cluster,
    purpose,
    at: readTime(spec),
    kinds: [...(input?.kinds ?? [])],
    ...(input?.deadlineMinutes === undefined ? {} : { deadlineMinutes: input.deadlineMinutes }),
    paused: state.paused,
    ...(state.note === undefined || state.note === '' ? {} : { note: state.note }),
    ...(state.paused || next === undefined ? {} : { next: next.toISOString() }),
    ...(last === undefined
      ? {}
      : {
          last: {
            workflowId: last.action.workflow.workflowId,
            runId: last.action.workflow.firstExecutionRunId,
            takenAt: last.takenAt.toISOString(),
          },
        }),
    open: info.runningActions.map(({ workflow }) => workflow.workflowId),
    missed: { overlap: info.numActionsSkippedOverlap, catchUp: info.numActionsMissedCatchupWindow },
  };
}

/** Somebody may have given it another form in the UI. */
function readTime({ calendars, intervals }: ScheduleDescription['spec']): string {
  const [interval, ...others] = intervals ?? [];
  if (interval !== undefined && others.length === 0 && (calendars ?? []).length === 0) {
    return everyText(interval.every / 60_000);
  }
  const [calendar, ...more] = calendars ?? [];
  const hour = calendar?.hour[0]?.start;
  const minute = calendar?.minute[0]?.start;
  return hour === undefined || minute === undefined || more.length > 0
    ? 'changed by hand'
    : renderTimeOfDay({ hour, minute });
}

const everyText = (minutes: number): string => (minutes === 1 ? 'every minute' : `every ${minutes} minutes`);

function rethrowMissing(name: string, error: unknown): never {
  if (nameOf(error) !== 'ScheduleNotFoundError') throw error;
  throw new ClientError(
    'HADB_E4016',
    'failed',
    `there is no schedule ${name}; "hadb schedule list" tells which there are`,
    {
      cause: error,
    },
  );
}

function notOurs(name: string): ClientError {
  return new ClientError('HADB_E4013', 'usage', `${drillScheduleId(name)} was not made by hadb: it is left alone`);
}

function isMissing(error: unknown): boolean {
  return nameOf(error) === 'ClientError';
}

/** `FAILED_PRECONDITION` of gRPC. */
const FAILED_PRECONDITION = 9;

function isConflict(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } };
  return cause?.code === FAILED_PRECONDITION;
}

function nameOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : undefined;
}
