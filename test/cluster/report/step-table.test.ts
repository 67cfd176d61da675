import fc from 'fast-check';
import { formatDuration } from '../../../cluster/report/duration';
import { DETAILS_BYTES, describeState, renderStepTable } from '../../../cluster/report/step-table';
import type { Progress, StepRecord } from '../../../cluster/step';

const step = (changes: Partial<StepRecord> = {}): StepRecord => ({
  id: 'create-drbd-metadata/hadb01',
  node: 'hadb01',
  sentence: 'Create DRBD metadata',
  chapter: 'Setting up the cluster',
  state: 'done',
  startedAt: '2026-11-22T18:00:00.000Z',
  endedAt: '2026-11-22T18:00:02.500Z',
  attempts: 1,
  outcome: { result: 'changed', observed: 'no metadata', done: 'created', verified: 'metadata present' },
  ...changes,
});
const progress = (steps: StepRecord[], changes: Partial<Progress> = {}): Progress => ({
  version: 1,
  runbook: 'buildCluster',
  cluster: 'hadb',
  state: 'running',
  sentence: 'Building the cluster: DRBD on hadb01',
  fencing: 'none',
  steps,
  ...changes,
});
const bytes = (text: string) => new TextEncoder().encode(text).length;

describe('renderStepTable', () => {
  it('begins with the run’s sentence and says that nothing is fenced', () => {
    const text = renderStepTable(progress([step()]));

    expect(text.split('\n')[0]).toBe('**Building the cluster: DRBD on hadb01**');
    expect(text).toContain('fencing: **none**');
  });

  it('shows what the specification allows itself before the steps', () => {
    const text = renderStepTable(progress([step()], { warnings: ['token 3000 ms: a frozen machine counts as lost'] }));

    expect(text).toContain('⚠ token 3000 ms');
    expect(text.indexOf('⚠')).toBeLessThan(text.indexOf('| step |'));
    expect(renderStepTable(progress([step()]))).not.toContain('⚠');
  });

  it('shows a step with state, time and evidence under its chapter', () => {
    const text = renderStepTable(
      progress([step(), step({ id: 'x', state: 'running', chapter: 'MySQL', attempts: 2 })]),
    );

    expect(text).toContain('**Setting up the cluster** (1 of 1)');
    expect(text).toContain('| Create DRBD metadata | hadb01 | ✓ changed | 2.5 s | created; metadata present |');
    expect(text).toContain('**MySQL** (0 of 1)');
    expect(text).toContain('● running, try 2');
  });

  it('puts what waits for a person before the tables, with error, what was seen and how to answer', () => {
    const failure = {
      code: 'GuardRefused',
      message: 'the disk is not blank',
      observed: 'TYPE=ext4 LABEL=old',
      whatNow: 'Attach an empty disk.',
    };
    const waiting = step({ state: 'waiting', failure, choices: ['retry', 'abort'], id: 'partition' });

    const text = renderStepTable(progress([step(), waiting], { state: 'waiting' }));

    expect(text.indexOf('waits for you')).toBeLessThan(text.indexOf('| step |'));
    for (const part of [
      'retry, abort?',
      'the disk is not blank',
      'TYPE=ext4',
      'Attach an empty disk.',
      '"step":"partition/hadb01"',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('shows the verdict with every check', () => {
    const verdict = {
      passed: false,
      summary: '3 of 5 rows lost',
      checks: [
        { name: 'no acknowledged row lost', passed: false, detail: '3 lost: 41..43' },
        { name: 'final read', passed: true, detail: '97 rows' },
      ],
    };

    const text = renderStepTable(progress([], { verdict, state: 'failed' }));

    expect(text).toContain('✗ **failed**: 3 of 5 rows lost');
    expect(text).toContain('| ✗ **does not hold** | no acknowledged row lost | 3 lost: 41..43 |');
    expect(text).toContain('| ✓ holds | final read | 97 rows |');
  });

  it('shows drift even when evidence is cut', () => {
    const drifted = step({
      outcome: { result: 'unchanged', observed: 'x'.repeat(500), drift: ['sync_binlog is 0, wanted is 1'] },
    });

    expect(renderStepTable(progress(Array.from({ length: 80 }, () => drifted)))).toContain('drift: sync\\_binlog is 0');
  });

  it('lets no text break the table or become HTML', () => {
    const nasty = step({ outcome: { result: 'unchanged', observed: 'a | b\n<img src=x> `c` *d* [e](f)' } });

    const row = renderStepTable(progress([nasty]))
      .split('\n')
      .find((line) => line.includes('img'));

    expect(row).toBe(
      '| Create DRBD metadata | hadb01 | ✓ unchanged | 2.5 s | a \\| b \\<img src=x\\> \\`c\\` \\*d\\* \\[e\\](f) |',
    );
  });

  it('stays below the limit of the UI whatever the run is, and keeps its sentence', () => {
    const anyStep = fc.record({
      text: fc.string({ maxLength: 3000 }),
      state: fc.constantFrom('done', 'failed', 'waiting', 'running' as const),
    });

    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 400 }), (list) => {
        const steps = list.map(({ text, state }, index) =>
          step({
            id: `step-${index}`,
            state: state as StepRecord['state'],
            outcome: { result: 'changed', observed: text, done: text, verified: text },
            failure: { code: 'Internal', message: text, observed: text },
          }),
        );

        const text = renderStepTable(progress(steps));

        expect(bytes(text)).toBeLessThanOrEqual(DETAILS_BYTES);
        expect(text.startsWith('**Building the cluster')).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps every step of a whole build in sight', () => {
    const build = Array.from({ length: 90 }, (_, index) =>
      step({
        id: `step-${index}/hadb01`,
        sentence: `Step number ${index} of the article, said in a sentence`,
        outcome: { result: 'changed', observed: 'o'.repeat(300), done: 'd'.repeat(200), verified: 'v'.repeat(200) },
      }),
    );

    const text = renderStepTable(progress(build));

    expect(bytes(text)).toBeLessThanOrEqual(DETAILS_BYTES);
    expect(text.match(/Step number/g)).toHaveLength(90);
  });
});

describe('describeState', () => {
  it.each<[Partial<StepRecord>, string]>([
    [{}, '✓ changed'],
    [{ outcome: { result: 'changedEarlier', observed: '' } }, '✓ changed earlier'],
    [{ state: 'skipped' }, '↷ skipped'],
    [{ state: 'failed', attempts: 5 }, '✗ **failed**, try 5'],
  ])('says %j as %s', (changes, expected) => {
    expect(describeState(step(changes))).toBe(expected);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0.0 s'],
    [420, '0.4 s'],
    [9949, '9.9 s'],
    [9990, '10 s'],
    [59_600, '1 min 0 s'],
    [184_000, '3 min 4 s'],
    [7_500_000, '2 h 5 min'],
    [-5, '0.0 s'],
  ])('%d ms is %s', (milliseconds, expected) => {
    expect(formatDuration(milliseconds)).toBe(expected);
  });
});
