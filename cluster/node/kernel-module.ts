import { quote, REFUSE } from '../shell';

export const MODULES_FILE = '/etc/modules-load.d/hadb-drbd.conf';

/** Prints `loaded=VERSION` when the module is in the kernel, `kept=yes` when a boot loads it. */
export function renderModuleRead(): string {
  return `if [ -r /proc/drbd ]; then sed -n 's/^version: \\([^ ]*\\).*/loaded=\\1/p' /proc/drbd; fi
if [ -e ${quote(MODULES_FILE)} ]; then echo kept=yes; fi
`;
}

/**
 * Loads the module and has each boot load it. Without a loaded module `drbdadm` falls back to the metadata format of DRBD 9,
 * which the 8.4 kernel refuses.
 */
export function renderModuleLoad(): string {
  return `${REFUSE}modinfo drbd >/dev/null 2>&1 || refuse "no DRBD module for the running kernel $(uname -r); on Ubuntu: apt-get install linux-modules-extra-$(uname -r)"
printf 'drbd\\n' >${quote(MODULES_FILE)}
sync ${quote(MODULES_FILE)}
modprobe drbd
[ -r /proc/drbd ]
`;
}
