import { stripVTControlCharacters } from 'node:util';
import type { Progress, StepRecord, StepWait } from '../../cluster/step';
import type { Clock } from '../clock';
import type { ClientContext, Output } from '../context';
import { identity } from '../run-events';
import { createLineReporter } from './line-reporter';
import { paintFor } from './paint';
import type { Reporter } from './reporter';
import { failureLines, stepLine, summaryLine } from './step-lines';

/**
 * On a terminal: what has ended scrolls by, one line a step; what runs stands below and is drawn anew at each look, with
 * what it waits for and how far that is.
 */
export function createLiveReporter(
  streams: { stdout: Output; stderr: Output },
  settings: ClientContext['settings'],
  clock: Clock,
): Reporter {
  const { stderr } = streams;
  const paint = paintFor(stderr, settings);
  let drawn = 0;
  let progress: Progress | undefined;
  let waits: readonly StepWait[] = [];
  let workflowId: string | undefined;
  let chapter: string | undefined;

  const erase = () => {
    if (drawn > 0) stderr.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const draw = () => {
    const lines = liveLines(progress, waits, clock.now(), paint).map((line) => fit(line, stderr.columns ?? 80));
    for (const line of lines) stderr.write(`${line}\n`);
    drawn = lines.length;
  };
  /** Says something for good, above the part that is drawn anew. */
  const above = (action: () => void) => {
    erase();
    action();
    draw();
  };
  const lines = createLineReporter(streams, settings, clock, { quiet: false });
  const say = (text: string) => stderr.write(`${text}\n`);

  const tellEnd = (record: StepRecord) => {
    if (record.chapter !== chapter) {
      chapter = record.chapter;
      say(paint('bold', chapter));
    }
    say(stepLine(record, clock.now(), paint));
    for (const line of failureLines(record, workflowId, paint)) say(line);
  };

  return {
    started(run) {
      ({ workflowId } = run);
      above(() => lines.started(run));
    },
    event(event) {
      if (event.type === 'wait') return;
      if (event.type !== 'step') return above(() => lines.event(event));
      if (event.record.state === 'running') return;
      above(() => tellEnd(event.record));
    },
    look(present, presentWaits) {
      progress = present;
      waits = presentWaits;
      above(() => undefined);
    },
    detached(run) {
      erase();
      lines.detached(run);
    },
    notice: (code, message) => above(() => lines.notice(code, message)),
    result(result) {
      erase();
      lines.result(result);
    },
  };
}

function liveLines(
  progress: Progress | undefined,
  waits: readonly StepWait[],
  now: number,
  paint: ReturnType<typeof paintFor>,
): string[] {
  if (progress === undefined) return [];
  const running = progress.steps.filter(({ state }) => state === 'running');
  return [
    ...running.map((record) =>
      stepLine(
        record,
        now,
        paint,
        waits.find(({ step }) => step === identity(record)),
      ),
    ),
    paint('dim', summaryLine(progress, now)),
  ];
}

/** A longer line would wrap, and the erasing would then miss a part of it. */
function fit(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : `${plain.slice(0, Math.max(1, columns - 2))}…`;
}
