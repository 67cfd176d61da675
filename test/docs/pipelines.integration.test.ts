import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';
import { runCommandLine } from '../../client/application';
import { EXIT_CODES } from '../../client/exit-codes';
import { createJsonReporter } from '../../client/reporting/json-lines';
import { clockForTests, contextForTests } from '../client/client-for-tests';
import { temporalForCommands } from '../client/temporal-for-commands';
import { blocks, read } from './markdown';

/** The example pipelines: their commands are hadb's, and their shell does what it says with each exit code. */

interface Step {
  id?: string;
  if?: string;
  run?: string;
  with?: Record<string, string>;
}
const github = parse(read('docs/pipelines/github-actions.yaml')) as {
  on: { workflow_dispatch: { inputs: { kind: { options: string[]; default: string } } } };
  jobs: { drill: { env: Record<string, string>; steps: Step[] } };
};
const { 'failover-drill': gitlab } = parse(read('docs/pipelines/gitlab-ci.yaml')) as {
  'failover-drill': {
    script: string[];
    after_script: string[];
    variables: { KIND: string };
    allow_failure?: unknown;
    artifacts: { paths: string[]; reports: { junit: string } };
  };
};
const { steps, env } = github.jobs.drill;
const { kind } = github.on.workflow_dispatch.inputs;
const stepThat = (wanted: (step: Step) => boolean): Step => {
  const step = steps.find(wanted);
  if (step === undefined) throw new Error('the pipeline has no such step');
  return step;
};
const makeDrill = stepThat(({ id }) => id === 'drill').run ?? '';
const cancelDrill = stepThat((step) => step.if === 'cancelled()').run ?? '';

const commandsIn = (script: string): string[] =>
  [...script.matchAll(/npx hadb ([^>|;)\n]+)/g)].map(([, words = '']) => words.trim());
const GITHUB = [makeDrill, cancelDrill].flatMap(commandsIn);
const GITLAB = [...gitlab.script, ...gitlab.after_script].flatMap(commandsIn);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-pipeline-'));
  mkdirSync(join(directory, 'hadb'));
  const [specification] = blocks('docs/guide.md').filter(({ language }) => language === 'yaml');
  writeFileSync(join(directory, 'cluster.yaml'), specification?.text ?? '');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the commands of the pipelines', () => {
  const kinds = [...new Set([...kind.options, kind.default, gitlab.variables.KIND])];
  const commands = [...new Set([...GITHUB, ...GITLAB])].flatMap((command) =>
    command.includes('$KIND') ? kinds.map((name) => command.replace('"$KIND"', name)) : [command],
  );

  it('are drills, and their cancel', () => {
    expect(commands.length).toBeGreaterThanOrEqual(kinds.length + 1);
    for (const own of [GITHUB, GITLAB])
      expect(own.map((command) => command.split(' ')[0])).toEqual(['drill', 'cancel']);
  });

  it.each(commands)('are known: hadb %s', async (command) => {
    const words = command.replace('"$run"', 'build-cluster/orders').split(' ');
    const context = contextForTests({
      temporal: temporalForCommands(),
      environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233', HADB_STATE_DIR: directory },
      workingDirectory: join(directory, 'hadb'),
    });

    await runCommandLine(words, context);

    expect({ exit: context.process.exitCode, said: context.process.stderr.text }).toMatchObject({ exit: 0 });
  });

  it('write what is kept and shown', () => {
    const kept = steps.flatMap((step) => (step.with?.['path'] ?? '').split('\n')).filter((file) => file !== '');

    expect(kept).toEqual(expect.arrayContaining(['drill.xml', 'drill.jsonl']));
    expect(steps.map((step) => step.with?.['report_paths'])).toContain('drill.xml');
    expect([...gitlab.artifacts.paths, gitlab.artifacts.reports.junit]).toEqual(['drill.jsonl', 'drill.xml']);
    for (const script of [makeDrill, gitlab.script.join('\n')]) {
      expect(script).toContain('--junit ../drill.xml');
      expect(script).toContain('> ../drill.jsonl');
    }
  });

  it('get the settings that reach Temporal', () => {
    expect(Object.keys(env)).toEqual(
      expect.arrayContaining(['KIND', 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'TEMPORAL_API_KEY']),
    );
  });
});

/** Runs a script as the runner would, in the checkout of hadb, with a hadb that only ends with a code and notes what it was asked. */
function play(script: string, code: number, over: Record<string, string> = {}) {
  const bin = join(directory, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'npx'), '#!/bin/sh\necho "$@" >> "$ASKED"\nexit "$CODE"\n');
  chmodSync(join(bin, 'npx'), 0o755);
  const files = { GITHUB_OUTPUT: 'output', GITHUB_STEP_SUMMARY: 'summary', ASKED: 'asked' };
  const { status, stdout } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
    cwd: join(directory, over['cwd'] ?? 'hadb'),
    encoding: 'utf8',
    env: {
      ...Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(directory, file)])),
      ...over,
      PATH: `${bin}${delimiter}${process.env['PATH']}`,
      CODE: String(code),
      KIND: 'switchover',
    },
  });
  const said = (file: string) => (existsSync(join(directory, file)) ? readFileSync(join(directory, file), 'utf8') : '');
  return { status, stdout, output: said('output'), asked: said('asked').trim() };
}

describe('an exit code', () => {
  it.each(Object.entries(EXIT_CODES))('%s ends the job under GitHub Actions as it should', (name, { code }) => {
    const { status, stdout, output, asked } = play(makeDrill, code);

    expect(asked).toMatch(/^hadb drill switchover /);
    expect(output).toBe(`exit-code=${code}\n`);
    expect(status).toBe(name === 'passed' ? 0 : 1);
    expect(stdout.startsWith(name === 'passed' ? '' : '::error::')).toBe(true);
    // Every code has a sentence of its own; what nobody knows is hadb's.
    expect(stdout.includes('hadb failed')).toBe(name === 'internal');
  });

  it.each(Object.entries(EXIT_CODES))('%s is that of the job under GitLab', (_name, { code }) => {
    const { status, asked } = play(gitlab.script.at(-1) ?? '', code);

    expect(asked).toMatch(/^hadb drill switchover /);
    expect(status).toBe(code);
    expect(gitlab.allow_failure).toBeUndefined();
  });
});

describe('a job that is cancelled', () => {
  const tellRun = (workflowId: string) => {
    let text = '';
    const output = { write: (line: string) => void (text += line) };
    const reporter = createJsonReporter(output as never, clockForTests(0), '0.1.0');
    reporter.started({ workflowId, runId: 'r1', attached: false, watched: false });
    writeFileSync(join(directory, 'drill.jsonl'), text);
  };

  it.each([
    ['GitHub Actions', cancelDrill, {}],
    ['GitLab', gitlab.after_script.join('\n'), { cwd: '.', CI_JOB_STATUS: 'canceled' }],
  ])('cancels its drill, by the id that hadb has told (%s)', (_, script, over) => {
    tellRun('drill/orders/switchover/20261122T023000Z');

    const { status, asked } = play(script, 0, over);

    expect({ status, asked }).toEqual({ status: 0, asked: 'hadb cancel drill/orders/switchover/20261122T023000Z' });
  });

  it('before its drill was started has none to cancel', () => {
    writeFileSync(join(directory, 'drill.jsonl'), '');

    expect(play(cancelDrill, 0)).toMatchObject({ status: 0, asked: '' });
  });

  it('that came to its end is left alone (GitLab)', () => {
    tellRun('drill/orders/switchover/20261122T023000Z');

    expect(play(gitlab.after_script.join('\n'), 0, { cwd: '.', CI_JOB_STATUS: 'success' }).asked).toBe('');
  });
});
