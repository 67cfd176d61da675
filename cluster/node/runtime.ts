import { assertNever, unreadable } from '../errors';
import { parseEvents2, readEvents2, type DrbdState } from '../drbd/state';
import { ANSWERED_BEFORE_TLS } from '../database/server-answer';
import { assign } from '../shell';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../specification/specification';
import { RESPONDER_PID_FILE } from './roles';

/** What a reboot undoes, read in one command: module, DRBD, mount, server, cluster services. */

export interface Runtime {
  bootId: string;
  moduleLoaded: boolean;
  drbd: DrbdState;
  /** Source of the mount at the data directory, `/dev/drbd1` when all is well; absent when nothing is mounted there. */
  mountedFrom?: string;
  /** Process id of a running database server, whoever started it. */
  serverPid?: number;
  /** The server answers on its socket, if only that it has too many connections. */
  serverAnswers: boolean;
  /** The load balancer's probe is answered. */
  probeAnswered: boolean;
  pacemakerActive: boolean;
  corosyncActive: boolean;
}

/** Levels a step may need, each with everything before it. `in-sync` and above concern the peer as well. */
export const RUNTIME_LEVELS = [
  'module',
  'up',
  'connected',
  'in-sync',
  'primary',
  'mounted',
  'server',
  'answering',
] as const;
export type RuntimeLevel = (typeof RUNTIME_LEVELS)[number];

/** Changes nothing. `socket` is the server's; asked only when a server runs. */
export function renderRuntimeRead({ socket }: { socket: string }): string {
  return `${assign({ directory: DATA_DIRECTORY, socket, responder: RESPONDER_PID_FILE, beforeTls: ANSWERED_BEFORE_TLS })}
printf 'bootId=%s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
while read -r source target rest; do
  if [ "$target" = "$directory" ]; then printf 'mountedFrom=%s\\n' "$source"; fi
done </proc/mounts
for process in /proc/[0-9]*; do
  name=
  { read -r name <"$process/comm"; } 2>/dev/null || :
  case $name in
  mysqld|mariadbd) printf 'serverPid=%s\\n' "\${process##*/}"; answer=unknown ;;
  pacemakerd) echo pacemaker=active ;;
  corosync) echo corosync=active ;;
  esac
done
if [ "\${answer:-}" = unknown ]; then
  for admin in mariadb-admin mysqladmin; do
    command -v "$admin" >/dev/null || continue
    if said=$(timeout 5 "$admin" --no-defaults --socket="$socket" --connect-timeout=3 ping 2>&1); then echo serverAnswers=yes
    else case $said in *"$beforeTls"*) echo serverAnswers=yes ;; esac; fi
    break
  done
fi
if [ -s "$responder" ]; then
  read -r pid <"$responder"
  if kill -0 "$pid" 2>/dev/null; then echo probe=answered; fi
fi
if [ -r /proc/drbd ]; then
  echo module=loaded
  echo drbd:
  ${readEvents2().trim()}
fi
`;
}

/** @throws HadbError CommandFailed when the text is not the read's. */
export function parseRuntime(text: string): Runtime {
  const [head = '', events = ''] = text.split(/^drbd:$/m);
  const first = (key: string) =>
    head.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1).trim()] : []))[0];
  const bootId = first('bootId');
  if (bootId === undefined) throw unreadable('the run-time read', text);
  const [mountedFrom, serverPid] = [first('mountedFrom'), first('serverPid')];
  return {
    bootId,
    moduleLoaded: first('module') === 'loaded',
    drbd: parseEvents2(events),
    ...(mountedFrom === undefined ? {} : { mountedFrom }),
    ...(serverPid === undefined ? {} : { serverPid: Number(serverPid) }),
    serverAnswers: first('serverAnswers') === 'yes',
    probeAnswered: first('probe') === 'answered',
    pacemakerActive: first('pacemaker') === 'active',
    corosyncActive: first('corosync') === 'active',
  };
}

/** True when the node's own state is at the level or above it. `connected` and `in-sync` are judged from this node. */
export function isAtLevel(runtime: Runtime, level: RuntimeLevel): boolean {
  const { drbd } = runtime;
  switch (level) {
    case 'module':
      return runtime.moduleLoaded;
    case 'up':
      return drbd.up;
    case 'connected':
      return drbd.connection === 'Connected';
    case 'in-sync':
      return drbd.connection === 'Connected' && drbd.disk === 'UpToDate' && drbd.peerDisk === 'UpToDate';
    case 'primary':
      return drbd.role === 'Primary';
    case 'mounted':
      return drbd.role === 'Primary' && runtime.mountedFrom === DRBD_DEVICE;
    case 'server':
      return runtime.mountedFrom === DRBD_DEVICE && runtime.serverAnswers;
    case 'answering':
      return runtime.mountedFrom === DRBD_DEVICE && runtime.serverAnswers && runtime.probeAnswered;
    default:
      return assertNever(level);
  }
}
