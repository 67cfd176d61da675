import type { AzureFencing } from '../cib/cib';
import { RESOURCE_FILE } from '../drbd/resource-file';
import { HadbError } from '../errors';
import { assign } from '../shell';
import { DRBD_RESOURCE } from '../specification/specification';
import { PEER_IS_READY } from './drill-moves';
import { renderWriteFiles, type NodeFile } from './files';
import { renderCibPatch } from './pacemaker-moves';

/**
 * Fencing put into force on a cluster that serves. Both moves want a pair on which nothing is wrong: one that is not healthy would be shot at, or freeze,
 * at the moment when fencing begins.
 */

/** Needs `peer`: besides being ready, nothing has failed, is under way or left over, on either node. */
const HEALTHY_PAIR = `${PEER_IS_READY}case $role/$peer_role in Primary/Secondary|Secondary/Primary) ;; *) refuse "the pair has not one primary ($seen)" ;; esac
case $view in *' suspended:no'*) ;; *) refuse "the input and output of r0 is suspended" ;; esac
look_at_cluster
lines() { printf '%s\\n' "$view" | grep -o "$1" || :; }
none() { [ -z "$2" ] || refuse "$1: $2"; }
quorum=$(lines '<current_dc [^>]*with_quorum="true"[^>]*>')
[ -n "$quorum" ] || refuse "the cluster has no quorum"
none "a node is not online" "$(lines '<node [^>]*online="false"[^>]*>')"
none "a node is unclean" "$(lines '<node [^>]*unclean="true"[^>]*>')"
none "an operation has failed" "$(lines '<failure [^>]*>')"
none "a resource has failed or is blocked" "$(lines '<resource [^>]*>' | grep -e ' failed="true"' -e ' blocked="true"' || :)"
none "a constraint keeps a resource away" "$(lines '<ban [^>]*>')"
none "a node is being fenced" "$(lines '<fence_event [^>]*status="pending"[^>]*>')"
`;

/** What `drbdadm adjust` may not do to a resource that is in use. */
const DISRUPTIVE =
  'up|down|attach|detach|connect|disconnect|primary|secondary|resize|invalidate|invalidate-remote|(new|del)-[a-z-]+|create-md|apply-al';

/**
 * Writes `r0.res` (and the handler that it names, where that is ours) and has DRBD take it over, where this changes options only; else the file is put back.
 * Input: the contents of the files, one after the other.
 */
export function renderAdjustFencing({
  peer,
  handler,
  files,
}: {
  peer: string;
  handler: string;
  files: readonly NodeFile[];
}): string {
  return `${assign({ peer, resource: DRBD_RESOURCE, file: RESOURCE_FILE, handler })}${HEALTHY_PAIR}
[ -e "$file" ] || refuse "$file does not exist"
before=$file.hadb-before
cp -p "$file" "$before"
put_back() { mv -f "$before" "$file"; refuse "$@"; }
${renderWriteFiles(files)}
[ -x "$handler" ] || put_back "the fence-peer handler $handler is not there"
plan=$(drbdadm --dry-run adjust "$resource" </dev/null 2>/dev/null) || put_back "drbdadm does not accept the new $file"
disruptive=$(printf '%s\\n' "$plan" | grep -oE ' (${DISRUPTIVE})( |$)' | tr '\\n' ' ' || :)
[ -z "$disruptive" ] || put_back "drbdadm would do more than change options of $resource:" $disruptive
drbdadm adjust "$resource" </dev/null
rm -f "$before"
`;
}

/**
 * As `renderCibPatch`, where DRBD holds writing up already and the agent of this node can see the peer's machine: a cluster that cannot shoot promotes nobody.
 * @throws HadbError Internal when the peer has no machine.
 */
export function renderFencingPatch(what: {
  peer: string;
  fencing: AzureFencing;
  oldBytes: number;
  newBytes: number;
}): string {
  const { peer, fencing } = what;
  const machine = fencing.hosts.find(({ node }) => node === peer)?.vm;
  if (machine === undefined) throw new HadbError('Internal', `${peer} has no machine that could be fenced`);
  const { resourceGroup: group, subscriptionId: subscription } = fencing;
  return `${assign({ peer, machine, group, subscription, resource: DRBD_RESOURCE })}${HEALTHY_PAIR}
drbdsetup show "$resource" 2>/dev/null | grep -q 'fencing[[:space:]]*resource-and-stonith;' || refuse "r0 does not hold writing up on this node yet"
state=$(fence_azure_arm --msi --resourceGroup="$group" --subscriptionId="$subscription" --plug="$machine" --action=status </dev/null 2>&1) ||
  refuse "the fence agent does not see $machine running:" $state
${renderCibPatch(what)}`;
}
