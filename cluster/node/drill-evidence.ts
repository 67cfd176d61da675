import { assign } from '../shell';
import { DATA_DIRECTORY } from '../specification/specification';

/**
 * What a node says of itself while a drill goes on, for whoever reads its report: changes nothing, and a command that fails or hangs is an answer as well.
 * Never fails itself.
 */
export const renderStateRead = (): string => `${assign({ directory: DATA_DIRECTORY })}
show() {
  printf '\\n# %s\\n' "$*"
  code=0
  timeout 3 "$@" 2>&1 || code=$?
  [ "$code" = 0 ] || printf '(ended with %s)\\n' "$code"
}
show date -u +%Y-%m-%dT%H:%M:%SZ
show uptime
show crm_mon -1 -r -f
show drbdsetup status --verbose --statistics
show corosync-quorumtool -s
show findmnt "$directory"
show pgrep -a -x 'mysqld|mariadbd'
show systemctl is-active corosync pacemaker
`;

/** Versions of what takes part, `name version` a line; what is not installed is left out. Never fails. */
export const renderVersionsRead = (): string => `printf 'kernel %s\\n' "$(uname -r)"
while read -r word version rest; do
  case $word in version:) printf 'drbd-module %s\\n' "$version"; break ;; esac
done </proc/drbd 2>/dev/null || :
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\\n' pacemaker corosync drbd-utils resource-agents fence-agents \\
  fence-agents-azure-arm mariadb-server mysql-server mysql-community-server mysql-server-8.0 2>/dev/null | grep ' ii *$' | sed 's/ ii *$//' || :
`;

/** Total: a line that is none is left out. */
export const parseVersions = (text: string): { name: string; version: string }[] =>
  text.split('\n').flatMap((line) => {
    const [name, version] = line.trim().split(' ');
    return name === undefined || version === undefined ? [] : [{ name, version }];
  });
