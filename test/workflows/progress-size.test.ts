import * as fc from 'fast-check';
import type { Progress, StepRecord } from '../../cluster/step';
import { DETAILS_LIMIT_BYTES, fitProgress, sizeOf } from '../../workflows/progress-size';

const step = (index: number, over: Partial<StepRecord> = {}): StepRecord => ({
  id: `step-${index}`,
  sentence: 'Do it',
  chapter: 'A chapter',
  state: 'done',
  startedAt: '2026-01-01T00:00:00.000Z',
  attempts: 1,
  outcome: { result: 'changed', observed: 'x', done: 'y' },
  ...over,
});

const progressWith = (steps: StepRecord[], over: Partial<Progress> = {}): Progress => ({
  version: 1,
  runbook: 'buildCluster',
  cluster: 'hadb',
  state: 'failed',
  sentence: 'It failed',
  fencing: 'none',
  steps,
  ...over,
});

describe('progress in the details of a failure', () => {
  it('is as it was when it fits', () => {
    const progress = progressWith([step(1), step(2)]);

    expect(fitProgress(progress)).toEqual(progress);
  });

  it('keeps what failed, its drift and the verdict, whatever has to go', () => {
    const failure = { code: 'GuardRefused', message: 'not blank' };
    const drifting = step(0, { outcome: { result: 'unchanged', observed: 'a', drift: ['b differs'] } });
    const many = Array.from({ length: 2000 }, (_, index) => step(index + 1));
    const verdict = { passed: false, summary: 'lost', checks: [] };

    const fitted = fitProgress(
      progressWith([drifting, ...many, step(2001, { state: 'failed', failure })], { verdict }),
    );

    expect(sizeOf(fitted)).toBeLessThanOrEqual(DETAILS_LIMIT_BYTES);
    expect(fitted.steps[0]).toEqual(drifting);
    expect(fitted.steps.at(-1)).toMatchObject({ id: 'step-2001', failure });
    expect(fitted.verdict).toEqual(verdict);
    expect(fitted.sentence).toMatch(/^It failed \(\d+ steps that went well are left out here\)$/);
  });

  it('always fits, whatever the texts are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4000 });
    const anyStep = fc
      .record({ observed: text, message: text, failed: fc.boolean() })
      .map(({ observed, message, failed }) =>
        failed
          ? step(1, { state: 'failed', failure: { code: 'Internal', message, observed } })
          : step(1, { outcome: { result: 'changed', observed, verified: message } }),
      );
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), text, (steps, sentence) => {
        expect(sizeOf(fitProgress(progressWith(steps, { sentence }), 8000))).toBeLessThanOrEqual(8000);
      }),
      { numRuns: 60 },
    );
  });
});
