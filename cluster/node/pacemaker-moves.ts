import { RESOURCES } from '../cib/cib';
import { raiseEpoch } from '../cib/epoch';
import { HadbError } from '../errors';
import { assign, quote, REFUSE } from '../shell';
import { RUNS } from './guards';

/** First start of Pacemaker and changes of its configuration. */

export const CIB_FILE = '/var/lib/pacemaker/cib/cib.xml';

/** Prints `cib=ours` or `cib=foreign` for the configuration on the node's disk, nothing when there is none; needs `cib`. */
export const WHOSE_CIB = `if [ -e "$cib" ]; then
  if grep -q 'id="${RESOURCES.drbd}"' "$cib"; then echo cib=ours; else echo cib=foreign; fi
fi
`;

/** How far a node is with Pacemaker, by the CIB on its disk. */
export interface BuiltFacts {
  cib: 'none' | 'ours' | 'foreign';
  /** The settings of the first start are still in it. */
  seeded: boolean;
  pacemakerActive: boolean;
}

/** Prints what `parseBuilt` reads; changes nothing. */
export function renderBuiltRead(firstStartDeadtime: string): string {
  return `${REFUSE}${RUNS}${assign({ cib: CIB_FILE, deadtime: firstStartDeadtime })}
${WHOSE_CIB}if [ -e "$cib" ]; then
  if grep -q "name=\\"dc-deadtime\\" value=\\"$deadtime\\"" "$cib"; then echo seeded=yes; fi
fi
if runs pacemakerd; then echo pacemaker=active; fi
`;
}

export function parseBuilt(text: string): BuiltFacts {
  const lines = new Set(text.split('\n'));
  return {
    cib: lines.has('cib=ours') ? 'ours' : lines.has('cib=foreign') ? 'foreign' : 'none',
    seeded: lines.has('seeded=yes'),
    pacemakerActive: lines.has('pacemaker=active'),
  };
}

/**
 * Puts the configuration where Pacemaker finds it at its first start: complete, verified by `crm_verify`, in maintenance mode.
 * Input: the CIB for the check (as the cluster would see it), then the CIB itself. Refused where any cluster was before.
 */
export function renderFirstConfiguration({ checkBytes, cibBytes }: { checkBytes: number; cibBytes: number }): string {
  return `${REFUSE}${RUNS}${assign({ cib: CIB_FILE })}
! runs pacemakerd || refuse "Pacemaker runs on this node"
[ ! -e "$cib" ] || refuse "$cib exists: $(grep -o 'uname="[^"]*"' "$cib" | sort -u | tr '\\n' ' ')"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c ${checkBytes} >"$work/check.xml"
head -c ${cibBytes} >"$work/cib.xml"
[ "$(stat -c %s "$work/cib.xml")" = ${cibBytes} ] || { echo 'the configuration arrived incomplete' >&2; exit 1; }
if ! complaints=$(crm_verify -V -x "$work/check.xml" 2>&1); then refuse "crm_verify does not accept the configuration:" "$complaints"; fi
rm -f "$cib.sig"
install -o hacluster -g haclient -m 0600 "$work/cib.xml" "$cib.hadb-new"
sync "$cib.hadb-new"
mv -f "$cib.hadb-new" "$cib"
sync "$(dirname "$cib")"
`;
}

/** Starts Pacemaker where Corosync has formed the cluster of the two, and what is to be adopted is known. */
export const renderPacemakerStart =
  (): string => `${REFUSE}quorum=$(corosync-quorumtool -s 2>&1) || refuse "no quorum:" $quorum
case $quorum in *'Total votes:      2'*) ;; *) refuse "the cluster has not two members:" $(printf '%s\\n' "$quorum" | grep -i votes) ;; esac
systemctl start pacemaker
`;

/** Has Pacemaker look again at what runs: results of earlier probes are forgotten. Refused once it manages the resources. */
export const renderRefresh =
  (): string => `${REFUSE}mode=$(crm_attribute --type crm_config --name maintenance-mode --query --quiet 2>/dev/null || :)
[ "$mode" = true ] || refuse "the cluster manages its resources: what has failed there is not wiped away"
crm_resource --refresh
`;

/** Prints the whole live CIB. */
export const renderCibRead = (): string => 'cibadmin --query\n';

/** Prints what Pacemaker would do with the CIB that comes as input; changes nothing. */
export const renderSimulation = (): string => `work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/new.xml"
crm_simulate -x "$work/new.xml" -S
`;

/**
 * Compare and swap: input is the CIB that the change was planned from, then the changed one; refused (exit code 103) when the
 * live one has moved since. Never `--force`, never a part by `--scope`, which would overwrite silently.
 */
export function renderCibPatch({ oldBytes, newBytes }: { oldBytes: number; newBytes: number }): string {
  return `${REFUSE}work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c ${oldBytes} >"$work/old.xml"
head -c ${newBytes} >"$work/new.xml"
[ "$(stat -c %s "$work/new.xml")" = ${newBytes} ] || { echo 'the configuration arrived incomplete' >&2; exit 1; }
if ! complaints=$(crm_verify -V -x "$work/new.xml" 2>&1); then refuse "crm_verify does not accept the configuration:" "$complaints"; fi
code=0
crm_diff -o "$work/old.xml" -n "$work/new.xml" >"$work/patch.xml" || code=$?
case $code in 0) exit 0 ;; 1) ;; *) echo "crm_diff ended with $code" >&2; exit 1 ;; esac
cibadmin --patch --xml-file "$work/patch.xml"
`;
}

/**
 * Sets cluster properties in the text of a live CIB, each of which must be there already, and raises its epoch: a patch that
 * leads to no newer version is refused as "older".
 * @throws HadbError Internal when a property or the epoch is missing.
 */
export function withProperties(cib: string, properties: Readonly<Record<string, string>>): string {
  const changed = Object.entries(properties).reduce((text, [name, value]) => {
    const pair = new RegExp(`<nvpair [^>]*\\bname="${name}"[^>]*>`).exec(text)?.[0];
    if (pair === undefined) throw new HadbError('Internal', `the CIB has no property ${name}`);
    return text.replace(pair, pair.replace(/ value="[^"]*"/, ` value="${value}"`));
  }, cib);
  return raiseEpoch(changed);
}

const BOOT_UNITS = ['corosync', 'pacemaker'] as const;

/** Prints each unit that a boot does not start. */
export const renderBootRead = (): string =>
  `for unit in ${BOOT_UNITS.join(' ')}; do
  [ -L "/etc/systemd/system/multi-user.target.wants/$unit.service" ] || printf '%s\\n' "$unit"
done
`;

/** What `systemctl enable` does for these two, without its SysV tool and its two reloads (4 s under UML). */
export const renderBootEnable = (): string => `${REFUSE}mkdir -p /etc/systemd/system/multi-user.target.wants
for unit in ${BOOT_UNITS.join(' ')}; do
  file=$(systemctl show --property=FragmentPath --value "$unit.service")
  grep -q '^WantedBy=.*multi-user\\.target' "$file" || refuse "$file is not started by multi-user.target"
  ln -sfn "$file" "/etc/systemd/system/multi-user.target.wants/$unit.service"
done
sync /etc/systemd/system/multi-user.target.wants
`;

/** Prints what serves on this node: mount, server process, responder; changes nothing. */
export const renderServingRead = (directory: string): string =>
  `${REFUSE}${RUNS}findmnt -n -o SOURCE,FSTYPE,OPTIONS --mountpoint ${quote(directory)} | sed 's/^/mount /' || :
for process in mariadbd mysqld socat pacemakerd corosync; do
  if runs "$process"; then printf 'process %s %s\\n' "$process" "$pids"; fi
done
`;
