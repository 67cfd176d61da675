import { createDecisions } from '../../workflows/decisions';
import type { DecideInput } from '../../workflows/messages';

const decision = (over: object = {}): DecideInput => ({
  step: 'partition/hadb01',
  decision: 'retry',
  by: 'me',
  reason: 'it is blank now',
  ...over,
});

describe('decisions', () => {
  it('are accepted once, for the step that asked, and kept for it', () => {
    const decisions = createDecisions();
    const question = decisions.ask('partition/hadb01', ['retry', 'abort']);

    decisions.validate(decision());
    decisions.accept(decision());

    expect(question.answer).toEqual(decision());
    expect(() => decisions.validate(decision({ decision: 'abort' }))).toThrow(
      'step partition/hadb01 was decided already: retry, by me',
    );
  });

  it('of a step that asks again are open again', () => {
    const decisions = createDecisions();
    decisions.ask('partition/hadb01', ['retry']);
    decisions.accept(decision());
    decisions.withdraw('partition/hadb01');

    const again = decisions.ask('partition/hadb01', ['retry']);
    decisions.validate(decision());

    expect(again.answer).toBeUndefined();
  });

  it.each([
    ['no step waits', [], decision(), 'does not wait for a decision; no step does'],
    ['another step waits', ['other'], decision(), 'waiting: other'],
    ['the step forbids it', ['partition/hadb01'], decision({ decision: 'skip' }), 'it allows retry or abort'],
    ['nobody says who', ['partition/hadb01'], decision({ by: '' }), '"by" is missing'],
    ['nobody says why', ['partition/hadb01'], decision({ reason: ' ' }), '"reason" is missing'],
    [
      'it is none of the three',
      ['partition/hadb01'],
      decision({ decision: 'maybe' }),
      '"decision" is one of retry, skip, abort',
    ],
    ['it is no object', ['partition/hadb01'], null, 'a decision is one object'],
  ])('are refused when %s', (_, waiting, input, text) => {
    const decisions = createDecisions();
    for (const step of waiting) decisions.ask(step, ['retry', 'abort']);

    expect(() => decisions.validate(input as DecideInput)).toThrow(text);
  });
});
