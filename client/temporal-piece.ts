import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRecord, writeFileAtomically } from '../processes/owned-process';
import { findTemporalCli, getTemporalCli } from '../processes/temporal-cli';
import { findTemporalServer, startTemporalServer, stopTemporalServer } from '../processes/temporal-server';
import type { TemporalServer } from '../processes/temporal-server';
import type { TemporalCliSettings } from '../settings';
import type { TemporalPiece } from './embedded';
import { ClientError } from './messages';
import type { TemporalTarget } from './temporal';

/** The embedded Temporal development server; its ports are chosen once and kept, so that links and settings stay valid. */

interface KeptPorts {
  port: number;
  uiPort: number;
}

/** Where people expect Temporal and its UI; taken when they are free, else any free ports are. */
const CUSTOMARY: KeptPorts = { port: 7233, uiPort: 8233 };
const ANY: KeptPorts = { port: 0, uiPort: 0 };
const NAMESPACE = 'default';

export function createTemporalPiece(settings: TemporalCliSettings): TemporalPiece {
  const directory = join(settings.stateDirectory, 'temporal');
  const portsFile = join(directory, 'ports.json');
  const readPorts = (): KeptPorts | undefined => {
    const kept = existsSync(portsFile) ? parsePorts(readFileSync(portsFile, 'utf8')) : undefined;
    if (kept !== undefined) return kept;
    const running = findTemporalServer(directory);
    return running === undefined ? undefined : portsOf(running);
  };

  return {
    async ensure(report) {
      try {
        const running = findTemporalServer(directory);
        if (running === undefined) report('HADB_I5001', 'starting the Temporal development server');
        const cli = await getTemporalCli(settings, { onProgress: (sentence) => report('HADB_I5001', sentence) });
        const server = await startOnFirstFree(
          readPorts() === undefined ? [CUSTOMARY, ANY] : [readPorts() ?? ANY, ANY],
          (ports) => startTemporalServer({ cli, directory, ...ports }),
        );
        writeFileAtomically(portsFile, JSON.stringify(portsOf(server)));
        report(
          'HADB_I5002',
          `Temporal runs at ${server.address}${server.uiUrl === undefined ? '' : `, its UI at ${server.uiUrl}`}`,
        );
        return targetOf(server.address, server.uiUrl);
      } catch (error) {
        if (!hasName(error, 'TemporalServerError')) throw error;
        throw new ClientError('HADB_E4010', 'failed', error.message, { cause: error });
      }
    },
    target() {
      const ports = readPorts();
      if (ports === undefined) return undefined;
      return targetOf(`127.0.0.1:${ports.port}`, `http://127.0.0.1:${ports.uiPort}`);
    },
    status() {
      const server = findTemporalServer(directory);
      if (server !== undefined) {
        const { process, address, uiUrl } = server;
        return {
          name: 'temporal',
          state: 'running',
          pid: process.pid,
          logFile: process.logFile,
          address,
          ...(uiUrl === undefined ? {} : { detail: uiUrl }),
        };
      }
      const record = readRecord(join(directory, 'process.json'));
      return {
        name: 'temporal',
        state: record === undefined ? 'stopped' : 'dead',
        ...(record === undefined ? {} : { logFile: record.logFile }),
      };
    },
    stop: () => stopTemporalServer(directory),
  };
}

/** What `doctor` says of the server: where it is, or how it will be got. */
export async function examineTemporalCli(
  settings: TemporalCliSettings,
  hasGo: boolean,
): Promise<{ found: string } | { obtainable: string } | undefined> {
  const cli = await findTemporalCli(settings).catch(() => undefined);
  if (cli !== undefined) return { found: `${cli.path} (${cli.source}, server ${cli.serverVersion})` };
  return hasGo ? { obtainable: 'a download, or go install' } : undefined;
}

/** The next choice is only for a port that somebody else has. */
async function startOnFirstFree(
  choices: readonly KeptPorts[],
  start: (ports: KeptPorts) => Promise<TemporalServer>,
): Promise<TemporalServer> {
  const [first = ANY, ...others] = choices;
  try {
    return await start(first);
  } catch (error) {
    if (others.length === 0 || !hasName(error, 'TemporalServerError') || error.code !== 'PortInUse') throw error;
    return startOnFirstFree(others, start);
  }
}

/** Undefined for a damaged file: then they are chosen as at the first start. */
function parsePorts(text: string): KeptPorts | undefined {
  try {
    const { port, uiPort } = JSON.parse(text) as Partial<KeptPorts>;
    return Number.isInteger(port) && Number.isInteger(uiPort)
      ? { port: Number(port), uiPort: Number(uiPort) }
      : undefined;
  } catch {
    return undefined;
  }
}

function portsOf({ address, uiUrl }: TemporalServer): KeptPorts {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return { port, uiPort: uiUrl === undefined ? 0 : Number(new URL(uiUrl).port) };
}

function targetOf(address: string, uiUrl: string | undefined): TemporalTarget {
  return { address, namespace: NAMESPACE, configured: true, ...(uiUrl === undefined ? {} : { uiUrl }) };
}

function hasName(error: unknown, name: string): error is { message: string; code: unknown } {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === name;
}
