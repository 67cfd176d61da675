import type { Progress, Verdict } from '../cluster/step';
import { VERSION } from './version';
import type { ClientContext } from './context';
import { exitCode, exitForFailure } from './exit-codes';
import type { ExitName } from './exit-codes';
import { follow } from './follow';
import type { FollowEnd } from './follow';
import { codeOfError, describeError, exitOfError } from './failure';
import { ClientError } from './messages';
import { parseFailureCode } from './progress-payload';
import { chooseReporter } from './reporting/choose-reporter';
import type { ReportingFlags } from './reporting/choose-reporter';
import type { CommandResult, Reporter, RunReference } from './reporting/reporter';
import { chosenTarget } from './temporal';
import type { StartRequest, Temporal, TemporalTarget } from './temporal';
import { isTemporalUnreachable } from './watched-run';

/** What the commands that start or watch runs share: the connection, the reporter, and how an end becomes an exit code. */
export interface Session {
  context: ClientContext;
  reporter: Reporter;
  /** Connects at the first call. Errors: HADB_E4003. */
  temporal(): Promise<Temporal>;
}

/** Runs one command: reports its result or its error, sets the exit code, closes the connection. Never throws. */
export async function inSession(
  context: ClientContext,
  flags: ReportingFlags,
  action: (session: Session) => Promise<CommandResult>,
): Promise<void> {
  const reporter = chooseReporter(context, flags, VERSION);
  let connected: Promise<Temporal> | undefined;
  const session: Session = {
    context,
    reporter,
    temporal: () => (connected ??= connectChecked(context)),
  };
  let result: CommandResult;
  try {
    result = await action(session);
  } catch (error) {
    result = { exit: exitOfError(error), summary: describeError(error) };
    reporter.notice(codeOfError(error), result.summary);
    // A program wants its last line; a person has just read why there is no result.
    if (flags.json) reporter.result(result);
    context.process.exitCode = exitCode(result.exit);
    await closeQuietly(connected);
    return;
  }
  reporter.result(result);
  context.process.exitCode = exitCode(result.exit);
  await closeQuietly(connected);
}

/** The Temporal the user chose, else the embedded one, else the configuration file's. Errors: HADB_E4003. */
export function resolveTarget(context: ClientContext): TemporalTarget {
  const { settings } = context;
  if (settings.temporalChosen) return chosenTarget(settings.temporalEnvironment, settings.temporalUi);
  const embedded = context.embedded().target();
  if (embedded !== undefined) return embedded;
  const configured = chosenTarget(settings.temporalEnvironment, settings.temporalUi);
  if (configured.configured) return configured;
  throw new ClientError(
    'HADB_E4003',
    'unreachable',
    'there is no Temporal to talk to: start the embedded one with "hadb up", or name yours with TEMPORAL_ADDRESS.',
  );
}

async function connectChecked(context: ClientContext): Promise<Temporal> {
  const target = resolveTarget(context);
  const temporal = await context.connect(target);
  try {
    await temporal.check();
    return temporal;
  } catch (error) {
    await temporal.close();
    if (!isTemporalUnreachable(error)) throw error;
    const way = context.settings.temporalChosen
      ? 'Check TEMPORAL_ADDRESS, TLS and the network.'
      : 'Start or restart the embedded pieces with: hadb up';
    throw new ClientError('HADB_E4003', 'unreachable', `${error.message}. ${way}`, { cause: error });
  }
}

/** For work that takes minutes and watches no run: Ctrl-C ends the command. Errors: HADB_E4011. */
export function untilInterrupted<Result>({ interrupt }: ClientContext, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = () =>
      reject(
        new ClientError(
          'HADB_E4011',
          'detached',
          'interrupted: what is done stays done, and the same command goes on from there',
        ),
      );
    if (interrupt.aborted) return stop();
    interrupt.addEventListener('abort', stop, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => interrupt.removeEventListener('abort', stop));
  });
}

export interface LaunchOptions {
  /** Watch it to its end; otherwise the command returns as soon as the run is open. */
  wait: boolean;
}

/** Starts a run (or attaches to the open one, if the request says so) and watches it. */
export async function launch(session: Session, request: StartRequest, { wait }: LaunchOptions): Promise<CommandResult> {
  const temporal = await session.temporal();
  const { runId, attached } = await temporal.start(request);
  const { url } = temporal.watch(request.workflowId, runId);
  const run = { workflowId: request.workflowId, runId, ...(url === undefined ? {} : { url }) };
  session.reporter.started({ ...run, attached, watched: wait });
  if (!wait) return { exit: 'passed', summary: `${request.workflowId} is started`, run: { ...run, status: 'RUNNING' } };
  return watchRun(session, run);
}

/** Watches an open run to its end, or tells how a closed one ended. */
export async function watchRun(session: Session, run: RunReference): Promise<CommandResult> {
  const { context, reporter } = session;
  const temporal = await session.temporal();
  const end = await follow({
    run: temporal.watch(run.workflowId),
    clock: context.clock,
    stop: context.interrupt,
    pollMs: isLoopback(temporal.address) ? 400 : 1_000,
    onEvent: (event) => reporter.event(event),
    onLook: (progress, waits) => reporter.look(progress, waits),
  });
  if (end.kind === 'detached') reporter.detached(run);
  return judge(run, end);
}

/** How the end of a watched run becomes the result of a command. Pure. */
export function judge(run: RunReference, end: FollowEnd): CommandResult {
  if (end.kind === 'detached') {
    return { exit: 'detached', summary: `${run.workflowId} goes on`, run: { ...run, status: 'RUNNING' } };
  }
  const { status, progress, failure } = end.ending;
  const common = {
    run: { ...run, status },
    ...(progress === undefined ? {} : { progress }),
    ...(progress?.verdict === undefined ? {} : { verdict: progress.verdict }),
  };
  switch (status) {
    case 'COMPLETED':
      return {
        ...common,
        exit: progress?.skipped === undefined ? exitForVerdict(progress) : 'refused',
        summary: progress?.sentence ?? `${run.workflowId} is complete`,
      };
    case 'FAILED': {
      const code = parseFailureCode(failure?.code ?? progress?.failure?.code);
      return {
        ...common,
        // Neither passed nor failed: too little was seen to tell, and nothing is known to be wrong.
        exit: progress?.verdict?.unknown === true ? 'unknown' : exitForFailure(code, progress?.runbook),
        summary: progress?.sentence ?? `${run.workflowId} failed`,
        failure: progress?.failure ?? failure ?? { message: 'the run failed without a reason' },
      };
    }
    case 'CANCELLED':
    case 'TERMINATED':
      return { ...common, exit: 'detached', summary: `${run.workflowId} was ${status.toLowerCase()}` };
    default:
      return {
        ...common,
        exit: 'unknown',
        summary: `${run.workflowId} ended as ${status.toLowerCase()}: the verdict is unknown`,
      };
  }
}

/** A drill without a verdict has proved nothing; other runbooks need none. */
function exitForVerdict(progress: Progress | undefined): ExitName {
  // A look of the watch completes whatever it sees.
  if (progress?.watch?.state === 'wrong') return 'failed';
  if (progress?.watch?.state === 'unseen') return 'unknown';
  if (progress?.verdict !== undefined) return verdictExit(progress.verdict);
  const isDrill = progress?.runbook === 'failoverDrill' || progress?.runbook === 'scheduledDrill';
  return progress === undefined || isDrill ? 'unknown' : 'passed';
}

function verdictExit({ passed, unknown }: Verdict): ExitName {
  return passed ? 'passed' : unknown === true ? 'unknown' : 'failed';
}

async function closeQuietly(connected: Promise<Temporal> | undefined): Promise<void> {
  await connected?.then((temporal) => temporal.close()).catch(() => undefined);
}

function isLoopback(address: string): boolean {
  return /^(?:localhost|127\.|\[::1\])/.test(address);
}
