import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { getTemporalCli } from '../../processes/temporal-cli';
import { startTemporalServer, stopTemporalServer } from '../../processes/temporal-server';
import { readTemporalCliSettings, readWorkerSettings } from '../../settings';
import { startWorker } from '../../worker/worker';
import { eventually } from '../eventually';
import { freePort } from '../free-port';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-worker-'));
});
afterAll(async () => {
  await stopTemporalServer(join(directory, 'temporal'));
  rmSync(directory, { recursive: true, force: true });
});

const settingsOf = (environment: Record<string, string>) =>
  readWorkerSettings({
    HADB_STATE_DIR: join(directory, 'state'),
    HADB_CACHE_DIR: join(directory, 'cache'),
    ...environment,
  });

/** Jest gives modules an environment of their own, but not the native runtime: one worker for each file. */
describe('a worker', () => {
  it('names the setting that is missing', async () => {
    await expect(startWorker(settingsOf({}))).rejects.toThrow('AZURE_SUBSCRIPTION_ID is not set');
    await expect(
      startWorker(settingsOf({ AZURE_SUBSCRIPTION_ID: 's', HADB_CA_FILE: '/no/such/file' })),
    ).rejects.toThrow('/no/such/file, which cannot be read (ENOENT)');
  });

  it('waits for a server that starts later, works in the namespace it is told, and ends in good order', async () => {
    const port = await freePort();
    const lines: string[] = [];
    const output = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
    const starting = startWorker(
      settingsOf({
        AZURE_SUBSCRIPTION_ID: '00000000-0000-0000-0000-000000000000',
        AZURE_TENANT_ID: 'tenant',
        AZURE_CLIENT_ID: 'client',
        AZURE_CLIENT_SECRET: 'the-client-secret-of-the-worker',
        TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
        TEMPORAL_NAMESPACE: 'drills',
      }),
    );
    await eventually('it waits for the server', () => lines.some((line) => line.includes('HADB_W6002')));
    const cli = await getTemporalCli(readTemporalCliSettings());
    await startTemporalServer({ cli, directory: join(directory, 'temporal'), port, database: 'memory' });
    const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
    await connection.workflowService.registerNamespace({
      namespace: 'drills',
      workflowExecutionRetentionPeriod: { seconds: (24 * 3600) as never },
    });

    const worker = await starting;
    const running = worker.run();
    const client = new Client({ connection, namespace: 'drills' });
    const handle = await client.workflow.start('clusterLock', { taskQueue: 'hadb', workflowId: 'lock', args: [] });
    await eventually('a task of the workflow was worked on', async () => {
      const { events } = await handle.fetchHistory();
      return (
        events?.some(
          (event) =>
            event.workflowTaskCompletedEventAttributes !== null &&
            event.workflowTaskCompletedEventAttributes !== undefined,
        ) === true
      );
    });
    await handle.cancel();
    await handle.result().catch(() => undefined);
    const { status } = await handle.describe();
    worker.shutdown();
    await running;
    await connection.close();
    output.mockRestore();

    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records).toContainEqual(
      expect.objectContaining({ code: 'HADB_I6001', namespace: 'drills', taskQueue: 'hadb' }),
    );
    expect(records).toContainEqual(expect.objectContaining({ code: 'HADB_W6002', level: 'WARN' }));
    expect(status.name).toBe('CANCELLED');
    expect(readdirSync(join(directory, 'cache', 'workflows'))).toHaveLength(1);
  });
});
