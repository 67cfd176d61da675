import type { Host } from './host';

/** What `hadb doctor` looks at, and how it says it. Probing the host is `host.ts`; here is only judgement. */

export interface Finding {
  name: string;
  state: 'ok' | 'missing' | 'warning';
  detail: string;
  /** The command that mends it, or what a person does. */
  fix?: string;
  /** Packages of Debian and Ubuntu that bring what is missing. */
  packages?: readonly string[];
}

export interface ExaminationInput {
  stateDirectory: string;
  cacheDirectory: string;
  /** Packages of the host that the lab calls and that are not there. */
  missingPackages: readonly string[];
  /** What can serve as Temporal development server: a path, or how it will be got; undefined when there is no way. */
  temporal: { found: string } | { obtainable: string } | undefined;
  /** Where guest images come from, and whether it answers; undefined when the image is there already. */
  packageMirror?: { url: string; reachable: boolean };
  /** What of the lab's state cannot be read, and what to do. */
  labProblem?: string;
}

const GIB = 1024 ** 3;
/** Two golden images, a kernel with its modules and the Temporal server: 2.5 GiB, and room to build one more. */
const CACHE_BYTES = 4 * GIB;
/** Two machines with 1.2 GiB of operating system and what is written to their sparse 5 GiB data disks. */
const STATE_BYTES = 5 * GIB;
/** Guest memory of user-mode Linux lies there: two machines of 768 MiB. */
const SHARED_MEMORY_BYTES = 1.6 * GIB;

export const MINIMUM_NODE = { major: 20, minor: 19 } as const;
/** `go install` of the server needs at least a Go that fetches newer toolchains by itself. */
export const GO_HINT = 'Go 1.21 or newer';

export async function examine(host: Host, input: ExaminationInput): Promise<Finding[]> {
  return [
    examineNode(host),
    examineSystem(host),
    ...examinePackages(host, input.missingPackages),
    examineTemporal(input.temporal),
    examineSpace(host, 'disk space for images', input.cacheDirectory, CACHE_BYTES, 'HADB_CACHE_DIR'),
    examineSpace(host, 'disk space for machines', input.stateDirectory, STATE_BYTES, 'HADB_STATE_DIR'),
    examineSharedMemory(host),
    await examineLoopback(host),
    ...(input.labProblem === undefined
      ? []
      : [{ name: 'state of the lab', state: 'missing' as const, detail: input.labProblem }]),
    ...(input.packageMirror === undefined ? [] : [examineMirror(input.packageMirror)]),
  ];
}

export function isFit(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'missing');
}

function examineNode(host: Host): Finding {
  const [major = 0, minor = 0] = host.nodeVersion.split('.').map(Number);
  const name = 'Node.js';
  const detail = `version ${host.nodeVersion}`;
  if (major < MINIMUM_NODE.major || (major === MINIMUM_NODE.major && minor < MINIMUM_NODE.minor)) {
    return { name, state: 'missing', detail: `${detail}; 20.19 or newer is needed`, fix: 'install Node.js 22 or 24' };
  }
  if (major < 22) return { name, state: 'warning', detail: `${detail} works; 22 and 24 are the supported lines` };
  return { name, state: 'ok', detail };
}

function examineSystem(host: Host): Finding {
  const name = 'operating system';
  if (isDebian(host)) return { name, state: 'ok', detail: host.systems.join(' ') };
  return {
    name,
    state: 'warning',
    detail: `${host.systems.join(' ') || 'unknown'}: the lab builds its machines with Debian's tools`,
    fix: 'use Debian 12 or newer, or Ubuntu 24.04; a worker for real Azure runs anywhere',
  };
}

export function isDebian(host: Pick<Host, 'systems'>): boolean {
  return host.systems.includes('debian') || host.systems.includes('ubuntu');
}

function examinePackages(host: Host, missing: readonly string[]): Finding[] {
  if (missing.length === 0) return [{ name: 'programs of the lab', state: 'ok', detail: 'all there' }];
  return [
    {
      name: 'programs of the lab',
      state: 'missing',
      detail: `packages missing: ${missing.join(' ')}`,
      fix: isDebian(host) ? installCommand(host, missing).join(' ') : `install the equivalents of ${missing.join(' ')}`,
      packages: missing,
    },
  ];
}

/** The whole command, with sudo where it is needed. */
export function installCommand(host: Pick<Host, 'isRoot'>, packages: readonly string[]): string[] {
  return [...(host.isRoot ? [] : ['sudo']), 'apt-get', 'install', '-y', '--no-install-recommends', ...packages];
}

function examineTemporal(temporal: ExaminationInput['temporal']): Finding {
  const name = 'Temporal development server';
  if (temporal === undefined) {
    return {
      name,
      state: 'missing',
      detail: 'neither a Temporal CLI nor a way to get one',
      fix: `install the Temporal CLI (https://docs.temporal.io/cli) or ${GO_HINT}, or set TEMPORAL_CLI_PATH or TEMPORAL_ADDRESS`,
    };
  }
  if ('found' in temporal) return { name, state: 'ok', detail: temporal.found };
  return { name, state: 'ok', detail: `will be got at the first start: ${temporal.obtainable}` };
}

function examineSpace(host: Host, name: string, directory: string, needed: number, variable: string): Finding {
  const free = host.freeBytes(directory);
  if (free === undefined) {
    return {
      name,
      state: 'missing',
      detail: `${directory} cannot be made`,
      fix: `set ${variable} to another directory`,
    };
  }
  const detail = `${gib(free)} free in ${directory}`;
  if (free >= needed) return { name, state: 'ok', detail };
  return {
    name,
    state: 'missing',
    detail: `${detail}; ${gib(needed)} are needed`,
    fix: `free some space, or set ${variable} to a directory on another file system`,
  };
}

function examineSharedMemory(host: Host): Finding {
  const name = 'shared memory';
  const free = host.freeBytes('/dev/shm');
  if (free !== undefined && free >= SHARED_MEMORY_BYTES)
    return { name, state: 'ok', detail: `${gib(free)} free in /dev/shm` };
  return {
    name,
    state: 'warning',
    detail: `${free === undefined ? 'no /dev/shm' : `${gib(free)} free in /dev/shm`}; two machines of the lab need ${gib(SHARED_MEMORY_BYTES)}`,
    fix: 'mount -o remount,size=2G /dev/shm',
  };
}

async function examineLoopback(host: Host): Promise<Finding> {
  const name = 'loopback addresses';
  if (await host.canListen('127.20.30.40')) return { name, state: 'ok', detail: '127.0.0.0/8 can be listened on' };
  return {
    name,
    state: 'missing',
    detail: 'public addresses of the lab are addresses in 127.0.0.0/8, and this computer refuses to listen there',
    fix: 'use Linux; other systems know 127.0.0.1 only',
  };
}

function examineMirror({ url, reachable }: { url: string; reachable: boolean }): Finding {
  const name = 'Debian archive';
  if (reachable) return { name, state: 'ok', detail: `${url} answers` };
  return {
    name,
    state: 'missing',
    detail: `${url} does not answer, and there is no guest image yet`,
    fix: 'check the network and the sources in /etc/apt; apt-get update must work',
  };
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
