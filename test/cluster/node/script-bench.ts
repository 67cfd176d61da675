import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { renderRead } from '../../../cluster/node-scripts/remote-command';

/**
 * Runs the scripts of nodes in this host's own `sh`, as `change` does (`set -eu`), in a tree of their own: absolute paths of
 * the node are led into a directory, and the programs that look at DRBD, disks and services are small fakes that say what
 * a test wants. Programs that move something only note that they were called: `moves`.
 */
export interface ScriptBench {
  /** Makes a file of the node, such as `/proc/mounts`. */
  file(path: string, content: string | Buffer): void;
  link(path: string, target: string): void;
  exists(path: string): boolean;
  read(path: string): string;
  /** Adds or replaces a program: the body of a POSIX shell script. */
  program(name: string, body: string): void;
  /** Adds a program that notes its call among the moves and succeeds. */
  mover(name: string): void;
  run(script: string, input?: string | Buffer): { code: number | null; stdout: string; stderr: string };
  /** Calls of movers, in order, with their arguments. */
  moves(): string[];
  remove(): void;
}

const TREES = /(^|[\s'"=<>(:;|])(\/(?:proc|etc|var|run|sys|dev)\/)(?!null\b)/gm;

export function createScriptBench(): ScriptBench {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-scripts-'));
  const [bin, root, log] = [join(directory, 'bin'), join(directory, 'root'), join(directory, 'moves')];
  for (const path of [bin, root]) mkdirSync(path);
  writeFileSync(log, '');
  const program = (name: string, body: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  const place = (text: string): string =>
    text
      .replaceAll(TREES, `$1${root}$2`)
      // No ordinary user can make a device node.
      .replaceAll('[ -b ', '[ -e ');
  return {
    file(path, content) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      // What the kernel says of paths must name those of the tree.
      writeFileSync(
        join(root, path),
        typeof content === 'string' && path.startsWith('/proc/') ? place(content) : content,
      );
    },
    link(path, target) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(target, join(root, path));
    },
    exists: (path) => existsSync(join(root, path)),
    read: (path) => readFileSync(join(root, path), 'utf8'),
    program: (name, body) => program(name, place(body)),
    mover: (name) => program(name, `echo ${name} "$@" >>'${log}'`),
    run(script, input) {
      const result = spawnSync('/bin/sh', ['-c', place(renderRead(script))], {
        encoding: 'utf8',
        env: { PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin` },
        input: input ?? '',
        timeout: 60_000,
      });
      return { code: result.status, stdout: unplace(result.stdout, root), stderr: unplace(result.stderr, root) };
    },
    moves: () => unplace(readFileSync(log, 'utf8'), root).split('\n').filter(Boolean),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const unplace = (text: string, root: string): string => text.replaceAll(root, '');

export interface DrbdView {
  role?: string;
  peerRole?: string;
  connection?: string;
  disk?: string;
  peerDisk?: string;
}

/** What `drbdsetup events2 --now` prints for a pair; healthy unless said otherwise. */
export function events2({
  role = 'Primary',
  peerRole = 'Secondary',
  connection = 'Connected',
  disk = 'UpToDate',
  peerDisk = 'UpToDate',
}: DrbdView = {}): string {
  return `exists resource name:r0 role:${role} suspended:no
exists connection name:r0 peer-node-id:0 conn-name:peer connection:${connection} role:${peerRole}
exists device name:r0 volume:0 minor:1 disk:${disk}
exists peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:${peerDisk} resync-suspended:no
exists -`;
}

export const VIRGIN = '0000000000000004:0000000000000000:0000000000000000:0000000000000000:0:0:0:0:0:0:0';
export const EQUAL = '980F6B5B67270CE6:0000000000000000:0000000000000000:0000000000000000:1:1:0:1:0:0:0';
export const COPIED = '980F6B5B67270CE6:0000000000000000:95916627A4B7D752:0000000000000004:1:1:0:1:0:0:0';

/**
 * A node in the middle of a build: nothing mounted, no server, no Pacemaker, r0 up as `view` says. `drbdadm` notes what moves
 * and answers what only reads.
 */
export function prepareNode(bench: ScriptBench, view: DrbdView | 'down' = {}, gi = EQUAL): void {
  bench.file('/proc/mounts', '/dev/sda1 / ext4 rw 0 0\n');
  bench.file('/proc/drbd', 'version: 8.4.11 (api:1/proto:86-101)\n');
  bench.file('/sys/module/drbd/version', '8.4.11\n');
  bench.file('/dev/drbd1', Buffer.alloc(8192));
  bench.program('drbdsetup', view === 'down' ? 'exit 10' : `cat <<'EVENTS'\n${events2(view)}\nEVENTS`);
  bench.mover('moved');
  bench.program(
    'drbdadm',
    `case $1 in
get-gi) echo ${gi} ;;
role) echo ${view === 'down' ? 'Unconfigured' : `${view.role ?? 'Primary'}/${view.peerRole ?? 'Secondary'}`} ;;
*) moved drbdadm "$@" ;;
esac`,
  );
  bench.program('pidof', 'exit 1');
  bench.program('blkid', 'exit 2');
  bench.program('wipefs', ':');
  for (const name of ['systemctl', 'mount', 'umount', 'mkfs.ext4', 'mkfs.xfs', 'chattr', 'systemd-run', 'sync'])
    bench.mover(name);
}

/** Has `pidof` find these processes. */
export const running = (bench: ScriptBench, ...names: string[]): void =>
  bench.program('pidof', `case $1 in ${names.join('|')}) echo 4711 ;; *) exit 1 ;; esac`);
