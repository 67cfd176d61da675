/** What each image is made of. A change here changes the image's hash, and so builds a new one. */
export const IMAGE_KINDS = ['golden', 'clean', 'debian-sid'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

export interface ImageContents {
  suite: string;
  packages: readonly string[];
}

/** What a virtual machine of the cloud has from the start. */
const SYSTEM = [
  'systemd-sysv',
  'udev',
  'dbus',
  'openssh-server',
  'sudo',
  'iproute2',
  'kmod',
  'procps',
  'iputils-ping',
  'netbase',
  'ca-certificates',
  'debian-archive-keyring',
  'e2fsprogs',
  'fdisk',
  'linux-image-cloud-amd64',
  'initramfs-tools',
];

/** Step 4 of the runbook, with the file-system and partition tools of steps 6 and 11. */
const CLUSTER = [
  'corosync',
  'pacemaker',
  'pacemaker-cli-utils',
  'crmsh',
  'drbd-utils',
  'resource-agents',
  'socat',
  'python3',
  'xfsprogs',
  'parted',
  'nftables',
];

const CONTENTS: Record<ImageKind, ImageContents> = {
  golden: {
    suite: 'bookworm',
    packages: [...SYSTEM, ...CLUSTER, 'fence-agents', 'python3-azure', 'mariadb-server', 'mariadb-client'],
  },
  clean: { suite: 'bookworm', packages: SYSTEM },
  'debian-sid': {
    suite: 'sid',
    packages: [...SYSTEM, ...CLUSTER, 'fence-agents-azure-arm', 'mysql-server', 'mysql-client'],
  },
};

export function imageContents(kind: ImageKind): ImageContents {
  return CONTENTS[kind];
}
