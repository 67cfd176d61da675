import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { readConfiguredArchive, renderSources } from '../../lab/images/debian-archive';
import { readDirectorySettings } from '../../settings';

/**
 * The nodes' own programs, for tests of what hadb renders and parses: extracted from the distribution's packages into a
 * private tree, never installed, and run in namespaces of their own on a throw-away layer over it.
 */
export interface RealTools {
  run(script: string, options?: RunOptions): RunResult;
  /** The same while this process goes on, so that the script can talk to its servers. */
  runBeside(script: string, options?: RunOptions): Promise<RunResult>;
}

export interface RunOptions {
  /** Files written before the script runs, by absolute path. */
  files?: Readonly<Record<string, string>>;
  input?: string;
  timeoutMs?: number;
  /** A directory of this computer that the script finds as `/host`: Unix sockets lead out of its network namespace. */
  hostDirectory?: string;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

interface Tree {
  suite: string;
  packages: readonly string[];
  /** Of a package's files these patterns of dpkg stay away, or come back. */
  dpkgOptions?: readonly string[];
}

const CLUSTER_PACKAGES =
  `dash bash coreutils sed grep gawk mawk procps hostname util-linux mount findutils diffutils perl-base
psmisc sysvinit-utils kmod fdisk e2fsprogs xfsprogs openssl socat libxml2-utils
drbd-utils corosync pacemaker pacemaker-cli-utils resource-agents`.split(/\s+/);

const AZURE_MODULES = '/usr/lib/python3/dist-packages/azure/mgmt';

const TREES = {
  bookworm: {
    suite: 'bookworm',
    packages: [...CLUSTER_PACKAGES, 'mariadb-server', 'mariadb-client', 'python3-minimal'],
  },
  sid: { suite: 'sid', packages: [...CLUSTER_PACKAGES, 'mysql-server', 'mysql-client'] },
  /** What a node filters and shapes its network with. */
  network: {
    suite: 'bookworm',
    packages: 'dash bash coreutils sed grep procps util-linux mount iproute2 nftables socat'.split(' '),
  },
  /** The fence agent of Azure with what it needs of Azure's Python modules: all of them are half a gigabyte. */
  fencing: {
    suite: 'bookworm',
    packages:
      'dash bash coreutils sed grep procps util-linux mount iproute2 curl openssl ca-certificates python3 fence-agents python3-azure'.split(
        ' ',
      ),
    dpkgOptions: [
      `path-exclude=${AZURE_MODULES}/*/*`,
      `path-include=${AZURE_MODULES}/core/*`,
      `path-include=${AZURE_MODULES}/compute/*`,
      `path-include=${AZURE_MODULES}/network/*`,
    ],
  },
} as const satisfies Record<string, Tree>;

/** @throws Error that says what is missing when the tree cannot be made. */
export function realTools(name: keyof typeof TREES): RealTools {
  requireTools(['unshare', 'mount', 'hostname']);
  const tree = ensureTree(name);
  return {
    run: (script, options = {}) => runIn(tree, script, options),
    runBeside: (script, options = {}) => runBeside(tree, script, options),
  };
}

function requireTools(tools: readonly string[]): void {
  for (const tool of tools) {
    if (spawnSync(tool, ['--version']).error === undefined) continue;
    throw new Error(
      `${tool} is missing: the tests against the real tools need "apt-get install mmdebstrap util-linux mount hostname"`,
    );
  }
}

/** Root of the extracted packages. */
export function ensureTree(name: keyof typeof TREES): string {
  const { suite, packages, dpkgOptions = [] }: Tree = TREES[name];
  const key = createHash('sha256')
    .update([suite, ...packages, ...dpkgOptions, 'layout 1'].join(' '))
    .digest('hex')
    .slice(0, 16);
  const directory = join(readDirectorySettings().cacheDirectory, 'test-tools');
  const tree = join(directory, `${name}-${key}`);
  if (existsSync(tree)) {
    try {
      // Says that it is in use: old ones go when a new one is made.
      utimesSync(tree, new Date(), new Date());
    } catch {
      // An ordinary user's tree belongs to another id; it is used all the same.
    }
    return tree;
  }
  requireTools(['mmdebstrap', 'flock', 'unshare']);
  mkdirSync(directory, { recursive: true });
  const arguments_ = [tree, name, suite, packages.join(','), ...dpkgOptions.map((option) => `--dpkgopt=${option}`)];
  // Jest runs test files in several processes: one makes the tree, the others wait for it.
  const made = spawnSync('flock', [join(directory, `${name}.lock`), 'sh', '-c', MAKE, 'sh', ...arguments_], {
    encoding: 'utf8',
    input: renderSources(readConfiguredArchive(), suite),
    timeout: 900_000,
  });
  if (made.status !== 0) {
    throw new Error(
      `cannot extract the packages of Debian ${suite} (exit code ${made.status}); is a package mirror reachable?\n${made.stderr.slice(-2000)}`,
    );
  }
  return tree;
}

/** Shell, under the tree's lock: its older versions that no test has used for a week. */
export function removeOldTrees(tree: string, name: string): string {
  const hexadecimal = '[0-9a-f]'.repeat(16);
  return `find "$(dirname ${tree})" -mindepth 1 -maxdepth 1 -type d -name ${name}-'${hexadecimal}' ! -path ${tree} -mtime +7 | while read -r old; do
  mv "$old" "$old.removed" && rm -rf --one-file-system "$old.removed" || echo "old tools stay in $old" >&2
done`;
}

/**
 * `$1` tree, `$2` its name, `$3` suite, `$4` packages, then further options; on its standard input the sources. The accounts are those that the maintainer
 * scripts, which do not run, would make.
 */
const MAKE = `set -eu
tree=$1 name=$2 suite=$3 packages=$4
shift 4
[ ! -d "$tree" ] || exit 0
rm -rf "$tree.unfinished"
mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" "$@" "$suite" "$tree.unfinished" -
set -- "$tree" "$name"
cd "$1.unfinished"
printf '%s\n' root:x:0:0::/root:/bin/sh mysql:x:105:110::/nonexistent:/bin/false hacluster:x:106:111::/nonexistent:/bin/false >etc/passwd
printf '%s\n' root:x:0: mysql:x:110: haclient:x:111: >etc/group
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >etc/nsswitch.conf
mkdir -p run/mysqld run/lock run/crm var/lib/mysql var/lib/drbd var/log/mysql
cd /
mv "$1.unfinished" "$1"
touch "$1"
${removeOldTrees('"$1"', '"$2"')}
`;

const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--net'];

/** `$1` tree, `$2` scratch, `$3` files, `$4` directory for `/host` or nothing; the script is `/script` in the new root. */
const ENTER = `set -eu
mount -t tmpfs -o size=3g tmpfs "$2"
mkdir "$2/up" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" "$2/root"
mount --rbind /dev "$2/root/dev"
mount -t proc proc "$2/root/proc"
hostname hadb01
mkdir -p "$2/root/var/lib/mysql-files" "$2/root/var/lib/pacemaker/cib" "$2/root/var/lib/corosync"
tar -C "$2/root" -xf "$3"
chown 105:110 "$2/root/run/mysqld" "$2/root/var/lib/mysql" "$2/root/var/log/mysql" 2>/dev/null || :
if [ -n "$4" ]; then
  mkdir "$2/root/host"
  mount --bind "$4" "$2/root/host"
fi
exec chroot "$2/root" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root __DRBD_NODE__=hadb01 /bin/sh /script
`;

function runIn(tree: string, script: string, options: RunOptions): RunResult {
  return withCommand(tree, script, options, ([command, arguments_]) => {
    const result = spawnSync(command, arguments_, {
      encoding: 'utf8',
      input: options.input ?? '',
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (result.error !== undefined) throw result.error;
    return { code: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  });
}

function runBeside(tree: string, script: string, options: RunOptions): Promise<RunResult> {
  return withCommand(
    tree,
    script,
    options,
    ([command, arguments_]) =>
      new Promise<RunResult>((resolve, reject) => {
        const child = spawn(command, arguments_, { timeout: options.timeoutMs ?? 60_000 });
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
        child.once('error', reject);
        child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
        child.stdin.end(options.input ?? '');
      }),
  );
}

/** Calls `run` with the command that enters the tree, and tidies up when it is done. */
function withCommand<Result extends RunResult | Promise<RunResult>>(
  tree: string,
  script: string,
  options: RunOptions,
  run: (command: [string, string[]]) => Result,
): Result {
  const scratch = mkdtempSync(join(tmpdir(), 'hadb-tools-'));
  const tidy = () => rmSync(scratch, { recursive: true, force: true });
  let result: Result | undefined;
  try {
    const archive = packFiles(join(scratch, 'files'), { '/script': script, ...options.files });
    const mountPoint = join(scratch, 'layer');
    mkdirSync(mountPoint);
    const identity = userInfo().uid === 0 ? [] : ['--user', '--map-root-user'];
    const enter = ['sh', '-c', ENTER, 'sh', tree, mountPoint, archive, options.hostDirectory ?? ''];
    result = run(['unshare', [...identity, ...NAMESPACES, ...enter]]);
    return result;
  } finally {
    if (result instanceof Promise) void result.then(tidy, tidy);
    else tidy();
  }
}

function packFiles(directory: string, files: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(files)) {
    const target = join(directory, path);
    mkdirSync(join(target, '..'), { recursive: true });
    writeFileSync(target, content, { mode: 0o755 });
  }
  const packed = spawnSync('tar', ['-C', directory, '-cf', `${directory}.tar`, '.']);
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr.toString()}`);
  return `${directory}.tar`;
}
