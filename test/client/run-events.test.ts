import { diffProgress } from '../../client/run-events';
import { done, progressOf, record } from './progress-for-tests';

describe('events between two looks at the step table', () => {
  it('tell every step of the first look, but those that are pending', () => {
    const events = diffProgress(
      undefined,
      progressOf([done('first'), record({ id: 'second' }), record({ id: 'third', state: 'pending' })]),
    );

    expect(events.map((event) => ('step' in event ? event.step : event.type))).toEqual(['first', 'second']);
  });

  it('are none when nothing has changed', () => {
    const progress = progressOf([done('first'), record({ id: 'second', node: 'hadb01' })]);

    expect(diffProgress(progress, progressOf([...progress.steps]))).toEqual([]);
  });

  it('name the state that a step comes from, and tell nodes apart', () => {
    const before = progressOf([record({ id: 'up', node: 'hadb01' }), record({ id: 'up', node: 'hadb02' })]);
    const after = progressOf([record({ id: 'up', node: 'hadb01' }), done('up', { node: 'hadb02' })]);

    expect(diffProgress(before, after)).toMatchObject([
      { type: 'step', code: 'HADB_I2001', step: 'up/hadb02', previous: 'running', record: { state: 'done' } },
    ]);
  });

  it('tell a failed try of a running step with its reason', () => {
    const failure = { code: 'NodeUnreachable', message: 'no answer' };
    const before = progressOf([record({ id: 'up' })]);
    const after = progressOf([record({ id: 'up', attempts: 2, failure })]);

    expect(diffProgress(before, after)).toEqual([
      { type: 'retry', code: 'HADB_W2003', step: 'up', attempt: 2, message: 'NodeUnreachable: no answer' },
    ]);
  });

  it('tell the failed try also to who comes while the step is tried again, and not that of a decision', () => {
    const failure = { code: 'NodeUnreachable', message: 'no answer' };
    const again = progressOf([record({ id: 'up', attempts: 3, failure })]);

    expect(diffProgress(undefined, again)).toMatchObject([
      { type: 'step', step: 'up' },
      { type: 'retry', code: 'HADB_W2003', attempt: 3, message: 'NodeUnreachable: no answer' },
    ]);
    expect(
      diffProgress(progressOf([record({ id: 'up', state: 'waiting', attempts: 2, failure })]), again),
    ).toMatchObject([{ type: 'step', step: 'up', previous: 'waiting' }]);
  });

  it('tell no try that has not failed', () => {
    expect(diffProgress(undefined, progressOf([record({ id: 'up' })]))).toMatchObject([{ type: 'step' }]);
  });

  it('tell a step that waits again after a decision, even when its time as running was missed', () => {
    const waiting = { id: 'up', state: 'waiting', failure: { code: 'GuardRefused', message: 'no' } } as const;
    const before = progressOf([record({ ...waiting, attempts: 1 })]);
    const after = progressOf([record({ ...waiting, attempts: 2 })]);

    expect(diffProgress(before, after)).toMatchObject([{ code: 'HADB_W2004', step: 'up' }]);
  });

  it('tell a failure for good as an error, and each drift as a warning of its own', () => {
    const drift = ['bind-address is 127.0.0.1', 'unit enabled'];
    const after = progressOf([
      record({ id: 'bad', state: 'failed' }),
      done('configure', { node: 'hadb01', outcome: { result: 'unchanged', observed: 'seen', drift } }),
    ]);

    expect(diffProgress(undefined, after).map(({ code }) => code)).toEqual([
      'HADB_E2005',
      'HADB_I2001',
      'HADB_W2006',
      'HADB_W2006',
    ]);
  });
});
