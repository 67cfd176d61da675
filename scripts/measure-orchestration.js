// Time that a step costs beyond its work: 200 steps with no-op activities, one after the other, through the real step engine on an embedded server with a
// database file, in turn with as many activities without a runbook around them (what Temporal itself takes). The first run, in which worker and server are
// cold, is told and does not count: a worker stays up for weeks.
// Usage: npm run build && node scripts/measure-orchestration.js [steps] [runs]
'use strict';
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { Client, Connection } = require('@temporalio/client');
const { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode } = require('@temporalio/worker');
const { createLockActivities } = require('../dist/activities/coordination/lock');
const { getTemporalCli } = require('../dist/processes/temporal-cli');
const { startTemporalServer, stopTemporalServer } = require('../dist/processes/temporal-server');
const { readTemporalCliSettings } = require('../dist/settings');

const steps = Number(process.argv[2] ?? 200);
const runs = Number(process.argv[3] ?? 5);

async function main() {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const directory = mkdtempSync(path.join(tmpdir(), 'hadb-orchestration-'));
  try {
    const server = await startTemporalServer({
      cli: await getTemporalCli(readTemporalCliSettings()),
      directory,
      port: 0,
    });
    const [connection, native, workflowBundle] = await Promise.all([
      Connection.connect({ address: server.address }),
      NativeConnection.connect({ address: server.address }),
      bundleWorkflowCode({
        workflowsPath: require.resolve('../test/workflows/runbooks-under-test.ts'),
        workflowInterceptorModules: [require.resolve('../workflows/interceptors/index.ts')],
      }),
    ]);
    const worker = await Worker.create({
      connection: native,
      taskQueue: 'measure',
      workflowBundle,
      activities: { ...createLockActivities(), change: async () => ({ result: 'unchanged', observed: 'as wanted' }) },
    });
    await worker.runUntil(measure(new Client({ connection })));
    await connection.close();
    await native.close();
  } finally {
    await stopTemporalServer(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(client) {
  const specification = { network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] } };
  const all = { manySteps: [], manyActivities: [] };
  for (let run = 0; run <= runs; run += 1) {
    for (const [workflow, input] of Object.entries({
      manySteps: { specification, steps },
      manyActivities: { steps },
    })) {
      const handle = await client.workflow.start(workflow, {
        taskQueue: 'measure',
        workflowId: `measure-${workflow}-${run}`,
        args: [input],
      });
      await handle.result();
      const perStep = stepTimes(await handle.fetchHistory());
      if (run > 0) all[workflow].push(...perStep);
      console.log(`${run === 0 ? 'cold' : `run ${run}`}, ${workflow}: ${describe(perStep)}`);
    }
  }
  for (const [workflow, times] of Object.entries(all)) {
    console.log(`${runs} runs, ${workflow}: ${describe(times.sort(ascending))}`);
  }
}

function describe(sorted) {
  return `${sorted.length} steps, median ${quantile(sorted, 0.5)} ms, 90 % ${quantile(sorted, 0.9)} ms, longest ${quantile(sorted, 1)} ms`;
}

/** From one activity's schedule to the next one's, by the server's clock. */
function stepTimes(history) {
  const scheduled = history.events
    .filter((event) => event.activityTaskScheduledEventAttributes)
    .map(({ eventTime }) => Number(eventTime.seconds) * 1000 + eventTime.nanos / 1e6);
  return scheduled
    .slice(1)
    .map((time, index) => time - scheduled[index])
    .sort(ascending);
}

function ascending(one, other) {
  return one - other;
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
