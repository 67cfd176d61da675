import type { Decision } from '../cluster/step';
import { DECISIONS } from '../cluster/step';
import type { DecideInput } from './messages';

/** The steps that wait for a person, and the answers they get. Everything here is synchronous: validators cannot wait. */
export interface Decisions {
  /** Opens the question; `answer` is called once, by `accept`. */
  ask(step: string, choices: readonly Decision[]): Question;
  withdraw(step: string): void;
  /** Refuses with a text for the person who decides. */
  validate(input: DecideInput): void;
  accept(input: DecideInput): void;
}

export interface Question {
  answer?: DecideInput;
}

export function createDecisions(): Decisions {
  const open = new Map<string, { choices: readonly Decision[]; question: Question }>();
  return {
    ask(step, choices) {
      const question: Question = {};
      open.set(step, { choices, question });
      return question;
    },
    withdraw: (step) => void open.delete(step),
    validate(input) {
      refuseMalformed(input);
      const waiting = open.get(input.step);
      if (waiting === undefined) {
        const others = [...open.keys()];
        throw new Error(
          others.length === 0
            ? `step ${input.step} does not wait for a decision; no step does`
            : `step ${input.step} does not wait for a decision; waiting: ${others.join(', ')}`,
        );
      }
      if (waiting.question.answer !== undefined) {
        const { decision, by } = waiting.question.answer;
        throw new Error(`step ${input.step} was decided already: ${decision}, by ${by}`);
      }
      if (!waiting.choices.includes(input.decision)) {
        throw new Error(
          `step ${input.step} does not allow ${input.decision}; it allows ${waiting.choices.join(' or ')}`,
        );
      }
    },
    accept(input) {
      const waiting = open.get(input.step);
      if (waiting !== undefined) waiting.question.answer = input;
    },
  };
}

/** The payload comes from a person's form: nothing about it is sure. */
function refuseMalformed(input: unknown): asserts input is DecideInput {
  const example = '{ "step": "partition-data-disk/hadb01", "decision": "retry", "by": "you", "reason": "why" }';
  if (typeof input !== 'object' || input === null) throw new Error(`a decision is one object such as ${example}`);
  const field = (key: string): unknown => (key in input ? (input as Record<string, unknown>)[key] : undefined);
  for (const key of ['step', 'by', 'reason']) {
    const value = field(key);
    if (typeof value !== 'string' || value.trim() === '') {
      throw new Error(`"${key}" is missing; a decision looks like ${example}`);
    }
  }
  if (!DECISIONS.some((decision) => decision === field('decision'))) {
    throw new Error(`"decision" is one of ${DECISIONS.join(', ')}; a decision looks like ${example}`);
  }
}
