import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateHelpTextForAllCommands } from '@stricli/core';
import { application, runCommandLine } from '../../client/application';
import { readLabSettings } from '../../settings';
import { ClientError } from '../../client/messages';
import { TemporalUnreachable } from '../../client/watched-run';
import type { RunEnding } from '../../client/watched-run';
import { clockForTests, contextForTests } from './client-for-tests';
import type { ContextOptions } from './client-for-tests';
import { done, progressOf, record } from './progress-for-tests';
import { temporalForCommands } from './temporal-for-commands';
import type { TemporalScript } from './temporal-for-commands';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-client-'));
  writeFileSync(
    join(directory, 'hadb.yaml'),
    'name: pair\nnetwork: { clients: [10.0.0.0/8], administrators: [10.0.0.0/8] }\n',
  );
  writeFileSync(
    join(directory, 'fast.yaml'),
    'name: pair\nnetwork: { clients: [10.0.0.0/8], administrators: [10.0.0.0/8] }\ncorosync: { tokenMs: 3000 }\n',
  );
  writeFileSync(join(directory, 'bad.yaml'), 'name: X\nnetwork: { clients: [nonsense] }\n');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function hadb(words: string, script: TemporalScript = {}, options: ContextOptions = {}) {
  const temporal = temporalForCommands(script);
  const context = contextForTests({
    temporal,
    workingDirectory: directory,
    environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233' },
    ...options,
  });
  await runCommandLine(words.split(' '), context);
  return { context, temporal, exit: context.process.exitCode, json: () => context.json() };
}

describe('hadb build', () => {
  it('starts the build of ./hadb.yaml under the id of its cluster, with one object', async () => {
    const { temporal, exit } = await hadb('build --wait');

    expect(temporal.started).toMatchObject([
      {
        workflowType: 'buildCluster',
        workflowId: 'build-cluster/pair',
        taskQueue: 'hadb',
        summary: 'Build the cluster pair',
        memo: { startedBy: 'ada' },
        input: { specification: { name: 'pair' }, onFailure: 'fail' },
      },
    ]);
    expect(exit).toBe(0);
  });

  it('waits for a decision at a failed step when there is a terminal, unless told otherwise', async () => {
    const onTerminal = await hadb('build', {}, { isTTY: true });
    const told = await hadb('build --on-failure fail', {}, { isTTY: true });
    const piped = await hadb('build --on-failure wait');

    expect(onTerminal.temporal.started[0]?.input).toMatchObject({ onFailure: 'wait' });
    expect(told.temporal.started[0]?.input).toMatchObject({ onFailure: 'fail' });
    expect(piped.temporal.started[0]?.input).toMatchObject({ onFailure: 'wait' });
  });

  it('returns after the start without a terminal, and says how to watch', async () => {
    const { context, exit } = await hadb('build');

    expect(exit).toBe(0);
    expect(context.process.stderr.text).toContain('hadb watch build-cluster/pair');
  });

  it.each(['build', 'plan'])('tells what is unwise in a specification before anything is done: %s', async (command) => {
    const unwise = await hadb(`${command} fast.yaml --json`);
    const wise = await hadb(`${command} --json`);

    const [, notice, started] = unwise.json();
    expect(notice).toMatchObject({ type: 'notice', code: 'HADB_W2009', level: 'warning' });
    expect(notice?.['message']).toMatch(/token 3000 ms: .* maintenance freezes a machine/);
    expect(started).toMatchObject({ type: 'run' });
    expect(wise.json().filter(({ type }) => type === 'notice')).toEqual([]);
  });

  it('names every problem of an impossible specification and starts nothing', async () => {
    const { context, temporal, exit } = await hadb('build bad.yaml --json');

    expect(exit).toBe(64);
    expect(temporal.started).toEqual([]);
    const [, notice, result] = context.json();
    expect(notice).toMatchObject({ type: 'notice', code: 'HADB_E4001', level: 'error' });
    expect(String(notice?.['message'])).toMatch(
      /line 1: name: .*\n.*network\.clients\[0\]: .*\n.*network\.administrators: /s,
    );
    expect(result).toMatchObject({ type: 'result', exitCode: 64, verdict: null });
  });

  it('says what file is missing', async () => {
    const { context, exit } = await hadb('build nowhere.yaml');

    expect(exit).toBe(64);
    expect(context.process.stderr.text).toContain('cannot read the specification');
  });

  it('refuses to start beside an open build and says how to watch that one', async () => {
    const { context, exit } = await hadb('build --wait', { open: ['build-cluster/pair'] });

    expect(exit).toBe(3);
    expect(context.process.stderr.text).toContain('is open already');
  });
});

describe('exit codes', () => {
  const verdict = (passed: boolean) => ({ passed, summary: 's', checks: [] });
  it.each<[string, RunEnding, number]>([
    [
      'a passed verdict',
      { status: 'COMPLETED', progress: progressOf([], { state: 'completed', verdict: verdict(true) }) },
      0,
    ],
    [
      'a failed verdict',
      {
        status: 'FAILED',
        progress: progressOf([], {
          state: 'failed',
          verdict: verdict(false),
          failure: { code: 'AssertionFailed', message: 'lost' },
        }),
        failure: { code: 'AssertionFailed', message: 'lost' },
      },
      1,
    ],
    ['drills that are stopped', { status: 'FAILED', failure: { code: 'DrillsForbidden', message: 'stopped' } }, 3],
    ['a failed run', { status: 'FAILED', failure: { code: 'GuardRefused', message: 'no' } }, 1],
    [
      'a cluster that another operation holds',
      { status: 'FAILED', failure: { code: 'ClusterLocked', message: 'held' } },
      3,
    ],
    ['a drill that its gate refused', { status: 'FAILED', failure: { code: 'GateNotMet', message: 'offline' } }, 3],
    [
      'a build whose test was refused by its gate',
      {
        status: 'FAILED',
        progress: progressOf([], { state: 'failed', failure: { code: 'GateNotMet', message: 'offline' } }),
        failure: { code: 'GateNotMet', message: 'offline' },
      },
      1,
    ],
    [
      'an input that the workflow refused',
      { status: 'FAILED', failure: { code: 'BadSpecification', message: 'x' } },
      64,
    ],
    ['a cancelled run', { status: 'CANCELLED' }, 4],
    ['a terminated run', { status: 'TERMINATED' }, 4],
    ['a run that timed out', { status: 'TIMED_OUT' }, 2],
    ['a return value that is no step table', { status: 'COMPLETED' }, 2],
    [
      'a drill without a verdict',
      { status: 'COMPLETED', progress: progressOf([], { state: 'completed', runbook: 'failoverDrill' }) },
      2,
    ],
  ])('%s', async (_name, ending, expected) => {
    const { exit, json } = await hadb('build --wait --json', { ending });

    expect(exit).toBe(expected);
    expect(json().at(-1)).toMatchObject({ type: 'result', exitCode: expected });
  });

  it('of a command line that cannot be read is 64', async () => {
    expect((await hadb('bild')).exit).toBe(64);
    expect((await hadb('build --nonsense')).exit).toBe(64);
    expect((await hadb('drill meteorite')).exit).toBe(64);
  });

  it('of an unreachable Temporal is 69, with the way out', async () => {
    const check = () => Promise.reject(new TemporalUnreachable('Temporal at 127.0.0.1:7233 does not answer: refused'));

    const { context, exit } = await hadb('build', { check });

    expect(exit).toBe(69);
    expect(context.process.stderr.text).toContain('Check TEMPORAL_ADDRESS');
  });

  it('without any Temporal is 69 and names both ways to one', async () => {
    const { context, exit } = await hadb('build', {}, { environment: { HOME: directory } });

    expect(exit).toBe(69);
    expect(context.process.stderr.text).toContain('hadb up');
    expect(context.process.stderr.text).toContain('TEMPORAL_ADDRESS');
  });

  it('of a variable with a wrong value is 64, and says which values there are', async () => {
    const embedded = () => {
      readLabSettings({ HADB_LAB_ENGINE: 'xen' });
      throw new Error('not reached');
    };

    const { context, exit } = await hadb('up', {}, { overrides: { embedded } });

    expect(exit).toBe(64);
    expect(context.process.stderr.text).toBe(
      'error: HADB_LAB_ENGINE is "xen"; use one of kvm, uml, tcg, or unset it to let the lab probe.\n',
    );
  });

  it('of a defect is 70, with the stack', async () => {
    const { context, exit } = await hadb('build', { check: () => Promise.reject(new Error('a defect')) });

    expect(exit).toBe(70);
    expect(context.process.stderr.text).toMatch(/a defect\n\s+at /);
  });
});

describe('Ctrl-C', () => {
  it('lets go of the run, says that it goes on and how to come back, and exits with 4', async () => {
    const clock = clockForTests();
    const temporal = temporalForCommands({ look: { status: 'RUNNING' }, progress: progressOf([record({ id: 'a' })]) });
    const context = contextForTests({
      temporal,
      clock,
      workingDirectory: directory,
      environment: { TEMPORAL_ADDRESS: 'x:1' },
    });
    clock.onSleep = () => context.interruption.abort();

    await runCommandLine(['build', '--wait'], context);

    expect(context.process.exitCode).toBe(4);
    expect(context.process.stderr.text).toContain('Stopped watching; build-cluster/pair goes on.');
    expect(context.process.stderr.text).toContain('hadb cancel build-cluster/pair');
    expect(temporal.cancelled).toEqual([]);
  });
});

describe('hadb up', () => {
  it('tells what it does even when piped, and where Temporal is', async () => {
    const { context, exit } = await hadb(
      'up',
      {},
      {
        embedded: {
          up: async (report) => {
            report('HADB_I5001', 'starting the Temporal development server');
            return {
              address: '127.0.0.1:7233',
              namespace: 'default',
              configured: true,
              uiUrl: 'http://127.0.0.1:8233',
            };
          },
        },
      },
    );

    expect(exit).toBe(0);
    expect(context.process.stderr.text).toBe('starting the Temporal development server\n');
    expect(context.process.stdout.text).toContain('UI http://127.0.0.1:8233');
  });

  it('ends at Ctrl-C although an image is being made', async () => {
    const context = contextForTests({ embedded: { up: () => new Promise(() => undefined) } });
    const ended = runCommandLine(['up'], context);

    context.interruption.abort();
    await ended;

    expect(context.process.exitCode).toBe(4);
    expect(context.process.stderr.text).toContain('the same command goes on from there');
  });
});

describe('hadb drill, switchover and destroy', () => {
  it('give each drill an id with kind and time, and know the short words', async () => {
    const { temporal } = await hadb('drill power-off --wait');

    expect(temporal.started).toMatchObject([
      {
        workflowType: 'failoverDrill',
        workflowId: 'drill/pair/node-power-off/20261122T120000Z',
        input: { kind: 'node-power-off' },
      },
    ]);
  });

  it('move the primary under a fixed id', async () => {
    const { temporal } = await hadb('switchover');

    expect(temporal.started).toMatchObject([{ workflowType: 'switchover', workflowId: 'switchover/pair' }]);
  });

  it('recover under a fixed id, and pass a refusal on', async () => {
    const { temporal } = await hadb('recover');
    const ending = { status: 'FAILED', failure: { code: 'GateNotMet', message: 'both machines are down' } };
    const refused = await hadb('recover --wait', { ending });

    expect(temporal.started).toMatchObject([{ workflowType: 'recoverCluster', workflowId: 'recover/pair' }]);
    expect(refused.exit).toBe(3);
  });

  it.each([
    ['the typed name', 'destroy', { answer: 'pair' }, 0, 1],
    ['the name as an option', 'destroy --confirm pair', {}, 0, 1],
    ['another name', 'destroy --confirm other', {}, 64, 0],
    ['nobody to ask', 'destroy', {}, 64, 0],
  ])('delete only with the name: %s', async (_name, words, options, exit, started) => {
    const result = await hadb(words, {}, options);

    expect(result.exit).toBe(exit);
    expect(result.temporal.started).toHaveLength(started);
  });
});

describe('hadb plan', () => {
  const planned = (drift?: string[]): RunEnding => ({
    status: 'COMPLETED',
    progress: progressOf(
      [done('disk', { node: 'hadb01', outcome: { result: 'unchanged', observed: 'x', ...(drift && { drift }) } })],
      { state: 'completed', runbook: 'planCluster' },
    ),
  });
  it.each([
    ['changes', planned(['blank']), 'plan --detailed-exitcode', 2],
    ['nothing to do', planned(), 'plan --detailed-exitcode', 0],
    ['an error', { status: 'FAILED', failure: { message: 'x' } }, 'plan --detailed-exitcode', 1],
    ['a plan that timed out', { status: 'TIMED_OUT' }, 'plan --detailed-exitcode', 1],
    ['changes, without being asked', planned(['blank']), 'plan', 0],
  ] as const)('exits as Terraform does: %s', async (_name, ending, words, exit) => {
    expect((await hadb(words, { ending })).exit).toBe(exit);
  });

  it('prints what a build would do on standard output', async () => {
    const { context } = await hadb('plan', { ending: planned(['blank']) });

    expect(context.process.stdout.lines().slice(0, 2)).toEqual(['~ disk/hadb01: Do disk', '    blank']);
  });
});

describe('hadb watch, decide and cancel', () => {
  it('take the name of a cluster for its build', async () => {
    const watched = await hadb('watch pair --json');
    const cancelled = await hadb('cancel pair');

    expect(watched.json()[1]).toMatchObject({ type: 'run', workflowId: 'build-cluster/pair', attached: true });
    expect(cancelled.temporal.cancelled).toEqual(['build-cluster/pair']);
  });

  it('answer a step with who and why', async () => {
    const { temporal, exit } = await hadb('decide build-cluster/pair first/hadb01 skip --reason because');

    expect(exit).toBe(0);
    expect(temporal.decisions).toEqual([
      { workflowId: 'build-cluster/pair', step: 'first/hadb01', decision: 'skip', by: 'ada', reason: 'because' },
    ]);
  });

  it('need a reason to skip or abort, none to retry', async () => {
    const skip = await hadb('decide pair first skip');
    const retry = await hadb('decide pair first retry');

    expect(skip.exit).toBe(64);
    expect(skip.temporal.decisions).toEqual([]);
    expect(retry.temporal.decisions).toMatchObject([{ decision: 'retry', reason: 'retried by hand' }]);
  });

  it('tell why the run refuses a decision', async () => {
    const { context, exit } = await hadb('decide pair first retry', { refuse: 'step first does not wait' });

    expect(exit).toBe(1);
    expect(context.process.stderr.text).toContain('step first does not wait');
  });

  it('terminate only when asked to', async () => {
    const { temporal } = await hadb('cancel build-cluster/pair --terminate');

    expect(temporal.terminated).toEqual(['build-cluster/pair']);
    expect(temporal.cancelled).toEqual([]);
  });
});

describe('hadb status', () => {
  const runs = [
    {
      workflowId: 'build-cluster/pair',
      runId: 'r1',
      type: 'buildCluster',
      status: 'RUNNING',
      startedAt: new Date('2026-11-22T11:00:00Z'),
    },
  ];

  it('tells pieces, Temporal and clusters in one JSON document', async () => {
    const { context, exit } = await hadb(
      'status --json',
      {
        runs,
        look: { status: 'RUNNING', workflowTaskAttempt: 9 },
        lockMemo: { holder: 'build-cluster/pair', runbook: 'buildCluster' },
        input: {
          specification: { name: 'pair', network: { clients: ['10.0.0.0/8'], administrators: ['10.0.0.0/8'] } },
        },
      },
      { embedded: { status: async () => [{ name: 'worker', state: 'running', pid: 7, logFile: '/l' }] } },
    );

    expect(exit).toBe(0);
    expect(JSON.parse(context.process.stdout.text)).toEqual({
      schema: '1.0',
      pieces: [{ name: 'worker', state: 'running', pid: 7, logFile: '/l' }],
      temporal: { address: '127.0.0.1:7233', namespace: 'default', reachable: true },
      clusters: [
        {
          name: 'pair',
          state: 'building',
          lastRun: {
            workflowId: 'build-cluster/pair',
            runId: 'r1',
            type: 'buildCluster',
            status: 'RUNNING',
            startedAt: '2026-11-22T11:00:00.000Z',
          },
          heldBy: { workflowId: 'build-cluster/pair', runbook: 'buildCluster' },
          failing: {
            workflowId: 'build-cluster/pair',
            runId: 'r1',
            wayOut: expect.stringContaining('TMPRL1100 nondeterminism'),
          },
          endpoint: {
            host: 'hadb.westeurope.cloudapp.azure.com',
            port: 3306,
            user: 'hadb',
            schema: 'azureha',
            passwordFile: '/home/ada/.local/state/hadb/secrets/pair/database-client-password',
            caFile: '/home/ada/.local/state/hadb/secrets/pair/database-ca-certificate',
          },
          nodes: [
            ['hadb01', 50001],
            ['hadb02', 50002],
          ].map(([name, port]) => ({
            name,
            host: 'hadb.westeurope.cloudapp.azure.com',
            port,
            user: 'azureuser',
            keyFile: '/home/ada/.local/state/hadb/secrets/pair/admin-ssh-key',
          })),
        },
      ],
    });
  });

  it('tells what of the lab cannot be read, and all that it knows else', async () => {
    const { context, exit } = await hadb(
      'status --json',
      { runs },
      {
        embedded: {
          problem: () => 'lab.json is not JSON',
          workerEnvironment: () => {
            throw new Error('the state of the lab is damaged');
          },
        },
      },
    );

    expect(exit).toBe(1);
    expect(JSON.parse(context.process.stdout.text)).toMatchObject({
      problem: { code: 'HADB_E4012', message: 'lab.json is not JSON' },
      temporal: { reachable: true },
      clusters: [{ name: 'pair' }],
    });
  });

  it('names the UI of a Temporal that was chosen', async () => {
    const { context } = await hadb(
      'status --json',
      {},
      { environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233', HADB_TEMPORAL_UI: 'http://127.0.0.1:8080' } },
    );

    expect(JSON.parse(context.process.stdout.text)).toMatchObject({ temporal: { uiUrl: 'http://127.0.0.1:8080' } });
  });

  it('names the step that waits for a decision, with the command', async () => {
    const progress = progressOf([record({ id: 'first', node: 'hadb01', state: 'waiting' })], { state: 'waiting' });

    const { context } = await hadb('status', { runs, look: { status: 'RUNNING' }, progress });

    expect(context.process.stdout.text).toContain('hadb decide build-cluster/pair first/hadb01 retry|skip|abort');
  });

  it('says that Temporal does not answer and exits with 69', async () => {
    const check = () => Promise.reject(new TemporalUnreachable('refused'));

    const { context, exit } = await hadb('status', { check });

    expect(exit).toBe(69);
    expect(context.process.stdout.text).toContain('does not answer: refused');
  });
});

describe('hadb doctor', () => {
  const lacking = [
    { name: 'programs', state: 'missing', detail: 'socat is missing', fix: 'apt-get install socat' },
  ] as const;

  it('exits with 1 when something is missing, and gives the command that installs it', async () => {
    const overrides = { examine: async () => [...lacking] };

    const told = await hadb('doctor', {}, { overrides });
    const json = await hadb('doctor --json', {}, { overrides });

    expect([told.exit, json.exit]).toEqual([1, 1]);
    expect(told.context.process.stdout.text).toContain('    apt-get install socat\n');
    expect(JSON.parse(json.context.process.stdout.text)).toEqual({ schema: '1.0', fit: false, findings: lacking });
  });

  it('installs before it looks only when asked to, and tells why that does not go', async () => {
    let prepared = 0;
    const prepareHost = async () => {
      prepared += 1;
      throw new ClientError('HADB_E4009', 'failed', 'install by hand: socat');
    };

    const looked = await hadb('doctor', {}, { overrides: { prepareHost } });
    const installed = await hadb('doctor --install', {}, { overrides: { prepareHost } });

    expect([looked.exit, installed.exit, prepared]).toEqual([0, 1, 1]);
    expect(installed.context.process.stderr.text).toBe('HADB_E4009 install by hand: socat\n');
  });
});

describe('the help', () => {
  it('has a page for every command, each with a sentence', () => {
    const pages = generateHelpTextForAllCommands(application as never);

    expect(pages.map(([command]) => command)).toEqual(
      [
        'start',
        'up',
        'down',
        'status',
        'build',
        'plan',
        'drill',
        'drills stop',
        'drills allow',
        'drills freeze',
        'drills run',
        'schedule create',
        'schedule watch',
        'schedule list',
        'schedule pause',
        'schedule unpause',
        'schedule trigger',
        'schedule delete',
        'report',
        'trend',
        'switchover',
        'recover',
        'destroy',
        'watch',
        'decide',
        'cancel',
        'doctor',
        'lab',
      ].map((name) => `hadb ${name}`),
    );
  });
});
