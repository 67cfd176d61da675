import { renderResponderAgentProbe } from './cib/responder-agent';
import { HadbError } from './errors';
import { assign } from './shell';
import type { DatabaseEngine } from './specification/specification';
import { isAtLeast, upstreamVersion } from './versions';

/** What a node is found to be; versions are upstream's (`2.1.5`), absent while the package is not installed. */
export interface Platform {
  /** `debian`, `ubuntu`. */
  osId: string;
  /** `12`, `24.04`; empty on Debian's unreleased suites. */
  osVersion: string;
  osCodename: string;
  hostName: string;
  kernel: string;
  /** Changes with each boot of the node. */
  bootId: string;
  /** Version of the kernel module, loaded or loadable: `8.4.11`. */
  drbdKernelVersion?: string;
  drbdModuleLoaded: boolean;
  drbdUtilsVersion?: string;
  pacemakerVersion?: string;
  corosyncVersion?: string;
  crmshVersion?: string;
  /** The installed database server. */
  engine?: DatabaseEngine;
  serverVersion?: string;
  /** What the package archive of the node offers; filled only for engines that are not installed. */
  offered: Partial<Record<DatabaseEngine, string>>;
  /** User and group id of the database server's user; they must be the same on both nodes. */
  databaseUser?: { uid: number; gid: number };
  /** Stable name of the data disk (LUN 0), absent when none is attached or udev gives no Azure names. */
  dataDisk?: string;
  /** Resource agents that the cluster needs and that are not installed yet. */
  missingAgents: string[];
  /**
   * Whether `crm-fence-peer.sh` understands this Pacemaker. False for drbd-utils before 9.28 with Pacemaker 2.1.7 and
   * later (timestamps in the node state), and for drbd-utils before 9.20: the handler then always waits its whole time-out.
   */
  fencePeerHandlerWorks: boolean;
  /** Whether the installed `azure-lb` runs under the shell that it asks for. */
  responderAgentWorks: boolean;
}

const DATA_DISKS = ['/dev/disk/azure/scsi1/lun0', '/dev/disk/azure/data/by-lun/0'] as const;

/** Where the data disk of an Azure machine with a SCSI controller is, and its one partition. */
export const DEFAULT_DATA_DISK = DATA_DISKS[0];
export const partitionOf = (disk: string): string => `${disk}-part1`;

const AGENTS = ['linbit/drbd', 'heartbeat/Filesystem', 'heartbeat/azure-lb'] as const;
const PACKAGES = ['drbd-utils', 'pacemaker', 'corosync', 'crmsh', 'mariadb-server', 'mysql-server'] as const;

/** Changes nothing; prints one `key=value` a line for `parsePlatform`. */
export function renderPlatformProbe(): string {
  return `set -eu
${assign({ disks: DATA_DISKS.join(' '), agents: AGENTS.join(' '), packages: PACKAGES.join(' ') })}
. /etc/os-release
printf 'osId=%s\\nosVersion=%s\\nosCodename=%s\\n' "\${ID:-}" "\${VERSION_ID:-}" "\${VERSION_CODENAME:-}"
printf 'hostName=%s\\nkernel=%s\\nbootId=%s\\n' "$(uname -n)" "$(uname -r)" "$(cat /proc/sys/kernel/random/boot_id)"
if [ -r /sys/module/drbd/version ]; then
  printf 'drbdModule=%s\\ndrbdLoaded=yes\\n' "$(cat /sys/module/drbd/version)"
elif module=$(modinfo -F version drbd 2>/dev/null); then
  printf 'drbdModule=%s\\n' "$module"
fi
dpkg-query -W -f 'package=\${Package} \${db:Status-Abbrev} \${Version}\\n' $packages 2>/dev/null || :
for engine in mariadb mysql; do
  dpkg-query -W -f '\${db:Status-Abbrev}' "$engine-server" 2>/dev/null | grep -q '^.i' && continue
  candidate=$(apt-cache policy "$engine-server" 2>/dev/null | sed -n 's/^ *Candidate: *//p') || :
  case $candidate in ''|'(none)') ;; *) printf 'offered=%s %s\\n' "$engine" "$candidate" ;; esac
done
if user=$(getent passwd mysql); then printf 'user=%s\\n' "$user"; fi
for disk in $disks; do
  if [ -b "$disk" ]; then printf 'dataDisk=%s\\n' "$disk"; break; fi
done
for agent in $agents; do
  [ -x "/usr/lib/ocf/resource.d/$agent" ] || printf 'missingAgent=%s\\n' "$agent"
done
${renderResponderAgentProbe()}if grep -q timestamp /usr/lib/drbd/crm-fence-peer.sh 2>/dev/null; then printf 'handlerReadsTimestamps=yes\\n'; fi
`;
}

/** @throws HadbError PlatformUnsupported when the text is not the probe's. */
export function parsePlatform(text: string): Platform {
  const lines = text.split('\n').flatMap((line) => {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    return key === undefined || value === undefined ? [] : [{ key, value: value.trim() }];
  });
  const all = (key: string) => lines.filter((line) => line.key === key).map((line) => line.value);
  const first = (key: string) => all(key)[0];
  const [osId, kernel, hostName, bootId] = [first('osId'), first('kernel'), first('hostName'), first('bootId')];
  if (osId === undefined || kernel === undefined || hostName === undefined || bootId === undefined) {
    throw new HadbError(
      'PlatformUnsupported',
      'the node does not answer the platform probe as a Debian or Ubuntu does',
      {
        observed: text.slice(0, 300),
        whatNow: 'Use an image of Debian 12 or later, or of Ubuntu 22.04 or later.',
      },
    );
  }
  const installed = installedPackages(all('package'));
  const engine = (['mysql', 'mariadb'] as const).find((name) => installed.has(`${name}-server`));
  const user = first('user')?.split(':');
  const drbdKernelVersion = first('drbdModule');
  return {
    osId,
    osVersion: first('osVersion') ?? '',
    osCodename: first('osCodename') ?? '',
    hostName,
    kernel,
    bootId,
    ...given('drbdKernelVersion', drbdKernelVersion),
    drbdModuleLoaded: first('drbdLoaded') === 'yes',
    ...given('drbdUtilsVersion', installed.get('drbd-utils')),
    ...given('pacemakerVersion', installed.get('pacemaker')),
    ...given('corosyncVersion', installed.get('corosync')),
    ...given('crmshVersion', installed.get('crmsh')),
    ...given('engine', engine),
    ...given('serverVersion', engine && installed.get(`${engine}-server`)),
    offered: Object.fromEntries(all('offered').map((line) => offer(line))),
    ...given('databaseUser', user && { uid: Number(user[2]), gid: Number(user[3]) }),
    ...given('dataDisk', first('dataDisk')),
    missingAgents: all('missingAgent'),
    fencePeerHandlerWorks: fencePeerHandlerWorks({
      readsTimestamps: first('handlerReadsTimestamps') === 'yes',
      utils: installed.get('drbd-utils'),
      pacemaker: installed.get('pacemaker'),
    }),
    responderAgentWorks: first('responderAgentBroken') !== 'yes',
  };
}

/**
 * The version of something that must be installed by now.
 * @throws HadbError PlatformUnsupported when it is not.
 */
export function requireVersion(
  platform: Platform,
  what: 'drbdKernelVersion' | 'drbdUtilsVersion' | 'pacemakerVersion' | 'corosyncVersion' | 'serverVersion',
): string {
  const version = platform[what];
  if (version === undefined) {
    throw new HadbError('PlatformUnsupported', `${platform.hostName} has no ${MEANING[what]}`, {
      subject: platform.hostName,
      observed: `${platform.osId} ${platform.osVersion || platform.osCodename}, kernel ${platform.kernel}`,
      whatNow: 'Let the package and module steps run again, then retry.',
    });
  }
  return version;
}

const MEANING = {
  drbdKernelVersion: 'DRBD kernel module for its running kernel',
  drbdUtilsVersion: 'drbd-utils',
  pacemakerVersion: 'Pacemaker',
  corosyncVersion: 'Corosync',
  serverVersion: 'database server',
} as const;

/** Differences that the two nodes of a pair must not have, each as a sentence. */
export function platformDifferences(first: Platform, second: Platform): string[] {
  const compared = [
    ['operating system', (node: Platform) => `${node.osId} ${node.osVersion || node.osCodename}`],
    ['DRBD module', (node: Platform) => node.drbdKernelVersion],
    ['Pacemaker', (node: Platform) => node.pacemakerVersion],
    ['Corosync', (node: Platform) => node.corosyncVersion],
    ['database server', (node: Platform) => node.serverVersion && `${node.engine} ${node.serverVersion}`],
    ['uid and gid of mysql', (node: Platform) => node.databaseUser && Object.values(node.databaseUser).join(':')],
    ['name of the data disk', (node: Platform) => node.dataDisk],
  ] as const;
  return compared.flatMap(([what, read]) =>
    read(first) === read(second)
      ? []
      : [`${what}: ${read(first) ?? 'none'} on ${first.hostName}, ${read(second) ?? 'none'} on ${second.hostName}`],
  );
}

function fencePeerHandlerWorks(found: {
  readsTimestamps: boolean;
  utils: string | undefined;
  pacemaker: string | undefined;
}): boolean {
  if (found.utils === undefined || found.pacemaker === undefined) return false;
  if (found.readsTimestamps) return true;
  return isAtLeast(found.utils, '9.20') && !isAtLeast(found.pacemaker, '2.1.7');
}

/** `drbd-utils ii  9.22.0-1`: the second letter is the state; the first is `h` for a held package. */
function installedPackages(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [name, state, version] = line.split(/ +/);
      return name !== undefined && version !== undefined && state?.[1] === 'i'
        ? [[name, upstreamVersion(version)]]
        : [];
    }),
  );
}

function offer(line: string): [string, string] {
  const [engine = '', version = ''] = line.split(' ');
  return [engine, upstreamVersion(version)];
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, Value>);
}
