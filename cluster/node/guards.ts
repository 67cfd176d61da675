import { DRBD_RESOURCE } from '../specification/specification';

/** Parts that the guards of several scripts share. */

/** What is asked for is safe in principle and not possible yet: the peer is away, a resync runs. Becomes `NotReady`. */
export const NOT_READY = 74;

/** Defines `later`, for guards that another try may find satisfied. */
export const LATER = `later() { printf '%s\\n' "$*" >&2; exit ${NOT_READY}; }\n`;

/**
 * Defines `look`, which sets role, peer_role, connection, disk, peer_disk and seen in DRBD's own words, without a process for
 * each of them. Needs `later` and, for a resource that is not up, ends with it.
 */
export const LOOK_AT_DRBD = `look() {
  role= peer_role= connection= disk= peer_disk=
  view=$(drbdsetup events2 --now ${DRBD_RESOURCE} 2>/dev/null) || view=
  while read -r exists kind fields; do
    for field in $fields; do
      case $kind:$field in
      resource:role:*) role=\${field#role:} ;;
      connection:role:*) peer_role=\${field#role:} ;;
      connection:connection:*) connection=\${field#connection:} ;;
      device:disk:*) disk=\${field#disk:} ;;
      peer-device:peer-disk:*) peer_disk=\${field#peer-disk:} ;;
      esac
    done
  done <<VIEW
$view
VIEW
  [ -n "$role" ] || later "r0 is not up"
  seen="$role/$peer_role $connection $disk/$peer_disk"
}
`;

/** Defines `runs NAME`, whether a process of that name runs, by their ids in `pids`; where nobody can tell, that is no proof that it does not. */
export const RUNS = `runs() {
  looked=0
  pids=$(pidof "$1") || looked=$?
  [ "$looked" -le 1 ] || refuse "pidof cannot tell whether $1 runs (exit code $looked)"
  return "$looked"
}
`;

/** Pacemaker must not run: it would not know of what is done by hand, and undo it or fence for it. Brings `runs`. */
export const NO_PACEMAKER = `${RUNS}! runs pacemakerd || refuse "Pacemaker runs on this node: it alone moves the resources"
`;

/** Defines `server_runs`, of either engine and whoever started it; needs `runs`. */
export const SERVER_RUNS = `server_runs() { runs mariadbd || runs mysqld; }
`;

/** Defines `mounted DIRECTORY`: prints the device that is mounted there, nothing when none is. */
export const MOUNTED = `mounted() {
  while read -r source target rest; do
    if [ "$target" = "$1" ]; then printf '%s' "$source"; return; fi
  done </proc/mounts
}
`;

/**
 * Defines `refuse_unless_blank DEVICE`. Exit code 2 of `blkid -p` is no proof by itself: it is also the answer for a device that
 * cannot be read (measured on a secondary's /dev/drbd1).
 */
export const BLANK = `refuse_unless_blank() {
  [ "$(head -c 4096 "$1" | wc -c)" = 4096 ] || refuse "$1 cannot be read"
  code=0
  found=$(blkid -p -o export "$1" 2>&1) || code=$?
  # A partition carries the facts of its table's entry; a blank one nothing else.
  rest=$(printf '%s\\n' "$found" | grep -v -e '^PART_ENTRY_' -e '^DEVNAME=' || :)
  case $code in
  0) [ -z "$rest" ] || refuse "$1 is not blank:" $rest ;;
  2) [ -z "$rest" ] || refuse "$1 cannot be judged:" $rest ;;
  *) refuse "$1 is ambiguous to blkid (exit code $code):" $rest ;;
  esac
  signatures=$(wipefs --no-act --noheadings "$1" 2>&1) || refuse "wipefs cannot judge $1:" $signatures
  [ -z "$signatures" ] || refuse "$1 carries signatures:" $signatures
}
`;
