import { RUNS } from '../node/guards';
import { assign, REFUSE } from '../shell';
import { DRBD_DEVICE } from '../specification/specification';
import { SERVER_PROCESSES, type DatabaseProfile } from './profile';
import { renderInitialisationSql } from './statements';

/**
 * Makes a new data directory on the mounted DRBD file system. Made beside and moved into place with the system schema
 * last, so that it may be interrupted anywhere and run again: only its own unfinished work is thrown away, and a data
 * directory that is initialised is left alone.
 * Exit codes: 0 done (prints `initialised` or `unchanged`), 75 refused.
 */
export function renderInitialisation(profile: DatabaseProfile): string {
  return `set -eu
${REFUSE}${RUNS}${assign({
    data: profile.dataDirectory,
    device: DRBD_DEVICE,
    user: profile.osUser,
    group: profile.osGroup,
    sql: renderInitialisationSql(profile),
  })}staging=$data/.hadb-initialise
source=$(findmnt -n -o SOURCE --mountpoint "$data") || refuse "nothing is mounted at $data"
[ "$source" = "$device" ] || refuse "$source is mounted at $data instead of $device"
if [ -d "$data/mysql" ]; then echo unchanged; exit 0; fi
for process in ${SERVER_PROCESSES.join(' ')}; do
  ! runs "$process" || refuse "$process runs"
done
if [ -d "$data/lost+found" ]; then rmdir "$data/lost+found" || refuse "$data/lost+found is not empty"; fi
if [ ! -e "$staging/.complete" ]; then
  strange=$(find "$data" -mindepth 1 -maxdepth 1 ! -name .hadb-initialise)
  [ -z "$strange" ] || refuse "$data holds something that is no database:" $strange
  rm -rf "$staging"
  install -d -o "$user" -g "$group" -m 0750 "$staging"
${INITIALISE[profile.engine](profile)}
  sync -f "$staging"
  : >"$staging/.complete"
  sync -f "$staging"
fi
chown "$user:$group" "$data"
chmod 0750 "$data"
find "$staging" -mindepth 1 -maxdepth 1 ! -name mysql ! -name .complete -exec mv -t "$data" -- {} +
if [ -d "$staging/mysql" ]; then mv -t "$data" -- "$staging/mysql"; fi
rm -f "$staging/.complete"
rmdir "$staging"
sync -f "$data"
echo initialised
`;
}

const INITIALISE: Record<DatabaseProfile['engine'], (profile: DatabaseProfile) => string> = {
  mariadb: () =>
    `  mariadb-install-db --user="$user" --datadir="$staging" --skip-test-db --auth-root-authentication-method=socket --cross-bootstrap --skip-log-bin >&2`,
  mysql: (profile) => `  statements=$(mktemp)
  trap 'rm -f "$statements"' EXIT
  printf '%s' "$sql" >"$statements"
  chown "$user" "$statements"
  ${profile.server} --initialize-insecure --user="$user" --datadir="$staging" --init-file="$statements" --log-error=stderr >&2`,
};
