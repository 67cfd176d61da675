import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { Progress } from '../../cluster/step';
import { progressQuery } from '../../workflows/messages';
import { failWith, fallSilent, ScriptedActivities, succeed, untilCancelled, waitFor } from './fake-activities';
import { currentDetails, decide, eventually, failureOf, progressIn, stateReached, stepOf } from './runs';
import { specificationFor, startTemporalForTests, type TemporalForTests } from './temporal-for-tests';

let temporal: TemporalForTests;
beforeAll(async () => {
  temporal = await startTemporalForTests();
}, 240_000);
afterAll(() => temporal?.stop());

const waiting = () => ({ specification: specificationFor(), onFailure: 'wait' });
const failing = () => ({ specification: specificationFor(), onFailure: 'fail' });

describe('a step', () => {
  it('records who, what, when and its evidence, and puts its sentence on the activity', async () => {
    const fakes = new ScriptedActivities();

    const { progress, history } = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('oneStep', failing());
      const progress: Progress = await handle.result();
      return { progress, history: await handle.fetchHistory() };
    });

    expect(progress.state).toBe('completed');
    expect(progress.steps).toEqual([
      {
        id: 'first',
        node: 'hadb01',
        sentence: 'Do the first thing',
        chapter: 'Preparing',
        state: 'done',
        startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        endedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        attempts: 1,
        outcome: { result: 'changed', observed: 'absent', done: 'made' },
      },
    ]);
    expect(fakes.calls).toEqual([{ name: 'first', generation: 1, step: 'first/hadb01' }]);
    const scheduled = history.events?.find((event) => event.activityTaskScheduledEventAttributes);
    expect(Buffer.from(scheduled?.userMetadata?.summary?.data ?? []).toString()).toContain(
      'Do the first thing (hadb01)',
    );
  });

  it('is tried five times when its error might pass, and then fails for good', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('CommandFailed', 'exit code 3')] });

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('oneStep', failing())),
    );

    expect(fakes.calls).toHaveLength(5);
    expect(error.type).toBe('CommandFailed');
    expect(error.message).toBe('Do the first thing (hadb01): exit code 3');
    expect(stepOf(progressIn(error), 'first')).toMatchObject({ state: 'failed', attempts: 5 });
  });

  it('counts an error that nobody mapped like any other that might pass', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('SomethingElse'), failWith('SomethingElse'), succeed] });

    const progress: Progress = await temporal.withWorker(fakes, async (worker) =>
      (await worker.start('oneStep', failing())).result(),
    );

    expect(stepOf(progress, 'first')).toMatchObject({ state: 'done', attempts: 3 });
    expect(stepOf(progress, 'first')).not.toHaveProperty('failure');
  });

  it('whose worker falls silent is made again once its heartbeat has stayed away, and that try does not count', async () => {
    const fakes = new ScriptedActivities({ first: [fallSilent, succeed] });

    const { progress, seconds } = await temporal.withWorker(fakes, async (worker) => {
      const startedAt = performance.now();
      const progress: Progress = await (await worker.start('oneStep', failing())).result();
      return { progress, seconds: (performance.now() - startedAt) / 1000 };
    });

    expect(fakes.calls).toHaveLength(2);
    expect(stepOf(progress, 'first')).toMatchObject({ state: 'done', attempts: 1 });
    expect(seconds).toBeGreaterThan(9);
  });

  it('is not tried again after a final error, and its evidence reaches the client', async () => {
    const fakes = new ScriptedActivities({
      first: [
        failWith('GuardRefused', 'the disk is not blank', { observed: 'ext4 on it', whatNow: 'look what it holds' }),
      ],
    });

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('oneStep', failing())),
    );

    expect(fakes.calls).toHaveLength(1);
    expect(error.type).toBe('GuardRefused');
    expect(progressIn(error)).toMatchObject({
      state: 'failed',
      failure: { code: 'GuardRefused', observed: 'ext4 on it', whatNow: 'look what it holds' },
    });
  });
});

describe('a step that failed for good', () => {
  it('waits for a decision, runs again with a raised generation when told so, and the run completes', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused'), succeed] });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      const before = await stateReached(handle, 'waiting');
      expect(stepOf(before, 'first')).toMatchObject({
        state: 'waiting',
        choices: ['retry', 'skip', 'abort'],
        failure: { code: 'GuardRefused' },
      });
      expect(before.sentence).toBe('Waiting for a decision on first');
      await decide(handle, { step: 'first', decision: 'retry' });
      return (await handle.result()) as Progress;
    });

    expect(fakes.named('first').map(({ generation }) => generation)).toEqual([1, 2]);
    expect(stepOf(progress, 'first')).toMatchObject({
      state: 'done',
      attempts: 2,
      decidedBy: { decision: 'retry', by: 'the test', reason: 'it says so' },
    });
  });

  it('gets five more tries with each decision to retry', async () => {
    const fakes = new ScriptedActivities({ first: [...Array(9).fill(failWith('NotReady')), succeed] });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      await stateReached(handle, 'waiting');
      expect(fakes.named('first')).toHaveLength(5);
      await decide(handle, { step: 'first', decision: 'retry' });
      return (await handle.result()) as Progress;
    });

    expect(stepOf(progress, 'first')).toMatchObject({ state: 'done', attempts: 10 });
  });

  it('is passed over when told so, and what follows runs', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      await stateReached(handle, 'waiting');
      await decide(handle, { step: 'first', decision: 'skip' });
      return (await handle.result()) as Progress;
    });

    expect(stepOf(progress, 'first').state).toBe('skipped');
    expect(stepOf(progress, 'second').state).toBe('done');
  });

  it('ends the run when told so, with the words of the person who did it', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    const error = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      await stateReached(handle, 'waiting');
      await decide(handle, { step: 'first', decision: 'abort' });
      return failureOf(handle);
    });

    expect(error.type).toBe('Aborted');
    expect(error.message).toContain('the test ended the run at first (it says so)');
    expect(fakes.named('second')).toEqual([]);
  });

  it('refuses decisions that make no sense, with a reason, and goes on waiting', async () => {
    const fakes = new ScriptedActivities({ first: [succeed], second: [failWith('GuardRefused')] });

    await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      await stateReached(handle, 'waiting');

      const refusals = [
        await refusalOf(handle, { step: 'first', decision: 'retry' }),
        await refusalOf(handle, { step: 'second', decision: 'skip' }),
        await refusalOf(handle, { step: 'second', decision: 'perhaps' }),
        await refusalOf(handle, { step: 'second', decision: 'abort', by: ' ' }),
        await refusalOf(handle, 'abort'),
      ];
      expect(refusals[0]).toBe('step first does not wait for a decision; waiting: second');
      expect(refusals[1]).toBe('step second does not allow skip; it allows retry or abort');
      expect(refusals[2]).toMatch(/^"decision" is one of retry, skip, abort/);
      expect(refusals[3]).toMatch(/^"by" is missing/);
      expect(refusals[4]).toMatch(/^a decision is one object/);

      expect(await handle.query(progressQuery)).toMatchObject({ state: 'waiting' });
      await decide(handle, { step: 'second', decision: 'abort' });
      await failureOf(handle);
    });
  });

  it('tells the log once nobody has decided for long', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('impatient', waiting());
      await eventually(async () => {
        const progress = await handle.query(progressQuery);
        expect(stepOf(progress, 'first').alertedAt).toMatch(/Z$/);
      });
      await decide(handle, { step: 'first', decision: 'abort' });
      await failureOf(handle);
    });

    expect(temporal.logs.filter(({ meta }) => meta?.['code'] === 'HADB_W2007')).toHaveLength(1);
  });

  it('fails the run at once where nobody is there to decide', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('twoSteps', failing())),
    );

    expect(error.type).toBe('GuardRefused');
    expect(stepOf(progressIn(error), 'first')).toMatchObject({ state: 'failed', attempts: 1 });
  });
});

describe('steps at the same time', () => {
  it('come to rest before the failure of one ends the run, and nothing new is begun', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const fakes = new ScriptedActivities({
      'first-hadb01': [failWith('GuardRefused')],
      'first-hadb02': [waitFor(released)],
    });

    const error = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('bothNodes', failing());
      await eventually(async () => {
        const progress = await handle.query(progressQuery);
        expect(stepOf(progress, 'first', 'hadb01').state).toBe('failed');
        expect(stepOf(progress, 'first', 'hadb02').state).toBe('running');
      });
      expect((await handle.describe()).status.name).toBe('RUNNING');
      release();
      return failureOf(handle);
    });

    expect(error.type).toBe('GuardRefused');
    expect(stepOf(progressIn(error), 'first', 'hadb02').state).toBe('done');
    expect(fakes.named('second-hadb02')).toEqual([]);
  });

  it('may wait for decisions at the same time, each with its own', async () => {
    const fakes = new ScriptedActivities({
      'first-hadb01': [failWith('GuardRefused'), succeed],
      'first-hadb02': [failWith('GuardRefused'), succeed],
    });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('bothNodes', waiting());
      await eventually(async () => {
        const { steps } = await handle.query(progressQuery);
        expect(steps.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
      });
      await decide(handle, { step: 'first/hadb02', decision: 'retry' });
      await eventually(async () => {
        const between = await handle.query(progressQuery);
        expect(stepOf(between, 'second', 'hadb02').state).toBe('done');
        expect(between.state).toBe('waiting');
      });
      await decide(handle, { step: 'first/hadb01', decision: 'retry' });
      return (await handle.result()) as Progress;
    });

    expect(progress.steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
  });

  it('end together when one of the waiting ones is aborted', async () => {
    const fakes = new ScriptedActivities({
      'first-hadb01': [failWith('GuardRefused')],
      'first-hadb02': [failWith('GuardRefused')],
    });

    const error = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('bothNodes', waiting());
      await eventually(async () => {
        const { steps } = await handle.query(progressQuery);
        expect(steps.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
      });
      await decide(handle, { step: 'first/hadb01', decision: 'abort' });
      return failureOf(handle);
    });

    expect(error.type).toBe('Aborted');
    expect(progressIn(error).steps.map(({ state }) => state)).toEqual(['failed', 'failed']);
  });
});

describe('a cancel', () => {
  it('stops the step in the middle, waits until it has stopped, undoes the fault and ends as cancelled', async () => {
    const order: string[] = [];
    const fakes = new ScriptedActivities({
      inject: [untilCancelled(() => void order.push('inject has stopped'))],
      undo: [
        async () => {
          order.push('undone');
          return await succeed();
        },
      ],
    });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('undoing', waiting());
      await eventually(async () => expect(fakes.named('inject')).toHaveLength(1));
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });
      expect((await handle.describe()).status.name).toBe('CANCELLED');
      return await handle.query(progressQuery);
    });

    expect(order).toEqual(['inject has stopped', 'undone']);
    expect(progress.state).toBe('cancelled');
    expect(progress.steps.map(({ id, state }) => [id, state])).toEqual([
      ['inject', 'cancelled'],
      ['undo', 'done'],
    ]);
  });

  it('also ends a run that waits for a decision', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    const state = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('oneStep', waiting());
      await stateReached(handle, 'waiting');
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });
      return stepOf(await handle.query(progressQuery), 'first');
    });

    expect(state.state).toBe('cancelled');
    expect(state).not.toHaveProperty('choices');
  });

  it('does not leave the undo waiting for a decision that nobody will make', async () => {
    const fakes = new ScriptedActivities({
      inject: [untilCancelled(() => undefined)],
      undo: [failWith('GuardRefused')],
    });

    const progress = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('undoing', waiting());
      await eventually(async () => expect(fakes.named('inject')).toHaveLength(1));
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });
      return await handle.query(progressQuery);
    });

    expect(stepOf(progress, 'undo')).toMatchObject({ state: 'failed', failure: { code: 'GuardRefused' } });
  });
});

describe('a run', () => {
  it('undoes the fault after a failure, and fails with the failure', async () => {
    const fakes = new ScriptedActivities({ inject: [failWith('AssertionFailed', 'two primaries')] });

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('undoing', failing())),
    );

    expect(error.type).toBe('AssertionFailed');
    expect(stepOf(progressIn(error), 'undo').state).toBe('done');
  });

  it('goes on with another worker where the first one left it', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const fakes = new ScriptedActivities({ second: [waitFor(released)] });
    const first = await temporal.startWorker(fakes);
    const handle = await first.start('twoSteps', waiting());
    await eventually(async () => expect(fakes.named('second')).toHaveLength(1));

    await first.stop();
    release();
    const second = await temporal.startWorker(fakes, first.taskQueue);
    const progress = (await handle.result()) as Progress;
    await second.stop();

    expect(fakes.named('first')).toHaveLength(1);
    expect(fakes.named('second')).toHaveLength(2);
    expect(stepOf(progress, 'second')).toMatchObject({ state: 'done', attempts: 1 });
  });

  it('still answers the query and shows its table after its end', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused')] });

    await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', failing());
      await failureOf(handle);

      expect(await handle.query(progressQuery)).toMatchObject({ state: 'failed', failure: { code: 'GuardRefused' } });
      expect(await currentDetails(handle)).toContain('GuardRefused');
    });
  });

  it('shows its sentence first, then the steps with what is waited for, in the UI', async () => {
    const fakes = new ScriptedActivities({ first: [failWith('GuardRefused', 'the disk is not blank')] });

    const details = await temporal.withWorker(fakes, async (worker) => {
      const handle = await worker.start('twoSteps', waiting());
      await stateReached(handle, 'waiting');
      const details = await currentDetails(handle);
      await decide(handle, { step: 'first', decision: 'abort' });
      await failureOf(handle);
      return details;
    });

    expect(details.split('\n')[0]).toContain('Waiting for a decision on first');
    expect(details).toContain('the disk is not blank');
    expect(details).toContain('retry, skip, abort');
  });

  it('carries what is unwise in its specification, for who reads its report and its page', async () => {
    const specification = { ...specificationFor(), corosync: { tokenMs: 3000 } };

    const [unwise, details, wise] = await temporal.withWorker(new ScriptedActivities(), async (worker) => {
      const handle = await worker.start('twoSteps', { ...failing(), specification });
      const progress: Progress = await handle.result();
      const other: Progress = await (await worker.start('twoSteps', failing())).result();
      return [progress, await currentDetails(handle), other] as const;
    });

    expect(unwise.warnings).toEqual([expect.stringContaining('token 3000 ms')]);
    expect(details).toContain('⚠ token 3000 ms');
    expect(wise).not.toHaveProperty('warnings');
  });

  it('fails with a verdict that did not pass, so that a schedule pauses', async () => {
    const error = await temporal.withWorker(new ScriptedActivities(), async (worker) =>
      failureOf(await worker.start('failedVerdict', failing())),
    );

    expect(error.type).toBe('AssertionFailed');
    expect(progressIn(error).verdict).toEqual({ passed: false, summary: '3 acknowledged rows are lost', checks: [] });
  });

  it('fails with a code and a stack where its own code is wrong, instead of failing its task for ever', async () => {
    const error = await temporal.withWorker(new ScriptedActivities(), async (worker) =>
      failureOf(await worker.start('defective', waiting())),
    );

    expect(error.type).toBe('Internal');
    expect(error.message).toContain('TypeError');
    expect(error.cause?.stack).toContain('runbooks-under-test');
  });

  it('carries the failure in at most 50 kB of details, however many steps it had', async () => {
    const long = async () => ({ result: 'changed' as const, observed: 'x'.repeat(3000), verified: 'ü'.repeat(3000) });
    const script = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`step-${index + 1}`, [long]]));
    const fakes = new ScriptedActivities({ ...script, 'step-400': [failWith('GuardRefused', 'y'.repeat(5000))] });

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('manySteps', { ...failing(), steps: 400 })),
    );

    expect(Buffer.byteLength(JSON.stringify(error.details))).toBeLessThan(50_000);
    expect(stepOf(progressIn(error), 'step-400')).toMatchObject({ state: 'failed', failure: { code: 'GuardRefused' } });
  });
});

describe('an input that is wrong', () => {
  it('is refused in the first task with every problem named, and nothing is done', async () => {
    const [first, second] = [
      { name: 'hadb01', address: '10.10.10.4', sshPort: 50001 },
      { name: 'hadb01', address: '10.10.99.5', sshPort: 50001 },
    ];
    const specification = { ...specificationFor(), nodes: [first, second], loadBalancer: { probePort: 3306 } };
    const fakes = new ScriptedActivities();

    const error = await temporal.withWorker(fakes, async (worker) =>
      failureOf(await worker.start('oneStep', { specification })),
    );

    expect(error.type).toBe('BadSpecification');
    expect(error.nonRetryable).toBe(true);
    for (const path of ['nodes[1].name', 'nodes[1].address', 'nodes[1].sshPort', 'loadBalancer.probePort']) {
      expect(error.message).toContain(`specification.${path}: `);
    }
    expect(fakes.calls).toEqual([]);
  });

  it.each([
    ['nothing', undefined, 'expected object'],
    ['a text', 'hadb', 'expected object'],
    ['an unknown field', { specification: specificationFor(), wait: true }, '"wait"'],
    ['no address ranges', { specification: { network: {} } }, 'specification.network.clients: '],
  ])('is refused when it is %s', async (_, input, problem) => {
    const error = await temporal.withWorker(new ScriptedActivities(), async (worker) =>
      failureOf(await worker.start('oneStep', input as object)),
    );

    expect(error.type).toBe('BadSpecification');
    expect(error.message).toContain(problem);
  });
});

async function refusalOf(handle: WorkflowHandle, decision: object | string): Promise<string> {
  const input = typeof decision === 'string' ? decision : { by: 'the test', reason: 'it says so', ...decision };
  const error: unknown = await handle.executeUpdate('decide', { args: [input] }).catch((error: unknown) => error);
  if (!(error instanceof WorkflowUpdateFailedError)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  return error.cause?.message ?? '';
}
