import { parseEvents2, readEvents2 } from '../drbd/state';

/** What the audit of a drill asks each second: short, and it waits for nothing on the node. */

export const renderRoleRead = (): string => `printf 'bootId=%s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
for process in /proc/[0-9]*; do
  name=
  { read -r name <"$process/comm"; } 2>/dev/null || :
  case $name in mysqld | mariadbd) printf 'serverPid=%s\\n' "\${process##*/}" ;; esac
done
echo drbd:
${readEvents2()}`;

export interface HeardRole {
  bootId: string;
  /** DRBD's word, `Unknown` where the resource is not up. */
  role: string;
  serverPid?: number;
  /** By what DRBD here knows of it the peer is not primary, and cannot become it: connected and secondary, or outdated. */
  excludesPeer?: true;
}

/** Undefined for a text that was cut off: what is missing there must not pass for a server that does not run. */
export function parseRole(text: string): HeardRole | undefined {
  const [told = '', drbd] = text.split(/^drbd:\n/m);
  const bootId = /^bootId=(.+)$/m.exec(told)?.[1];
  if (bootId === undefined || drbd === undefined) return undefined;
  const serverPid = /^serverPid=(\d+)$/m.exec(told)?.[1];
  const { role, connection, peerRole, peerDisk } = parseEvents2(drbd);
  const excludesPeer = (connection === 'Connected' && peerRole === 'Secondary') || peerDisk === 'Outdated';
  return {
    bootId,
    role,
    ...(serverPid === undefined ? {} : { serverPid: Number(serverPid) }),
    ...(excludesPeer && { excludesPeer }),
  };
}
