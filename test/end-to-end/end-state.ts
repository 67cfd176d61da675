import { notUnchanged } from './hadb';
import type { CommandOutcome, Hadb } from './hadb';

/** What a run must not touch on a built cluster: equal before and after, or something was restarted or moved. */
export async function readFingerprint(hadb: Hadb): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const { name } of hadb.specification.nodes) {
    const { stdout } = await (await hadb.node(name)).read(FINGERPRINT, { timeoutMs: 60_000 });
    seen[name] = stdout;
  }
  return seen;
}

/** What a run on a built cluster has changed: steps that did something, and nodes on which something was restarted or moved. */
export async function changesOf(
  hadb: Hadb,
  run: () => Promise<CommandOutcome>,
): Promise<{ steps: string[]; nodes: Record<string, { before: string; after: string | undefined }> }> {
  const before = await readFingerprint(hadb);
  const steps = notUnchanged(await run());
  const after = await readFingerprint(hadb);
  const moved = Object.entries(before).filter(([node, text]) => after[node] !== text);
  return {
    steps,
    nodes: Object.fromEntries(moved.map(([node, text]) => [node, { before: text, after: after[node] }])),
  };
}

export const NO_CHANGE = { steps: [], nodes: {} };

const FINGERPRINT = `
cat /proc/sys/kernel/random/boot_id
echo "server $(pidof mariadbd mysqld || echo none)"
echo "role $(drbdadm role r0) $(drbdadm dstate r0)"
cibadmin --query | grep -o -m1 ' admin_epoch="[0-9]*"'
cibadmin --query | grep -o -m1 ' epoch="[0-9]*"'
`;

/**
 * What a build leaves on the two nodes, without what differs between any two builds (keys, ids, times). What was done twice
 * shows here: a second directory put aside, a second row, a second partition.
 */
export async function readEndState(hadb: Hadb): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const { name } of hadb.specification.nodes) {
    const { stdout } = await (await hadb.node(name)).read(END_STATE, { timeoutMs: 120_000 });
    seen[name] = stdout;
  }
  return seen;
}

const END_STATE = `
echo "packages $(dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\\n' | sha256sum)"
for unit in corosync pacemaker drbd mariadb mysql hadb-probe-responder; do
  echo "$unit $(systemctl is-enabled "$unit" 2>&1 || :) $(systemctl is-active "$unit" 2>&1 || :)"
done
sed 's/shared-secret.*/shared-secret/' /etc/drbd.d/r0.res
cat /etc/corosync/corosync.conf /etc/modules-load.d/*drbd* /etc/hosts
sfdisk --json /dev/disk/azure/scsi1/lun0 | grep -v -E '"(id|uuid)":'
echo "role $(drbdadm role r0) $(drbdadm dstate r0) $(drbdadm cstate r0)"
find /etc/mysql -type f -name '*hadb*' -o -type f -name 'zz-*' | sort
stat -c '%n %a %U:%G' /var/lib/mysql /etc/corosync/authkey /etc/drbd.d/r0.res
ls -d /var/lib/mysql* | sed 's/[0-9]\\{6,\\}.*/DATE/'
if findmnt -n -o SOURCE,FSTYPE /var/lib/mysql; then
  blkid -p -s LABEL -s TYPE -o export /dev/drbd1
  ls -A /var/lib/mysql | grep -v -E '^(binlog|ib|#|.*\\.(pid|err)$|.*-bin)' | sort
  client=$(command -v mariadb || command -v mysql)
  "$client" -N -e "select count(*), min(name) from azureha.things; show tables from azureha; select user, host from mysql.user order by 1, 2"
else
  lsattr -d /var/lib/mysql | cut -d' ' -f1
  ls -A /var/lib/mysql
fi
cibadmin --query --scope configuration | sed 's/ value="[0-9a-f-]\\{36\\}"//'
crm_mon -1 --output-as=xml | grep -c -E '<failure ' || :
`;
