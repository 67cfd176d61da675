import type { Progress, StepRecord } from '../cluster/step';

/** The run for the UI, in the Markdown it shows: the run's sentence first, then what needs a person, then a row for each step. */
export function renderStepTable(progress: Progress): string {
  const rows = progress.steps.map((step) => `| ${cells(step).map(escape).join(' | ')} |`);
  return [
    `**${escape(progress.sentence)}**`,
    '',
    '| chapter | step | node | state | evidence |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function cells(step: StepRecord): string[] {
  const { outcome, failure } = step;
  const evidence = failure
    ? `${failure.code}: ${failure.message}`
    : [outcome?.result, outcome?.done, outcome?.verified].filter((part) => part !== undefined).join('; ');
  const tries = step.attempts > 1 ? ` (try ${step.attempts})` : '';
  const choices = step.choices === undefined ? '' : `: ${step.choices.join(', ')}?`;
  return [step.chapter, step.sentence, step.node ?? '', `${step.state}${tries}${choices}`, evidence];
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
