import { databaseProfile } from '../../../cluster/database/profile';
import { NOT_READY } from '../../../cluster/node/guards';
import {
  FILE_SYSTEM_LABEL,
  renderBringUp,
  renderCreateMetadata,
  renderDeclareEqual,
  renderFullSync,
  renderMakeFileSystem,
} from '../../../cluster/node/drbd-moves';
import { renderCorosyncRead } from '../../../cluster/node/corosync-moves';
import { renderPacemakerRead } from '../../../cluster/node/drill-moves';
import { renderMountPointGuard } from '../../../cluster/node/mount-point';
import { renderBuiltRead, renderServingRead } from '../../../cluster/node/pacemaker-moves';
import { renderPartition } from '../../../cluster/node/partition';
import {
  renderDemote,
  renderMount,
  renderPromote,
  renderRelease,
  renderStartResponder,
  renderStartServer,
  renderStopServer,
  renderTake,
  renderUnmount,
} from '../../../cluster/node/roles';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import {
  COPIED,
  createScriptBench,
  prepareNode,
  running,
  VIRGIN,
  type DrbdView,
  type ScriptBench,
} from './script-bench';

/** Every dangerous move of a build, run in a real shell: it is made when all is safe, and refused when one thing is not. */

const mariadb = databaseProfile('mariadb');
const REFUSED = EXIT.guardRefused;
let bench: ScriptBench;

beforeEach(() => {
  bench = createScriptBench();
});
afterEach(() => bench.remove());

const drbdMoves = (): string[] => bench.moves().filter((move) => move.startsWith('moved drbdadm'));

describe('partitioning the data disk', () => {
  const script = renderPartition({ disk: '/dev/disk/azure/scsi1/lun0', sizeGiB: 5 });
  const blank = (): void => {
    bench.file('/dev/disk/azure/scsi1/lun0', Buffer.alloc(8192));
    bench.file('/dev/disk/azure/scsi1/lun0-part1', '');
    bench.program('blockdev', 'echo 5368709120');
    bench.program('findmnt', 'echo /dev/sda1');
    bench.program('readlink', 'shift; echo "$1"');
    bench.program('sfdisk', 'case $1 in --dump) exit 1 ;; *) cat >/dev/null; moved sfdisk "$@" ;; esac');
    bench.program('lsblk', 'echo lun0');
    bench.program('udevadm', ':');
    prepareNode(bench, 'down');
  };

  it('partitions a blank disk of the expected size', () => {
    blank();

    const { code } = bench.run(script);

    expect(code).toBe(0);
    expect(bench.moves()).toEqual([expect.stringContaining('moved sfdisk')]);
  });

  it.each([
    ['a file system', () => bench.program('blkid', 'echo DEVNAME=x; echo TYPE=ext4')],
    ['an answer of blkid that says two things', () => bench.program('blkid', 'exit 8')],
    ['a device that cannot be read', () => bench.program('blkid', 'echo "Wrong medium type" >&2; exit 2')],
    ['a signature that only wipefs sees', () => bench.program('wipefs', 'echo "0x1fe dos"')],
    ['a partition', () => bench.program('lsblk', 'echo lun0; echo lun0p1')],
    ['another size', () => bench.program('blockdev', 'echo 107374182400')],
    ['the system on it', () => bench.program('findmnt', 'echo /dev/disk/azure/scsi1/lun0-part1')],
    ['too few bytes to read', () => bench.file('/dev/disk/azure/scsi1/lun0', 'short')],
  ])('refuses to partition a disk with %s', (_what, alter) => {
    blank();
    alter();

    const { code, stderr } = bench.run(script);

    expect(code).toBe(REFUSED);
    expect(stderr).not.toBe('');
    expect(bench.moves()).toEqual([]);
  });

  it('leaves a table of its own alone', () => {
    blank();
    bench.program(
      'sfdisk',
      'case $1 in --dump) echo "lun0-part1 : start= 2048, size= 1, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4" ;; *) moved sfdisk ;; esac',
    );

    expect(bench.run(script).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });
});

describe('creating DRBD metadata', () => {
  const script = renderCreateMetadata({ backingDevice: '/dev/lun0-part1' });
  const NO_METADATA = 'echo "No valid meta data found" >&2; exit 1';
  const blank = (dump = NO_METADATA): void => {
    prepareNode(bench, 'down');
    bench.file('/dev/lun0-part1', Buffer.alloc(8192));
    bench.program('drbdadm', `case $1 in dump-md) ${dump} ;; *) moved drbdadm "$@" ;; esac`);
    bench.program('blkid', 'echo DEVNAME=/dev/lun0-part1; echo PART_ENTRY_NUMBER=1');
  };

  it('creates it on a blank partition, and never with force', () => {
    blank();

    expect(bench.run(script).code).toBe(0);
    expect(bench.moves()).toEqual(['moved drbdadm create-md r0']);
  });

  it('changes nothing where valid metadata is: a retried create-md', () => {
    blank('echo "version \\"v08\\";"');

    expect(bench.run(script).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });

  it.each([
    ['holds a file system', () => bench.program('blkid', 'echo DEVNAME=x; echo TYPE=xfs')],
    ['is ambiguous', () => bench.program('blkid', 'exit 8')],
    ['carries a signature', () => bench.program('wipefs', 'echo "0x438 ext4"')],
    ['is mounted', () => bench.file('/proc/mounts', '/dev/lun0-part1 /mnt ext4 rw 0 0\n')],
    ['has a holder', () => bench.file('/sys/class/block/lun0-part1/holders/dm-0', '')],
    ['is refused by dump-md for another reason', () => blank('echo "Device or resource busy" >&2; exit 20')],
  ])('refuses when the backing device %s', (_what, alter) => {
    blank();
    alter();

    expect(bench.run(script).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it('refuses without the kernel module, when drbdadm would write another format', () => {
    blank();
    const without = script.replaceAll('/proc/drbd', '/proc/no-drbd');

    expect(bench.run(without).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

describe('declaring two disks equal', () => {
  const fresh: DrbdView = { role: 'Secondary', disk: 'Inconsistent', peerDisk: 'Inconsistent' };

  it('declares two just created, connected disks equal', () => {
    prepareNode(bench, fresh, VIRGIN);

    expect(bench.run(renderDeclareEqual()).code).toBe(0);
    expect(drbdMoves()).toEqual(['moved drbdadm new-current-uuid --clear-bitmap r0/0']);
  });

  it.each<[string, DrbdView, string, number]>([
    [
      'StandAlone, where the kernel would accept it',
      { ...fresh, connection: 'StandAlone', peerRole: 'Unknown' },
      VIRGIN,
      REFUSED,
    ],
    [
      'without a connection',
      { ...fresh, connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'DUnknown' },
      VIRGIN,
      NOT_READY,
    ],
    ['on a primary', { ...fresh, role: 'Primary' }, VIRGIN, REFUSED],
    ['when the peer has data', { ...fresh, peerDisk: 'UpToDate' }, VIRGIN, REFUSED],
    ['when this disk was used before', fresh, COPIED, REFUSED],
  ])('refuses %s', (_what, view, gi, expected) => {
    prepareNode(bench, view, gi);

    expect(bench.run(renderDeclareEqual()).code).toBe(expected);
    expect(drbdMoves()).toEqual([]);
  });

  it('changes nothing on a pair that is in sync: a retry after a lost answer', () => {
    prepareNode(bench, { role: 'Secondary' });

    expect(bench.run(renderDeclareEqual()).code).toBe(0);
    expect(drbdMoves()).toEqual([]);
  });
});

describe('copying every block here', () => {
  it('invalidates this copy of a pair that was just declared equal', () => {
    prepareNode(bench, { role: 'Secondary' });

    expect(bench.run(renderFullSync()).code).toBe(0);
    expect(drbdMoves()).toEqual(['moved drbdadm invalidate r0']);
  });

  it.each<[string, DrbdView, string | undefined, number]>([
    ['with a history of generations', { role: 'Secondary' }, COPIED, REFUSED],
    ['that is primary', {}, undefined, REFUSED],
    ['whose peer is primary', { role: 'Secondary', peerRole: 'Primary' }, undefined, REFUSED],
    ['whose peer is not current', { role: 'Secondary', peerDisk: 'Outdated' }, undefined, REFUSED],
    [
      'without a connection',
      { role: 'Secondary', connection: 'Connecting', peerDisk: 'DUnknown' },
      undefined,
      NOT_READY,
    ],
  ])('refuses to invalidate a copy %s', (_what, view, gi, expected) => {
    prepareNode(bench, view, gi);

    expect(bench.run(renderFullSync()).code).toBe(expected);
    expect(drbdMoves()).toEqual([]);
  });
});

describe('making the file system', () => {
  it.each([
    ['ext4', 'mkfs.ext4 -q -L hadb-r0 -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 /dev/drbd1'],
    ['xfs', 'mkfs.xfs -q -K -L hadb-r0 /dev/drbd1'],
  ] as const)('makes %s on the blank device of the primary', (fileSystem, expected) => {
    prepareNode(bench);

    expect(bench.run(renderMakeFileSystem({ fileSystem })).code).toBe(0);
    expect(bench.moves()).toEqual([expected]);
  });

  it.each<[string, DrbdView, () => void, number]>([
    ['a device with a file system', {}, () => bench.program('blkid', 'echo TYPE=ext4'), REFUSED],
    [
      'a device that blkid cannot read',
      {},
      () => bench.program('blkid', 'echo "Wrong medium type" >&2; exit 2'),
      REFUSED,
    ],
    ['a mounted device', {}, () => bench.file('/proc/mounts', '/dev/drbd1 /mnt ext4 rw 0 0\n'), REFUSED],
    ['a secondary', { role: 'Secondary' }, () => {}, NOT_READY],
    ['a primary beside another one', { peerRole: 'Primary' }, () => {}, REFUSED],
    ['a primary whose peer is not current', { peerDisk: 'Inconsistent' }, () => {}, NOT_READY],
    ['a node on which Pacemaker runs', {}, () => running(bench, 'pacemakerd'), REFUSED],
  ])('refuses to make one on %s', (_what, view, alter, expected) => {
    prepareNode(bench, view);
    alter();

    expect(bench.run(renderMakeFileSystem({ fileSystem: 'ext4' })).code).toBe(expected);
    expect(bench.moves()).toEqual([]);
  });
});

describe('promoting', () => {
  it('promotes one of two current secondaries, without force', () => {
    prepareNode(bench, { role: 'Secondary' });

    expect(bench.run(renderPromote()).code).toBe(0);
    expect(drbdMoves()).toEqual(['moved drbdadm primary r0']);
  });

  it.each<[string, DrbdView | 'down', () => void, number]>([
    ['beside a primary', { role: 'Secondary', peerRole: 'Primary' }, () => {}, REFUSED],
    ['while Pacemaker runs', { role: 'Secondary' }, () => running(bench, 'pacemakerd'), REFUSED],
    ['without its peer', { role: 'Secondary', connection: 'Connecting', peerDisk: 'DUnknown' }, () => {}, NOT_READY],
    ['with an outdated copy', { role: 'Secondary', disk: 'Outdated' }, () => {}, NOT_READY],
    ['while the peer is being copied to', { role: 'Secondary', peerDisk: 'Inconsistent' }, () => {}, NOT_READY],
    ['when r0 is not up', 'down', () => {}, NOT_READY],
  ])('refuses to promote %s', (_what, view, alter, expected) => {
    prepareNode(bench, view);
    alter();

    expect(bench.run(renderPromote()).code).toBe(expected);
    expect(drbdMoves()).toEqual([]);
  });
});

describe('mounting', () => {
  const script = renderMount({ fileSystem: 'ext4', label: FILE_SYSTEM_LABEL });
  const mountable = (view: DrbdView = {}): void => {
    prepareNode(bench, view);
    bench.file('/var/lib/mysql/.keep', '');
    bench.program('find', ':');
    bench.program('blkid', 'echo LABEL=hadb-r0; echo TYPE=ext4');
  };

  it('mounts our file system on the only primary', () => {
    mountable();

    expect(bench.run(script).code).toBe(0);
    expect(bench.moves()).toEqual(['mount -t ext4 -o noatime /dev/drbd1 /var/lib/mysql']);
  });

  it.each<[string, DrbdView, () => void, number]>([
    ['over a local directory with data', {}, () => bench.program('find', 'echo /var/lib/mysql/ibdata1'), REFUSED],
    ['a file system of another label', {}, () => bench.program('blkid', 'echo LABEL=data; echo TYPE=ext4'), REFUSED],
    ['a file system of another type', {}, () => bench.program('blkid', 'echo LABEL=hadb-r0; echo TYPE=xfs'), REFUSED],
    ['under a running server', {}, () => running(bench, 'mysqld'), REFUSED],
    ['while Pacemaker runs', {}, () => running(bench, 'pacemakerd'), REFUSED],
    ['beside another primary', { peerRole: 'Primary' }, () => {}, REFUSED],
    ['on a secondary', { role: 'Secondary' }, () => {}, NOT_READY],
    [
      'where something else is mounted',
      {},
      () => bench.file('/proc/mounts', '/dev/sdb1 /var/lib/mysql ext4 rw 0 0\n'),
      REFUSED,
    ],
  ])('refuses to mount %s', (_what, view, alter, expected) => {
    mountable(view);
    alter();

    expect(bench.run(script).code).toBe(expected);
    expect(bench.moves()).toEqual([]);
  });
});

describe('starting and stopping the server', () => {
  const mounted = (): void => {
    prepareNode(bench);
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw,noatime 0 0\n');
  };

  it('starts it on the mounted DRBD file system', () => {
    mounted();

    expect(bench.run(renderStartServer(mariadb)).code).toBe(0);
    expect(bench.moves()).toEqual(['systemctl start mariadb']);
  });

  it.each([
    ['on another file system', () => bench.file('/proc/mounts', '/dev/sdb1 /var/lib/mysql ext4 rw 0 0\n')],
    [
      'when a boot would start it as well',
      () =>
        bench.link(
          '/etc/systemd/system/multi-user.target.wants/mariadb.service',
          '/lib/systemd/system/mariadb.service',
        ),
    ],
    ['while Pacemaker runs', () => running(bench, 'pacemakerd')],
  ])('refuses to start it %s', (_what, alter) => {
    mounted();
    alter();

    expect(bench.run(renderStartServer(mariadb)).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it('does not start it on the local directory', () => {
    prepareNode(bench);

    expect(bench.run(renderStartServer(mariadb)).code).toBe(NOT_READY);
    expect(bench.moves()).toEqual([]);
  });

  it('starts no second server', () => {
    mounted();
    running(bench, 'mariadbd');

    expect(bench.run(renderStartServer(mariadb)).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });

  it('says so when a server goes on running that the unit has not started', () => {
    mounted();
    running(bench, 'mysqld');

    expect(bench.run(renderStopServer(mariadb)).code).toBe(REFUSED);
  });

  it('answers the probe on the active node only', () => {
    prepareNode(bench);

    expect(bench.run(renderStartResponder({ port: 61000 })).code).toBe(NOT_READY);
    expect(bench.moves()).toEqual([]);
  });
});

describe('releasing', () => {
  it('refuses to demote under a mounted file system', () => {
    prepareNode(bench);
    bench.file('/proc/mounts', '/dev/drbd1 /mnt/backup ext4 rw 0 0\n');

    expect(bench.run(renderDemote()).code).toBe(REFUSED);
    expect(drbdMoves()).toEqual([]);
  });

  it('refuses to unmount under a running server', () => {
    prepareNode(bench);
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');
    running(bench, 'mariadbd');

    expect(bench.run(renderUnmount()).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it.each<[string, DrbdView]>([
    ['is not connected', { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' }],
    ['is not current', { peerDisk: 'Inconsistent' }],
  ])('stops nothing when the peer %s: nobody could take over', (_what, view) => {
    prepareNode(bench, view);
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');
    running(bench, 'mariadbd');

    expect(bench.run(renderRelease(mariadb)).code).toBe(NOT_READY);
    expect(bench.moves()).toEqual([]);
  });

  it('changes nothing on a node that has released', () => {
    prepareNode(bench, { role: 'Secondary' });

    expect(bench.run(renderRelease(mariadb)).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });

  it('takes nothing while the other node has it', () => {
    prepareNode(bench, { role: 'Secondary', peerRole: 'Primary' });

    const script = renderTake(mariadb, { fileSystem: 'ext4', label: FILE_SYSTEM_LABEL, port: 61000 });

    expect(bench.run(script).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

describe('emptying the local data directory', () => {
  const local = (view: DrbdView | 'down' = { role: 'Secondary' }): void => {
    prepareNode(bench, view);
    bench.file('/var/lib/mysql/ibdata1', 'local');
    bench.program('getent', 'exit 2');
  };

  it('moves it aside and leaves an empty, immutable one', () => {
    local();

    const { code, stdout } = bench.run(renderMountPointGuard());

    expect(code).toBe(0);
    expect(bench.read(`${stdout.trim()}/ibdata1`)).toBe('local');
    expect(bench.exists('/var/lib/mysql/ibdata1')).toBe(false);
    expect(bench.moves()).toContain('chattr +i /var/lib/mysql');
  });

  it.each<[string, () => void]>([
    [
      'the replicated data is mounted there',
      () => bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n'),
    ],
    ['a server runs on it', () => running(bench, 'mariadbd')],
    [
      'the node is primary with the data mounted elsewhere',
      () => {
        prepareNode(bench, {});
        bench.file('/proc/mounts', '/dev/drbd1 /mnt ext4 rw 0 0\n');
      },
    ],
  ])('refuses when %s', (_what, alter) => {
    local();
    alter();

    expect(bench.run(renderMountPointGuard()).code).toBe(REFUSED);
    expect(bench.exists('/var/lib/mysql/ibdata1')).toBe(true);
  });
});

it.each([
  ['partition', renderPartition({ disk: '/dev/disk/azure/scsi1/lun0', sizeGiB: 5 })],
  ['metadata', renderCreateMetadata({ backingDevice: '/dev/lun0-part1' })],
  ['bring-up', renderBringUp()],
  ['equal disks', renderDeclareEqual()],
  ['full sync', renderFullSync()],
  ['file system', renderMakeFileSystem({ fileSystem: 'xfs' })],
  ['release', renderRelease(mariadb)],
  ['take', renderTake(mariadb, { fileSystem: 'ext4', label: FILE_SYSTEM_LABEL, port: 61000 })],
  ['mount point', renderMountPointGuard()],
])('no script of a build forces anything or removes data: %s', (_name, script) => {
  expect(script).not.toMatch(/--force|mkfs\S* -[a-zA-Z]*[fF]\b|rm -r|yes \|/);
});

describe('where nobody can tell what runs', () => {
  it.each([
    ['promoting', renderPromote()],
    ['mounting', renderMount({ fileSystem: 'ext4', label: FILE_SYSTEM_LABEL })],
    ['starting the server', renderStartServer(mariadb)],
    ['attaching the disk', renderBringUp()],
    ['declaring both copies equal', renderDeclareEqual()],
    ['putting the local directory aside', renderMountPointGuard()],
  ])('refuses %s', (_, script) => {
    prepareNode(bench, { role: 'Primary' });
    bench.program('pidof', 'exit 127');

    const { code, stderr } = bench.run(script);

    expect(code).toBe(REFUSED);
    expect(stderr).toMatch(/pidof cannot tell whether \w+ runs \(exit code 127\)/);
    expect(bench.moves()).toEqual([]);
  });

  it.each([
    ['Corosync', renderCorosyncRead()],
    ['Pacemaker', renderPacemakerRead()],
    ['how far the node is', renderBuiltRead('5s')],
    ['what serves', renderServingRead('/var/lib/mysql')],
  ])('does not take that for stopped: %s', (_, script) => {
    bench.program('pidof', 'exit 127');

    const { code, stderr } = bench.run(script);

    expect(code).toBe(REFUSED);
    expect(stderr).toMatch(/pidof cannot tell whether \w+ runs \(exit code 127\)/);
  });
});
