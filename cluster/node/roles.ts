import type { DatabaseProfile } from '../database/profile';
import { assign, quote, REFUSE } from '../shell';
import { DATA_DIRECTORY, DRBD_DEVICE, DRBD_RESOURCE, type FileSystem } from '../specification/specification';
import { LATER, LOOK_AT_DRBD, MOUNTED, NO_PACEMAKER, SERVER_RUNS } from './guards';

/**
 * The moves between the roles, each with its guard in the same script: promote, mount, start; stop, unmount, demote. For the
 * build only: once Pacemaker runs it alone makes them, and every one of these scripts refuses.
 */

const prelude = `set -eu
${REFUSE}${LATER}${LOOK_AT_DRBD}${NO_PACEMAKER}${SERVER_RUNS}${MOUNTED}${assign({
  resource: DRBD_RESOURCE,
  device: DRBD_DEVICE,
  directory: DATA_DIRECTORY,
})}`;

/** Never with force: both copies must be current, connected, and the peer secondary. */
export const renderPromote = (): string => `${prelude}look
if [ "$role" != Primary ]; then
  [ "$peer_role" != Primary ] || refuse "the peer is primary ($seen)"
  [ "$connection" = Connected ] || later "the peer is not connected ($seen)"
  [ "$disk/$peer_disk" = UpToDate/UpToDate ] || later "the copies are not both current ($seen)"
  drbdadm primary "$resource" </dev/null
fi
`;

export const renderDemote = (): string => `${prelude}look
if [ "$role" = Primary ]; then
  while read -r source target rest; do
    [ "$source" != "$device" ] || refuse "$device is still mounted at $target"
  done </proc/mounts
  drbdadm secondary "$resource" </dev/null
fi
`;

/** Mounts our own file system only, over an empty directory, on the only primary. */
export const renderMount = ({ fileSystem, label }: { fileSystem: FileSystem; label: string }): string =>
  `${prelude}${assign({ type: fileSystem, label })}look
already=$(mounted "$directory")
[ -z "$already" ] || [ "$already" = "$device" ] || refuse "$already is mounted at $directory"
if [ -z "$already" ]; then
  [ "$role" = Primary ] || later "r0 is not primary here ($seen)"
  [ "$peer_role" != Primary ] || refuse "the peer is primary, too ($seen)"
  ! server_runs || refuse "a database server runs although $device is not mounted"
  facts=$(blkid -p -o export "$device") || refuse "no file system is recognised on $device"
  case "
$facts
" in *"
TYPE=$type
"*) ;; *) refuse "the file system on $device is not $type:" $facts ;; esac
  case "
$facts
" in *"
LABEL=$label
"*) ;; *) refuse "the file system on $device does not carry the label $label:" $facts ;; esac
  [ -d "$directory" ] || refuse "$directory is not a directory"
  found=$(find "$directory" -mindepth 1 -maxdepth 1 | head -n 3)
  [ -z "$found" ] || refuse "$directory on the root disk is not empty:" $found
  mount -t "$type" -o noatime "$device" "$directory"
fi
`;

export const renderUnmount = (): string => `${prelude}
if [ -n "$(mounted "$directory")" ]; then
  ! server_runs || refuse "the database server still runs"
  umount "$directory"
fi
`;

/** Starts the unit where the DRBD file system is mounted and nothing else would start it as well. */
export const renderStartServer = (profile: DatabaseProfile): string => `${prelude}${assign({ unit: profile.unit })}
if ! server_runs; then
  source=$(mounted "$directory")
  [ -n "$source" ] || later "nothing is mounted at $directory"
  [ "$source" = "$device" ] || refuse "$source is mounted at $directory, not $device: the server would open another database"
  for link in /etc/systemd/system/*.wants/"$unit".service; do
    [ ! -L "$link" ] || refuse "$link would start the server at boot, on whichever node"
  done
  systemctl start "$unit"
fi
`;

/** Stops by systemd; a server that something else has started is not ours to stop. */
export const renderStopServer = (profile: DatabaseProfile): string => `${prelude}${assign({ unit: profile.unit })}
if server_runs; then
  systemctl stop "$unit"
  ! server_runs || refuse "a database server still runs that $unit.service has not started"
fi
`;

/**
 * "service mysql stop && umount /var/lib/mysql ; drbdadm secondary r0", as one guarded script: only while the peer has
 * everything, else nobody could take over.
 */
export const renderRelease = (profile: DatabaseProfile): string =>
  sequence([
    `${prelude}look
if [ "$role" = Primary ]; then
  [ "$connection" = Connected ] || later "the peer is not connected ($seen): nobody could take over"
  [ "$disk/$peer_disk" = UpToDate/UpToDate ] || later "the peer's copy is not current ($seen)"
fi
`,
    renderStopResponder(),
    renderStopServer(profile),
    renderUnmount(),
    renderDemote(),
  ]);

/** "drbdadm primary r0 ; mount /dev/drbd1 /var/lib/mysql && service mysql start", as one guarded script. */
export const renderTake = (
  profile: DatabaseProfile,
  { fileSystem, label, port }: { fileSystem: FileSystem; label: string; port: number },
): string =>
  sequence([
    renderPromote(),
    renderMount({ fileSystem, label }),
    renderStartServer(profile),
    renderStartResponder({ port }),
  ]);

/** Until the server is installed on the node: its installer must find the data in place. */
export const renderTakeStorage = ({ fileSystem, label }: { fileSystem: FileSystem; label: string }): string =>
  sequence([renderPromote(), renderMount({ fileSystem, label })]);

const RESPONDER_UNIT = 'hadb-probe-responder';
/** Where the resource agent azure-lb, as resource `lb_mysql`, looks for its process: it adopts this one. */
export const RESPONDER_PID_FILE = '/run/lb_mysql.pid';

/**
 * What answers the load balancer's probe before Pacemaker does: the very command line and pid file of the agent that
 * follows, so that Pacemaker finds its resource running and no probe is missed. On the node with the database only.
 */
export const renderStartResponder = ({ port }: { port: number }): string => `${prelude}${assign({
  unit: RESPONDER_UNIT,
  pidFile: RESPONDER_PID_FILE,
  port,
})}
if [ ! -s "$pidFile" ] || ! kill -0 "$(cat "$pidFile")" 2>/dev/null; then
  [ "$(mounted "$directory")" = "$device" ] || later "$device is not mounted here: this is not the active node"
  if ! systemctl --quiet is-active "$unit.service"; then
    systemctl reset-failed "$unit.service" 2>/dev/null || :
    systemd-run --quiet --collect --unit="$unit" --description='hadb: answers the probe of the load balancer' \\
      --property=Type=exec --property="ExecStopPost=/bin/rm -f $pidFile" -- \\
      /usr/bin/socat -U "TCP-LISTEN:$port,backlog=10,fork,reuseaddr" /dev/null
  fi
  systemctl show --property=MainPID --value "$unit.service" >"$pidFile"
fi
`;

export const renderStopResponder =
  (): string => `${prelude}${assign({ unit: RESPONDER_UNIT, pidFile: RESPONDER_PID_FILE })}
if [ -e "$pidFile" ]; then
  systemctl stop "$unit.service"
  rm -f "$pidFile"
fi
`;

/** Prints the responder's process id when it runs. */
export const renderResponderRead = (): string =>
  `if [ -s ${quote(RESPONDER_PID_FILE)} ]; then
  read -r pid <${quote(RESPONDER_PID_FILE)}
  if kill -0 "$pid" 2>/dev/null; then printf '%s\\n' "$pid"; fi
fi
`;

/** Scripts one after the other, each in a shell of its own; under `set -e` the first that fails ends all, with its exit code. */
function sequence(scripts: readonly string[]): string {
  return scripts.map((script) => `(\n${script})\n`).join('');
}
