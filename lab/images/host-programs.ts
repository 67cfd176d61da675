import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { DEBIAN_KEYRING } from './debian-archive';

/** Programs of the host that image building and machines call, and the Debian packages they come in. */
const PACKAGES = {
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  patchelf: 'patchelf',
  'qemu-system-x86_64': 'qemu-system-x86',
  socat: 'socat',
  fakeroot: 'fakeroot',
  newuidmap: 'uidmap',
  umount: 'mount',
  flock: 'util-linux',
  unshare: 'util-linux',
  taskset: 'util-linux',
  setpriv: 'util-linux',
  bash: 'bash',
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
} as const;

export type HostProgram = keyof typeof PACKAGES;

// mke2fs and others live where an ordinary user's PATH does not look.
const WITH_SYSTEM_PATH = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH; exec "$@"';

export class MissingProgramsError extends Error {
  override readonly name = 'MissingProgramsError';
  readonly code = 'LabProgramsMissing';
  constructor(readonly packages: readonly string[]) {
    super(`The lab needs programs that this computer lacks. Install them: apt-get install ${packages.join(' ')}`);
  }
}

/** A program of the host failed: its command, exit code and last lines. */
export class HostProgramError extends Error {
  override readonly name = 'HostProgramError';
  constructor(command: string, code: number | string, tail: readonly string[]) {
    const text = tail.join('\n');
    const isFull = /No space left on device|ENOSPC|Disk quota exceeded/i.test(text);
    super(`${command} … ended with ${code}:\n${text}${isFull ? `\n${FULL}` : ''}`);
  }
}

const FULL =
  'The disk is full. Free some space, or keep images elsewhere with HADB_CACHE_DIR (building one needs room below TMPDIR, too), then start again.';

export function hasProgram(program: string): boolean {
  return spawnSync('sh', ['-c', WITH_SYSTEM_PATH, 'sh', 'which', program], { stdio: 'ignore' }).status === 0;
}

export function packagesOf(programs: readonly HostProgram[]): string[] {
  return [...new Set([...programs.map((program) => PACKAGES[program]), 'debian-archive-keyring'])];
}

/** Packages of those programs that are not found, each once; and of the keys that Debian's archive is checked with. */
export function missingPackages(programs: readonly HostProgram[]): string[] {
  const missing = programs.filter((program) => !hasProgram(program)).map((program): string => PACKAGES[program]);
  if (!existsSync(DEBIAN_KEYRING)) missing.push('debian-archive-keyring');
  return [...new Set(missing)];
}

export function requirePrograms(programs: readonly HostProgram[]): void {
  const missing = missingPackages(programs);
  if (missing.length > 0) throw new MissingProgramsError(missing);
}

export interface RunOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Each complete line of either output, as it comes. */
  onLine?: (line: string) => void;
}

/**
 * Runs a program to its end and returns its standard output. A failure names the program, its exit code and the last
 * lines of both outputs.
 */
export async function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const child = spawn('sh', ['-c', WITH_SYSTEM_PATH, 'sh', ...environmentArguments(options.env), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let output = '';
  const tail: string[] = [];
  const lines = (onText: (text: string) => void): ((chunk: string) => void) => {
    let partial = '';
    return (chunk) => {
      onText(chunk);
      const complete = (partial + chunk).split('\n');
      partial = complete.pop() ?? '';
      for (const line of complete) {
        tail.push(line);
        if (tail.length > 20) tail.shift();
        options.onLine?.(line);
      }
    };
  };
  child.stdout.setEncoding('utf8').on(
    'data',
    lines((text) => {
      output += text;
    }),
  );
  child.stderr.setEncoding('utf8').on(
    'data',
    lines(() => undefined),
  );
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'unknown'));
  });
  if (code !== 0) {
    throw new HostProgramError(`${command} ${args.slice(0, 4).join(' ')}`, code, tail);
  }
  return output;
}

function environmentArguments(environment: Readonly<Record<string, string>> | undefined): string[] {
  if (environment === undefined) return [];
  return ['env', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)];
}
