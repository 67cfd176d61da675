import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { isPortFree } from '../processes/free-port';

/** What `doctor` and `start` ask of this computer; tests make theirs. */
export interface Host {
  readonly nodeVersion: string;
  readonly isRoot: boolean;
  /** Path of a program, also where an ordinary user's PATH does not look (`/usr/sbin`). */
  findProgram(name: string): string | undefined;
  /** `ID` and `ID_LIKE` of /etc/os-release: `debian`, `ubuntu debian` … */
  readonly systems: readonly string[];
  /** Bytes free for an ordinary user on the file system of this directory, or of its nearest parent that exists. */
  freeBytes(directory: string): number | undefined;
  canListen(address: string): Promise<boolean>;
  /** Runs a program with its output going to standard error; returns its exit code. */
  run(command: string, args: readonly string[], environment?: Record<string, string>): Promise<number>;
  /** Whether apt, with its own settings (proxies!), can fetch this. */
  canDownload(url: string): Promise<boolean>;
  /** True when apt knows packages: a fresh machine has no lists. */
  hasPackageLists(): boolean;
}

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export function createHost(searchPath: string): Host {
  const directories = [...searchPath.split(delimiter), ...SYSTEM_PATH];
  return {
    nodeVersion: process.versions.node,
    isRoot: process.geteuid?.() === 0,
    findProgram: (name) => directories.map((directory) => join(directory, name)).find(isExecutable),
    systems: readSystems(),
    freeBytes(directory) {
      const existing = nearestExisting(directory);
      if (existing === undefined) return undefined;
      const { bavail, bsize } = statfsSync(existing);
      return bavail * bsize;
    },
    canListen: (address) => isPortFree(0, address),
    run: (command, args, environment = {}) =>
      new Promise((resolve, reject) => {
        const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
        const child = spawn('env', [...settings, command, ...args], { stdio: ['inherit', 2, 2] });
        child.once('error', reject);
        child.once('close', (code) => resolve(code ?? 1));
      }),
    async canDownload(url) {
      const directory = mkdtempSync(join(tmpdir(), 'hadb-doctor-'));
      try {
        const command = ['20', '/usr/lib/apt/apt-helper', 'download-file', url, join(directory, 'file')];
        return (await exitCodeOf('timeout', command)) === 0;
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
    hasPackageLists: () => listNames('/var/lib/apt/lists').some((name) => /_Packages(?:\.\w+)?$/.test(name)),
  };
}

/** What measurements were made on. */
export function describeThisComputer(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`;
}

/** Without its output. */
function exitCodeOf(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'ignore' });
    child.once('error', () => resolve(127));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function nearestExisting(directory: string): string | undefined {
  if (existsSync(directory)) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : nearestExisting(parent);
}

function readSystems(): string[] {
  if (!existsSync('/etc/os-release')) return [];
  const text = readFileSync('/etc/os-release', 'utf8');
  return [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) => (match[1] ?? '').split(' '));
}

function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
