import { ANSWERED_BEFORE_TLS } from '../database/server-answer';

/** `ocf:hadb:mysql`, and where Pacemaker looks for it. */
export const MYSQL_AGENT = {
  provider: 'hadb',
  type: 'mysql',
  path: '/usr/lib/ocf/resource.d/hadb/mysql',
  mode: 0o755,
} as const;

/**
 * A resource agent of our own, because the stock ones cannot do both: the systemd class does not notice a server that hangs,
 * and `ocf:heartbeat:mysql` gives a hung server the whole stop time-out before it kills it. This one starts the packaged
 * unit (and so adopts a server that systemd started), judges it by a query with a time limit, and at a stop first asks
 * whether the server answers: one that does gets minutes to flush, one that does not is killed within seconds.
 */
export function renderMysqlAgent(): string {
  return `#!/bin/sh
# ocf:hadb:mysql - written by hadb; a change by hand is reported as drift.
# A MySQL or MariaDB server, run as its systemd unit and judged by SQL.
set -u
export LC_ALL=C

SUCCESS=0
GENERIC=1
UNIMPLEMENTED=3
INSTALLED=5
CONFIGURED=6
NOT_RUNNING=7

unit=\${OCF_RESKEY_unit:-mysql}.service
process=\${OCF_RESKEY_process:-mysqld}
client=\${OCF_RESKEY_client:-/usr/bin/mysql}
socket=\${OCF_RESKEY_socket:-/run/mysqld/mysqld.sock}
pid_file=\${OCF_RESKEY_pid_file:-/run/mysqld/mysqld.pid}
user=\${OCF_RESKEY_user:-root}
query=\${OCF_RESKEY_query:-SELECT 1}
device=\${OCF_RESKEY_device:-}
directory=\${OCF_RESKEY_directory:-/var/lib/mysql}
query_limit=\${OCF_RESKEY_query_limit:-10}
hung_limit=\${OCF_RESKEY_hung_limit:-5}
kill_after=\${OCF_RESKEY_kill_after:-5}
flush_limit=\${OCF_RESKEY_flush_limit:-285}

# Pacemaker shows this line as the reason of a failure.
reason() { printf 'ocf-exit-reason:%s\\n' "$*" >&2; }
note() { printf '%s\\n' "$*" >&2; }

# Asks the service manager once, and sets loaded and pid (empty where no server runs). Fails when it does not answer:
# unknown is not "stopped". Nothing is forked that need not be: the client waits while this runs.
look() {
  loaded= main= pid=
  shown=$(systemctl show --property=LoadState --property=MainPID "$unit") || return 1
  while IFS='=' read -r key value; do
    case $key in
      LoadState) loaded=$value ;;
      MainPID) main=$value ;;
    esac
  done <<SHOWN
$shown
SHOWN
  case $main in
    0) ;;
    '' | *[!0-9]*) return 1 ;;
    *) pid=$main; return 0 ;;
  esac
  # Started by hand, beside the service manager.
  if [ -s "$pid_file" ] && read -r other <"$pid_file" && read -r comm <"/proc/$other/comm" && [ "$comm" = "$process" ]; then
    pid=$other
  fi 2>/dev/null
  return 0
}
silent() { reason "the service manager does not answer"; return $GENERIC; }

alive() {
  case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in
    '' | Z* | X*) return 1 ;;
  esac
}

# Does the server answer within $1 seconds? An error that it sends itself is an answer, too ("too many connections");
# the client's own errors have the numbers 2000 to 2999, and so has what it was told before TLS.
answers() {
  answer=$(timeout -k 1 "$1" "$client" --no-defaults --protocol=socket --socket="$socket" --user="$user" \\
    --connect-timeout="$1" --batch --skip-column-names --execute="$query" 2>&1) && return 0
  case $answer in
    *'${ANSWERED_BEFORE_TLS}'*) note "the server answers with: $answer"; return 0 ;;
    *'ERROR 2'[0-9][0-9][0-9]' '*) return 1 ;;
    *'ERROR '[0-9]*) note "the server answers with: $answer"; return 0 ;;
  esac
  return 1
}

do_monitor() {
  look || { silent; return; }
  [ -n "$pid" ] || return $NOT_RUNNING
  answers "$query_limit" && return $SUCCESS
  alive "$pid" || return $NOT_RUNNING
  reason "the server (process $pid) does not answer within $query_limit s"
  return $GENERIC
}

# What is mounted at the directory: of several, the last one covers the others.
mounted_source() {
  source=nothing
  while read -r what where rest; do
    if [ "$where" = "$directory" ]; then source=$what; fi
  done </proc/self/mounts
}

do_start() {
  look || { silent; return; }
  do_validate || return $?
  if [ -n "$pid" ] && answers "$query_limit"; then return $SUCCESS; fi
  if [ -n "$device" ]; then
    mounted_source
    [ "$source" = "$device" ] || { reason "$source is mounted at $directory instead of $device"; return $GENERIC; }
  fi
  if ! systemctl start "$unit"; then
    # One that failed again and again is not started any more, however long ago that was.
    case $(systemctl show --property=Result --value "$unit") in
      start-limit-hit) systemctl reset-failed "$unit"; systemctl start "$unit" ;;
      *) false ;;
    esac || { reason "systemd cannot start $unit (journalctl -u $unit)"; return $GENERIC; }
  fi
  # Pacemaker's time-out of the start ends this loop if nothing else does.
  until answers "$query_limit"; do
    look && [ -n "$pid" ] || { reason "the server ended while it started (journalctl -u $unit)"; return $GENERIC; }
    sleep 0.2
  done
  return $SUCCESS
}

# Waits $1 seconds at most for process $2 (which may be empty) and the unit to end.
await_end() {
  left=$(($1 * 5))
  while :; do
    if [ -z "$2" ] || ! alive "$2"; then
      case $(systemctl show --property=ActiveState --value "$unit") in inactive | failed) return 0 ;; esac
    fi
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.2
  done
}

do_stop() {
  look || { silent; return; }
  grace=$flush_limit
  if [ -n "$pid" ] && ! answers "$hung_limit"; then
    note "the server (process $pid) does not answer: it is killed in $kill_after s"
    grace=$kill_after
  fi
  # Also where nothing runs: a start that is under way is withdrawn, and no restart follows a kill.
  systemctl stop --no-block "$unit"
  # Told directly as well: while the machine shuts down, the unit's own stop waits for Pacemaker's, which waits for this one.
  [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
  if ! await_end "$grace" "$pid"; then
    note "the server (process $pid) is killed"
    systemctl kill --signal=KILL "$unit" 2>/dev/null
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    await_end 10 "$pid" || { reason "the server (process $pid) survives SIGKILL"; return $GENERIC; }
  fi
  systemctl reset-failed "$unit" 2>/dev/null
  return $SUCCESS
}

do_validate() {
  [ -x "$client" ] || { reason "$client is not installed"; return $INSTALLED; }
  case $loaded in
    loaded) ;;
    masked) reason "$unit is masked"; return $INSTALLED ;;
    *) reason "there is no unit $unit"; return $INSTALLED ;;
  esac
  for number in "$query_limit" "$hung_limit" "$kill_after" "$flush_limit"; do
    case $number in '' | *[!0-9]*) reason "the limits must be whole seconds"; return $CONFIGURED ;; esac
  done
  return $SUCCESS
}

# Pacemaker asks for this before each start, too.
parameter() {
  printf '    <parameter name="%s" unique="0" required="0">\\n' "$1"
  printf '      <longdesc lang="en">%s</longdesc>\\n      <shortdesc lang="en">%s</shortdesc>\\n' "$4" "$4"
  printf '      <content type="%s" default="%s"/>\\n    </parameter>\\n' "$2" "$3"
}

meta_data() {
  printf '%s\\n' '<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="mysql" version="1.0">
  <version>1.0</version>
  <longdesc lang="en">
A MySQL or MariaDB server, run as its systemd unit and judged by SQL. A server that answers is given time to flush when it
is stopped; one that does not is killed within seconds.
  </longdesc>
  <shortdesc lang="en">MySQL or MariaDB, judged by SQL</shortdesc>
  <parameters>'
  parameter unit string mysql "systemd unit, without .service; disabled, and with Restart=no"
  parameter process string mysqld "name of the server's process"
  parameter client string /usr/bin/mysql "client program"
  parameter socket string /run/mysqld/mysqld.sock "socket of the server"
  parameter pid_file string /run/mysqld/mysqld.pid "file with the server's process id"
  parameter user string root "account that logs in by socket, without a password"
  parameter query string "SELECT 1" "query of the monitor"
  parameter device string "" "device that must be mounted at the directory before the server is started"
  parameter directory string /var/lib/mysql "data directory"
  parameter query_limit integer 10 "seconds within which the monitor's query must be answered"
  parameter hung_limit integer 5 "seconds within which a server must answer before a stop, or be killed"
  parameter kill_after integer 5 "seconds between TERM and KILL of a server that does not answer"
  parameter flush_limit integer 285 "seconds between TERM and KILL of a server that answers; less than the stop time-out"
  printf '%s\\n' '  </parameters>
  <actions>
    <action name="start" timeout="300s"/>
    <action name="stop" timeout="300s"/>
    <action name="monitor" timeout="30s" interval="10s" depth="0"/>
    <action name="validate-all" timeout="20s"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>'
}

case \${1:-} in
  start) do_start ;;
  stop) do_stop ;;
  monitor) do_monitor ;;
  validate-all)
    look
    do_validate
    ;;
  meta-data) meta_data ;;
  *) note "usage: $0 start|stop|monitor|validate-all|meta-data"; exit $UNIMPLEMENTED ;;
esac
`;
}
