import type { StepWait } from '../../cluster/step';
import type { Clock } from '../clock';
import type { ClientContext, Output } from '../context';
import { messageLevel } from '../messages';
import type { RunEvent } from '../run-events';
import { paintFor } from './paint';
import type { Reporter, RunReference } from './reporter';
import { describeWait, failureLines, resultLines, stepLine, summaryLine } from './step-lines';

/** A copy of disks may take hours: enough to see it go on, too little to fill a log. */
const WAIT_LINE_MS = 10_000;

/** CI services end a job that prints nothing for a while, the most impatient ones after ten minutes (CircleCI, Travis). */
const SIGN_OF_LIFE_MS = 60_000;

/**
 * Progress on standard error, the result on standard output. `quiet` tells the start, what fails, and the result; with `signsOfLife` also a line for
 * each minute in which nothing else was said.
 */
export function createLineReporter(
  streams: { stdout: Output; stderr: Output },
  settings: ClientContext['settings'],
  clock: Clock,
  { quiet, signsOfLife = false }: { quiet: boolean; signsOfLife?: boolean },
): Reporter {
  const paint = paintFor(streams.stderr, settings);
  let saidAt = clock.now();
  const say = (text: string) => {
    saidAt = clock.now();
    streams.stderr.write(`${text}\n`);
  };
  let workflowId: string | undefined;
  let chapter: string | undefined;
  const waitsTold = new Map<string, number>();

  const tellStep = (event: Extract<RunEvent, { type: 'step' }>): void => {
    const { record } = event;
    const bad = record.state === 'failed' || record.state === 'waiting';
    if (quiet && !bad) return;
    // One line a step, at its end; what it waits for until then is told as it goes.
    if (record.state === 'running') return;
    if (!quiet && record.chapter !== chapter) {
      chapter = record.chapter;
      say(paint('bold', chapter));
    }
    say(stepLine(record, clock.now(), paint));
    for (const line of failureLines(record, workflowId, paint)) say(line);
    if (bad && settings.githubActions) say(annotation('error', record.sentence, record.failure?.message ?? 'failed'));
  };

  const tellWait = (wait: StepWait): void => {
    const last = waitsTold.get(wait.step);
    if (last !== undefined && clock.now() - last < WAIT_LINE_MS) return;
    waitsTold.set(wait.step, clock.now());
    say(paint('dim', `            ${wait.step}: ${describeWait(wait)}`));
  };

  return {
    started(run) {
      ({ workflowId } = run);
      for (const line of startedLines(run)) say(line);
    },
    event(event) {
      switch (event.type) {
        case 'step':
          return tellStep(event);
        case 'wait':
          return quiet ? undefined : tellWait(event.wait);
        case 'retry':
          return quiet ? undefined : say(`  ${event.step}: try ${event.attempt}, because ${event.message}`);
        case 'notice':
          return this.notice(event.code, event.message);
      }
    },
    look(progress) {
      if (!signsOfLife || clock.now() - saidAt < SIGN_OF_LIFE_MS) return;
      say(
        paint(
          'dim',
          progress === undefined ? 'still watching; nobody answers for the run' : summaryLine(progress, clock.now()),
        ),
      );
    },
    detached: (run) => detachedLines(run).forEach(say),
    notice(code, message) {
      const level = messageLevel(code);
      if (quiet && level === 'info') return;
      const word = level === 'info' ? '' : `${paint(level === 'error' ? 'red' : 'yellow', level)}: `;
      say(`${word}${message}`);
      if (level !== 'info' && settings.githubActions) say(annotation(level, code, message));
    },
    result(result) {
      // Where watching has stopped, `detached` has said everything.
      if (result.exit === 'detached' && result.run?.status === 'RUNNING') return;
      const stdoutPaint = paintFor(streams.stdout, settings);
      for (const line of resultLines(result, stdoutPaint)) streams.stdout.write(`${line}\n`);
    },
  };
}

export function startedLines(run: RunReference & { attached: boolean; watched: boolean }): string[] {
  const verb = run.attached ? 'watching' : 'started';
  const lines = [`${verb} ${run.workflowId}`];
  if (run.url !== undefined) lines.push(`  ${run.url}`);
  if (!run.watched) lines.push(`  watch it with: hadb watch ${run.workflowId}`);
  return lines;
}

export function detachedLines(run: RunReference): string[] {
  return [
    `Stopped watching; ${run.workflowId} goes on.`,
    `  come back:  hadb watch ${run.workflowId}`,
    `  cancel it:  hadb cancel ${run.workflowId}`,
  ];
}

/** GitHub's workflow command; percent signs and line ends are escaped as its documentation says. */
export function annotation(level: 'warning' | 'error', title: string, message: string): string {
  const escape = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const escapeTitle = (text: string) => escape(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return `::${level} title=${escapeTitle(title)}::${escape(message)}`;
}
