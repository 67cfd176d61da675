import { stepIdentity } from '../ids';
import type { Progress, StepRecord, StepState, Verdict } from '../step';
import { durationBetween } from './duration';

/** Temporal shows up to 20 kB of Markdown as current details (docs.temporal.io, enriching-ui), without HTML and images. */
export const DETAILS_BYTES = 20_000;

/**
 * The run for the UI: its sentence, what waits for a person, the verdict, and a table for each chapter. Pure, so that a replay
 * renders the same; shortened until it fits into `limit` bytes.
 */
export function renderStepTable(progress: Progress, limit: number = DETAILS_BYTES): string {
  for (const evidence of EVIDENCE_LENGTHS) {
    const text = render(progress, evidence);
    if (bytes(text) <= limit) return text;
  }
  // Far more steps than any runbook has: what needs a person comes first, so the end is cut.
  let text = render(progress, { done: 0, open: 40 });
  while (bytes(text) > limit - 4) text = text.slice(0, Math.floor(text.length * 0.95));
  return `${text}\n…`;
}

/** Characters of evidence for steps that went well, and for the others. */
interface EvidenceLengths {
  done: number;
  open: number;
}

const EVIDENCE_LENGTHS: readonly EvidenceLengths[] = [
  { done: 400, open: 1500 },
  { done: 160, open: 800 },
  { done: 60, open: 400 },
  { done: 0, open: 200 },
];

const STATES: Record<StepState, string> = {
  pending: '○ pending',
  running: '● running',
  waiting: '◆ **waits for you**',
  done: '✓ done',
  skipped: '↷ skipped',
  failed: '✗ **failed**',
  cancelled: '⊘ cancelled',
};

/** The state of a step in a symbol and a word; a finished one says whether it changed anything. */
export function describeState({ state, outcome, attempts }: StepRecord): string {
  const word = state === 'done' && outcome !== undefined ? `✓ ${RESULTS[outcome.result]}` : STATES[state];
  return attempts > 1 ? `${word}, try ${attempts}` : word;
}

const RESULTS = { unchanged: 'unchanged', changed: 'changed', changedEarlier: 'changed earlier' } as const;

/** Said with every verdict, so that nobody takes a pair without fencing for more than it is. */
export const WITHOUT_FENCING = 'a lost node is not switched off before the other one takes over';

function render(progress: Progress, lengths: EvidenceLengths): string {
  const waiting = progress.steps.filter(({ state }) => state === 'waiting');
  return [
    `**${escape(progress.sentence)}**`,
    ...waiting.map((step) => renderQuestion(step, lengths)),
    ...renderFailure(progress, lengths),
    ...(progress.verdict === undefined ? [] : [renderVerdict(progress.verdict, lengths)]),
    ...(progress.fencing === 'none' ? [`fencing: **none** – ${WITHOUT_FENCING}`] : []),
    ...(progress.warnings ?? []).map((warning) => `⚠ ${escape(warning)}`),
    ...chapters(progress.steps).map(({ name, steps }) => renderChapter(name, steps, lengths)),
  ].join('\n\n');
}

function renderQuestion(step: StepRecord, lengths: EvidenceLengths): string {
  const { failure, choices = [] } = step;
  const answer = JSON.stringify({
    step: stepIdentity(step.id, step.node),
    decision: choices[0] ?? 'retry',
    by: 'your name',
    reason: 'why',
  });
  return [
    `◆ **${escape(step.sentence)}${step.node === undefined ? '' : ` (${escape(step.node)})`} waits for you:** ${choices.join(', ')}?`,
    ...(failure === undefined ? [] : [describeFailure(failure, lengths.open)]),
    `Answer with the update \`decide\`, such as \`${answer}\`.`,
  ].join('\n\n');
}

/** How the run failed, unless a step that says so stands in the table. */
function renderFailure({ failure, state }: Progress, lengths: EvidenceLengths): string[] {
  return failure === undefined || state === 'waiting' ? [] : [describeFailure(failure, lengths.open)];
}

function describeFailure(failure: NonNullable<StepRecord['failure']>, length: number): string {
  const parts = [
    `${failure.code}: ${shorten(failure.message, length)}`,
    ...(failure.observed === undefined ? [] : [`Seen: ${shorten(failure.observed, length)}`]),
    ...(failure.whatNow === undefined ? [] : [shorten(failure.whatNow, length)]),
  ];
  return parts.map((part) => `> ${escape(part)}`).join('\n>\n');
}

function renderVerdict(verdict: Verdict, lengths: EvidenceLengths): string {
  const rows = verdict.checks.map(
    ({ name, passed, unknown, notRun, detail }) =>
      `| ${notRun ? '– not run' : passed ? '✓ holds' : unknown ? '? **not known**' : '✗ **does not hold**'} | ${escape(name)} | ${escape(shorten(detail, lengths.open))} |`,
  );
  return [
    `${verdict.passed ? '✓ **passed**' : verdict.unknown ? '? **unknown**' : '✗ **failed**'}: ${escape(verdict.summary)}`,
    ...(rows.length === 0 ? [] : [['| | check | detail |', '| --- | --- | --- |', ...rows].join('\n')]),
  ].join('\n\n');
}

function renderChapter(name: string, steps: readonly StepRecord[], lengths: EvidenceLengths): string {
  const finished = steps.filter(({ state }) => state === 'done' || state === 'skipped').length;
  const rows = steps.map(
    (step) =>
      `| ${escape(step.sentence)} | ${escape(step.node ?? '')} | ${describeState(step)} | ` +
      `${durationBetween(step.startedAt, step.endedAt) ?? ''} | ${escape(evidence(step, lengths))} |`,
  );
  return [
    `**${escape(name)}** (${finished} of ${steps.length})`,
    ['| step | node | state | time | evidence |', '| --- | --- | --- | --- | --- |', ...rows].join('\n'),
  ].join('\n\n');
}

function evidence({ outcome, failure, state, decidedBy }: StepRecord, lengths: EvidenceLengths): string {
  const decision =
    decidedBy === undefined ? [] : [`${decidedBy.decision} by ${decidedBy.by}: ${shorten(decidedBy.reason, 100)}`];
  if (state !== 'done' && failure !== undefined) {
    return [...decision, `${failure.code}: ${shorten(failure.message, lengths.open)}`].join('; ');
  }
  if (outcome === undefined) return decision.join('; ');
  const seen =
    outcome.result === 'unchanged' ? outcome.observed : [outcome.done, outcome.verified].filter(Boolean).join('; ');
  const drift = (outcome.drift ?? []).map((deviation) => `drift: ${deviation}`).join('; ');
  return [...decision, shorten(seen, lengths.done), shorten(drift, lengths.open)]
    .filter((part) => part !== '')
    .join('; ');
}

/** Chapters in the order of their first step. */
function chapters(steps: readonly StepRecord[]): { name: string; steps: StepRecord[] }[] {
  const byName = new Map<string, StepRecord[]>();
  for (const step of steps) byName.set(step.chapter, [...(byName.get(step.chapter) ?? []), step]);
  return [...byName].map(([name, members]) => ({ name, steps: members }));
}

/** Text that Markdown shows as it is, on one line. */
const escape = (text: string): string => text.replace(/\s*\n\s*/g, ' ').replace(/[\\|<>`*_[\]]/g, '\\$&');

function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  return length === 0 ? '' : `${text.slice(0, length - 1)}…`;
}

const bytes = (text: string): number => new TextEncoder().encode(text).length;
