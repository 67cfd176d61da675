import { performStep, type Plan } from '../../activities/step';
import type { StepContext } from '../../cluster/step';

/** The one shape of every step. */

const context = { step: 'create-drbd-metadata/hadb01' } as StepContext;

/** A node whose state is a number: the step is done when it is 1. */
function node(state: number, doneBefore = false) {
  const calls: string[] = [];
  const session = { node: 'hadb01', wasDoneBy: async () => doneBefore };
  const plan: Plan<number> = {
    observe: async () => {
      calls.push('observe');
      return state;
    },
    isDone: (seen) => seen === 1,
    describe: (seen) => `state ${seen}`,
    act: async () => {
      calls.push('act');
      state = 1;
      return 'made it 1';
    },
  };
  return { calls, session, plan, set: (value: number) => (state = value) };
}

it('does nothing when the step is done', async () => {
  const { calls, session, plan } = node(1);

  const outcome = await performStep(session, context, plan);

  expect(outcome).toEqual({ result: 'unchanged', observed: 'state 1' });
  expect(calls).toEqual(['observe']);
});

it('says that this very operation did it when the report was lost', async () => {
  const { session, plan } = node(1, true);

  expect(await performStep(session, context, plan)).toMatchObject({ result: 'changedEarlier' });
});

it('acts, and sees that it helped', async () => {
  const { calls, session, plan } = node(0);

  const outcome = await performStep(session, context, plan);

  expect(outcome).toEqual({ result: 'changed', observed: 'state 0', done: 'made it 1', verified: 'state 1' });
  expect(calls).toEqual(['observe', 'act', 'observe']);
});

it('fails when the effect is not seen', async () => {
  const { session, plan } = node(0);

  const attempt = performStep(session, context, { ...plan, act: async () => 'made nothing' });

  await expect(attempt).rejects.toMatchObject({ code: 'VerificationFailed', details: { observed: 'state 0' } });
});

it('reports as drift, and changes nothing, where it may only observe', async () => {
  const { calls, session, plan } = node(0);

  const outcome = await performStep(session, { ...context, observeOnly: true }, plan);

  expect(outcome).toEqual({ result: 'unchanged', observed: 'state 0', drift: ['hadb01: state 0'] });
  expect(calls).toEqual(['observe']);
});

it('does not act when what a reboot had undone was all that was missing', async () => {
  const { calls, session, plan, set } = node(0, true);

  const outcome = await performStep(session, context, {
    ...plan,
    prepare: async () => {
      set(1);
      return ['up', 'primary'];
    },
  });

  expect(outcome).toEqual({
    result: 'changedEarlier',
    observed: 'state 0',
    done: 'brought back: up, primary',
    verified: 'state 1',
  });
  expect(calls).toEqual(['observe', 'observe']);
});

it('lets an error of the observation through before anything is done', async () => {
  const { calls, session, plan } = node(0);

  const attempt = performStep(session, context, { ...plan, observe: () => Promise.reject(new Error('no SSH')) });

  await expect(attempt).rejects.toThrow('no SSH');
  expect(calls).toEqual([]);
});
