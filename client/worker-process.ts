import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  findOwnedProcess,
  isRunning,
  readRecord,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
} from '../processes/owned-process';
import type { OwnedProcess } from '../processes/owned-process';
import { ClientError } from './messages';
import type { PieceStatus } from './embedded';

/** The embedded worker: an owned process that is started anew when its code or its settings have changed. */

export interface WorkerProcessOptions {
  stateDirectory: string;
  /** Directory of the built code; `worker/main.js` in it is run. */
  codeDirectory: string;
}

/** Longer than the worker's own 45 s for calls that cannot be resumed; then it is killed, and Temporal retries them. */
const STOP_GRACE_MS = 50_000;

export interface WorkerProcess {
  /** Returns what was done. Errors: HADB_E4010. */
  ensure(
    environment: Record<string, string>,
  ): Promise<{ process: OwnedProcess; done: 'kept' | 'started' | 'restarted' }>;
  status(): PieceStatus;
  stop(): Promise<void>;
}

export function createWorkerProcess({ stateDirectory, codeDirectory }: WorkerProcessOptions): WorkerProcess {
  const recordFile = join(stateDirectory, 'worker', 'process.json');
  const fingerprintFile = join(stateDirectory, 'worker', 'fingerprint');
  const logFile = join(stateDirectory, 'worker', 'worker.log');
  const entry = join(codeDirectory, 'worker', 'main.js');

  return {
    async ensure(environment) {
      if (!existsSync(entry)) {
        throw new ClientError(
          'HADB_E4010',
          'failed',
          `the worker is not built (${entry} is missing): run npm run build`,
        );
      }
      const wanted = fingerprint(codeDirectory, environment);
      const running = findOwnedProcess(recordFile);
      if (running !== undefined && readText(fingerprintFile) === wanted) return { process: running, done: 'kept' };
      await stopOwnedProcess(recordFile, { graceMs: STOP_GRACE_MS });
      writeFileAtomically(fingerprintFile, wanted);
      const process = startOwnedProcess({
        recordFile,
        logFile,
        command: globalThis.process.execPath,
        args: [entry],
        env: environment,
      });
      await refuseEarlyEnd(process);
      return { process, done: running === undefined ? 'started' : 'restarted' };
    },
    status() {
      const running = findOwnedProcess(recordFile);
      if (running !== undefined)
        return { name: 'worker', state: 'running', pid: running.pid, logFile: running.logFile };
      const record = readRecord(recordFile);
      return { name: 'worker', state: record === undefined ? 'stopped' : 'dead', logFile };
    },
    stop: () => stopOwnedProcess(recordFile, { graceMs: STOP_GRACE_MS }),
  };
}

/** Changes with every byte of the code that a worker may load, and with its settings. */
export function fingerprint(codeDirectory: string, environment: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const file of listCode(codeDirectory))
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(codeDirectory, file)));
  for (const [name, value] of Object.entries(environment).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\0${name}=${value}`);
  }
  return hash.digest('hex');
}

/** A worker that cannot load its code or its settings ends within a second; a missing server it waits for. */
async function refuseEarlyEnd(process: OwnedProcess): Promise<void> {
  for (let waited = 0; waited < EARLY_END_MS; waited += 100) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (isRunning(process)) continue;
    const tail = readText(process.logFile)?.trim().split('\n').slice(-20).join('\n') ?? '';
    throw new ClientError(
      'HADB_E4010',
      'failed',
      `the worker ended at once. Its log is ${process.logFile}, and ends with:\n${tail}`,
    );
  }
}

const EARLY_END_MS = 1_500;
const WORKER_FOLDERS = ['activities', 'cluster', 'processes', 'worker', 'workflows'];

function listCode(directory: string): string[] {
  return WORKER_FOLDERS.filter((folder) => existsSync(join(directory, folder)))
    .flatMap((folder) =>
      readdirSync(join(directory, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
    )
    .concat('settings.js')
    .filter((file) => file.endsWith('.js') && existsSync(join(directory, file)))
    .sort();
}

function readText(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
