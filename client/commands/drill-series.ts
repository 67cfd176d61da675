import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { LARGEST_SEED, planSeries } from '../../cluster/drill-series';
import { drillRefusal } from '../../cluster/drill-refusals';
import type { DrillOutcome } from '../../cluster/report/drill-record';
import {
  placeSeriesReport,
  renderMarkdownTable,
  renderPhaseTable,
  renderSeriesReport,
  SERIES_HEAD,
  SERIES_MARKERS,
  seriesDrillOf,
  seriesRows,
  unreportedDrill,
  versionsOf,
} from '../../cluster/report/series-table';
import { withFileLock } from '../../processes/file-lock';
import { writeFileAtomically } from '../../processes/owned-process';
import { messageOf } from '../../processes/error-message';
import { DRILL_KINDS, FAULT_PAIRS, type DrillKind, type FaultPair } from '../../workflows/messages';
import { isInteractive, type ClientContext } from '../context';
import { readDrillReports } from '../drill-reports';
import { readSeriesState, seriesStateFile, writeSeriesState } from '../drill-series-state';
import type { EndedDrill, SeriesState } from '../drill-series-state';
import type { LabImage } from '../embedded';
import type { ExitName } from '../exit-codes';
import { describeThisComputer } from '../host';
import { ClientError, isClientError } from '../messages';
import type { ReportingFlags } from '../reporting/choose-reporter';
import type { CommandResult } from '../reporting/reporter';
import { buildRequest, drillRequest, recoverRequest } from '../requests';
import type { Starter } from '../requests';
import { inSession, launch, watchRun } from '../session';
import type { Session } from '../session';
import { readSpecificationFile } from '../specification-file';
import type { ReadSpecification } from '../specification-file';
import { bringUp, labSpecification } from '../start';

/** Every kind of drill several times over: `hadb drills run`, and `npm run drills`. */

export interface SeriesFlags extends ReportingFlags {
  rounds: number;
  seed?: number | undefined;
  kinds?: readonly DrillKind[] | undefined;
  /** Page whose table is renewed. */
  write?: string | undefined;
  image: LabImage;
}

/** Without a file everything is brought up as by `hadb start`; with one its Temporal, worker and Azure are there. */
export function runSeries(context: ClientContext, flags: SeriesFlags, file: string | undefined): Promise<void> {
  const progress = flags.progress === 'auto' && !isInteractive(context) ? 'lines' : flags.progress;
  return inSession(context, { ...flags, progress }, async (session) => {
    const page = flags.write === undefined ? undefined : readPage(context, flags.write);
    if (file === undefined) await bringUp(session, flags.image);
    const read = readSpecificationFile(context, file ?? labSpecification(flags.image));
    const { name } = read.specification;
    const kinds = chooseKinds(session, read, flags.kinds);
    const seed = flags.seed ?? context.clock.now() % (LARGEST_SEED + 1);
    const stateFile = seriesStateFile(context.settings.stateDirectory, { cluster: name, seed });
    const waits = () =>
      session.reporter.notice('HADB_I7003', `another command is at work on the series of seed ${seed}`);
    return withFileLock(`${stateFile}.lock`, waits, async () => {
      const state = readSeriesState(stateFile, { cluster: name, seed, rounds: flags.rounds, kinds });
      const series: Series = {
        session,
        read,
        plan: planSeries(state).map(asKind),
        state,
        keep: () => writeSeriesState(stateFile, state),
        starter: { taskQueue: context.settings.taskQueue, user: context.settings.user, onFailure: 'fail' },
        again: commandFor(flags, seed, file),
      };
      const result = withTable(series, await makeSeries(series));
      return page === undefined || result.exit === 'detached' ? result : writePage(series, page, result);
    });
  });
}

interface Series {
  session: Session;
  read: ReadSpecification;
  plan: readonly DrillKind[];
  state: SeriesState;
  keep: () => void;
  starter: Starter;
  /** The command that goes on with it. */
  again: string;
}

const asKind = (word: string): DrillKind => {
  const kind = DRILL_KINDS.find((known) => known === word);
  if (kind === undefined) throw new Error(`"${word}" is no drill`);
  return kind;
};

/** What the specification forbids is left out, unless it was asked for. Errors: HADB_E4008. */
function chooseKinds(
  { reporter }: Session,
  { specification }: ReadSpecification,
  named: readonly DrillKind[] | undefined,
): DrillKind[] {
  const refused = (named ?? DRILL_KINDS).flatMap((kind) => drillRefusal(kind, specification) ?? []);
  if (named !== undefined && refused.length > 0) throw new ClientError('HADB_E4008', 'usage', refused.join('; '));
  for (const reason of refused) reporter.notice('HADB_W7004', `left out: ${reason}`);
  return (named ?? DRILL_KINDS).filter((kind) => drillRefusal(kind, specification) === undefined);
}

function commandFor({ rounds, kinds, write, image }: SeriesFlags, seed: number, file: string | undefined): string {
  return [
    `npm run drills -- --seed ${seed} --rounds ${rounds}`,
    ...(kinds === undefined ? [] : [`--kinds ${kinds.join(',')}`]),
    ...(write === undefined ? [] : [`--write ${write}`]),
    ...(image === 'golden' ? [] : [`--image ${image}`]),
    ...(file === undefined ? [] : [file]),
  ].join(' ');
}

async function makeSeries(series: Series): Promise<CommandResult> {
  const { session, plan, state, again } = series;
  const { reporter } = session;
  const before = state.ended.length;
  const going = before === 0 ? '' : `; ${before} have ended before`;
  reporter.notice('HADB_I7003', `seed ${state.seed}: ${plan.length} drills${going}. After an interruption: ${again}`);
  if (before === plan.length) return conclude(series);

  if (state.open === undefined) {
    const ready = before === 0 ? await build(series) : await recover(series);
    if (isLetGo(ready)) return interrupted(series, ready);
    if (ready.exit !== 'passed') return conclude(series, ready);
  }
  while (state.ended.length < plan.length) {
    const result = await makeNext(series);
    if (isLetGo(result)) return interrupted(series, result);
    if (wasNotMade(result)) return conclude(series, result);
    if (result.exit === 'passed') continue;
    reporter.notice(
      'HADB_W7004',
      'it did not pass: the recovery looks whether the pair is whole, and puts right what it may',
    );
    const recovered = await recover(series);
    if (isLetGo(recovered)) return interrupted(series, recovered);
    if (recovered.exit !== 'passed') return conclude(series, recovered);
    reporter.notice('HADB_I7003', `the series goes on: ${recovered.summary}`);
  }
  return conclude(series);
}

const build = ({ session, read, starter }: Series): Promise<CommandResult> =>
  launch(session, buildRequest(read, starter, 'attach'), { wait: true });

/** On a pair that is whole it only looks. */
const recover = ({ session, read, starter }: Series): Promise<CommandResult> =>
  launch(session, { ...recoverRequest(read, starter), ifOpen: 'attach' }, { wait: true });

/** The next of the plan, or the one that was under way when an earlier command was interrupted. */
async function makeNext(series: Series): Promise<CommandResult> {
  const { session, read, plan, state, keep, starter } = series;
  const kind = asKind(plan[state.ended.length] ?? '');
  const resumed = state.open !== undefined;
  const { startedAt } = (state.open ??= { kind, startedAt: session.context.clock.now() });
  keep();
  const request = drillRequest(read, { kind, pair: pairOfTurn(kind, state) }, starter, startedAt);
  const result =
    resumed && (await isKnown(session, request.workflowId))
      ? await watchAgain(session, request.workflowId)
      : await launch(session, request, { wait: true });
  if (isLetGo(result)) return result;
  delete state.open;
  if (!wasNotMade(result))
    state.ended.push(endedDrill(session, { kind, startedAt, workflowId: request.workflowId }, result));
  keep();
  if (!wasNotMade(result)) tell(series, result);
  return result;
}

/** Double faults take turns, so that a series makes each pair of them. */
function pairOfTurn(kind: DrillKind, { ended }: SeriesState): FaultPair | undefined {
  if (kind !== 'double') return undefined;
  return FAULT_PAIRS[ended.filter(({ drill }) => drill.kind === kind).length % FAULT_PAIRS.length];
}

async function isKnown(session: Session, workflowId: string): Promise<boolean> {
  const temporal = await session.temporal();
  try {
    await temporal.watch(workflowId).look();
    return true;
  } catch (error) {
    if (isClientError(error) && error.code === 'HADB_E4004') return false;
    throw error;
  }
}

async function watchAgain(session: Session, workflowId: string): Promise<CommandResult> {
  const watched = (await session.temporal()).watch(workflowId);
  const { runId } = await watched.look();
  const run = { workflowId, runId, ...(watched.url === undefined ? {} : { url: watched.url }) };
  session.reporter.started({ ...run, attached: true, watched: true });
  return watchRun(session, run);
}

function endedDrill(
  { context }: Session,
  made: { kind: DrillKind; startedAt: number; workflowId: string },
  { exit, summary, run, verdict }: CommandResult,
): EndedDrill {
  const { kind, startedAt, workflowId } = made;
  const found = readDrillReports(context.settings.drillsDirectory).find(
    ({ journal: { hadb } }) =>
      hadb.kind === kind && hadb.workflow.workflowId === workflowId && hadb.workflow.runId === run?.runId,
  );
  const told =
    found === undefined ? unreportedDrill(kind, outcomeOf(exit, verdict !== undefined)) : seriesDrillOf(found.journal);
  return {
    workflowId,
    ...(run?.runId === undefined ? {} : { runId: run.runId }),
    startedAt,
    endedAt: context.clock.now(),
    exit,
    summary,
    drill: { ...told, kind },
    versions: versionsOf(found?.journal.hadb.versions ?? []),
  };
}

function outcomeOf(exit: ExitName, isJudged: boolean): DrillOutcome {
  if (exit === 'passed' || exit === 'refused' || exit === 'unknown') return exit;
  return exit === 'failed' && isJudged ? 'failed' : 'error';
}

function tell({ session: { reporter }, state, plan }: Series, { exit, summary }: CommandResult): void {
  const kind = plan[state.ended.length - 1] ?? '';
  const code = exit === 'passed' ? 'HADB_I7003' : 'HADB_W7004';
  reporter.notice(code, `${state.ended.length} of ${plan.length}, ${kind} ${exit}: ${summary}`);
}

/** Ctrl-C: the run goes on without us. */
const isLetGo = ({ exit, run }: CommandResult): boolean => exit === 'detached' && run?.status === 'RUNNING';

/** Somebody did not want it, or it could not begin: it is made again by whoever goes on, and counts as none. */
function wasNotMade({ exit, failure }: CommandResult): boolean {
  if (exit === 'detached' || exit === 'usage') return true;
  return failure?.code === 'DrillsForbidden' || failure?.code === 'ClusterLocked';
}

function interrupted({ again }: Series, result: CommandResult): CommandResult {
  return { exit: 'detached', summary: `${result.summary}. Go on with: ${again}` };
}

/** Worse to the right, after Jepsen: wrong counts more than not known. */
const BADNESS: readonly ExitName[] = ['passed', 'refused', 'unknown', 'failed'];
const badness = (exit: ExitName): number => (BADNESS.includes(exit) ? BADNESS.indexOf(exit) : BADNESS.length);

/** Exit code of the worst verdict; `stopped` is why the series did not come to its end. */
function conclude({ state, plan, again }: Series, stopped?: CommandResult): CommandResult {
  const exits = [...state.ended.map(({ exit }) => exit), ...(stopped === undefined ? [] : [stopped.exit])];
  const exit = exits.reduce<ExitName>((worst, one) => (badness(one) > badness(worst) ? one : worst), 'passed');
  const count = (wanted: ExitName) => state.ended.filter((drill) => drill.exit === wanted).length;
  const counts = BADNESS.filter((name) => count(name) > 0).map((name) => `${count(name)} ${name}`);
  const total = `${state.ended.length} of ${plan.length} drills made: ${counts.join(', ') || 'none'} (seed ${state.seed})`;
  if (stopped === undefined) return { exit, summary: total };
  const { failure } = stopped;
  return {
    exit,
    summary: `${total}; stopped: ${stopped.summary}. Go on with: ${again}`,
    ...(stopped.verdict === undefined ? {} : { verdict: stopped.verdict }),
    ...(failure === undefined ? {} : { failure }),
  };
}

function withTable({ state, plan }: Series, result: CommandResult): CommandResult {
  const drills = state.ended.map(({ drill, workflowId, summary }) => ({ ...drill, workflowId, summary }));
  const { seed, rounds } = state;
  return {
    ...result,
    series: {
      seed,
      rounds,
      planned: plan.length,
      drills,
      left: plan.slice(drills.length),
      table: renderMarkdownTable(SERIES_HEAD, seriesRows(drills)),
      phases: renderPhaseTable(drills),
    },
  };
}

interface Page {
  file: string;
  text: string;
}

/** Looked at before hours of drills. Errors: HADB_E4008. */
function readPage({ workingDirectory }: ClientContext, name: string): Page {
  const file = resolve(workingDirectory, name);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (placeSeriesReport(text, '') !== undefined) return { file, text };
  throw new ClientError(
    'HADB_E4008',
    'usage',
    `${file} has no place for the table: two lines, ${SERIES_MARKERS.begin} and ${SERIES_MARKERS.end}`,
  );
}

/** What could not be written changes nothing about how the drills ended. */
function writePage({ session, state, plan }: Series, { file }: Page, result: CommandResult): CommandResult {
  const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
  const [from, to] = [iso(state.ended[0]?.startedAt), iso(state.ended.at(-1)?.endedAt)];
  const report = renderSeriesReport({
    seed: state.seed,
    rounds: state.rounds,
    planned: plan.length,
    drills: state.ended.map(({ drill }) => drill),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    versions: [...new Set(state.ended.flatMap(({ versions }) => versions))],
    host: describeThisComputer(),
  });
  try {
    // Somebody may have changed it in the meantime.
    const placed = placeSeriesReport(readFileSync(file, 'utf8'), report);
    if (placed === undefined) throw new Error('its place for the table is gone');
    writeFileAtomically(file, placed, 0o644);
    return { ...result, files: [file] };
  } catch (error) {
    session.reporter.notice('HADB_W4018', `${file} cannot be written: ${messageOf(error)}`);
    return result;
  }
}
