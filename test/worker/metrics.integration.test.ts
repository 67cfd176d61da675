import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { slug } from '../../cluster/ids';
import { renderJournal } from '../../cluster/report/journal';
import { METRICS } from '../../cluster/report/metrics';
import { getTemporalCli } from '../../processes/temporal-cli';
import { startTemporalServer, stopTemporalServer } from '../../processes/temporal-server';
import { readTemporalCliSettings, readWorkerSettings } from '../../settings';
import { startWorker, type RunningWorker } from '../../worker/worker';
import { specimenDrill } from '../cluster/report/specimen-drill';
import { expressions, metricsIn } from '../docs/monitoring';
import { freePort } from '../free-port';
import { startTestLab, type TestLab } from '../lab/control/lab-fixture';

/** A real worker on a development server, before an ARM endpoint, as Prometheus sees it. */

const CLUSTER = 'orders';
let directory: string;
let lab: TestLab;
let worker: RunningWorker;
let running: Promise<void>;
let connection: Connection;
let address: string;

const settingsOf = (metrics: string) =>
  readWorkerSettings({
    HADB_STATE_DIR: join(directory, 'state'),
    HADB_CACHE_DIR: join(directory, 'cache'),
    AZURE_SUBSCRIPTION_ID: lab.document.subscriptionId,
    AZURE_TENANT_ID: lab.document.tenantId,
    AZURE_CLIENT_ID: lab.document.clientId,
    AZURE_CLIENT_SECRET: lab.document.clientSecret,
    AZURE_AUTHORITY_HOST: lab.document.authorityHost,
    HADB_ARM_ENDPOINT: lab.document.armEndpoint,
    HADB_CA_FILE: lab.document.caFile,
    HADB_METRICS_ADDRESS: metrics,
    TEMPORAL_ADDRESS: address,
  });

/** Drills of earlier lives of the worker: the last one failed, the one before passed. */
function leaveReports(): void {
  const drills = [
    specimenDrill({ drill: 'one', cluster: CLUSTER }),
    specimenDrill({
      drill: 'two',
      cluster: CLUSTER,
      failure: { code: 'NotReady', message: 'nobody took over' },
      endedAt: specimenDrill().endedAt + 86_400_000,
    }),
  ];
  for (const drill of drills) {
    const own = join(directory, 'state', 'drills', slug(drill.drill));
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'journal.json'), JSON.stringify(renderJournal(drill)));
  }
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-metrics-'));
  lab = await startTestLab();
  leaveReports();
  const cli = await getTemporalCli(readTemporalCliSettings());
  const server = await startTemporalServer({
    cli,
    directory: join(directory, 'temporal'),
    port: 0,
    database: 'memory',
  });
  address = server.address;
  // The log of the worker is another test's.
  jest.spyOn(process.stdout, 'write').mockImplementation(() => true);
}, 240_000);
afterAll(async () => {
  worker?.shutdown();
  await running;
  jest.restoreAllMocks();
  await connection?.close();
  await stopTemporalServer(join(directory, 'temporal'));
  await lab?.close();
  rmSync(directory, { recursive: true, force: true });
});

it('a worker whose metrics have no address of their own names the setting', async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');

  await expect(startWorker(settingsOf(String(port)))).rejects.toThrow(
    `HADB_METRICS_ADDRESS is 127.0.0.1:${port}, which cannot be listened on`,
  );
  await expect(startWorker(settingsOf('localhost'))).rejects.toThrow('HADB_METRICS_ADDRESS is "localhost"');
  other.close();
});

it('a worker whose webhook is no address says so, and does not repeat it', async () => {
  for (const webhook of [
    'hooks.example.com/a-key',
    'ftp://hooks.example.com/a-key',
    'https://user:a-key@hooks.example.com/',
  ]) {
    const error: unknown = await startWorker({ ...settingsOf(''), alertWebhook: webhook }).catch(
      (thrown: unknown) => thrown,
    );

    expect(String(error)).toContain('HADB_ALERT_WEBHOOK is no address of a webhook');
    expect(String(error)).not.toContain('a-key');
  }
});

describe('a worker with metrics', () => {
  let scraped: string;
  beforeAll(async () => {
    const port = await freePort();
    worker = await startWorker(settingsOf(String(port)));
    running = worker.run();
    connection = await Connection.connect({ address });
    const client = new Client({ connection });
    const specification = { name: CLUSTER, network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] } };
    const order = { order: 'stop', by: 'ada', reason: 'month end' };
    // No resource group, so no tags to write.
    await client.workflow
      .execute('orderDrills', { taskQueue: 'hadb', workflowId: 'order', args: [{ specification, order }] })
      .catch(() => undefined);
    await client.workflow.execute('planCluster', { taskQueue: 'hadb', workflowId: 'plan', args: [{ specification }] });
    scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  }, 240_000);

  /** Value of the series with these labels, others left aside. */
  const valueOf = (name: string, labels: Record<string, string>): number | undefined => {
    const line = scraped
      .split('\n')
      .find(
        (candidate) =>
          candidate.startsWith(`${name}{`) &&
          Object.entries(labels).every(([label, value]) => candidate.includes(`${label}="${value}"`)),
      );
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };

  it('shows how long steps took, and how they ended', () => {
    const done = { runbook: 'planCluster', step: 'resource-group', state: 'done' };

    expect(valueOf('hadb_step_duration_seconds_count', done)).toBe(1);
    expect(valueOf('hadb_step_duration_seconds_bucket', { ...done, le: '14400' })).toBe(1);
    expect(valueOf('hadb_step_duration_seconds_count', { runbook: 'orderDrills', state: 'failed' })).toBe(1);
  });

  it('counts failed tries by their code', () => {
    expect(valueOf('hadb_step_failed_tries_total', { step: 'drills-stop', code: 'GateNotMet' })).toBe(1);
  });

  it('knows the drills of its earlier lives: figures of the last verdict, the last success, and that the last one did not pass', () => {
    const labels = { cluster: CLUSTER, kind: 'node-power-off' };
    const [passed, failed] = [specimenDrill(), specimenDrill().endedAt + 86_400_000];

    expect(valueOf('hadb_drill_rto_seconds', labels)).toBe(renderJournal(passed).hadb.writes?.outageSeconds);
    expect(valueOf('hadb_drill_lost_writes', labels)).toBe(0);
    expect(valueOf('hadb_drill_last_success_timestamp_seconds', labels)).toBe(passed.endedAt / 1000);
    expect(valueOf('hadb_drill_last_end_timestamp_seconds', labels)).toBe(failed / 1000);
    expect(valueOf('hadb_drill_last_passed', labels)).toBe(0);
  });

  it('says what each metric means', () => {
    const helped = [...scraped.matchAll(/^# HELP (hadb_\w+) (.*)$/gm)].map(([, name = '', text = '']) => ({
      name,
      text,
    }));

    expect(helped.length).toBeGreaterThan(5);
    expect(
      helped.filter(({ name, text }) => (METRICS as Record<string, { meaning: string }>)[name]?.meaning !== text),
    ).toEqual([]);
  });

  it('exposes what dashboard and alert rules name of Temporal’s own metrics', () => {
    const named = expressions().flatMap(({ expr }) => metricsIn(expr).filter((name) => name.startsWith('temporal_')));

    expect(named).not.toEqual([]);
    expect(named.filter((name) => !scraped.includes(`${name}{`))).toEqual([]);
  });
});
