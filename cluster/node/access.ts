import { unreadable } from '../errors';
import { assign, quote } from '../shell';
import type { Node } from '../specification/specification';

/** Who a node is, whether its first boot is over, and whether it knows its peer by name. */

export interface NodeIdentity {
  hostName: string;
  machineId: string;
  /** Azure's vmId, as the first boot recorded it; absent until then. */
  vmId?: string;
  bootId: string;
  /** cloud-init has ended; its errors are in `firstBootErrors`. */
  firstBootDone: boolean;
  firstBootErrors: string[];
  addresses: string[];
}

/**
 * Changes nothing. The vmId comes from what cloud-init recorded and from the firmware, not from the metadata service: the
 * latter asks for a tool that may not be installed.
 */
export function renderIdentityRead(): string {
  return `printf 'hostName=%s\\nmachineId=%s\\nbootId=%s\\n' "$(uname -n)" "$(cat /etc/machine-id)" "$(cat /proc/sys/kernel/random/boot_id)"
for file in /var/lib/cloud/data/instance-id /sys/class/dmi/id/product_uuid; do
  if [ -r "$file" ]; then printf 'vmId=%s\\n' "$(cat "$file")"; break; fi
done
if [ -e /var/lib/cloud/instance/boot-finished ]; then echo firstBoot=done; fi
if [ -r /run/cloud-init/result.json ]; then printf 'result=%s\\n' "$(tr '\\n' ' ' </run/cloud-init/result.json)"; fi
ip -4 -o address show | sed -n 's/.* inet \\([0-9.]*\\).*/address=\\1/p'
`;
}

/** @throws HadbError CommandFailed when the text is not the read's. */
export function parseIdentity(text: string): NodeIdentity {
  const all = (key: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1).trim()] : []));
  const [hostName] = all('hostName');
  const [machineId] = all('machineId');
  const [bootId] = all('bootId');
  if (!hostName || !bootId || machineId === undefined) throw unreadable('the identity read', text);
  const [vmId] = all('vmId');
  return {
    hostName,
    machineId,
    bootId,
    ...(vmId === undefined ? {} : { vmId }),
    firstBootDone: all('firstBoot').includes('done'),
    firstBootErrors: readErrors(all('result')[0]),
    addresses: all('address').filter((address) => address !== '127.0.0.1'),
  };
}

/** Firmware and Azure write the first three groups of the same vmId in opposite byte orders. */
export function isSameVm(left: string, right: string): boolean {
  return spellingsOf(left).includes(right.toLowerCase());
}

/** Both ways in which one vmId is written, in lower case. */
export function spellingsOf(vmId: string): [string, string] {
  const text = vmId.toLowerCase();
  return [text, swapBytes(text)];
}

function swapBytes(uuid: string): string {
  const groups = uuid.split('-');
  return groups.map((group, index) => (index < 3 ? (group.match(/../g) ?? []).reverse().join('') : group)).join('-');
}

function readErrors(result: string | undefined): string[] {
  if (result === undefined) return [];
  try {
    const parsed = JSON.parse(result) as { v1?: { errors?: unknown } };
    const errors = parsed.v1?.errors;
    return Array.isArray(errors) ? errors.map(String) : [];
  } catch {
    return [`cloud-init's result cannot be read: ${result.slice(0, 100)}`];
  }
}

const MARK = '# hadb: the nodes of the pair';

/** Prints one line for each node of the pair that `/etc/hosts` does not name with its address. */
export function renderHostsRead(nodes: readonly Node[]): string {
  return `${nodes
    .map(
      (node) =>
        `awk -v address=${quote(node.address)} -v name=${quote(node.name)} '$1 == address { for (i = 2; i <= NF; i++) if ($i == name) found = 1 } END { if (!found) print name }' /etc/hosts`,
    )
    .join('\n')}\n`;
}

/**
 * Adds the pair to `/etc/hosts`, atomically; other lines stay, but those that give a name of the pair another address of the
 * subnet. The node's own `127.0.1.1` stays: Corosync and DRBD use addresses, never names.
 */
export function renderHostsWrite(nodes: readonly Node[]): string {
  return `${assign({ names: nodes.map((node) => node.name).join(' '), mark: MARK })}
awk -v names="$names" -v mark="$mark" '
  BEGIN { count = split(names, list, " ") }
  $0 == mark { next }
  /^[[:space:]]*#/ || /^127\\./ { print; next }
  { for (i = 2; i <= NF; i++) for (n = 1; n <= count; n++) if ($i == list[n]) next; print }
' /etc/hosts >/etc/.hosts.hadb
printf '%s\\n' "$mark" ${nodes.map((node) => quote(`${node.address} ${node.name}`)).join(' ')} >>/etc/.hosts.hadb
chmod 0644 /etc/.hosts.hadb
sync /etc/.hosts.hadb
mv -f /etc/.hosts.hadb /etc/hosts
`;
}

/** Exit code 0 and the answer's line when the peer answers by name; 1 when it does not. */
export function renderPing(peer: Node): string {
  return `resolved=$(getent ahostsv4 ${quote(peer.name)} | awk 'NR == 1 { print $1 }')
[ "$resolved" = ${quote(peer.address)} ] || { echo ${quote(`${peer.name} resolves to`)} "\${resolved:-nothing}"; exit 1; }
ping -n -c 1 -W 2 ${quote(peer.name)} | sed -n 's/.* bytes from .*: //p' | grep . || { echo ${quote(`no echo from ${peer.name}`)}; exit 1; }
`;
}
