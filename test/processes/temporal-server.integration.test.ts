import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { signalGroup } from '../../processes/owned-process';
import { findTemporalCli, getTemporalCli, type TemporalCli } from '../../processes/temporal-cli';
import {
  findTemporalServer,
  serverArguments,
  startTemporalServer,
  stopTemporalServer,
} from '../../processes/temporal-server';
import { readTemporalCliSettings } from '../../settings';
import { eventually } from '../eventually';

let cli: TemporalCli;
let directory: string;
beforeAll(async () => {
  cli = await getTemporalCli(readTemporalCliSettings());
}, 600_000);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-server-'));
});
afterEach(async () => {
  await stopTemporalServer(directory);
  rmSync(directory, { recursive: true, force: true });
});

describe('the embedded Temporal server', () => {
  it('serves its API and its UI, and is found again by its directory', async () => {
    const started = await startTemporalServer({ cli, directory, port: 0, uiPort: 0 });
    const again = await startTemporalServer({ cli, directory, port: 0, uiPort: 0 });

    expect(again).toEqual(started);
    expect(findTemporalServer(directory)).toEqual(started);
    expect(started.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect((await fetch(started.uiUrl ?? '')).status).toBe(200);
  });

  it('is found by its process alone, whatever its record has become', async () => {
    const started = await startTemporalServer({ cli, directory, port: 0, uiPort: 0 });
    const recordFile = join(directory, 'process.json');
    writeFileSync(recordFile, readFileSync(recordFile, 'utf8').slice(0, 20));

    const again = await startTemporalServer({ cli, directory, port: 0, uiPort: 0 });

    expect(again).toEqual(started);
  });

  it('keeps its runs when it is killed and started again', async () => {
    const before = await startTemporalServer({ cli, directory, port: 0 });
    await withClient(before.address, (client) =>
      client.workflow.start('something', { taskQueue: 'nobody', workflowId: 'kept', args: [] }),
    );
    signalGroup(before.process, 'SIGKILL');
    await eventually('it is dead', () => findTemporalServer(directory) === undefined);

    const after = await startTemporalServer({ cli, directory, port: 0 });
    const status = await withClient(after.address, async (client) => {
      const { status } = await client.workflow.getHandle('kept').describe();
      return status.name;
    });

    expect(after.process.pid).not.toBe(before.process.pid);
    expect(status).toBe('RUNNING');
  });

  it('ends when told, and the database stays', async () => {
    await startTemporalServer({ cli, directory, port: 0 });

    await stopTemporalServer(directory);
    await stopTemporalServer(directory);

    expect(findTemporalServer(directory)).toBeUndefined();
    expect(existsSync(join(directory, 'temporal.db'))).toBe(true);
  });

  it('refuses a database that another version made, and says what to do', async () => {
    await startTemporalServer({ cli, directory, port: 0 });
    await stopTemporalServer(directory);

    const refused = startTemporalServer({ cli: { ...cli, serverVersion: '9.9.9' }, directory, port: 0 });

    await expect(refused).rejects.toMatchObject({ code: 'VersionMismatch' });
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(
        new RegExp(`made by Temporal server ${cli.serverVersion}[^]*TEMPORAL_CLI_PATH[^]*mv `),
      ),
    });
    expect(readFileSync(join(directory, 'temporal.db.version'), 'utf8')).toBe(cli.serverVersion);
  });

  it('refuses a port that another program has, by its number', async () => {
    const { server, port } = await occupy();

    const refused = startTemporalServer({ cli, directory, port });

    await expect(refused).rejects.toMatchObject({
      code: 'PortInUse',
      message: expect.stringContaining(`Port ${port} of 127.0.0.1`),
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it('that ends at once fails with the end of its log', async () => {
    const path = join(directory, 'broken');
    writeFileSync(path, '#!/bin/sh\nsleep 0.3\necho "no space left on device" >&2\nexit 1\n');
    chmodSync(path, 0o755);

    const failed = startTemporalServer({ cli: { ...cli, path }, directory, port: 0 });

    await expect(failed).rejects.toMatchObject({
      code: 'NotServing',
      message: expect.stringContaining('no space left on device'),
    });
  });

  it('lifts the limits that make every step of a run wait, hands activities out at once, and writes ahead', () => {
    const words = serverArguments({ port: 7233, uiPort: 8233 }, '/state/temporal.db').join(' ');

    for (const queue of ['transfer', 'timer', 'visibility']) {
      expect(words).toContain(`--dynamic-config-value history.${queue}ProcessorMaxPollRPS=1000`);
    }
    expect(words).toContain('--dynamic-config-value system.enableActivityEagerExecution=true');
    expect(words).toContain('--sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=1');
    expect(words).toContain('--ip 127.0.0.1');
  });
});

it('the CLI that the tests use is the one that an installed hadb would find', async () => {
  expect(await findTemporalCli(readTemporalCliSettings())).toMatchObject({ path: cli.path });
});

async function withClient<Result>(address: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const connection = await Connection.connect({ address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  return { server, port };
}
