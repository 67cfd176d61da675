import { assign, REFUSE } from '../shell';
import { DRBD_RESOURCE } from '../specification/specification';
import { LATER, LOOK_AT_DRBD } from './guards';

/**
 * Has DRBD compare both copies block by block; nothing where it does so already. Only on the primary of a pair that is in sync, and only where the configuration in
 * force has a checksum for it and holds it to a rate: unlimited, it would take the disks from a database that serves.
 */
export const renderStartVerify =
  (): string => `${REFUSE}${LATER}${LOOK_AT_DRBD}${assign({ resource: DRBD_RESOURCE })}look
case $view in *' replication:Verify'*) exit 0 ;; esac
[ "$role" = Primary ] || refuse "this node is not primary ($seen)"
[ "$connection" = Connected ] || later "the peer is not connected ($seen)"
[ "$disk/$peer_disk" = UpToDate/UpToDate ] || later "the copies are not both current ($seen)"
case $view in *' replication:'[!E]*) later "something is being copied: $view" ;; esac
shown=$(drbdsetup show "$resource" 2>/dev/null) || shown=
in_force() { printf '%s\\n' "$shown" | grep -Eq "^[[:space:]]*$1[[:space:]]+$2;"; }
in_force verify-alg '"?[a-z0-9-]+"?' || refuse "no verify-alg is in force: DRBD has nothing to compare by"
if in_force c-plan-ahead 0; then
  in_force resync-rate '[0-9]+[kKmMgGsS]?' || refuse "no resync-rate is in force: nothing limits the comparison"
else
  in_force c-max-rate '[1-9][0-9]*[kKmMgGsS]?' || refuse "no c-max-rate is in force: nothing limits the comparison"
fi
drbdadm verify "$resource" </dev/null
`;
