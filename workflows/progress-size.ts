import type { Progress, StepOutcome, StepRecord } from '../cluster/step';

/** Room for the sentence that says what was left out. */
const LEFT_OUT_BYTES = 200;

/** Failure details travel in every description of a run; Temporal warns at 256 kB, and people read them. */
export const DETAILS_LIMIT_BYTES = 48_000;

/**
 * The same progress in at most `limit` bytes of JSON: first long texts are shortened, then the evidence of steps that went well is left out, at last
 * the oldest of those steps. What failed, what waits and the verdict stay.
 */
export function fitProgress(progress: Progress, limit = DETAILS_LIMIT_BYTES): Progress {
  const smaller: ((from: Progress) => Progress)[] = [
    (from) => shortenTexts(from, 300),
    (from) => ({ ...from, steps: from.steps.map((step) => (wentWell(step) ? withoutEvidence(step) : step)) }),
    (from) => shortenTexts(from, 100),
    (from) => dropOldest(from, limit),
    (from) => ({ ...shortenTexts(from, 40), steps: [] }),
  ];
  let fitted = progress;
  for (const step of smaller) {
    if (sizeOf(fitted) <= limit) return fitted;
    fitted = step(fitted);
  }
  return fitted;
}

export function sizeOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

function wentWell(step: StepRecord): boolean {
  return step.state === 'done' && step.outcome?.drift === undefined;
}

function withoutEvidence(step: StepRecord): StepRecord {
  const { outcome, ...rest } = step;
  return outcome === undefined ? rest : { ...rest, outcome: { result: outcome.result, observed: '' } };
}

function dropOldest(progress: Progress, limit: number): Progress {
  const steps = [...progress.steps];
  let excess = sizeOf(progress) + LEFT_OUT_BYTES - limit;
  let dropped = 0;
  for (let index = 0; index < steps.length && excess > 0;) {
    const step = steps[index];
    if (step === undefined || !wentWell(step)) {
      index += 1;
      continue;
    }
    excess -= sizeOf(step) + 1;
    steps.splice(index, 1);
    dropped += 1;
  }
  return { ...progress, steps, sentence: `${progress.sentence} (${dropped} steps that went well are left out here)` };
}

/** Cuts every text inside, except names and times, which are short. */
function shortenTexts(progress: Progress, length: number): Progress {
  const cut = (text: string) => shorten(text, length);
  return {
    ...progress,
    sentence: cut(progress.sentence),
    steps: progress.steps.map((step) => shortenStep(step, length)),
    ...(progress.failure && { failure: shortenFields(progress.failure, length) }),
    ...(progress.verdict && {
      verdict: {
        ...progress.verdict,
        summary: cut(progress.verdict.summary),
        checks: progress.verdict.checks.map((check) => ({ ...check, detail: cut(check.detail) })),
      },
    }),
  };
}

function shortenStep(step: StepRecord, length: number): StepRecord {
  return {
    ...step,
    ...(step.outcome && { outcome: shortenOutcome(step.outcome, length) }),
    ...(step.failure && { failure: shortenFields(step.failure, length) }),
    ...(step.decidedBy && { decidedBy: shortenFields(step.decidedBy, length) }),
  };
}

/** Evidence is a few hundred bytes by contract; this is the net below it. */
export function shortenOutcome(outcome: StepOutcome, length: number): StepOutcome {
  const { result, drift, movedAt } = outcome;
  return {
    result,
    observed: shorten(outcome.observed, length),
    ...(outcome.done !== undefined && { done: shorten(outcome.done, length) }),
    ...(outcome.verified !== undefined && { verified: shorten(outcome.verified, length) }),
    ...(drift !== undefined && { drift: drift.slice(0, 20).map((deviation) => shorten(deviation, length)) }),
    ...(movedAt !== undefined && { movedAt }),
  };
}

function shortenFields<Fields extends object>(fields: Fields, length: number): Fields {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === 'string' ? shorten(value, length) : value,
  ]);
  return Object.fromEntries(entries) as Fields;
}

export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
