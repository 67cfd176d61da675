import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { heartbeat } from '@temporalio/activity';
import { runCommandLine } from '../../client/application';
import { systemClock } from '../../client/clock';
import { connect } from '../../client/temporal';
import type { StepWait } from '../../cluster/step';
import { failWith, ScriptedActivities, succeed } from '../workflows/fake-activities';
import { startTemporalForTests } from '../workflows/temporal-for-tests';
import type { TemporalForTests } from '../workflows/temporal-for-tests';
import { contextForTests } from './client-for-tests';
import type { ContextForTests } from './client-for-tests';

/** The command line against a real Temporal server, with the real engine of the runbooks and activities made up. */

let temporal: TemporalForTests;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-client-'));
  temporal = await startTemporalForTests({
    workflowsPath: require.resolve('./runbooks-for-client'),
    workflowInterceptorModules: [require.resolve('../../workflows/interceptors')],
  });
}, 240_000);
afterAll(async () => {
  await temporal?.stop();
  rmSync(directory, { recursive: true, force: true });
});

let clusters = 0;
/** A cluster of its own for each test: lock and workflow ids are names on the shared server. */
function newCluster(): { name: string; file: string } {
  clusters += 1;
  const name = `pair${clusters}`;
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, JSON.stringify({ name, network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] } }));
  return { name, file };
}

function contextFor(taskQueue: string): ContextForTests {
  const { address } = temporal.server;
  return contextForTests({
    environment: { TEMPORAL_ADDRESS: address, HADB_TASK_QUEUE: taskQueue },
    clock: systemClock,
    overrides: { connect: (target) => connect(target) },
  });
}

async function hadb(taskQueue: string, ...words: string[]): Promise<ContextForTests> {
  const context = contextFor(taskQueue);
  await runCommandLine(words, context);
  return context;
}

/** A command that is still running, to be looked at meanwhile. */
function begin(taskQueue: string, ...words: string[]): { context: ContextForTests; end: Promise<ContextForTests> } {
  const context = contextFor(taskQueue);
  return { context, end: runCommandLine(words, context).then(() => context) };
}

const told = (context: ContextForTests, code: string) =>
  until(async () => context.json().find((line) => line['code'] === code));

async function until<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await systemClock.sleep(50);
  }
}

describe('the command line', () => {
  it('builds, and tells each step in JSON lines up to the result', async () => {
    const { name, file } = newCluster();

    const context = await temporal.withWorker(new ScriptedActivities(), ({ taskQueue }) =>
      hadb(taskQueue, 'build', file, '--wait', '--json'),
    );

    const lines = context.json();
    expect(lines[1]).toMatchObject({ type: 'run', code: 'HADB_I1001', workflowId: `build-cluster/${name}` });
    const done = lines.filter(({ type, state }) => type === 'step' && state === 'done').map(({ step }) => step);
    expect(new Set(done)).toEqual(new Set(['first/hadb01', 'first/hadb02', 'second']));
    expect(lines.at(-1)).toMatchObject({ type: 'result', exitCode: 0, steps: { changed: 3 } });
    expect(context.process.exitCode).toBe(0);
  });

  it('sets the summary and who started it, which only a starter can', async () => {
    const { name, file } = newCluster();

    await temporal.withWorker(new ScriptedActivities(), ({ taskQueue }) => hadb(taskQueue, 'build', file, '--wait'));

    const description = await temporal.client.workflow.getHandle(`build-cluster/${name}`).describe();
    expect(await description.staticSummary()).toBe(`Build the cluster ${name}`);
    expect(description.memo).toEqual({ startedBy: 'ada' });
  });

  it('shows what a running step waits for, read from its heartbeat', async () => {
    const { file } = newCluster();
    const wait: StepWait = { step: 'second', waitingFor: 'the initial sync of r0', percent: 12.5, remainingSeconds: 3 };
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const fakes = new ScriptedActivities({
      second: [
        async () => {
          heartbeat(wait);
          await ended;
          return succeed();
        },
      ],
    });

    const context = await temporal.withWorker(fakes, async ({ taskQueue }) => {
      const watching = begin(taskQueue, 'build', file, '--wait', '--json');
      await told(watching.context, 'HADB_I2002');
      end();
      return watching.end;
    });

    expect(context.json().filter(({ type }) => type === 'wait')).toMatchObject([{ ...wait, code: 'HADB_I2002' }]);
  });

  it('answers a step that waits, after which the watched build goes on and completes', async () => {
    const { name, file } = newCluster();
    const fakes = new ScriptedActivities({ second: [failWith('GuardRefused', 'the disk is not blank')] });

    const [watched, decided] = await temporal.withWorker(fakes, async ({ taskQueue }) => {
      const watching = begin(taskQueue, 'build', file, '--wait', '--json', '--on-failure', 'wait');
      await told(watching.context, 'HADB_W2004');
      await until(async () => {
        const { stdout } = (await hadb(taskQueue, 'status', '--json')).process;
        const status = JSON.parse(stdout.text) as { clusters: { name: string; waiting?: object }[] };
        return status.clusters.find((cluster) => cluster.name === name)?.waiting;
      });
      const refused = await hadb(taskQueue, 'decide', name, 'first', 'retry');
      expect(refused.process.exitCode).toBe(1);
      expect(refused.process.stderr.text).toContain('step first does not wait for a decision; waiting: second');
      const deciding = await hadb(taskQueue, 'decide', name, 'second', 'skip', '--reason', 'known');
      return [await watching.end, deciding];
    });

    expect(decided.process.exitCode).toBe(0);
    const waiting = watched.json().find(({ code }) => code === 'HADB_W2004');
    expect(waiting).toMatchObject({ step: 'second', choices: ['retry', 'skip', 'abort'] });
    expect(watched.json().at(-1)).toMatchObject({ exitCode: 0, steps: { skipped: 1 } });
  });

  it('fails with the evidence and exit code 1 when nobody is asked', async () => {
    const { file } = newCluster();
    const fakes = new ScriptedActivities({
      second: [failWith('GuardRefused', 'the disk is not blank', { observed: 'ext4', whatNow: 'look at it' })],
    });

    const context = await temporal.withWorker(fakes, ({ taskQueue }) =>
      hadb(taskQueue, 'build', file, '--wait', '--json'),
    );

    expect(context.process.exitCode).toBe(1);
    expect(context.json().at(-1)).toMatchObject({
      outcome: 'failed',
      failure: { code: 'GuardRefused', message: 'Do the second thing: the disk is not blank', observed: 'ext4' },
    });
  });

  it('gives the verdict of a drill, and exit code 1 when it did not pass', async () => {
    const { file } = newCluster();

    const [good, bad] = await temporal.withWorker(new ScriptedActivities(), async ({ taskQueue }) => [
      await hadb(taskQueue, 'drill', 'power-off', file, '--wait', '--json'),
      await hadb(taskQueue, 'drill', 'standby', file, '--wait', '--json'),
    ]);

    expect(good.json().at(-1)).toMatchObject({ exitCode: 0, verdict: { passed: true, summary: 'nothing is lost' } });
    expect(bad.json().at(-1)).toMatchObject({ exitCode: 1, verdict: { passed: false, summary: '3 rows are lost' } });
  });

  it('refuses a second operation with its holder and exit code 3', async () => {
    const { name, file } = newCluster();
    const fakes = new ScriptedActivities({ second: [failWith('GuardRefused')] });

    const drill = await temporal.withWorker(fakes, async ({ taskQueue }) => {
      await hadb(taskQueue, 'build', file, '--on-failure', 'wait');
      await until(async () => {
        const progress = await temporal.client.workflow
          .getHandle(`build-cluster/${name}`)
          .query<{ state: string }>('progress')
          .catch(() => undefined);
        return progress?.state === 'waiting' ? true : undefined;
      });
      const refused = await hadb(taskQueue, 'drill', 'power-off', file, '--wait', '--json');
      await hadb(taskQueue, 'decide', name, 'second', 'abort', '--reason', 'enough');
      return refused;
    });

    expect(drill.process.exitCode).toBe(3);
    expect(drill.json().at(-1)).toMatchObject({
      failure: { code: 'ClusterLocked', message: expect.stringContaining(`build-cluster/${name}`) },
    });
  });

  it('refuses to build beside an open build, without a worker too', async () => {
    const { name, file } = newCluster();
    const first = await hadb('nobody-works-here', 'build', file);

    const second = await hadb('nobody-works-here', 'build', file);
    await hadb('nobody-works-here', 'cancel', name, '--terminate');

    expect(first.process.exitCode).toBe(0);
    expect(second.process.exitCode).toBe(3);
    expect(second.process.stderr.text).toContain(`hadb watch build-cluster/${name}`);
  });

  it('says that no worker answers, waits for one, and goes on when it comes', async () => {
    const { file } = newCluster();
    const taskQueue = `late-${clusters}`;
    const watching = begin(taskQueue, 'build', file, '--wait', '--json');
    await told(watching.context, 'HADB_W3001');

    const worker = await temporal.startWorker(new ScriptedActivities(), taskQueue);
    const context = await watching.end;
    await worker.stop();

    expect(context.json().at(-1)).toMatchObject({ exitCode: 0, steps: { changed: 3 } });
  });

  it('names the way out of a run whose workflow task keeps failing, and ends it that way', async () => {
    const { name, file } = newCluster();

    const [watched, status] = await temporal.withWorker(new ScriptedActivities(), async ({ taskQueue }) => {
      const watching = begin(taskQueue, 'switchover', file, '--wait', '--json');
      await told(watching.context, 'HADB_E3005');
      const text = await until(async () => {
        const { stdout } = (await hadb(taskQueue, 'status', '--json')).process;
        return stdout.text.includes('keeps failing') ? stdout.text : undefined;
      });
      await hadb(taskQueue, 'cancel', `switchover/${name}`, '--terminate');
      return [await watching.end, text];
    });

    expect(status).toContain('this code does not fit its history');
    expect(watched.process.exitCode).toBe(4);
    expect(watched.json().find(({ code }) => code === 'HADB_E3005')).toMatchObject({
      message: expect.stringContaining('this code does not fit its history'),
    });
  });

  it('says plainly that a run does not exist', async () => {
    const context = await hadb('any', 'watch', 'build-cluster/never-built', '--json');

    expect(context.process.exitCode).toBe(1);
    expect(context.json()[1]).toMatchObject({ code: 'HADB_E4004' });
  });
});
