import { parseCibCopy, readCibCopy, type CibCopy } from '../cib/cib-copy';
import { parseEvents2, readEvents2, type DrbdState } from '../drbd/state';
import { assign } from '../shell';
import { DATA_DIRECTORY } from '../specification/specification';

/** What the audits of a drill ask a node, beside what Pacemaker says of the cluster. */
export interface NodeAudit {
  cib: CibCopy;
  drbd: DrbdState;
  /** Core files that were written since the drill began. */
  cores: string[];
}

/** Directories in which everything is a core: of the daemons, of systemd-coredump, of the kernel and of Ubuntu's apport. */
const CORE_DIRECTORIES = ['/var/lib/pacemaker/cores', '/var/lib/systemd/coredump', '/var/crash'];
/** Directories that processes run in, where the kernel writes `core` or `core.PID`: the root, Corosync's and the server's. */
const WORKING_DIRECTORIES = ['/', '/var/lib/corosync', DATA_DIRECTORY];

/** Changes nothing. `sinceSeconds` is by the node's clock. */
export const renderAuditRead = ({ sinceSeconds }: { sinceSeconds: number }): string =>
  `${assign({ since: `@${Math.floor(sinceSeconds)}` })}
for directory in ${CORE_DIRECTORIES.join(' ')}; do
  if [ -d "$directory" ]; then find "$directory" -type f -newermt "$since" ! -name '.lock' | sed 's/^/core=/'; fi
done
for directory in ${WORKING_DIRECTORIES.join(' ')} "$(dirname "$(sed 's/^|.*//' /proc/sys/kernel/core_pattern)")"; do
  case $directory in /*) ;; *) continue ;; esac
  if [ -d "$directory" ]; then
    find "$directory" -maxdepth 1 -type f \\( -name core -o -name 'core.[0-9]*' \\) -newermt "$since" | sed 's/^/core=/'
  fi
done
if command -v coredumpctl >/dev/null; then
  coredumpctl list --no-pager --no-legend --since="$since" 2>/dev/null | sed 's/^ */core=coredumpctl: /' || :
fi
echo drbd:
${readEvents2()}
echo cib:
${readCibCopy()}`;

/** @throws HadbError CommandFailed when a part is missing: what was cut off must not pass for "no core file". */
export function parseAuditRead(text: string): NodeAudit {
  const [, cores = '', drbd = '', cib = ''] = /^([\s\S]*?)^drbd:\n([\s\S]*?)^cib:\n([\s\S]*)$/m.exec(text) ?? [];
  return {
    cib: parseCibCopy(cib),
    drbd: parseEvents2(drbd),
    cores: [...new Set([...cores.matchAll(/^core=(.+)$/gm)].map(([, path = '']) => path))],
  };
}
