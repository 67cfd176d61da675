import { formatDuration } from '../clock';
import { deviations, identity } from '../run-events';
import { WITHOUT_FENCING } from '../../cluster/report/step-table';
import type { Progress, StepRecord, StepState, StepWait } from '../../cluster/step';
import type { CommandResult, ScheduleReport } from './reporter';
import { countResults } from './reporter';
import type { Paint } from './paint';

/** Text of steps and results, the same for every way of telling them. Pure. */

const MARKS: Record<StepState, { mark: string; format: Parameters<Paint>[0] }> = {
  pending: { mark: '·', format: 'dim' },
  running: { mark: '›', format: 'cyan' },
  waiting: { mark: '?', format: 'yellow' },
  done: { mark: '✔', format: 'green' },
  skipped: { mark: '»', format: 'yellow' },
  failed: { mark: '✖', format: 'red' },
  cancelled: { mark: '■', format: 'yellow' },
};

const DURATION_WIDTH = 9;
const NODE_WIDTH = 8;

export function stepLine(record: StepRecord, now: number, paint: Paint, wait?: StepWait): string {
  const { mark, format } = MARKS[record.state];
  const duration = stepDuration(record, now).padStart(DURATION_WIDTH);
  const node = (record.node ?? '').padEnd(NODE_WIDTH);
  const remark = stepRemark(record, wait);
  return `${paint(format, mark)} ${paint('dim', duration)}  ${paint('cyan', node)}  ${record.sentence}${remark === '' ? '' : paint('dim', `  ${remark}`)}`;
}

function stepDuration(record: StepRecord, now: number): string {
  const started = Date.parse(record.startedAt);
  const ended = record.endedAt === undefined ? now : Date.parse(record.endedAt);
  return Number.isNaN(started) || Number.isNaN(ended) ? '' : formatDuration(ended - started);
}

function stepRemark(record: StepRecord, wait: StepWait | undefined): string {
  if (wait !== undefined) return describeWait(wait);
  if (deviations(record).length > 0) return 'differs';
  if (record.state === 'done') {
    const tries = record.attempts > 1 ? `at try ${record.attempts}` : '';
    return [record.outcome?.result === 'unchanged' ? 'unchanged' : '', tries].filter(Boolean).join(', ');
  }
  return record.state === 'skipped' ? `skipped by ${record.decidedBy?.by ?? 'somebody'}` : '';
}

/** `waiting for both disks to be UpToDate, 42 %, 58.2 MiB/s, 12 s left`. */
export function describeWait(wait: StepWait): string {
  return [
    wait.waitingFor,
    wait.percent === undefined ? undefined : `${Math.floor(wait.percent)} %`,
    wait.rateKiBPerSecond === undefined ? undefined : `${(wait.rateKiBPerSecond / 1024).toFixed(1)} MiB/s`,
    wait.remainingSeconds === undefined ? undefined : `${formatDuration(wait.remainingSeconds * 1000)} left`,
  ]
    .filter((part) => part !== undefined && part !== '')
    .join(', ');
}

/** What failed, what was seen, and what to do: the lines beneath a failed or waiting step. */
export function failureLines(record: StepRecord, workflowId: string | undefined, paint: Paint): string[] {
  const { failure } = record;
  if (failure === undefined) return [];
  const lines = [`${paint('red', failure.code)}: ${failure.message}`];
  if (failure.observed !== undefined) lines.push(`seen: ${failure.observed}`);
  if (failure.whatNow !== undefined) lines.push(`what now: ${failure.whatNow}`);
  if (record.state === 'waiting' && workflowId !== undefined) {
    for (const choice of record.choices ?? []) {
      const reason = choice === 'retry' ? '' : ' --reason "…"';
      lines.push(paint('yellow', `hadb decide ${workflowId} ${identity(record)} ${choice}${reason}`));
    }
  }
  return lines.flatMap((line) => line.split('\n')).map((line) => `    ${line}`);
}

export function resultLines(result: CommandResult, paint: Paint): string[] {
  const good = result.exit === 'passed' || result.exit === 'changes';
  const lines = [
    ...(result.changes ?? []).map(
      ({ step, sentence, deviation }) => `${paint('yellow', '~')} ${step}: ${sentence}\n    ${deviation}`,
    ),
    ...(result.schedules ?? []).flatMap((schedule) => scheduleLines(schedule, paint)),
    `${paint(good ? 'green' : 'red', good ? '✔' : '✖')} ${paint('bold', result.verdict?.summary ?? result.summary)}`,
  ];
  for (const check of result.verdict?.checks ?? []) {
    const mark = check.notRun
      ? paint('yellow', '–')
      : check.passed
        ? paint('green', '✔')
        : check.unknown
          ? paint('yellow', '?')
          : paint('red', '✖');
    lines.push(`  ${mark} ${check.name}: ${check.detail}`);
  }
  if (result.verdict !== undefined && result.progress?.fencing === 'none')
    lines.push(`  fencing: none, so ${WITHOUT_FENCING}`);
  const { failure } = result;
  if (failure !== undefined) {
    lines.push(`  ${failure.code === undefined ? '' : `${failure.code}: `}${failure.message}`);
    if (failure.observed !== undefined) lines.push(`  seen: ${failure.observed}`);
    if (failure.whatNow !== undefined) lines.push(`  what now: ${failure.whatNow}`);
  }
  for (const warning of result.progress?.warnings ?? []) lines.push(`  ${paint('yellow', '!')} ${warning}`);
  const report = result.progress?.steps.findLast(isReport)?.outcome?.done;
  if (report !== undefined) lines.push(paint('dim', `  ${report}`));
  if (result.series !== undefined) {
    const { table, phases } = result.series;
    lines.push('', ...table.split('\n'), '', ...phases.split('\n'), '');
  }
  for (const file of result.files ?? []) lines.push(paint('dim', `  wrote ${file}`));
  if (result.progress !== undefined) lines.push(paint('dim', `  ${describeCounts(result.progress)}`));
  if (result.run?.url !== undefined) lines.push(paint('dim', `  ${result.run.url}`));
  return lines;
}

function scheduleLines(schedule: ScheduleReport, paint: Paint): string[] {
  const { name, cluster, purpose, at, kinds, paused, note, next, last, outcome, open, missed } = schedule;
  const state = paused ? paint('yellow', `paused${note === undefined ? '' : `: ${note}`}`) : `next ${next ?? 'never'}`;
  return [
    `${paint('bold', name)}  cluster ${cluster}, ${purpose === 'watch' ? `watch, ${at}` : `at ${at} UTC, ${kinds.join(', ')}`}`,
    `    ${state}`,
    ...open.map((workflowId) => `    open: ${workflowId}`),
    ...(last === undefined || open.includes(last.workflowId)
      ? []
      : [`    last: ${last.workflowId}, ${outcome ?? 'not known any more'}`]),
    ...(missed.overlap + missed.catchUp === 0
      ? []
      : [
          paint(
            'yellow',
            `    missed: ${missed.overlap} because the ${purpose === 'watch' ? 'look' : 'drill'} before was open, ${missed.catchUp} because Temporal was away`,
          ),
        ]),
  ];
}

/** The step that writes the report of a drill. */
const isReport = ({ id, state }: StepRecord): boolean => id.endsWith('-report') && state === 'done';

/** `12 of 48 steps, 3 m 2 s: Copy the disks`. */
export function summaryLine({ steps, sentence }: Progress, now: number): string {
  const ended = steps.filter(({ state }) => state === 'done' || state === 'skipped').length;
  const [first] = steps;
  const elapsed = first === undefined ? '' : `, ${formatDuration(now - Date.parse(first.startedAt))}`;
  return `${ended} of ${steps.length} steps${elapsed}: ${sentence}`;
}

const COUNT_WORDS: Record<string, string> = { changedEarlier: 'changed earlier' };

export function describeCounts(progress: Progress): string {
  const counts = Object.entries(countResults(progress)).map(([kind, count]) => `${count} ${COUNT_WORDS[kind] ?? kind}`);
  return `${progress.steps.length} steps: ${counts.join(', ')}`;
}
