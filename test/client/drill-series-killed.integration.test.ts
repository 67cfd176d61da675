import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { planSeries } from '../../cluster/drill-series';
import { eventually } from '../eventually';
import { createFakeCluster } from '../workflows/fake-cluster';
import {
  specificationFor,
  SHIPPED,
  startTemporalForTests,
  type TemporalForTests,
} from '../workflows/temporal-for-tests';

/** The program itself, killed in the middle of a series, on a real Temporal: nothing is made twice. */

const ROOT = join(__dirname, '..', '..');
const PROGRAM = join(ROOT, 'scripts', 'drills.js');
const KINDS = ['switchover', 'standby', 'database-kill', 'secondary-loss'];

let temporal: TemporalForTests;
let directory: string;
beforeAll(async () => {
  if (!existsSync(join(ROOT, 'dist', 'client', 'main.js'))) throw new Error('run npm run build first');
  directory = mkdtempSync(join(tmpdir(), 'hadb-series-'));
  temporal = await startTemporalForTests(SHIPPED);
}, 240_000);
afterAll(async () => {
  await temporal?.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Line {
  type: string;
  workflowId?: string;
  message?: string;
}

/** `killAt`: the line at whose sight the program is killed, with SIGKILL. */
function drills(words: readonly string[], settings: string[], killAt?: (line: Line) => boolean) {
  return new Promise<{ code: number | null; lines: Line[] }>((resolve, reject) => {
    const child = spawn('env', [...settings, process.execPath, PROGRAM, ...words], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines: Line[] = [];
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      lines.push(line);
      // `env` has become the program: it is the child itself.
      if (killAt?.(line) === true) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, lines }));
  });
}

it('a series that is killed while a drill is under way, and between two drills, makes each drill once', async () => {
  const specification = specificationFor();
  const file = join(directory, 'pair.json');
  writeFileSync(file, JSON.stringify(specification));
  const words = `--rounds 1 --seed 7 --kinds ${KINDS.join(',')} --json ${file}`.split(' ');

  const result = await temporal.withWorker(createFakeCluster().activities, async ({ taskQueue }) => {
    const settings = [
      `HADB_STATE_DIR=${directory}/state`,
      `HOME=${directory}`,
      `TEMPORAL_ADDRESS=${temporal.server.address}`,
      `HADB_TASK_QUEUE=${taskQueue}`,
    ];
    const isDrill = ({ type, workflowId = '' }: Line) => type === 'run' && workflowId.startsWith('drill/');
    const inDrill = await drills(words, settings, isDrill);
    const between = await drills(words, settings, ({ message = '' }) => message.startsWith('2 of 4'));
    const last = await drills(words, settings);
    // What is listed lags a little.
    let made: string[] = [];
    await eventually('all are listed', async () => {
      made = [];
      for await (const run of temporal.client.workflow.list({ query: `WorkflowType = 'failoverDrill'` })) {
        made.push(run.workflowId);
      }
      return made.length >= KINDS.length;
    });
    return { inDrill, between, last, made };
  });

  const plan = planSeries({ seed: 7, rounds: 1, kinds: KINDS });
  const { inDrill, between, last, made } = result;
  expect([inDrill.code, between.code, last.code]).toEqual([null, null, 0]);
  expect(last.lines.at(-1)).toMatchObject({ type: 'result', outcome: 'passed', series: { planned: 4, left: [] } });
  const drilled = (last.lines.at(-1) as unknown as { series: { drills: { kind: string; workflowId: string }[] } })
    .series.drills;
  expect(drilled.map(({ kind }) => kind)).toEqual(plan);
  expect(made.sort()).toEqual(drilled.map(({ workflowId }) => workflowId).sort());
  // The one that was under way at the first kill was watched to its end by the second command.
  expect(between.lines.find(({ type }) => type === 'run')).toMatchObject({
    workflowId: drilled[0]?.workflowId,
    attached: true,
  });
}, 240_000);
