import { assign, quote } from '../shell';
import type { FileSystem } from '../specification/specification';

/** Packages of the cluster, held at their version; nothing that is installed here may start by itself. */

/** `pacemaker-cli-utils` is only recommended by pacemaker; without it there is no `crm_mon`. */
export const CLUSTER_PACKAGES = [
  'corosync',
  'pacemaker',
  'pacemaker-cli-utils',
  'crmsh',
  'drbd-utils',
  'resource-agents',
  'socat',
  // Not of the cluster: what a drill cuts the network with.
  'nftables',
] as const;

/** Later Ubuntu releases keep `Filesystem` and `azure-lb` in it; Debian has no such package. */
export const EXTRA_AGENTS = 'resource-agents-extra';

/** Units that the packages bring: Pacemaker, not systemd, decides about DRBD; both others start once they are configured. */
export const CLUSTER_UNITS = ['corosync', 'pacemaker', 'drbd'] as const;

/** Azure's guides ask for it: with timestamps the load balancer's probes may be dropped. */
export const SYSCTL_FILE = '/etc/sysctl.d/60-hadb.conf';
export const SYSCTL_CONTENT = '# hadb: required behind an Azure load balancer\nnet.ipv4.tcp_timestamps = 0\n';

export interface PackageState {
  missing: string[];
  /** Installed and not held: a later upgrade would restart services behind Pacemaker's back. */
  unheld: string[];
  /** Units of ours that a boot would start. */
  enabled: string[];
  /** Resource agents that no installed package has brought. */
  missingAgents: string[];
  sysctl: boolean;
}

export interface PackageSet {
  packages: readonly string[];
  units: readonly string[];
  agents: readonly string[];
}

/** What the cluster of a specification needs; the tools of xfs are on no minimal image. */
export const clusterSet = ({ fileSystem }: { fileSystem: FileSystem }): PackageSet => ({
  packages: fileSystem === 'xfs' ? [...CLUSTER_PACKAGES, 'xfsprogs'] : CLUSTER_PACKAGES,
  units: CLUSTER_UNITS,
  agents: ['linbit/drbd', 'heartbeat/Filesystem', 'heartbeat/azure-lb'],
});

/** Changes nothing; prints what `parsePackageState` reads. Kernel packages count only where they are installed. */
export function renderPackageRead(set: PackageSet): string {
  return `${assign({ wanted: set.packages.join(' '), units: set.units.join(' '), agents: set.agents.join(' ') })}
dpkg-query -W -f '\${Package} \${db:Status-Abbrev}\\n' $wanted ${quote(EXTRA_AGENTS)} 'linux-image-*' 2>/dev/null |
  while read -r name state; do
    case $state in ?i*) printf 'installed=%s\\n' "$name"; case $state in h*) ;; *) printf 'unheld=%s\\n' "$name" ;; esac ;; esac
  done
for unit in $units; do
  for link in /etc/systemd/system/*.wants/"$unit".service; do
    if [ -L "$link" ]; then printf 'enabled=%s\\n' "$unit"; fi
  done
done
for agent in $agents; do
  [ -x "/usr/lib/ocf/resource.d/$agent" ] || printf 'missingAgent=%s\\n' "$agent"
done
printf 'timestamps=%s\\n' "$(cat /proc/sys/net/ipv4/tcp_timestamps)"
if [ -e ${quote(SYSCTL_FILE)} ]; then echo sysctl=kept; fi
`;
}

export function parsePackageState(text: string, set: PackageSet): PackageState {
  const all = (key: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1).trim()] : []));
  const installed = all('installed');
  return {
    missing: set.packages.filter((name) => !installed.includes(name)),
    unheld: all('unheld'),
    enabled: [...new Set(all('enabled'))],
    missingAgents: all('missingAgent'),
    sysctl: all('timestamps')[0] === '0' && all('sysctl').length > 0,
  };
}

/** Holds what is installed and puts the kernel's setting into force: milliseconds, so no job. */
export function renderHold(names: readonly string[]): string {
  return `${names.length === 0 ? '' : `printf '%s hold\\n' ${names.map(quote).join(' ')} | dpkg --set-selections\n`}cat >${quote(SYSCTL_FILE)} <<'CONTENT'
${SYSCTL_CONTENT}CONTENT
sysctl -q -p ${quote(SYSCTL_FILE)}
`;
}

/** Takes units of ours out of the boot, without `systemctl disable`: that spawns a SysV tool and two reloads (4 s under UML). */
export function renderDisable(units: readonly string[]): string {
  return `for unit in ${units.map(quote).join(' ')}; do
  rm -f /etc/systemd/system/*.wants/"$unit".service
done
`;
}

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_MARK = 'hadb: nothing starts while packages are installed';

/**
 * The script of a remote job: installs, with every start blocked, and leaves the units disabled.
 *
 * Blocked twice: by `policy-rc.d` (what a postinst starts), and by masks (what a boot would start if the node were reset
 * before the units are disabled: a cluster called `node1` with a CIB of its own). Either is removed by a trap, or by the
 * next try after a reset. The masks are gone before Pacemaker comes: it cannot start a masked unit.
 */
export function renderInstall(
  set: PackageSet,
  options: {
    optional?: readonly string[];
    /** Of these the first that the distribution knows. */
    firstOf?: readonly string[];
    lockSeconds: number;
    environment?: Readonly<Record<string, string>>;
  },
): string {
  return `${assign({ wanted: set.packages.join(' '), optional: (options.optional ?? []).join(' '), units: set.units.join(' ') })}
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l ${Object.entries(options.environment ?? {})
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join(' ')}
policy=${quote(POLICY)}
if [ -e "$policy" ] && ! grep -q ${quote(POLICY_MARK)} "$policy"; then
  echo "$policy exists and is not hadb's: whoever put it there decides what may start" >&2
  exit 1
fi
masked=
unblock() {
  status=$?
  rm -f "$policy"
  for unit in $masked; do rm -f "/etc/systemd/system/$unit.service"; done
  exit "$status"
}
trap unblock EXIT
trap 'exit 143' TERM INT HUP
printf '#!/bin/sh\\n# %s\\nexit 101\\n' ${quote(POLICY_MARK)} >"$policy"
chmod 0755 "$policy"
for unit in $units; do
  file=/etc/systemd/system/$unit.service
  if [ ! -e "$file" ] && [ ! -L "$file" ]; then ln -s /dev/null "$file"; fi
  if [ "$(readlink "$file")" = /dev/null ]; then masked="$masked $unit"; fi
done
sync /etc/systemd/system
apt_get() { apt-get -q -y -o DPkg::Lock::Timeout=${options.lockSeconds} -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"; }
dpkg --configure -a
apt_get update
for name in $optional; do
  if apt-cache show "$name" >/dev/null 2>&1; then wanted="$wanted $name"; fi
done
${
  options.firstOf === undefined
    ? ''
    : `for name in ${options.firstOf.map(quote).join(' ')}; do
  if apt-cache show "$name" >/dev/null 2>&1; then wanted="$wanted $name"; break; fi
done
`
}apt_get --no-install-recommends --allow-change-held-packages install $wanted
${renderDisable(set.units)}sync /etc/systemd/system
for unit in $units; do
  if systemctl --quiet is-active "$unit" && [ "$unit" != drbd ]; then echo "$unit was started although everything blocks it" >&2; exit 1; fi
done
`;
}
