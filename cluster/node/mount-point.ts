import { assign, quote, REFUSE } from '../shell';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../specification/specification';
import { RUNS } from './guards';

/**
 * The local directory under the mount: empty and immutable, so that no second database can come to life on the root disk when
 * the DRBD file system is not mounted.
 */

/** Prints `immutable=yes|no`, `entries=N`, or `absent`; looks beneath the mount in a mount namespace of its own. */
export function renderMountPointRead(): string {
  return `directory=${quote(DATA_DIRECTORY)}
look='
if [ ! -d "$0" ]; then echo absent; exit 0; fi
case $(lsattr -d "$0" | cut -d " " -f 1) in *i*) echo immutable=yes ;; *) echo immutable=no ;; esac
printf "entries=%s\\n" "$(find "$0" -mindepth 1 -maxdepth 1 | wc -l)"
'
if grep -q " $directory " /proc/mounts; then
  unshare --mount --propagation private sh -c 'umount "$0" && exec sh -c "$1" "$0"' "$directory" "$look"
else
  sh -c "$look" "$directory"
fi
`;
}

export interface MountPointState {
  exists: boolean;
  immutable: boolean;
  entries: number;
}

export function parseMountPoint(text: string): MountPointState {
  return {
    exists: !/^absent$/m.test(text),
    immutable: /^immutable=yes$/m.test(text),
    entries: Number(/^entries=(\d+)$/m.exec(text)?.[1] ?? 0),
  };
}

/**
 * Moves what is there aside under a dated name, and leaves an empty, immutable directory. Never `rm`: a retry after a failover
 * would wipe the replicated data, and what was moved is still there. Prints the name of what was moved aside.
 */
export function renderMountPointGuard(): string {
  return `${REFUSE}${RUNS}${assign({ directory: DATA_DIRECTORY, device: DRBD_DEVICE })}
! grep -q " $directory " /proc/mounts || refuse "something is mounted at $directory: what is seen there is not the local directory"
while read -r source target rest; do
  [ "$source" != "$device" ] || refuse "$device is mounted at $target: this is the active node"
done </proc/mounts
for process in mariadbd mysqld; do
  ! runs "$process" || refuse "$process runs on the local directory"
done
if [ -d "$directory" ]; then
  chattr -i "$directory"
  if [ -n "$(find "$directory" -mindepth 1 -maxdepth 1 | head -n 1)" ]; then
    aside=$directory.local-$(date -u +%Y%m%dT%H%M%SZ)
    [ ! -e "$aside" ] || refuse "$aside exists"
    mv -T "$directory" "$aside"
    echo "$aside"
  fi
fi
[ -d "$directory" ] || mkdir -m 0700 "$directory"
if getent passwd mysql >/dev/null; then chown mysql:mysql "$directory"; fi
chattr +i "$directory"
sync "$directory"
`;
}
