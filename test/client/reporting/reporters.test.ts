import { chooseReporter } from '../../../client/reporting/choose-reporter';
import { createJsonReporter } from '../../../client/reporting/json-lines';
import { annotation, createLineReporter } from '../../../client/reporting/line-reporter';
import { createLiveReporter } from '../../../client/reporting/live-reporter';
import type { Reporter } from '../../../client/reporting/reporter';
import { readClientSettings } from '../../../settings';
import { clockForTests, contextForTests, textOutput } from '../client-for-tests';
import { done, progressOf, record } from '../progress-for-tests';

const settings = readClientSettings({ HOME: '/h' });
const run = { workflowId: 'build-cluster/hadb', runId: 'r1', url: 'http://127.0.0.1:8233/x' };

/** The same little story for every way of telling it. */
function tell(reporter: Reporter): void {
  reporter.started({ ...run, attached: false, watched: true });
  reporter.event({ type: 'step', code: 'HADB_I2001', step: 'first', record: record({ id: 'first' }) });
  reporter.event({
    type: 'wait',
    code: 'HADB_I2002',
    wait: {
      step: 'first',
      waitingFor: 'the initial sync',
      percent: 42.7,
      rateKiBPerSecond: 59_597,
      remainingSeconds: 12,
    },
  });
  reporter.event({ type: 'retry', code: 'HADB_W2003', step: 'first', attempt: 2, message: 'NodeUnreachable: gone' });
  reporter.event({ type: 'step', code: 'HADB_I2001', step: 'first', previous: 'running', record: done('first') });
  reporter.event({
    type: 'step',
    code: 'HADB_W2004',
    step: 'second/hadb01',
    record: record({
      id: 'second',
      node: 'hadb01',
      state: 'waiting',
      choices: ['retry', 'abort'],
      failure: { code: 'GuardRefused', message: 'not blank', observed: 'ext4', whatNow: 'look at the disk' },
    }),
  });
  reporter.notice('HADB_W3001', 'no worker answers');
  reporter.result({
    exit: 'failed',
    summary: 'it failed',
    run: { ...run, status: 'FAILED' },
    progress: progressOf([done('first')]),
    verdict: { passed: false, summary: '3 rows are lost', checks: [{ name: 'rpo', passed: false, detail: '3 lost' }] },
  });
}

describe('the line reporter', () => {
  it('tells each step in a line on standard error and the result on standard output', () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };

    tell(createLineReporter(streams, settings, clockForTests(), { quiet: false }));

    expect(streams.stderr.lines()).toEqual([
      'started build-cluster/hadb',
      '  http://127.0.0.1:8233/x',
      '            first: the initial sync, 42 %, 58.2 MiB/s, 12 s left',
      '  first: try 2, because NodeUnreachable: gone',
      'Preparing',
      '✔     4.2 s            Do first',
      '?      10 s  hadb01    Do second',
      '    GuardRefused: not blank',
      '    seen: ext4',
      '    what now: look at the disk',
      '    hadb decide build-cluster/hadb second/hadb01 retry',
      '    hadb decide build-cluster/hadb second/hadb01 abort --reason "…"',
      'warning: no worker answers',
    ]);
    expect(streams.stdout.lines()).toEqual([
      '✖ 3 rows are lost',
      '  ✖ rpo: 3 lost',
      '  fencing: none, so a lost node is not switched off before the other one takes over',
      '  1 steps: 1 changed',
      '  http://127.0.0.1:8233/x',
    ]);
  });

  it('tells only the start, what fails, and the result when quiet', () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };

    tell(createLineReporter(streams, settings, clockForTests(), { quiet: true }));

    expect(streams.stderr.lines().map((line) => line.trim().split(' ')[0])).toEqual([
      'started',
      'http://127.0.0.1:8233/x',
      '?',
      'GuardRefused:',
      'seen:',
      'what',
      'hadb',
      'hadb',
      'warning:',
    ]);
    expect(streams.stdout.text).toContain('3 rows are lost');
  });

  it('gives a sign of life for each minute in which it has said nothing, and only when it was not told to be quiet', async () => {
    const surroundings = { settings, clock: clockForTests(), process: { stdout: textOutput(), stderr: textOutput() } };
    const context = { ...contextForTests(), ...surroundings };
    const piped = chooseReporter(context, { json: false, progress: 'auto' }, '1');
    const told = { stdout: textOutput(), stderr: textOutput() };
    const quiet = chooseReporter({ ...context, process: told }, { json: false, progress: 'quiet' }, '1');

    for (let second = 1; second <= 150; second += 1) {
      await context.clock.sleep(1_000);
      if (second === 30) piped.notice('HADB_W3001', 'no worker answers');
      for (const reporter of [piped, quiet]) reporter.look(second < 100 ? undefined : progressOf([done('first')]), []);
    }

    expect(context.process.stderr.lines()).toEqual([
      'warning: no worker answers',
      'still watching; nobody answers for the run',
      '1 of 1 steps, 2 m 40 s: At work',
    ]);
    expect([context.process.stdout.text, told.stdout.text, told.stderr.text]).toEqual(['', '', '']);
  });

  it('tells at which try a step succeeded', () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };
    const reporter = createLineReporter(streams, settings, clockForTests(), { quiet: false });

    reporter.event({ type: 'step', code: 'HADB_I2001', step: 'first', record: done('first', { attempts: 3 }) });

    expect(streams.stderr.lines().at(-1)).toContain('Do first  at try 3');
  });

  it('tells a moving percentage only every ten seconds', async () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };
    const clock = clockForTests();
    const reporter = createLineReporter(streams, settings, clock, { quiet: false });

    for (let percent = 1; percent <= 21; percent += 1) {
      const wait = { step: 'sync', waitingFor: 'the initial sync', percent };
      reporter.event({ type: 'wait', code: 'HADB_I2002', wait });
      await clock.sleep(1_000);
    }

    expect(streams.stderr.lines().map((line) => line.trim())).toEqual([
      'sync: the initial sync, 1 %',
      'sync: the initial sync, 11 %',
      'sync: the initial sync, 21 %',
    ]);
  });

  it('annotates failures in a GitHub Actions job', () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };
    const actions = readClientSettings({ HOME: '/h', GITHUB_ACTIONS: 'true' });

    tell(createLineReporter(streams, actions, clockForTests(), { quiet: true }));

    expect(streams.stderr.text).toContain('::error title=Do second::not blank');
    expect(annotation('error', 'a: b, c', '100 %\nmore')).toBe('::error title=a%3A b%2C c::100 %25%0Amore');
  });

  it('says how to come back and how to cancel after Ctrl-C', () => {
    const streams = { stdout: textOutput(), stderr: textOutput() };

    createLineReporter(streams, settings, clockForTests(), { quiet: true }).detached(run);

    expect(streams.stderr.text).toContain('goes on');
    expect(streams.stderr.text).toContain('hadb watch build-cluster/hadb');
    expect(streams.stderr.text).toContain('hadb cancel build-cluster/hadb');
  });
});

describe('the live reporter', () => {
  it('draws running steps anew below those that have ended', () => {
    const streams = { stdout: textOutput(), stderr: textOutput(true) };
    const reporter = createLiveReporter(streams, readClientSettings({ HOME: '/h', NO_COLOR: '1' }), clockForTests());
    const wait = { step: 'second', waitingFor: 'a reboot' };

    reporter.look(progressOf([done('first'), record({ id: 'second' })]), [wait]);
    reporter.event({ type: 'step', code: 'HADB_I2001', step: 'second', record: done('second') });

    expect(screenOf(streams.stderr.text)).toEqual([
      'Preparing',
      '✔     4.2 s            Do second',
      '›      10 s            Do second  a reboot',
      '1 of 2 steps, 10 s: At work',
    ]);
  });

  it('never draws a line that would wrap', () => {
    const stderr = { ...textOutput(true), columns: 40 };
    const reporter = createLiveReporter({ stdout: textOutput(), stderr }, settings, clockForTests());

    reporter.look(progressOf([record({ id: 'x', sentence: 'A very long sentence about what is going on here' })]), []);

    expect(Math.max(...screenOf(stderr.text).map((line) => line.length))).toBeLessThan(40);
  });

  it('leaves nothing of the running steps when the result is told', () => {
    const streams = { stdout: textOutput(), stderr: textOutput(true) };
    const reporter = createLiveReporter(streams, settings, clockForTests());

    reporter.look(progressOf([record({ id: 'second' })]), []);
    reporter.result({ exit: 'passed', summary: 'done' });

    expect(screenOf(streams.stderr.text)).toEqual([]);
    expect(streams.stdout.text).toBe('✔ done\n');
  });
});

describe('the JSON reporter', () => {
  it('writes lines of which the first is the version and the last the result, each with its code', () => {
    const stdout = textOutput();

    tell(createJsonReporter(stdout, clockForTests(), '0.1.0'));

    const lines = stdout.lines().map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toEqual({ type: 'version', schema: '1.0', hadb: '0.1.0', time: '2026-11-22T12:00:00.000Z' });
    expect(lines.map(({ type }) => type)).toEqual([
      'version',
      'run',
      'step',
      'wait',
      'retry',
      'step',
      'step',
      'notice',
      'result',
    ]);
    expect(lines.slice(1).every(({ code, time }) => /^HADB_[EWI]\d{4}$/.test(String(code)) && time !== undefined)).toBe(
      true,
    );
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      exitCode: 1,
      outcome: 'failed',
      fencing: 'none',
      verdict: { passed: false, checks: [{ name: 'rpo' }] },
      cluster: 'hadb',
      steps: { changed: 1 },
    });
  });

  it('gives a verdict of null when there is none', () => {
    const stdout = textOutput();

    createJsonReporter(stdout, clockForTests(), '0.1.0').result({ exit: 'detached', summary: 'goes on' });

    expect(JSON.parse(stdout.lines().at(-1) ?? '')).toMatchObject({ type: 'result', verdict: null, exitCode: 4 });
  });
});

/** What a terminal shows after the text: cursor up and erase below are all that the reporter uses. */
function screenOf(text: string): string[] {
  const rows: string[] = [];
  const escape = String.fromCharCode(27);
  const pattern = new RegExp(`${escape}\\[(\\d+)A${escape}\\[0J|([^\\n]*)\\n`, 'g');
  for (const [, up, row] of text.matchAll(pattern)) {
    if (up !== undefined) rows.splice(rows.length - Number(up));
    else rows.push(row ?? '');
  }
  return rows;
}
