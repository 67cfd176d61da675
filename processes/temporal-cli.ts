import { execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { access, constants, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { TemporalCliSettings } from '../settings';
import { messageOf } from './error-message';

/**
 * The last version of the Temporal CLI that `go install` can build (later ones need a replace directive); downloads are pinned to the same one, so that
 * every way leads to the same server and the same database schema.
 */
export const TEMPORAL_CLI_VERSION = 'v1.5.1';
const MODULE = `github.com/temporalio/cli/cmd/temporal@${TEMPORAL_CLI_VERSION}`;
const DOWNLOAD_URL = 'https://temporal.download';

export interface TemporalCli {
  path: string;
  /** Version of the server inside: it decides about the database schema. */
  serverVersion: string;
  source: 'TEMPORAL_CLI_PATH' | 'PATH' | 'cache' | 'download' | 'go install';
}

export type TemporalFailure =
  'CliBroken' | 'GoMissing' | 'InstallFailed' | 'PortInUse' | 'VersionMismatch' | 'NotServing';

/** What failed, and in the message what to do next. */
export class TemporalServerError extends Error {
  override readonly name = 'TemporalServerError';
  constructor(
    readonly code: TemporalFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const GO_MISSING = [
  'The Temporal development server is not on this machine, temporal.download cannot be reached, and Go is not installed to build it.',
  'Do one of these: install Go 1.25 or later (https://go.dev/dl; Debian: apt-get install golang-go from backports) and have `go` in PATH;',
  'or put the Temporal CLI into PATH; or name it in TEMPORAL_CLI_PATH.',
].join('\n');

/** The CLI that is on this machine already: `TEMPORAL_CLI_PATH`, `PATH`, then what an earlier start downloaded or built. */
export async function findTemporalCli(settings: TemporalCliSettings): Promise<TemporalCli | undefined> {
  if (settings.cliPath !== undefined) return inspect(settings.cliPath, 'TEMPORAL_CLI_PATH');
  const inPath = await findInPath('temporal', settings.searchPath);
  if (inPath !== undefined) return inspect(inPath, 'PATH');
  const cached = cachedPath(settings);
  return (await isExecutable(cached)) ? inspect(cached, 'cache') : undefined;
}

export interface GetOptions {
  /** Told one sentence before anything that takes long. */
  onProgress?: (sentence: string) => void;
  downloadUrl?: string;
  /** Looked into after PATH. Default: where Go's own archive is unpacked. */
  goDirectory?: string;
  /** How long the download server may take to answer; it may be out of reach for good. */
  reachableWithinMs?: number;
}

/** Finds the CLI, or downloads it, or builds it (about three minutes on two cores) into the cache directory. */
export async function getTemporalCli(settings: TemporalCliSettings, options: GetOptions = {}): Promise<TemporalCli> {
  const found = await findTemporalCli(settings);
  if (found !== undefined) return found;
  const directory = join(settings.cacheDirectory, 'temporal', TEMPORAL_CLI_VERSION);
  await mkdir(directory, { recursive: true });
  const workspace = await mkdtemp(join(directory, 'getting-'));
  try {
    const downloaded = await download(workspace, options);
    const built = downloaded ?? (await build(workspace, settings, options));
    // Its version is read before anybody else can find it.
    const cli = await inspect(built, downloaded === undefined ? 'go install' : 'download');
    const path = cachedPath(settings);
    await rename(built, path);
    return { ...cli, path };
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

function cachedPath(settings: TemporalCliSettings): string {
  return join(settings.cacheDirectory, 'temporal', TEMPORAL_CLI_VERSION, 'temporal');
}

async function inspect(path: string, source: TemporalCli['source']): Promise<TemporalCli> {
  const output = await promisify(execFile)(path, ['--version'], { timeout: 20_000 }).then(
    ({ stdout }) => stdout,
    (error: unknown) => {
      throw new TemporalServerError(
        'CliBroken',
        `${path} (${source}) does not run: ${messageOf(error).trim()}. Remove it, or name another Temporal CLI in TEMPORAL_CLI_PATH.`,
      );
    },
  );
  const serverVersion = /Server (?<version>\d+\.\d+\.\d+)/.exec(output)?.groups?.['version'];
  if (serverVersion === undefined) {
    throw new TemporalServerError(
      'CliBroken',
      `${path} (${source}) says "${output.trim()}" to --version, which is not what a Temporal CLI with a development server says. Name another one in TEMPORAL_CLI_PATH.`,
    );
  }
  return { path, serverVersion, source };
}

/** Undefined when the download server cannot be reached or does not have it: then there is another way. */
async function download(workspace: string, options: GetOptions): Promise<string | undefined> {
  const platform = process.platform === 'darwin' ? 'darwin' : 'linux';
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const base = options.downloadUrl ?? DOWNLOAD_URL;
  const archive = join(workspace, 'temporal.tar.gz');
  const url = `${base}/cli/archive/${TEMPORAL_CLI_VERSION}?platform=${platform}&arch=${arch}`;
  try {
    const response = await answerWithin(url, options.reachableWithinMs ?? 3000);
    if (!response.ok || response.body === null) return undefined;
    options.onProgress?.(
      `Downloading the Temporal development server ${TEMPORAL_CLI_VERSION} from ${new URL(base).host}`,
    );
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive));
    await promisify(execFile)('tar', ['-xzf', archive, '-C', workspace, 'temporal']);
    return join(workspace, 'temporal');
  } catch {
    return undefined;
  }
}

/** The limit is for the first answer only; the archive itself may take its time. */
async function answerWithin(url: string, timeoutMs: number): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    return await fetch(url, { signal: abort.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function build(workspace: string, settings: TemporalCliSettings, options: GetOptions): Promise<string> {
  const goDirectory = options.goDirectory ?? '/usr/local/go/bin';
  const go = await findInPath('go', `${settings.searchPath}${delimiter}${goDirectory}`);
  if (go === undefined) throw new TemporalServerError('GoMissing', GO_MISSING);
  options.onProgress?.(
    `Building the Temporal development server ${TEMPORAL_CLI_VERSION} with Go (once; about three minutes on two cores)`,
  );
  const { code, tail } = await run('env', [`GOBIN=${workspace}`, go, 'install', MODULE], workspace);
  if (code !== 0) {
    throw new TemporalServerError(
      'InstallFailed',
      `go install ${MODULE} failed (exit code ${code}):\n${tail}\nGo 1.25 or later is needed, a Go module proxy must be reachable, and 2 GB must be free. Or name a Temporal CLI in TEMPORAL_CLI_PATH.`,
    );
  }
  return join(workspace, 'temporal');
}

async function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number; tail: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let tail = '';
    const keep = (chunk: Buffer) => {
      tail = (tail + chunk.toString('utf8')).slice(-2000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, tail: tail.trim() }));
  });
}

async function findInPath(name: string, searchPath: string): Promise<string | undefined> {
  for (const directory of searchPath.split(delimiter).filter((part) => part !== '')) {
    const candidate = join(directory, name);
    if (await isExecutable(candidate)) return candidate;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
