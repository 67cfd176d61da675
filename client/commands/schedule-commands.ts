import { verifyAllowanceMinutes } from '../../cluster/drbd/verify';
import type { TimeOfDay } from '../../cluster/drill-schedule';
import type { ClusterSpecification } from '../../cluster/specification/specification';
import { DEADLINE_MINUTES, WATCH_MINUTES } from '../../workflows/messages';
import type { DrillKind } from '../../workflows/messages';
import { isInteractive } from '../context';
import type { ClientContext } from '../context';
import { knownSpecification } from '../known-specification';
import { ClientError, isClientError } from '../messages';
import type { ReportingFlags } from '../reporting/choose-reporter';
import type { CommandResult, ScheduleReport } from '../reporting/reporter';
import { scheduleRequest, watchRequest } from '../requests';
import type { DrillSchedule, ScheduledRun, ScheduleRequest } from '../schedules';
import { inSession, watchRun, type Session } from '../session';
import type { Temporal } from '../temporal';
import { isOpen } from '../watched-run';

/** Drills by night, and watches: `hadb schedule`. */

export interface CreateFlags extends ReportingFlags {
  cluster?: string | undefined;
  at: TimeOfDay;
  kinds: readonly [DrillKind, ...DrillKind[]];
  /** Minutes. */
  deadline?: number | undefined;
}

export function createSchedule(
  context: ClientContext,
  flags: CreateFlags,
  name: string,
  file: string | undefined,
): Promise<void> {
  return inSession(context, flags, async (session) => {
    const read = await knownSpecification(session, { cluster: flags.cluster, file });
    const { at, kinds, deadline = usualDeadline(read.specification) } = flags;
    const request = scheduleRequest(read, { name, at, kinds, deadlineMinutes: deadline }, context.settings);
    return save(session, request, `schedule ${name}`);
  });
}

/** Two hours, and room for DRBD's comparison of a large disk. */
const usualDeadline = (specification: ClusterSpecification): number =>
  Math.min(DEADLINE_MINUTES.most, DEADLINE_MINUTES.usual + verifyAllowanceMinutes(specification));

export interface WatchFlags extends ReportingFlags {
  cluster?: string | undefined;
  /** Minutes. */
  every?: number | undefined;
}

export function watchBySchedule(
  context: ClientContext,
  flags: WatchFlags,
  name: string,
  file: string | undefined,
): Promise<void> {
  return inSession(context, flags, async (session) => {
    const read = await knownSpecification(session, { cluster: flags.cluster, file });
    const { every: everyMinutes = WATCH_MINUTES.usual } = flags;
    return save(session, watchRequest(read, { name, everyMinutes }, context.settings), `watch ${name}`);
  });
}

/** A schedule that was there is changed, and stays paused if it was. */
async function save(session: Session, request: ScheduleRequest, called: string): Promise<CommandResult> {
  const temporal = await session.temporal();
  const saved = await temporal.schedules.save(request);
  const schedule = await report(temporal, await temporal.schedules.read(request.name));
  const still = saved === 'updated' && schedule.paused ? ', and paused as it was before' : '';
  return { exit: 'passed', summary: `${called} is ${saved}${still}`, schedules: [schedule] };
}

export function listSchedules(context: ClientContext, flags: ReportingFlags): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    const known = await temporal.schedules.list();
    const schedules = await Promise.all(known.map((schedule) => report(temporal, schedule)));
    const paused = schedules.filter((schedule) => schedule.paused).length;
    const count = schedules.length === 1 ? 'one schedule' : `${schedules.length} schedules`;
    const summary = schedules.length === 0 ? 'no schedule yet: hadb schedule create' : `${count}, ${paused} paused`;
    return { exit: 'passed', summary, schedules };
  });
}

export interface PauseFlags extends ReportingFlags {
  reason?: string | undefined;
}

export function pauseSchedule(context: ClientContext, flags: PauseFlags, name: string): Promise<void> {
  return inSession(context, flags, async (session) => {
    const { schedules } = await session.temporal();
    await schedules.read(name);
    await schedules.pause(name, `paused by ${context.settings.user}: ${flags.reason ?? 'no reason given'}`);
    return { exit: 'passed', summary: `schedule ${name} is paused; a run that is open goes on` };
  });
}

export function unpauseSchedule(context: ClientContext, flags: PauseFlags, name: string): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    await temporal.schedules.read(name);
    const because = flags.reason === undefined ? '' : `: ${flags.reason}`;
    await temporal.schedules.unpause(name, `unpaused by ${context.settings.user}${because}`);
    const schedule = await report(temporal, await temporal.schedules.read(name));
    return {
      exit: 'passed',
      summary: `schedule ${name} goes on, next at ${schedule.next ?? 'never'}`,
      schedules: [schedule],
    };
  });
}

export interface TriggerFlags extends ReportingFlags {
  wait?: boolean | undefined;
}

/** Temporal starts what was triggered within a second, unless it is skipped. */
const START_WAIT_MS = 10_000;
const START_POLL_MS = 200;

/** Also while the schedule is paused: whoever asks by name means it. */
export function triggerSchedule(context: ClientContext, flags: TriggerFlags, name: string): Promise<void> {
  return inSession(context, flags, async (session): Promise<CommandResult> => {
    const temporal = await session.temporal();
    const before = await temporal.schedules.read(name);
    const [open] = before.open;
    if (open !== undefined) return { exit: 'refused', summary: `${open} is open: nothing was triggered` };
    await temporal.schedules.trigger(name);
    const started = await awaitStart(context, temporal, before);
    if (started === undefined) {
      return { exit: 'refused', summary: `no run of ${name} was started: another one was open, or Temporal is late` };
    }
    const { workflowId, runId } = started;
    const { url } = temporal.watch(workflowId, runId);
    const run = { workflowId, runId, ...(url === undefined ? {} : { url }) };
    const wait = flags.wait ?? isInteractive(context);
    session.reporter.started({ ...run, attached: false, watched: wait });
    if (wait) return watchRun(session, run);
    return { exit: 'passed', summary: `${workflowId} is started`, run: { ...run, status: 'RUNNING' } };
  });
}

async function awaitStart(
  { clock, interrupt }: ClientContext,
  { schedules }: Temporal,
  before: DrillSchedule,
): Promise<ScheduledRun | undefined> {
  const until = clock.now() + START_WAIT_MS;
  while (!interrupt.aborted) {
    const { last } = await schedules.read(before.name);
    if (last !== undefined && last.runId !== before.last?.runId) return last;
    if (clock.now() >= until) return undefined;
    await clock.sleep(START_POLL_MS, interrupt);
  }
  throw new ClientError(
    'HADB_E4011',
    'detached',
    'interrupted: the run may have been started; see "hadb schedule list"',
  );
}

export function deleteSchedule(context: ClientContext, flags: ReportingFlags, name: string): Promise<void> {
  return inSession(context, flags, async (session) => {
    const { schedules } = await session.temporal();
    // Only what is ours.
    await schedules.read(name);
    await schedules.delete(name);
    return { exit: 'passed', summary: `schedule ${name} is deleted; a run that is open goes on` };
  });
}

/** With the outcome of the newest drill, as long as Temporal keeps it. */
async function report(temporal: Temporal, schedule: DrillSchedule): Promise<ScheduleReport> {
  const { last } = schedule;
  if (last === undefined) return schedule;
  const watched = temporal.watch(last.workflowId);
  try {
    const { status, runId } = await watched.look();
    if (isOpen(status)) return { ...schedule, outcome: 'open' };
    const { progress, failure } = await watched.ending(runId);
    const told = progress?.sentence ?? failure?.message;
    return { ...schedule, outcome: told === undefined ? status.toLowerCase() : `${status.toLowerCase()}: ${told}` };
  } catch (error) {
    if (isClientError(error)) return schedule;
    throw error;
  }
}
