// What a careless person does to a pair by hand, so that writes that were acknowledged are lost, and how the pair is put right afterwards: POSIX sh for a
// node, run by root. hadb itself makes none of these moves (docs/safety.md, 5, 16 and 17). Exit code 74: not yet; 75: refused, with what was seen.
'use strict';

const MASTER_SCORE = 'master-drbd_mysql';

/** Sets role, connection, disk, peer_role and peer_disk in DRBD's words. */
const LOOK = `refuse() { printf '%s\\n' "$*" >&2; exit 75; }
later() { printf '%s\\n' "$*" >&2; exit 74; }
word() { printf '%s\\n' "$view" | sed -n "s/^exists $1 .* $2:\\([A-Za-z]*\\).*/\\1/p" | head -n 1; }
look() {
  view=$(drbdsetup events2 --now r0 2>/dev/null) || view=
  role=$(word resource role)
  [ -n "$role" ] || later "r0 is not up"
  connection=$(word connection connection)
  peer_role=$(word connection role)
  disk=$(word device disk)
  peer_disk=$(word peer-device peer-disk)
  seen="$role/$peer_role $connection $disk/$peer_disk"
}
look
`;

const WHOLE = `[ "$connection $disk/$peer_disk" = "Connected UpToDate/UpToDate" ] || later "the copies are not both current ($seen)"
`;

/** Prints role, connection, disk, the peer's disk, and the protocol in force (\`-\` without a connection to configure). */
const readCopy = `${LOOK}letter=$(sed -n 's/^ *1: .* ds:[^ ]* \\([ABC]\\) .*/\\1/p' /proc/drbd)
echo "$role" "\${connection:-none}" "$disk" "\${peer_disk:-DUnknown}" "\${letter:--}"
`;

/**
 * On the secondary. It takes its leave from DRBD in good order, so that no handler runs on the primary and nothing freezes there; its own mark against
 * promotion, which DRBD's agent would take away by itself within half a minute, goes as well: Pacemaker must not try.
 */
const cutReplication = `${LOOK}if [ "$connection" = Connected ]; then
  [ "$role/$peer_role" = Secondary/Primary ] || refuse "this is not the secondary of a primary ($seen)"
  ${WHOLE}  drbdadm disconnect r0 </dev/null
fi
crm_attribute --node "$(uname -n)" --name ${MASTER_SCORE} --lifetime reboot --delete || :
look
[ "$connection" != Connected ] || refuse "r0 is still connected ($seen)"
`;

/**
 * On the stale side, once its peer is dead for Pacemaker. DRBD is told to take the old copy for the current one, and to forget that it was primary; then Pacemaker
 * promotes it, mounts, and starts the server, as on any night.
 */
const promoteStale = (
  peer,
) => `${LOOK}peer_node=$(crm_mon -1 --output-as=xml | grep -o '<node name="${hostName(peer)}" [^>]*>' | head -n 1)
case $peer_node in *' online="false"'*) ;; *) later "${hostName(peer)} still counts: $peer_node" ;; esac
case $peer_node in *' unclean="false"'*) ;; *) later "${hostName(peer)} is not fenced yet: $peer_node" ;; esac
[ "$role" = Secondary ] || refuse "this node is not secondary ($seen)"
[ "$connection" != Connected ] || refuse "the copies are connected ($seen)"
case $disk in Outdated|Consistent) ;; *) refuse "the copy here is $disk, not an old one ($seen)" ;; esac
drbdadm primary --force r0 </dev/null
drbdadm secondary r0 </dev/null
crm_attribute --node "$(uname -n)" --name ${MASTER_SCORE} --lifetime reboot --update 1000
`;

/** On the side whose writes are given up: secondary, and nothing of it mounted. */
const giveUpWrites = `${LOOK}[ "$role" = Secondary ] || refuse "this node is $role: its writes are not given up ($seen)"
while read -r source rest; do
  [ "$source" != /dev/drbd1 ] || refuse "/dev/drbd1 is mounted here"
done </proc/mounts
if [ "$connection" != Connected ]; then
  drbdadm disconnect r0 </dev/null || :
  drbdadm connect --discard-my-data r0 </dev/null
fi
`;

/** On the other side, which keeps what it has. */
const connect = `${LOOK}if [ "\${connection:-StandAlone}" = StandAlone ]; then drbdadm connect r0 </dev/null; fi
`;

/** Protocol A and \`resource-and-stonith\` exclude each other for the kernel: the policy goes first, on both nodes. */
const relaxFencing = `${LOOK}${WHOLE}drbdadm disk-options --fencing=resource-only r0 </dev/null
`;

/** The time-out of pings is in tenths of a second; half a second, as it is by default, would part the nodes on a late link. */
const protocolA = `${LOOK}${WHOLE}drbdadm net-options --protocol=A --ping-timeout=100 r0 </dev/null
letter=$(sed -n 's/^ *1: .* ds:[^ ]* \\([ABC]\\) .*/\\1/p' /proc/drbd)
[ "$letter" = A ] || refuse "the protocol in force is \${letter:-not told}, not A"
`;

/** What was changed by hand is again as the resource file has it; a resource that is StandAlone connects. */
const asConfigured = `${LOOK}drbdadm adjust r0 </dev/null
`;

/** On the secondary: every block is copied from the primary once more, whatever the bitmaps say. */
const copyEverything = `${LOOK}[ "$role/$peer_role" = Secondary/Primary ] || refuse "this is not the secondary of a primary ($seen)"
${WHOLE}drbdadm invalidate r0 </dev/null
`;

function hostName(name) {
  if (!/^[a-z0-9-]+$/i.test(name)) throw new Error(`"${name}" is no name of a node`);
  return name;
}

module.exports = {
  readCopy,
  cutReplication,
  promoteStale,
  giveUpWrites,
  connect,
  relaxFencing,
  protocolA,
  asConfigured,
  copyEverything,
};
