import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { findFreePort, isPortFree, PORT_RANGE } from './free-port';
import {
  findOwnedProcess,
  isRunning,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
  type OwnedProcess,
} from './owned-process';
import { TemporalServerError, type TemporalCli } from './temporal-cli';

/** The embedded development server: a process of its own that is found again by its directory. */
export interface TemporalServer {
  /** `host:port` of the gRPC frontend. */
  address: string;
  /** Undefined when it was started without its UI. */
  uiUrl?: string;
  process: OwnedProcess;
}

export interface TemporalServerOptions {
  cli: TemporalCli;
  /** Holds the database, the record of the process and the log. */
  directory: string;
  /** 0 takes any free port. */
  port: number;
  /** 0 takes any free port; undefined starts without the UI. */
  uiPort?: number;
  /** `memory` forgets everything at its end: for tests. */
  database?: 'file' | 'memory';
  /** How long the start may take. Under 4 s on an idle host. */
  startWithinMs?: number;
}

const HOST = '127.0.0.1';
/**
 * The server's default allows each of its queues 20 reads a second, and the development server has one shard: after the first steps
 * of a run every step would wait twice 43 ms for the limiter.
 */
const POLL_LIMITS = ['transfer', 'timer', 'visibility'].map((queue) => `history.${queue}ProcessorMaxPollRPS=1000`);
/** The worker that has scheduled an activity gets it with the same answer, not by another poll: 4 of 23 ms of a step. */
const EAGER_ACTIVITIES = 'system.enableActivityEagerExecution=true';
/** Three times the throughput of the default; a power cut may lose the last moments, a killed process nothing. */
const PRAGMAS = ['journal_mode=WAL', 'synchronous=1'];

/** Finds the server of this directory, or starts one and waits until it serves. Errors: PortInUse, VersionMismatch, NotServing. */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { directory } = options;
  const found = findTemporalServer(directory);
  if (found !== undefined) {
    await awaitServing(found, options.startWithinMs ?? 60_000);
    return found;
  }
  mkdirSync(directory, { recursive: true });
  const memory = options.database === 'memory';
  if (!memory) pinVersion(options.cli, directory);
  const port = await choosePort(options.port, 'the Temporal server');
  const uiPort = options.uiPort === undefined ? undefined : await choosePort(options.uiPort, 'the Temporal UI');
  const files = filesOf(directory);
  const endpoints: Endpoints = { port, ...(uiPort !== undefined && { uiPort }) };
  const process = startOwnedProcess({
    recordFile: files.record,
    logFile: files.log,
    command: options.cli.path,
    args: serverArguments(endpoints, memory ? undefined : files.database),
  });
  const server = describe(endpoints, process);
  await awaitServing(server, options.startWithinMs ?? 60_000);
  return server;
}

/** The server of this directory while its process lives. */
export function findTemporalServer(directory: string): TemporalServer | undefined {
  const files = filesOf(directory);
  const process = findOwnedProcess(files.record);
  return process === undefined ? undefined : describe(readEndpoints(process), process);
}

/** Ends it; the database stays. */
export async function stopTemporalServer(directory: string): Promise<void> {
  await stopOwnedProcess(filesOf(directory).record, { graceMs: 5000 });
}

export function serverArguments({ port, uiPort }: Endpoints, databaseFile: string | undefined): string[] {
  return [
    'server',
    'start-dev',
    '--ip',
    HOST,
    '--port',
    String(port),
    '--log-level',
    'warn',
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)]),
    ...[...POLL_LIMITS, EAGER_ACTIVITIES].flatMap((setting) => ['--dynamic-config-value', setting]),
    ...(databaseFile === undefined
      ? []
      : ['--db-filename', databaseFile, ...PRAGMAS.flatMap((pragma) => ['--sqlite-pragma', pragma])]),
  ];
}

interface Endpoints {
  port: number;
  uiPort?: number;
}

/** Its own command line says them: a file beside it could say something else. */
function readEndpoints({ command }: OwnedProcess): Endpoints {
  const portAfter = (option: string) => new RegExp(` ${option} (\\d+)`).exec(command)?.[1];
  const uiPort = portAfter('--ui-port');
  return { port: Number(portAfter('--port')), ...(uiPort !== undefined && { uiPort: Number(uiPort) }) };
}

function filesOf(directory: string) {
  return {
    database: join(directory, 'temporal.db'),
    /** Version of the server that made the database. */
    version: join(directory, 'temporal.db.version'),
    record: join(directory, 'process.json'),
    log: join(directory, 'temporal.log'),
  };
}

function describe({ port, uiPort }: Endpoints, process: OwnedProcess): TemporalServer {
  return {
    address: `${HOST}:${port}`,
    ...(uiPort !== undefined && { uiUrl: `http://${HOST}:${uiPort}` }),
    process,
  };
}

/** The development server never migrates its database: another version would fail later, and less plainly. */
function pinVersion(cli: TemporalCli, directory: string): void {
  const files = filesOf(directory);
  if (!existsSync(files.database)) {
    writeFileAtomically(files.version, cli.serverVersion);
    return;
  }
  const made = existsSync(files.version) ? readFileSync(files.version, 'utf8').trim() : 'an unknown version';
  if (made === cli.serverVersion) return;
  throw new TemporalServerError(
    'VersionMismatch',
    `The database ${files.database} was made by Temporal server ${made}, and ${cli.path} (${cli.source}) is ${cli.serverVersion}, which would not migrate it.\n` +
      `Either name a Temporal CLI with server ${made} in TEMPORAL_CLI_PATH, or give up the runs recorded there: mv ${directory} ${directory}.old`,
  );
}

async function choosePort(wanted: number, whose: string): Promise<number> {
  if (wanted !== 0) {
    if (await isPortFree(wanted, HOST)) return wanted;
    throw new TemporalServerError(
      'PortInUse',
      `Port ${wanted} of ${HOST}, meant for ${whose}, is in use by another program. End that program (ss -ltnp names it), or choose another port.`,
    );
  }
  const port = await findFreePort();
  if (port !== undefined) return port;
  throw new TemporalServerError('PortInUse', `No port between ${PORT_RANGE} of ${HOST} is free for ${whose}.`);
}

async function awaitServing(server: TemporalServer, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await serves(server.address)) return;
    if (!isRunning(server.process)) throw notServing(server, 'ended before it served');
    if (performance.now() > deadline)
      throw notServing(server, `does not serve after ${Math.round(timeoutMs / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function serves(address: string): Promise<boolean> {
  const connection = Connection.lazy({ address, connectTimeout: 1000 });
  try {
    await connection.withDeadline(Date.now() + 2000, () =>
      connection.workflowService.describeNamespace({ namespace: 'default' }),
    );
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}

function notServing(server: TemporalServer, what: string): TemporalServerError {
  const { logFile } = server.process;
  const tail = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').slice(-8).join('\n') : '';
  return new TemporalServerError(
    'NotServing',
    `The Temporal development server at ${server.address} ${what}. Its log is ${logFile}, and ends with:\n${tail}`,
  );
}
