import { FENCING_DEVICE, RESOURCES } from '../cib/cib';
import { CRM_EXIT } from '../cib/tools';
import { assign, REFUSE } from '../shell';
import { LATER, LOOK_AT_DRBD, RUNS } from './guards';

/**
 * Planned moves of a cluster that Pacemaker runs. The guard is the same for all of them: the other node has everything and is
 * free to take over. They are asked of Pacemaker, never made behind its back.
 */

/** Longest time for which a move prefers its target: whatever becomes of us, Pacemaker is free again then. */
export const MOVE_LIFETIME = 'PT10M';

/** Sets cluster and peer_node: the elements of crm_mon that tell of the whole and of the peer. */
export const LOOK_AT_CLUSTER = `look_at_cluster() {
  view=$(crm_mon -1 --output-as=xml 2>/dev/null) || refuse "Pacemaker does not answer on this node"
  cluster=$(printf '%s\\n' "$view" | grep -o '<cluster_options [^>]*>' || :)
  peer_node=$(printf '%s\\n' "$view" | grep -o "<node name=\\"$peer\\" [^>]*>" | head -n 1)
}
`;

/** Needs `peer`: it must be online, not in standby, connected and current. */
export const PEER_IS_READY = `${REFUSE}${LATER}${LOOK_AT_DRBD}${LOOK_AT_CLUSTER}look_at_cluster
case $cluster in *' maintenance-mode="false"'*) ;; *) refuse "the cluster is in maintenance mode: $cluster" ;; esac
case $peer_node in *' online="true"'*) ;; *) refuse "$peer is not online: $peer_node" ;; esac
case $peer_node in *' standby="false"'*) ;; *) refuse "$peer is in standby: $peer_node" ;; esac
look
[ "$connection" = Connected ] || later "the peer is not connected ($seen): nobody could take over"
[ "$disk/$peer_disk" = UpToDate/UpToDate ] || later "the copies are not both current ($seen)"
`;

/**
 * Asks Pacemaker to promote `to` instead of this node. Unlike standby it leaves DRBD running on both, so that nothing is
 * outdated for a moment.
 */
export const renderMovePrimary = ({ to }: { to: string }): string =>
  `${assign({ peer: to, resource: RESOURCES.drbdClone })}${PEER_IS_READY}
[ "$role" = Primary ] || refuse "this node is not primary ($seen)"
leftover=$(cibadmin --query --xpath "//rsc_location[starts-with(@id,'cli-')]" 2>/dev/null) || leftover=
[ -z "$leftover" ] || refuse "a constraint of an earlier move is left:" $leftover
crm_resource --move --resource "$resource" --promoted --node "$peer" --lifetime ${MOVE_LIFETIME}
`;

/** Prints the ids of constraints that moves and fence-peer handlers have left; changes nothing. */
export const renderConstraintsRead = (): string => `code=0
found=$(cibadmin --query --xpath "//rsc_location[starts-with(@id,'cli-') or starts-with(@id,'drbd-fence-by-handler')]" 2>/dev/null) || code=$?
case $code in 0) ;; ${CRM_EXIT.noSuch}) exit 0 ;; *) echo "cibadmin ended with $code" >&2; exit 1 ;; esac
printf '%s\\n' "$found" | grep -o '<rsc_location [^>]*' | sed 's/.* id="\\([^"]*\\)".*/\\1/'
`;

/** Takes the preference of a move back; what runs stays where it is. */
export const renderClearMove = (): string =>
  `${assign({ resource: RESOURCES.drbdClone })}crm_resource --clear --resource "$resource"\n`;

/**
 * Clears the failed monitors of a resource on a node, or the failed start of the fencing device, so that Pacemaker looks again what is there. Refused unless they
 * are all that is wrong: no failed operation of another kind, nothing blocked or failed now, no unclean node, no fencing that did not succeed (a failed one that a machine's own
 * answer has made good since is history). The reason goes to the system's log first: Pacemaker forgets what it cleans up.
 */
export const renderCleanUp = (what: { resource: string; node: string; reason: string }): string =>
  `${REFUSE}${assign(what)}
view=$(crm_mon -1 --output-as=xml 2>/dev/null) || refuse "Pacemaker does not answer on this node"
lines() { printf '%s\\n' "$view" | grep -o "$1" || :; }
options=$(lines '<cluster_options [^>]*>')
case $options in *' maintenance-mode="false"'*) ;; *) refuse "the cluster is in maintenance mode: $options" ;; esac
unclean=$(lines '<node [^>]*unclean="true"[^>]*>')
[ -z "$unclean" ] || refuse "a node is unclean: $unclean"
fencing=$(lines '<fence_event [^>]*>' | awk '
  function field(name) {
    return match($0, " " name "=\\"[^\\"]*\\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
  }
  { status = field("status"); target = field("target"); at = field("completed") }
  status == "success" && field("delegate") != "a human" { if (at > good[target]) good[target] = at; next }
  { open[++count] = $0; of[count] = target; when[count] = at }
  END { for (i = 1; i <= count; i++) if (when[i] == "" || when[i] >= good[of[i]]) print open[i] }
')
[ -z "$fencing" ] || refuse "a fencing has not succeeded: $fencing"
broken=$(lines '<resource [^>]*>' | grep -e ' failed="true"' -e ' blocked="true"' || :)
[ -z "$broken" ] || refuse "a resource has failed or is blocked now: $broken"
other=$(lines '<failure [^>]*>' | grep -v -e ' task="monitor"' -e ' op_key="${FENCING_DEVICE}_start_0"' || :)
[ -z "$other" ] || refuse "another operation than a monitor has failed: $other"
logger -t hadb -- "cleaning up the failed actions of $resource on $node: $reason"
crm_resource --cleanup --resource "$resource" --node "$node"
`;

/** Prints `active` or `stopped`. */
export const renderPacemakerRead =
  (): string => `${REFUSE}${RUNS}if runs pacemakerd; then echo active; else echo stopped; fi
`;

/**
 * Ends Pacemaker with everything it runs here. On the primary only once the peer's has ended: it would take over otherwise.
 */
export const renderPacemakerStop = ({
  peer,
}: {
  peer: string;
}): string => `${REFUSE}${RUNS}${LATER}${LOOK_AT_DRBD}${LOOK_AT_CLUSTER}${assign({ peer })}
if runs pacemakerd; then
  look_at_cluster
  look
  if [ "$role" = Primary ]; then
    case $peer_node in
      *' online="false"'*) ;;
      *' pending="true"'*)
        # With fencing, a node whose Corosync runs and whose Pacemaker does not is online and pending for good.
        entry=$(cibadmin --query --xpath "//node_state[@uname='$peer']" 2>/dev/null | grep -o '<node_state [^>]*>') || :
        case $entry in
          *' crmd="offline"'*|*' crmd="0"'*) ;;
          *) later "Pacemaker on $peer is just leaving or joining: $peer_node $entry" ;;
        esac
        ;;
      *) refuse "Pacemaker runs on $peer and would take over: $peer_node" ;;
    esac
  fi
  systemctl stop pacemaker
fi
`;
