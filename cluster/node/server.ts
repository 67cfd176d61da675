import type { DatabaseProfile } from '../database/profile';
import { assign, quote, REFUSE } from '../shell';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../specification/specification';
import { MOUNTED } from './guards';
import { renderInstall, type PackageSet } from './packages';

/** The database server's package and unit on a node. */

export const serverSet = (profile: DatabaseProfile): PackageSet => ({
  packages: [profile.package],
  units: [profile.unit],
  agents: [],
});

export interface ServerUser {
  uid: number;
  gid: number;
}

export interface ServerPackage {
  installed: boolean;
  version?: string;
  /** The server package of the other engine, when that is installed. */
  other?: string;
  unheld: string[];
  enabled: boolean;
  user?: ServerUser;
}

const ENGINE_PACKAGES = ['mariadb-server', 'mysql-server'];

/** Changes nothing; prints what `parseServerPackage` reads. */
export function renderServerPackageRead(profile: DatabaseProfile): string {
  return `dpkg-query -W -f 'package=\${Package} \${db:Status-Abbrev} \${Version}\\n' ${ENGINE_PACKAGES.join(' ')} ${profile.heldPackages.map(quote).join(' ')} 2>/dev/null || :
for link in /etc/systemd/system/*.wants/${quote(profile.unit)}.service; do
  if [ -L "$link" ]; then echo enabled=yes; fi
done
if user=$(getent passwd ${quote(profile.osUser)}); then printf 'user=%s\\n' "$user"; fi
`;
}

export function parseServerPackage(text: string, profile: DatabaseProfile): ServerPackage {
  const packages = [...text.matchAll(/^package=(\S+) (\S+) +(\S+)/gm)]
    .map(([, name = '', state = '', version = '']) => ({ name, state, version }))
    .filter(({ state }) => state[1] === 'i');
  const own = packages.find(({ name }) => name === profile.package);
  const other = packages.find(({ name }) => ENGINE_PACKAGES.includes(name) && name !== profile.package);
  const user = /^user=[^:]*:[^:]*:(\d+):(\d+):/m.exec(text);
  return {
    installed: own !== undefined,
    ...(own === undefined ? {} : { version: own.version }),
    ...(other === undefined ? {} : { other: other.name }),
    unheld: [...new Set(packages.filter(({ state }) => state[0] !== 'h').map(({ name }) => name))],
    enabled: /^enabled=yes$/m.test(text),
    ...(user === null ? {} : { user: { uid: Number(user[1]), gid: Number(user[2]) } }),
  };
}

/**
 * The script of a remote job: installs the server with every start blocked.
 *
 * Not on the replicated data unless that is meant: what the package's scripts do to a data directory they do to the local one,
 * whose protection is lifted for them. The user gets the peer's ids, because both nodes own the same files in turn.
 */
export function renderServerInstall(
  profile: DatabaseProfile,
  options: { onReplicatedData: boolean; user?: ServerUser; lockSeconds: number },
): string {
  const place = options.onReplicatedData
    ? `[ "$(mounted "$directory")" = "$device" ] || refuse "$device is not mounted at $directory"\n`
    : `[ -z "$(mounted "$directory")" ] || refuse "$(mounted "$directory") is mounted at $directory: the package's scripts would work on the replicated data"
if [ -d "$directory" ]; then chattr -i "$directory"; fi
`;
  return `${REFUSE}${MOUNTED}${assign({ directory: DATA_DIRECTORY, device: DRBD_DEVICE, user: profile.osUser, group: profile.osGroup })}${place}${
    options.user === undefined ? '' : renderUser(options.user)
  }${renderInstall(serverSet(profile), { lockSeconds: options.lockSeconds })}`;
}

function renderUser({ uid, gid }: ServerUser): string {
  return `if ! getent passwd "$user" >/dev/null; then
  ! getent group ${gid} >/dev/null || refuse "group id ${gid}, which $group has on the peer, is taken here: $(getent group ${gid})"
  ! getent passwd ${uid} >/dev/null || refuse "user id ${uid}, which $user has on the peer, is taken here: $(getent passwd ${uid})"
  groupadd --system --gid ${gid} "$group"
  useradd --system --uid ${uid} --gid ${gid} --home-dir /nonexistent --no-create-home --shell /bin/false --comment 'MySQL Server' "$user"
fi
`;
}

/** Prints what proves that it is the same data, whoever serves it: `file NAME SHA256` and the file system's UUID. */
export function renderDataIdentityRead(): string {
  return `cd ${quote(DATA_DIRECTORY)}
printf 'filesystem %s\\n' "$(findmnt -n -o UUID --mountpoint ${quote(DATA_DIRECTORY)})"
for file in auto.cnf server-cert.pem mysql/db.frm; do
  if [ -e "$file" ]; then printf 'file %s %s\\n' "$file" "$(sha256sum <"$file" | cut -d ' ' -f 1)"; fi
done
`;
}
