import { assign, REFUSE } from '../shell';
import { spellingsOf } from './access';
import { PEER_IS_READY } from './drill-moves';

/** What every fault on a node looks at in the command that makes it, and the timer by which the node takes the fault back. */

export interface FaultTarget {
  node: string;
  peer: string;
  /** As Azure has just told it. */
  vmId: string;
  role: 'Primary' | 'Secondary';
}

/** Units of the timers that take a fault back: `hadb-undo-` and the fault. */
const UNDO_UNITS = 'hadb-undo-';

const FAULT_NAME = /^[a-z-]+$/;

/** Prints the faults whose timer has not run yet, or runs now; changes nothing. */
export const renderLeftFaultsRead =
  (): string => `units=$(systemctl list-units --plain --no-legend --full '${UNDO_UNITS}*')
printf '%s\\n' "$units" | sed -n 's/^${UNDO_UNITS}\\([a-z-]*\\)\\.[a-z]* .*/\\1/p' | sort -u
`;

/**
 * Does now what the timers would do later: the same units, so that nobody needs to know any more what was broken. Not into a fencing, which would
 * find a node that it takes for dead; only the way to Azure is opened all the same, without which no fencing succeeds.
 */
export function renderEndLeftFaults(faults: readonly string[]): string {
  const wrong = faults.find((fault) => !FAULT_NAME.test(fault));
  if (wrong !== undefined) throw new Error(`"${wrong}" is no fault`);
  const guard = faults.every((fault) => fault === OPENS_THE_WAY) ? '' : NO_FENCING_NOW;
  return `${REFUSE}${assign({ faults: faults.join(' ') })}${guard}
for fault in $faults; do
  unit=${UNDO_UNITS}$fault
  systemctl --quiet is-active "$unit.timer" || continue
  logger -t hadb -- "taking the fault $fault back, which a drill has left"
  systemctl start --wait "$unit.service"
  systemctl stop "$unit.timer"
done
`;
}

export const OPENS_THE_WAY = 'resource-manager-cut';

const NO_FENCING_NOW = `view=$(crm_mon -1 --output-as=xml 2>/dev/null) || view=
shot=$(printf '%s\\n' "$view" | grep -o '<fence_event [^>]*status="pending"[^>]*>' || :)
[ -z "$shot" ] || refuse "a node is being fenced: $shot"
`;

/** The machine is the one that is meant, by its VM id; a machine that cannot tell is not. */
const IS_TARGET = `name=$(uname -n)
[ "$name" = "$node" ] || refuse "this machine is called $name, not $node"
found=
for file in /var/lib/cloud/data/instance-id /sys/class/dmi/id/product_uuid; do
  if [ -r "$file" ]; then found=$(tr 'A-F' 'a-f' <"$file"); break; fi
done
case $found in "$vm_id"|"$vm_id_swapped") ;; *) refuse "the vmId of this machine is \${found:-unknown}, not $vm_id" ;; esac
`;

/** No fault on top of another one: one whose timer has not run yet may still be there. */
const NO_OTHER_FAULT = `pending=$(systemctl list-units --plain --no-legend --full '${UNDO_UNITS}*') || refuse "systemd does not tell whether a fault is to be taken back here"
[ -z "$pending" ] || refuse "a fault of a drill is still to be taken back here: $pending"
`;

/** The right machine, in the role that was read, in a pair that is whole; nothing of an earlier fault is left. Brings \`refuse\`, \`later\` and \`look\`. */
export function renderFaultGuard({ node, peer, vmId, role }: FaultTarget): string {
  const [vm_id, vm_id_swapped] = spellingsOf(vmId);
  const wanted = role === 'Primary' ? 'Primary/Secondary' : 'Secondary/Primary';
  return `${assign({ node, peer, vm_id, vm_id_swapped, wanted })}${PEER_IS_READY}${IS_TARGET}${NO_OTHER_FAULT}
[ "$role/$peer_role" = "$wanted" ] || refuse "the roles are $role/$peer_role, not $wanted: the cluster has changed since the drill began"
`;
}

/** Needs \`look_at_cluster\`: fencing is on, as Pacemaker itself has it, and holds the loser of a race back. */
export const FENCING_IS_ON = `case $cluster in *' stonith-enabled="true"'*|*' fencing-enabled="true"'*) ;; *) refuse "the cluster does not fence: $cluster" ;; esac
delay=$(crm_attribute --type crm_config --name priority-fencing-delay --query --quiet 2>/dev/null) || delay=
case $delay in ''|0|0s) refuse "no priority-fencing-delay: both nodes may shoot each other" ;; esac
`;

/**
 * Arms the timer before the fault: whatever becomes of whoever ordered it, the node takes the fault back. A fault that cannot be made is taken back at
 * once, so that no half of it stays.
 */
export const renderWithUndo = (what: {
  fault: string;
  undoSeconds: number;
  /** POSIX sh, without `${` and `$$`, which systemd takes for its own; may come twice, and where the fault is gone. */
  undo: string;
  /** POSIX sh; one that fails is taken back. */
  make: string;
}): string => `${assign({ unit: `${UNDO_UNITS}${what.fault}`, undo_seconds: what.undoSeconds, undo: what.undo })}
systemd-run --quiet --collect --unit="$unit" --description='hadb: takes the fault of a drill back' \\
  --on-active="\${undo_seconds}s" --timer-property=AccuracySec=1s -- /bin/sh -c "$undo"
systemctl --quiet is-active "$unit.timer" || refuse "the timer that would take the fault back does not run"
make_fault() {
${what.make}}
code=0
( set -eu; make_fault ) || code=$?
if [ "$code" != 0 ]; then
  /bin/sh -c "$undo" || :
  systemctl stop "$unit.timer"
  exit "$code"
fi
`;

/** Takes the fault back now, and then its timer. May come twice; prints what was still there. */
export const renderUndoNow = (what: { fault: string; undo: string; isThere: string }): string =>
  `${assign({ unit: `${UNDO_UNITS}${what.fault}`, undo: what.undo })}
is_there() {
${what.isThere}}
if is_there; then
  /bin/sh -c "$undo"
  ! is_there || { echo "the fault is still there" >&2; exit 1; }
  echo fault
fi
if systemctl --quiet is-active "$unit.timer"; then
  systemctl stop "$unit.timer"
  echo timer
fi
`;
