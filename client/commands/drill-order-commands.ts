import { FREEZE_LENGTH, parseFreezeWindows, renderFreezeWindows } from '../../cluster/drill-permission';
import type { DrillOrder } from '../../cluster/drill-permission';
import { ClusterSpecification } from '../../cluster/specification/specification';
import type { ClientContext } from '../context';
import { knownSpecification } from '../known-specification';
import { ClientError, isClientError } from '../messages';
import type { ReportingFlags } from '../reporting/choose-reporter';
import type { CommandResult } from '../reporting/reporter';
import { orderDrillsRequest } from '../requests';
import { inSession, launch } from '../session';
import type { Session } from '../session';
import type { Temporal } from '../temporal';

/** The safety switch of drills, and their freeze windows: `hadb drills`. */

export interface OrderFlags extends ReportingFlags {
  cluster?: string | undefined;
  reason?: string | undefined;
}

/** How the switch pauses a schedule: only such a pause is taken back by `allow`. */
const STOPPED = 'stopped by hadb drills stop: ';

/**
 * What can be done in Temporal is done at once: schedules are paused and drills cancelled also when Azure or every worker is away. Then the tag, which holds
 * off everything else; and once more the drills, for one that began in between.
 */
export function stopDrills(context: ClientContext, flags: OrderFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    const { user: by } = context.settings;
    const reason = flags.reason ?? 'no reason given';
    // The name alone is enough to begin with.
    const name = flags.cluster ?? (await knownSpecification(session, { file })).specification.name;
    await pauseSchedules(session, temporal, name, `${STOPPED}${reason} (${by})`);
    const stopped = await cancelDrills(session, temporal, name, []);
    const result = await order(session, { ...flags, file, cluster: name }, { order: 'stop', by, reason });
    const late = await cancelDrills(session, temporal, name, stopped);
    const count = stopped.length + late.length;
    const told =
      count === 0 ? 'no drill was open' : `${count === 1 ? 'a drill was' : `${count} drills were`} asked to stop`;
    return withOrder(result, `drills of ${name} are stopped; ${told}`);
  });
}

/** The tag first: a schedule that goes on while the switch is closed would only skip. */
export function allowDrills(context: ClientContext, flags: OrderFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    const { user: by } = context.settings;
    const read = await knownSpecification(session, { cluster: flags.cluster, file });
    const { name } = read.specification;
    const reason = flags.reason ?? 'no reason given';
    const result = await order(session, { ...flags, file }, { order: 'allow', by, reason });
    if (result.exit !== 'passed') return withOrder(result, '');
    for (const schedule of await schedulesOf(temporal, name)) {
      if (!schedule.paused) continue;
      if (schedule.note?.startsWith(STOPPED) !== true) {
        session.reporter.notice(
          'HADB_I7001',
          `schedule ${schedule.name} stays paused: ${schedule.note ?? 'no reason is known'}`,
        );
        continue;
      }
      await temporal.schedules.unpause(schedule.name, `allowed by ${by}: ${reason}`);
      session.reporter.notice('HADB_I7001', `schedule ${schedule.name} goes on`);
    }
    return withOrder(result, `drills of ${name} are allowed`);
  });
}

export interface FreezeFlags extends ReportingFlags {
  cluster?: string | undefined;
  window?: readonly string[] | undefined;
  none: boolean;
}

/** Sets all windows there are; `--none` takes the freeze back. */
export function freezeDrills(context: ClientContext, flags: FreezeFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const given = flags.window ?? [];
    if ((given.length === 0) !== flags.none) {
      throw new ClientError('HADB_E4008', 'usage', 'name each window with --window, or say --none for no freeze');
    }
    const windows = parseFreezeWindows(given.join(' '));
    const text = windows === undefined ? '' : renderFreezeWindows(windows);
    if (windows === undefined || text.length > FREEZE_LENGTH) {
      const why = windows === undefined ? `not a window: one of ${given.join(', ')}` : 'too many windows for a tag';
      throw new ClientError(
        'HADB_E4008',
        'usage',
        `${why}; write 2026-12-20T00:00Z/2027-01-04T06:00Z, in UTC, the end after the begin`,
      );
    }
    const result = await order(session, { ...flags, file }, { order: 'freeze', windows: text });
    return withOrder(result, text === '' ? 'there is no freeze window' : `no drill begins within ${text}`);
  });
}

async function order(
  session: Session,
  wanted: { cluster?: string | undefined; file: string | undefined },
  what: DrillOrder,
): Promise<CommandResult> {
  const read = await knownSpecification(session, wanted).catch((error: unknown) => {
    if (isClientError(error) && what.order === 'stop') {
      session.reporter.notice(
        'HADB_E4015',
        'schedules are paused and open drills cancelled, but the tag that holds off every other drill is not set',
      );
    }
    throw error;
  });
  const { taskQueue, user } = session.context.settings;
  const result = await launch(session, orderDrillsRequest(read, what, { taskQueue, user }), { wait: true });
  if (result.exit !== 'passed') {
    session.reporter.notice(
      'HADB_E4015',
      `the tag of the resource group ${read.specification.name} is not set: ${result.summary}`,
    );
  }
  return result;
}

function withOrder(result: CommandResult, summary: string): CommandResult {
  return result.exit === 'passed' ? { ...result, summary } : result;
}

async function schedulesOf(temporal: Temporal, cluster: string) {
  // A watch goes on: it breaks nothing.
  return (await temporal.schedules.list()).filter(
    (schedule) => schedule.cluster === cluster && schedule.purpose === 'drills',
  );
}

async function pauseSchedules({ reporter }: Session, temporal: Temporal, cluster: string, note: string): Promise<void> {
  for (const { name, paused } of await schedulesOf(temporal, cluster)) {
    // One that a person or a failed drill has paused keeps its reason, and stays paused when drills are allowed again.
    if (paused) continue;
    await temporal.schedules.pause(name, note);
    reporter.notice('HADB_I7001', `schedule ${name} is paused`);
  }
}

/** More drills than any installation has open. */
const MOST_OPEN = 500;

/** Those that were not asked before; what a schedule started comes first, and takes its drill along. */
async function cancelDrills(
  { reporter }: Session,
  temporal: Temporal,
  cluster: string,
  before: readonly string[],
): Promise<string[]> {
  const open = await temporal.list(
    `WorkflowType IN ('scheduledDrill', 'failoverDrill') AND ExecutionStatus = 'Running'`,
    MOST_OPEN,
  );
  const asked: string[] = [];
  for (const { workflowId, runId } of open.sort((a, b) => b.type.localeCompare(a.type))) {
    if (before.includes(workflowId) || (await clusterOfRun(temporal, workflowId, runId)) !== cluster) continue;
    try {
      await temporal.cancel(workflowId);
    } catch (error) {
      // It has ended by itself.
      if (isClientError(error)) continue;
      throw error;
    }
    asked.push(workflowId);
    reporter.notice(
      'HADB_I7002',
      `${workflowId} is asked to stop; it undoes its fault first. Watch it with: hadb watch ${workflowId}`,
    );
  }
  return asked;
}

/** By what it was started with: whoever starts a drill in the UI may call it as he likes. */
async function clusterOfRun(temporal: Temporal, workflowId: string, runId: string): Promise<string | undefined> {
  const input = await temporal.readInput(workflowId, runId).catch((error: unknown) => {
    if (isClientError(error)) return undefined;
    throw error;
  });
  const given =
    typeof input === 'object' && input !== null && 'specification' in input ? input.specification : undefined;
  // A drill whose specification is impossible has failed in its first task.
  return ClusterSpecification.safeParse(given).data?.name;
}
