import { assign, REFUSE } from '../shell';
import { LATER, LOOK_AT_DRBD } from './guards';
import { LOOK_AT_CLUSTER, PEER_IS_READY } from './drill-moves';

/** What a recovery puts right inside the cluster. Both moves are made on the node that holds the database, and are refused anywhere else. */

/**
 * Takes the peer out of standby. DRBD is stopped there, so that its copy is old: it comes back as the target of a resync, which only a primary
 * with a current copy makes sure of.
 */
export const renderLiftStandby = ({
  peer,
}: {
  peer: string;
}): string => `${assign({ peer })}${REFUSE}${LATER}${LOOK_AT_DRBD}${LOOK_AT_CLUSTER}look_at_cluster
case $cluster in *' maintenance-mode="false"'*) ;; *) refuse "the cluster is in maintenance mode: $cluster" ;; esac
case $peer_node in *' online="true"'*) ;; *) refuse "$peer is not online: $peer_node" ;; esac
case $peer_node in *' unclean="false"'*) ;; *) refuse "$peer is unclean: $peer_node" ;; esac
case $peer_node in *' maintenance="false"'*) ;; *) refuse "$peer is in maintenance mode: $peer_node" ;; esac
shot=$(crm_mon -1 --output-as=xml | grep -o '<fence_event [^>]*status="pending"[^>]*>' || :)
[ -z "$shot" ] || refuse "a node is being fenced: $shot"
look
[ "$role/$disk" = Primary/UpToDate ] || refuse "this node does not hold the database ($seen)"
[ "$connection" != StandAlone ] || refuse "the copies have parted ($seen)"
crm_standby --node "$peer" --update off
`;

/**
 * Removes constraints that a move or DRBD's fence-peer handler has left, by their ids. The handler's keeps an outdated copy from being promoted: it goes only
 * when both copies are current and connected, which DRBD says in the same command.
 */
export const renderRemoveConstraints = ({
  peer,
  ids,
}: {
  peer: string;
  ids: readonly string[];
}): string => `${assign({ peer, ids: ids.join(' ') })}${PEER_IS_READY}
[ "$role" = Primary ] || refuse "this node is not primary ($seen)"
for id in $ids; do
  case $id in cli-*|drbd-fence-by-handler-*) ;; *) refuse "$id was left by no move and by no handler" ;; esac
done
for id in $ids; do
  logger -t hadb -- "removing the leftover constraint $id ($seen)"
  cibadmin --delete --xpath "//rsc_location[@id='$id']"
done
`;
