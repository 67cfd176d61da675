import { isSameVm, parseIdentity, renderHostsRead, renderHostsWrite } from '../../../cluster/node/access';
import { parseMetadata } from '../../../cluster/node/drbd-moves';
import { parseChecksums } from '../../../cluster/node/files';
import { parseMountPoint } from '../../../cluster/node/mount-point';
import { clusterSet, parsePackageState, renderPackageRead } from '../../../cluster/node/packages';
import { describeDisk, isPartitioned, parseDisk, refuseOtherSize } from '../../../cluster/node/partition';
import { isAtLevel, parseRuntime, renderRuntimeRead } from '../../../cluster/node/runtime';
import { parseServerPackage } from '../../../cluster/node/server';
import { databaseProfile } from '../../../cluster/database/profile';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import { createScriptBench, EQUAL, events2, prepareNode, VIRGIN, type ScriptBench } from './script-bench';

/** What is read of a node: scripts in a real shell, answers as real programs gave them. */

const { nodes } = ClusterSpecification.parse({ network: { clients: ['10.0.0.0/8'], administrators: ['10.0.0.0/8'] } });
let bench: ScriptBench;

beforeEach(() => {
  bench = createScriptBench();
});
afterEach(() => bench.remove());

describe('who a node is', () => {
  const ANSWER = `hostName=hadb01
machineId=dad5e1f2fcb341ae98d0162f73120152
bootId=7ea49b58-0948-4754-8981-71b190e1a4d6
vmId=11111111-2222-3333-4444-555555555555
firstBoot=done
result={"v1":{"datasource":"DataSourceAzure","errors":["runcmd failed"]}}
address=127.0.0.1
address=10.10.10.4
`;

  it('is told by name, vmId, boot and addresses', () => {
    expect(parseIdentity(ANSWER)).toEqual({
      hostName: 'hadb01',
      machineId: 'dad5e1f2fcb341ae98d0162f73120152',
      bootId: '7ea49b58-0948-4754-8981-71b190e1a4d6',
      vmId: '11111111-2222-3333-4444-555555555555',
      firstBootDone: true,
      firstBootErrors: ['runcmd failed'],
      addresses: ['10.10.10.4'],
    });
  });

  it('is not done booting before cloud-init says so', () => {
    expect(parseIdentity(ANSWER.replace('firstBoot=done\n', '')).firstBootDone).toBe(false);
  });

  it('is not read from half an answer', () => {
    expect(() => parseIdentity('hostName=hadb01\n')).toThrow('cannot read');
  });

  it('is the same vmId in either byte order, and in no other', () => {
    expect(isSameVm('00112233-4455-6677-8899-AABBCCDDEEFF', '33221100-5544-7766-8899-aabbccddeeff')).toBe(true);
    expect(isSameVm('00112233-4455-6677-8899-AABBCCDDEEFF', '00112233-4455-6677-8899-aabbccddeeff')).toBe(true);
    expect(isSameVm('00112233-4455-6677-8899-AABBCCDDEEFF', '00112233-4455-6677-8899-aabbccddeefe')).toBe(false);
  });
});

describe('/etc/hosts', () => {
  it('gets the pair, keeps what is foreign, and is left alone the next time', () => {
    bench.file(
      '/etc/hosts',
      '127.0.0.1 localhost\n127.0.1.1 hadb01\n10.10.10.9 hadb02 old\n# a note\n192.0.2.1 mirror\n',
    );
    bench.mover('sync');

    expect(bench.run(renderHostsRead(nodes)).stdout).toBe('hadb01\nhadb02\n');
    expect(bench.run(renderHostsWrite(nodes)).code).toBe(0);

    expect(bench.read('/etc/hosts')).toBe(
      '127.0.0.1 localhost\n127.0.1.1 hadb01\n# a note\n192.0.2.1 mirror\n# hadb: the nodes of the pair\n10.10.10.4 hadb01\n10.10.10.5 hadb02\n',
    );
    expect(bench.run(renderHostsRead(nodes)).stdout).toBe('');
    const once = bench.read('/etc/hosts');
    bench.run(renderHostsWrite(nodes));
    expect(bench.read('/etc/hosts')).toBe(once);
  });
});

describe('packages', () => {
  it('are missing, unheld or enabled as dpkg and the boot links say', () => {
    bench.program(
      'dpkg-query',
      `printf '%s\\n' 'corosync hi ' 'pacemaker ii ' 'crmsh rc ' 'drbd-utils hi ' 'linux-image-cloud-amd64 ii '; exit 1`,
    );
    bench.link(
      '/etc/systemd/system/multi-user.target.wants/pacemaker.service',
      '/lib/systemd/system/pacemaker.service',
    );
    bench.file('/proc/sys/net/ipv4/tcp_timestamps', '1\n');

    const set = clusterSet({ fileSystem: 'xfs' });

    const state = parsePackageState(bench.run(renderPackageRead(set)).stdout, set);

    expect(state.missing).toEqual(['pacemaker-cli-utils', 'crmsh', 'resource-agents', 'socat', 'nftables', 'xfsprogs']);
    expect(state.unheld).toEqual(['pacemaker', 'linux-image-cloud-amd64']);
    expect(state.enabled).toEqual(['pacemaker']);
    expect(state.sysctl).toBe(false);
  });

  it('of the server tell engine, version, hold and user', () => {
    const found = parseServerPackage(
      'package=mariadb-server hi  1:10.11.19-0+deb12u1\npackage=mariadb-client ii  1:10.11.19-0+deb12u1\nuser=mysql:x:100:101:MySQL:/nonexistent:/bin/false\n',
      databaseProfile('mariadb'),
    );

    expect(found).toEqual({
      installed: true,
      version: '1:10.11.19-0+deb12u1',
      unheld: ['mariadb-client'],
      enabled: false,
      user: { uid: 100, gid: 101 },
    });
  });

  it('of the other engine are named', () => {
    expect(parseServerPackage('package=mysql-server ii  8.0.46\n', databaseProfile('mariadb'))).toMatchObject({
      installed: false,
      other: 'mysql-server',
    });
  });
});

describe('the data disk', () => {
  const TABLE = (type = '0FC63DAF-8483-4772-8E79-3D69D8477DE4', size = 10481664) =>
    `size=5368709120\npartition=named\n{"partitiontable":{"label":"gpt","sectorsize":512,"partitions":[{"node":"/dev/ubdb1","start":2048,"size":${size},"type":"${type}"}]}}\n`;

  it('is partitioned with one Linux partition over all of it', () => {
    const disk = parseDisk(TABLE());

    expect(isPartitioned(disk)).toBe(true);
    expect(describeDisk('lun0', disk)).toBe('lun0, 5 GiB: gpt with 1 partition');
  });

  it.each([
    ['without a table', 'size=5368709120\n'],
    ['with a partition of another type', TABLE('E6D6D379-F507-44C2-A23C-238F2A3DF928')],
    ['with a small partition', TABLE(undefined, 2048)],
    ['whose partition udev has not named', TABLE().replace('partition=named\n', '')],
  ])('is not partitioned %s', (_what, text) => {
    expect(isPartitioned(parseDisk(text))).toBe(false);
  });

  it('of another size is refused', () => {
    expect(() => refuseOtherSize('hadb01', 'lun0', parseDisk(TABLE()), 8)).toThrow('not the data disk');
  });
});

describe('DRBD metadata', () => {
  it.each([
    ['attached', `metadata=attached\ngi=${EQUAL}\n`, 'attached'],
    ['absent', 'code=1\nNo valid meta data found\n', 'absent'],
    ['present', `code=0\nversion "v08";\ngi=${VIRGIN}\n`, 'present'],
    ['unknown, which is never taken for absent', 'code=20\nopen failed: Device or resource busy\n', 'unknown'],
  ])('is %s', (_what, text, presence) => {
    expect(parseMetadata(text).presence).toBe(presence);
  });
});

describe('the run-time state', () => {
  const look = () => parseRuntime(bench.run(renderRuntimeRead({ socket: '/run/mysqld/mysqld.sock' })).stdout);
  beforeEach(() => {
    bench.file('/proc/sys/kernel/random/boot_id', '7ea49b58-0948-4754-8981-71b190e1a4d6\n');
    bench.program('timeout', 'exit 0');
    bench.program('mariadb-admin', ':');
  });

  it('of a node that serves is at every level', () => {
    prepareNode(bench);
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');
    bench.file('/proc/4711/comm', 'mariadbd\n');
    bench.program('drbdsetup', `cat <<'EVENTS'\n${events2()}\nEVENTS`);

    // The tree of the bench stands before each path of the answer.
    const runtime = look();

    expect(runtime).toMatchObject({
      moduleLoaded: true,
      mountedFrom: '/dev/drbd1',
      serverPid: 4711,
      serverAnswers: true,
    });
    for (const level of ['module', 'up', 'connected', 'in-sync', 'primary', 'mounted', 'server'] as const) {
      expect(isAtLevel(runtime, level)).toBe(true);
    }
  });

  it('of a node that has just booted is below the first level', () => {
    bench.file('/proc/mounts', '/dev/sda1 / ext4 rw 0 0\n');

    const runtime = look();

    expect(runtime).toMatchObject({ moduleLoaded: false, serverAnswers: false, pacemakerActive: false });
    expect(isAtLevel(runtime, 'module')).toBe(false);
  });

  it('of a resynchronising node is connected and not in sync', () => {
    prepareNode(bench, { disk: 'Inconsistent' });

    const runtime = look();

    expect(isAtLevel(runtime, 'connected')).toBe(true);
    expect(isAtLevel(runtime, 'in-sync')).toBe(false);
  });
});

it('reads the mount point beneath the mount', () => {
  expect(parseMountPoint('immutable=yes\nentries=0\n')).toEqual({ exists: true, immutable: true, entries: 0 });
  expect(parseMountPoint('absent\n').exists).toBe(false);
});

it('reads checksums by path', () => {
  const sum = 'a'.repeat(64);

  expect(parseChecksums(`${sum}  /etc/drbd.d/r0.res\nnoise\n`)).toEqual(new Map([['/etc/drbd.d/r0.res', sum]]));
});
