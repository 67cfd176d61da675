import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { buildWorkflowId } from '../../cluster/ids';
import type { Decision } from '../../cluster/step';
import { timingInputs, timingWarnings } from '../../cluster/timing';
import type { DrillKind, FaultPair } from '../../workflows/messages';
import { describeError, exitOfError } from '../failure';
import { junitOfResult } from '../junit';
import { isInteractive } from '../context';
import type { ClientContext } from '../context';
import { ClientError } from '../messages';
import type { ReportingFlags } from '../reporting/choose-reporter';
import type { CommandResult } from '../reporting/reporter';
import { deviations, identity } from '../run-events';
import {
  buildRequest,
  destroyRequest,
  drillRequest,
  planRequest,
  recoverRequest,
  switchoverRequest,
} from '../requests';
import { knownSpecification } from '../known-specification';
import type { Starter } from '../requests';
import { inSession, launch, watchRun } from '../session';
import type { Session } from '../session';
import { readSpecificationFile } from '../specification-file';
import type { ReadSpecification } from '../specification-file';

/** The commands that start, watch and answer runs. */

export interface RunFlags extends ReportingFlags {
  /** Unset: wait on a terminal, return after the start otherwise. */
  wait?: boolean | undefined;
  /** Unset: wait for a decision on a terminal, fail at once otherwise. */
  onFailure?: 'wait' | 'fail' | undefined;
}

export function build(context: ClientContext, flags: RunFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, (session) => {
    const read = readSpecificationFile(context, file);
    warnOfTiming(session, read);
    return launch(session, buildRequest(read, starter(context, flags), 'refuse'), waiting(context, flags));
  });
}

/** Told before anything is made; the run's own page has them as well. */
function warnOfTiming({ reporter }: Session, { specification }: ReadSpecification): void {
  for (const warning of timingWarnings(timingInputs(specification))) reporter.notice('HADB_W2009', warning);
}

export interface DrillFlags extends RunFlags {
  /** JUnit XML is written there. */
  junit?: string | undefined;
  pair?: FaultPair | undefined;
}

export function drill(
  context: ClientContext,
  flags: DrillFlags,
  kind: DrillKind,
  file: string | undefined,
): Promise<void> {
  return inSession(context, flags, async (session) => {
    const startedAt = context.clock.now();
    const read = readSpecificationFile(context, file);
    if (flags.junit !== undefined && flags.wait === false) {
      throw new ClientError('HADB_E4008', 'usage', '--junit tells how the drill ended: it cannot go with --no-wait');
    }
    const { pair } = flags;
    if (pair !== undefined && kind !== 'double') {
      throw new ClientError(
        'HADB_E4008',
        'usage',
        `--pair names the faults of "double": a drill of kind ${kind} has one`,
      );
    }
    const request = drillRequest(read, { kind, pair }, starter(context, flags), startedAt);
    const { junit } = flags;
    if (junit === undefined) return launch(session, request, waiting(context, flags));
    const write = (result: CommandResult) => {
      const endedAt = context.clock.now();
      const drilled = { kind, cluster: read.specification.name, startedAt, endedAt };
      return writeAsked(session, result, junit, junitOfResult(result, drilled));
    };
    try {
      // Whoever wants the file wants the end, terminal or not.
      return write(await launch(session, request, { wait: true }));
    } catch (error) {
      // A drill that could not even be started is something that a pipeline must see in its file, too.
      write({ exit: exitOfError(error), summary: describeError(error) });
      throw error;
    }
  });
}

/** What could not be written changes nothing about how the drill ended. */
function writeAsked(
  { context, reporter }: Session,
  result: CommandResult,
  name: string,
  content: string,
): CommandResult {
  const file = resolve(context.workingDirectory, name);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    return { ...result, files: [file] };
  } catch (error) {
    reporter.notice('HADB_W4018', `${file} cannot be written: ${String(error)}`);
    return result;
  }
}

export function switchover(context: ClientContext, flags: RunFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, (session) =>
    launch(
      session,
      switchoverRequest(readSpecificationFile(context, file), starter(context, flags)),
      waiting(context, flags),
    ),
  );
}

export interface RecoverFlags extends RunFlags {
  cluster?: string | undefined;
}

export function recover(context: ClientContext, flags: RecoverFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const read = await knownSpecification(session, { cluster: flags.cluster, file });
    return launch(session, recoverRequest(read, starter(context, flags)), waiting(context, flags));
  });
}

export interface DestroyFlags extends RunFlags {
  confirm?: string | undefined;
}

/** Deletes only after the name was typed: at the prompt, or with `--confirm`. */
export function destroy(context: ClientContext, flags: DestroyFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const read = readSpecificationFile(context, file);
    const { name } = read.specification;
    const typed =
      flags.confirm ??
      (await context.ask(`This deletes the cluster ${name}, its machines, disks and data. Type its name to go on: `));
    if (typed === undefined) {
      throw new ClientError(
        'HADB_E4006',
        'usage',
        `there is no terminal to ask at: repeat the name with --confirm ${name}`,
      );
    }
    if (typed.trim() !== name) {
      throw new ClientError('HADB_E4006', 'usage', `"${typed.trim()}" is not ${name}: nothing was deleted`);
    }
    return launch(session, destroyRequest(read, name, starter(context, flags)), waiting(context, flags));
  });
}

export interface PlanFlags extends ReportingFlags {
  /** Exit 2 when there are changes, as Terraform does. */
  detailedExitcode: boolean;
}

export function plan(context: ClientContext, flags: PlanFlags, file: string | undefined): Promise<void> {
  return inSession(context, flags, async (session) => {
    const read = readSpecificationFile(context, file);
    warnOfTiming(session, read);
    const request = planRequest(read, starter(context, { onFailure: 'fail' }), context.clock.now());
    const result = withChanges(await launch(session, request, { wait: true }));
    return flags.detailedExitcode ? detailed(result) : result;
  });
}

/** What a build would do is the result of a plan, so that it belongs on standard output. */
function withChanges(result: CommandResult): CommandResult {
  const changes = (result.progress?.steps ?? []).flatMap((step) =>
    deviations(step).map((deviation) => ({ step: identity(step), sentence: step.sentence, deviation })),
  );
  return result.exit === 'passed' ? { ...result, changes } : result;
}

/** 0 nothing to do, 1 could not be told, 2 changes. */
function detailed(result: CommandResult): CommandResult {
  if (result.exit === 'passed') return (result.changes ?? []).length === 0 ? result : { ...result, exit: 'changes' };
  return result.exit === 'unknown' ? { ...result, exit: 'failed' } : result;
}

export function watch(context: ClientContext, flags: ReportingFlags, workflow: string): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    const workflowId = fullWorkflowId(workflow);
    const watched = temporal.watch(workflowId);
    const { runId } = await watched.look();
    const run = { workflowId, runId, ...(watched.url === undefined ? {} : { url: watched.url }) };
    session.reporter.started({ ...run, attached: true, watched: true });
    return watchRun(session, run);
  });
}

export interface DecideFlags extends ReportingFlags {
  reason?: string | undefined;
}

export function decide(
  context: ClientContext,
  flags: DecideFlags,
  workflow: string,
  step: string,
  decision: Decision,
): Promise<void> {
  return inSession(context, flags, async (session) => {
    const reason = flags.reason ?? (decision === 'retry' ? 'retried by hand' : undefined);
    if (reason === undefined) {
      throw new ClientError('HADB_E4008', 'usage', `say why: ${decision} needs --reason, which is kept with the run`);
    }
    const temporal = await session.temporal();
    const workflowId = fullWorkflowId(workflow);
    await temporal.decide(workflowId, { step, decision, by: context.settings.user, reason });
    return {
      exit: 'passed',
      summary: `${workflowId}: ${step} is answered with ${decision}. Watch it with: hadb watch ${workflowId}`,
    };
  });
}

export interface CancelFlags extends ReportingFlags {
  terminate: boolean;
}

export function cancel(context: ClientContext, flags: CancelFlags, workflow: string): Promise<void> {
  return inSession(context, flags, async (session) => {
    const temporal = await session.temporal();
    const workflowId = fullWorkflowId(workflow);
    if (flags.terminate) {
      await temporal.terminate(workflowId, `terminated by ${context.settings.user} with hadb cancel --terminate`);
      return { exit: 'passed', summary: `${workflowId} is terminated; starting it again goes on from what is done` };
    }
    await temporal.cancel(workflowId);
    return {
      exit: 'passed',
      summary: `${workflowId} is asked to stop before its next move. Watch it with: hadb watch ${workflowId}`,
    };
  });
}

/** A bare cluster name means its build. */
function fullWorkflowId(workflow: string): string {
  return workflow.includes('/') ? workflow : buildWorkflowId(workflow);
}

function starter(context: ClientContext, flags: Pick<RunFlags, 'onFailure'>): Starter {
  return {
    taskQueue: context.settings.taskQueue,
    user: context.settings.user,
    onFailure: flags.onFailure ?? (isInteractive(context) ? 'wait' : 'fail'),
  };
}

function waiting(context: ClientContext, flags: RunFlags): { wait: boolean } {
  return { wait: flags.wait ?? isInteractive(context) };
}
