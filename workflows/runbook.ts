import {
  CancellationScope,
  CancelledFailure,
  ContinueAsNew,
  condition,
  log,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import { stepIdentity } from '../cluster/ids';
import type { WatchNote } from '../cluster/recovery/watch';
import { renderStepTable } from '../cluster/report/step-table';
import type { ClusterSpecification, Node } from '../cluster/specification/specification';
import type {
  Decision,
  Operation,
  Progress,
  RunbookName,
  StepContext,
  StepFailure,
  StepOutcome,
  StepRecord,
  Verdict,
} from '../cluster/step';
import { timingInputs, timingWarnings } from '../cluster/timing';
import { currentPlace, inPlace, type CurrentStep } from './current-step';
import { createDecisions, type Decisions } from './decisions';
import { describeFailure, isCancelOfTheRun, toApplicationFailure } from './failures';
import { takeClusterLock, type HeldLock } from './lock';
import { decideUpdate, progressQuery } from './messages';
import { fitProgress, shorten, shortenOutcome } from './progress-size';
import { countFailedTry, countOverdueDecision, measureStep } from './step-metrics';
import { TRIES } from './tries';

/** What every runbook's input has once it is parsed. */
export interface RunbookInput {
  specification: ClusterSpecification;
  onFailure: 'wait' | 'fail';
}

export interface Runbook<Input extends RunbookInput> {
  runbook: RunbookName;
  /** As it came; whatever a person typed. */
  input: unknown;
  schema: z.ZodType<Input>;
  body: (run: Run, input: Input) => Promise<void>;
  /** Only what changes nothing goes without the lock. */
  lock?: 'cluster' | 'none';
  /** Nobody has decided on a failed step for so long that somebody must be told. */
  alertAfterMs?: number;
}

export interface StepIdentity {
  /** Unique in the runbook, together with the node: `create-drbd-metadata`. */
  id: string;
  node?: string;
}

/** A run as its phases see it. */
export interface Run {
  readonly specification: ClusterSpecification;
  readonly operation: Operation;
  /** The step table until now. */
  readonly steps: readonly StepRecord[];

  /**
   * One step: a line of the step table. `work` observes, decides, acts and verifies by activities, which it hands `step` (`{ ...step, node }`). Its error is tried
   * again until it counts as final; then the run waits for a decision, or fails (`onFailure`).
   */
  step<Outcome extends StepOutcome>(
    identity: StepIdentity,
    sentence: string,
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome>;

  /** As `step`, but a person may skip it when it fails: what follows must do without its outcome. */
  skippableStep<Outcome extends StepOutcome>(
    identity: StepIdentity,
    sentence: string,
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome | undefined>;

  /** Runs branches at the same time; a failure ends the run only when every branch has come to rest. */
  parallel<const Branches extends readonly (() => Promise<unknown>)[]>(
    branches: Branches,
  ): Promise<{ -readonly [Index in keyof Branches]: Awaited<ReturnType<Branches[Index]>> }>;

  /** `parallel`, once for each node. */
  onBothNodes<Result>(branch: (node: Node) => Promise<Result>): Promise<[Result, Result]>;

  /** Names the chapter of the article that the steps inside belong to. */
  chapter<Result>(name: string, work: () => Promise<Result>): Promise<Result>;

  /** `undo` follows `work` whatever its end, out of reach of a cancel; its steps start even when the run is ending. */
  withUndo<Result>(work: () => Promise<Result>, undo: () => Promise<void>): Promise<Result>;

  /** The run's sentence until the next step starts, and its closing one when it is the last word. */
  note(sentence: string): void;

  /** Nothing is wrong, and yet nothing was done: the run completes as skipped, and says why. */
  skip(reason: string): void;

  /** What a watch has found, for its next look. */
  watched(note: WatchNote): void;

  /** Something that people must know and that changes no verdict. */
  warn(sentence: string): void;

  /** A verdict that did not pass makes the run fail when its body has ended. */
  verdict(verdict: Verdict): void;
}

const AN_HOUR_MS = 3_600_000;
/** Longest text of evidence in a step's record. */
const EVIDENCE_LENGTH = 600;

/** Runs a runbook from its first task to its end. Every error that leaves is an `ApplicationFailure` with the progress in its details, or a cancel. */
export async function runRunbook<Input extends RunbookInput>(runbook: Runbook<Input>): Promise<Progress> {
  const parsed = runbook.schema.safeParse(runbook.input);
  const info = workflowInfo();
  const operation: Operation = {
    workflowId: info.workflowId,
    run: info.firstExecutionRunId,
    runbook: runbook.runbook,
  };
  const progress: Progress = {
    version: 1,
    runbook: runbook.runbook,
    cluster: parsed.success ? parsed.data.specification.name : '',
    state: 'running',
    sentence: 'Starting',
    fencing: parsed.success ? parsed.data.specification.fencing : 'none',
    steps: [],
  };
  const warnings = parsed.success ? timingWarnings(timingInputs(parsed.data.specification)) : [];
  if (warnings.length > 0) progress.warnings = warnings;
  const decisions = createDecisions();
  listen(progress, decisions);
  try {
    if (!parsed.success) throw toApplicationFailure(describeProblems(parsed.error));
    const engine = new Engine(progress, operation, decisions, parsed.data, runbook.alertAfterMs ?? AN_HOUR_MS);
    if (runbook.lock !== 'none') engine.lock = await takeClusterLock(progress.cluster, operation);
    await runbook.body(engine, parsed.data);
    refuseFailedVerdict(progress.verdict);
    return end(progress, 'completed', engine.noted);
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    if (isCancelOfTheRun(error)) {
      end(progress, 'cancelled');
      throw error;
    }
    progress.failure = describeFailure(error);
    end(progress, 'failed');
    const cause = progress.failure.code === 'Internal' && error instanceof Error ? error : undefined;
    throw toApplicationFailure(progress.failure, [fitProgress(progress)], cause);
  }
}

function listen(progress: Progress, decisions: Decisions): void {
  setCurrentDetails(whenAsked(() => renderStepTable(progress)));
  setHandler(progressQuery, () => progress, { description: 'The step table of this run' });
  setHandler(
    decideUpdate,
    (input) => {
      decisions.accept(input);
      return fitProgress(progress);
    },
    {
      description: 'Decides on a failed step: { step, decision: retry | skip | abort, by, reason }',
      validator: (input) => decisions.validate(input),
    },
  );
}

/**
 * The details are answered to a query as JSON, whenever the UI asks. So they are rendered then, and not at each change of a step, which costs
 * milliseconds for a long table, and the same again in every replay.
 */
function whenAsked(render: () => string): string {
  return { toJSON: render } as unknown as string;
}

function end(progress: Progress, state: 'completed' | 'failed' | 'cancelled', noted?: string): Progress {
  progress.state = state;
  if (state === 'failed' && progress.failure) {
    progress.sentence = `Failed: ${progress.failure.message} (${progress.failure.code})`;
  }
  if (state === 'cancelled') progress.sentence = 'Cancelled';
  if (state === 'completed') {
    const skipped = progress.skipped === undefined ? undefined : `Skipped: ${progress.skipped}`;
    progress.sentence = skipped ?? progress.verdict?.summary ?? noted ?? closingSentence(progress);
  }
  return progress;
}

function closingSentence(progress: Progress): string {
  const changed = progress.steps.filter(
    ({ outcome }) => outcome !== undefined && outcome.result !== 'unchanged',
  ).length;
  return `Done: ${progress.steps.length} steps, ${changed} of them changed something`;
}

function refuseFailedVerdict(verdict: Verdict | undefined): void {
  if (verdict === undefined || verdict.passed) return;
  throw toApplicationFailure({ code: 'AssertionFailed', message: verdict.summary });
}

function describeProblems(error: z.ZodError): StepFailure {
  const problems = error.issues.map(({ path, message }) => {
    const where = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
    return where === '' ? message : `${where.replace(/^\./, '')}: ${message}`;
  });
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return {
    code: 'BadSpecification',
    message: `the input has ${count}\n${problems.join('\n')}`,
    whatNow: 'correct the input and start again; nothing was done',
  };
}

class Engine implements Run {
  lock: HeldLock | undefined;
  /** What the body said last; forgotten when another step starts. */
  noted: string | undefined;
  readonly specification: ClusterSpecification;
  /** The first failure that ends the run: nothing new is begun once it is set. */
  private ending: Error | undefined;
  private readonly waiting = new Set<string>();
  private readonly root = CancellationScope.current();

  constructor(
    private readonly progress: Progress,
    readonly operation: Operation,
    private readonly decisions: Decisions,
    private readonly input: RunbookInput,
    private readonly alertAfterMs: number,
  ) {
    this.specification = input.specification;
  }

  get steps(): readonly StepRecord[] {
    return this.progress.steps;
  }

  async step<Outcome extends StepOutcome>(
    identity: StepIdentity,
    sentence: string,
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome> {
    const outcome = await this.runStep(identity, sentence, ['retry', 'abort'], work);
    if (outcome === undefined) throw new Error(`step ${stepIdentity(identity.id, identity.node)} cannot be skipped`);
    return outcome;
  }

  skippableStep<Outcome extends StepOutcome>(
    identity: StepIdentity,
    sentence: string,
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    return this.runStep(identity, sentence, ['retry', 'skip', 'abort'], work);
  }

  async parallel<const Branches extends readonly (() => Promise<unknown>)[]>(
    branches: Branches,
  ): Promise<{ -readonly [Index in keyof Branches]: Awaited<ReturnType<Branches[Index]>> }> {
    const failures: unknown[] = [];
    const results = await Promise.all(
      branches.map(async (branch) => {
        try {
          return await branch();
        } catch (error) {
          failures.push(error);
          return undefined;
        }
      }),
    );
    if (failures.length > 0) throw failures.find(isCancelOfTheRun) ?? failures[0];
    return results as { -readonly [Index in keyof Branches]: Awaited<ReturnType<Branches[Index]>> };
  }

  onBothNodes<Result>(branch: (node: Node) => Promise<Result>): Promise<[Result, Result]> {
    const [first, second] = this.specification.nodes;
    return this.parallel([() => branch(first), () => branch(second)]);
  }

  chapter<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return inPlace({ ...currentPlace(), chapter: name }, work);
  }

  async withUndo<Result>(work: () => Promise<Result>, undo: () => Promise<void>): Promise<Result> {
    let failed: { error: unknown } | undefined;
    let result: Result | undefined;
    try {
      result = await work();
    } catch (error) {
      failed = { error };
    }
    try {
      await CancellationScope.nonCancellable(() => inPlace({ ...currentPlace(), undoing: true }, undo));
    } catch (error) {
      // What went wrong first is what the run fails with; the undo's own failure stands in the step table.
      failed ??= { error };
    }
    if (failed !== undefined) throw failed.error;
    return result as Result;
  }

  note(sentence: string): void {
    this.noted = sentence;
    this.progress.sentence = sentence;
    this.show();
  }

  skip(reason: string): void {
    this.progress.skipped = reason;
    this.show();
  }

  watched(note: WatchNote): void {
    this.progress.watch = note;
  }

  warn(sentence: string): void {
    this.progress.warnings = [...(this.progress.warnings ?? []), sentence];
    this.show();
  }

  verdict(verdict: Verdict): void {
    this.progress.verdict = verdict;
    this.show();
  }

  private async runStep<Outcome extends StepOutcome>(
    identity: StepIdentity,
    sentence: string,
    choices: Decision[],
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    this.refuseWhenEnding();
    const record = this.open(identity, sentence);
    const step = stepIdentity(identity.id, identity.node);
    try {
      return await this.tryStep(record, step, choices, work);
    } finally {
      measureStep(this.operation.runbook, record);
    }
  }

  private async tryStep<Outcome extends StepOutcome>(
    record: StepRecord,
    step: string,
    choices: Decision[],
    work: (step: StepContext) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    let failures = 0;
    for (let generation = 1; ; generation += 1) {
      const context: StepContext = { specification: this.specification, operation: this.operation, step, generation };
      const tries = this.countTries(record, failures);
      try {
        const outcome = await inPlace({ ...currentPlace(), step: tries }, () => work(context));
        this.close(record, outcome);
        return outcome;
      } catch (error) {
        if (isCancelOfTheRun(error)) throw this.cancel(record, error);
        const failure = describeFailure(error);
        if (!tries.counted.has(error)) tries.countFailure(failure, error);
        failures = tries.total();
        record.attempts = failures;
        const decision = await this.decide(record, step, failure, choices);
        if (decision === 'skip') return undefined;
      }
    }
  }

  private open(identity: StepIdentity, sentence: string): StepRecord {
    const { id, node } = identity;
    if (this.progress.steps.some((other) => other.id === id && other.node === node)) {
      throw new Error(`two steps are called ${stepIdentity(id, node)}`);
    }
    const record: StepRecord = {
      id,
      ...(node !== undefined && { node }),
      sentence,
      chapter: currentPlace().chapter || (this.progress.steps.at(-1)?.chapter ?? ''),
      state: 'running',
      startedAt: now(),
      attempts: 1,
    };
    this.progress.steps.push(record);
    this.noted = undefined;
    this.progress.sentence = describe(record);
    this.show();
    return record;
  }

  /** Tries are counted through all activities of the step; a decision to retry gives it as many again. */
  private countTries(record: StepRecord, before: number): CurrentStep & { counted: Set<unknown>; total(): number } {
    let failures = 0;
    const counted = new Set<unknown>();
    record.attempts = before + 1;
    return {
      summary: describe(record),
      counted,
      total: () => before + failures,
      countFailure: (failure, error) => {
        failures += 1;
        counted.add(error);
        record.failure = shortenFailure(failure);
        record.attempts = before + failures + 1;
        countFailedTry(this.operation.runbook, record.id, failure.code);
        log.warn('a try of a step failed', { step: describe(record), code: failure.code, tries: failures, of: TRIES });
        this.show();
        return failures;
      },
    };
  }

  private close(record: StepRecord, outcome: StepOutcome): void {
    record.state = 'done';
    record.endedAt = now();
    record.outcome = shortenOutcome(outcome, EVIDENCE_LENGTH);
    delete record.failure;
    this.show();
  }

  private cancel(record: StepRecord, error: unknown): unknown {
    record.state = 'cancelled';
    record.endedAt = now();
    this.stopWaiting(record);
    return error;
  }

  /** Waits for the answer of a person; returns `retry` or `skip`, or throws what ends the run. */
  private async decide(
    record: StepRecord,
    step: string,
    failure: StepFailure,
    choices: Decision[],
  ): Promise<'retry' | 'skip'> {
    record.failure = shortenFailure(failure);
    if (this.input.onFailure === 'fail' || this.isEnding()) throw this.fail(record, failure);
    const question = this.decisions.ask(step, choices);
    record.state = 'waiting';
    record.choices = choices;
    record.waitingSince = now();
    this.waiting.add(step);
    this.show();
    try {
      await this.awaitAnswer(record, () => question.answer !== undefined || this.isEnding());
    } catch (error) {
      throw isCancelOfTheRun(error) ? this.cancel(record, error) : error;
    } finally {
      this.decisions.withdraw(step);
      this.waiting.delete(step);
    }
    this.stopWaiting(record);
    const { answer } = question;
    if (answer === undefined) {
      throw this.root.consideredCancelled ? this.cancel(record, cancelled()) : this.fail(record, failure);
    }
    const { decision, by, reason } = answer;
    record.decidedBy = { decision, by, reason: shorten(reason, EVIDENCE_LENGTH) };
    log.info('a person decided', { step, decision, by, reason });
    if (decision === 'abort') {
      const aborted = `${by} ended the run at ${step} (${reason}), which had failed with ${failure.code}: ${failure.message}`;
      throw this.fail(record, failure, toApplicationFailure({ ...failure, code: 'Aborted', message: aborted }));
    }
    record.state = decision === 'skip' ? 'skipped' : 'running';
    if (decision === 'skip') record.endedAt = now();
    this.show();
    return decision;
  }

  private async awaitAnswer(record: StepRecord, answered: () => boolean): Promise<void> {
    if (await condition(answered, this.alertAfterMs)) return;
    record.alertedAt = now();
    countOverdueDecision(this.operation.runbook, record.id);
    log.error('a step has waited long for a decision', {
      code: 'HADB_W2007',
      step: describe(record),
      waitingSince: record.waitingSince,
    });
    this.show();
    await condition(answered);
  }

  private stopWaiting(record: StepRecord): void {
    delete record.choices;
    delete record.waitingSince;
    this.progress.sentence = describe(record);
    this.show();
  }

  /** Returns what ends the run: a step that fails after a cancel does not turn the cancel into a failure. */
  private fail(record: StepRecord, failure: StepFailure, error?: Error): Error {
    record.state = 'failed';
    record.endedAt = now();
    if (this.ending === undefined && this.root.consideredCancelled) {
      this.show();
      return cancelled();
    }
    const message = `${describe(record)}: ${failure.message}`;
    const thrown = error ?? toApplicationFailure({ ...failure, message });
    this.ending ??= thrown;
    this.show();
    return thrown;
  }

  private isEnding(): boolean {
    return this.ending !== undefined || this.root.consideredCancelled;
  }

  private refuseWhenEnding(): void {
    if (currentPlace().undoing) return;
    if (CancellationScope.current().consideredCancelled) throw cancelled();
    if (this.ending !== undefined) throw this.ending;
    if (this.lock?.isLost()) {
      this.ending = toApplicationFailure({
        code: 'ClusterLocked',
        message: `the lock of cluster ${this.progress.cluster} was ended while this operation ran`,
        whatNow: 'find out who ended it, then start this operation again: what is done stays done',
      });
      throw this.ending;
    }
  }

  private show(): void {
    this.progress.state = this.waiting.size > 0 ? 'waiting' : 'running';
    if (this.waiting.size > 0) this.progress.sentence = `Waiting for a decision on ${[...this.waiting].join(' and ')}`;
  }
}

function describe({ sentence, node }: StepRecord): string {
  return node === undefined ? sentence : `${sentence} (${node})`;
}

function shortenFailure(failure: StepFailure): StepFailure {
  return {
    code: failure.code,
    message: shorten(failure.message, EVIDENCE_LENGTH),
    ...(failure.observed !== undefined && { observed: shorten(failure.observed, EVIDENCE_LENGTH) }),
    ...(failure.whatNow !== undefined && { whatNow: shorten(failure.whatNow, EVIDENCE_LENGTH) }),
  };
}

function cancelled(): CancelledFailure {
  return new CancelledFailure('the run is being cancelled');
}

function now(): string {
  return new Date().toISOString();
}
