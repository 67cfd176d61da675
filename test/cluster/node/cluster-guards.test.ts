import { databaseProfile } from '../../../cluster/database/profile';
import { renderCorosyncStart, renderCorosyncWrite } from '../../../cluster/node/corosync-moves';
import { concatenate, renderWriteFiles, type NodeFile } from '../../../cluster/node/files';
import { renderModuleLoad } from '../../../cluster/node/kernel-module';
import {
  renderBootEnable,
  renderCibPatch,
  renderFirstConfiguration,
  renderPacemakerStart,
  withProperties,
} from '../../../cluster/node/pacemaker-moves';
import { clusterSet, renderInstall } from '../../../cluster/node/packages';
import { renderServerInstall } from '../../../cluster/node/server';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import { createScriptBench, prepareNode, running, type ScriptBench } from './script-bench';

/** Packages, Corosync and Pacemaker: made when all is safe, refused when one thing is not. */

const REFUSED = EXIT.guardRefused;
const mariadb = databaseProfile('mariadb');
let bench: ScriptBench;

beforeEach(() => {
  bench = createScriptBench();
  prepareNode(bench, { role: 'Secondary' });
  bench.mover('chown');
  bench.mover('moved');
});
afterEach(() => bench.remove());

describe('installing packages', () => {
  const script = renderInstall(clusterSet({ fileSystem: 'ext4' }), { lockSeconds: 5 }).replaceAll(
    '/usr/sbin/policy-rc.d',
    '/etc/policy-rc.d',
  );
  const apt = (body: string): void => {
    bench.program('apt-get', `case "$*" in *install*) ${body} ;; esac`);
    bench.program('dpkg', ':');
    bench.program('apt-cache', 'exit 1');
    bench.program('systemctl', 'exit 3');
  };

  it('blocks every start while it installs, and takes the block away', () => {
    apt(`[ -x /etc/policy-rc.d ] && [ "$(readlink /etc/systemd/system/corosync.service)" = /dev/null ] || exit 9
mkdir -p /etc/systemd/system/multi-user.target.wants; : >/etc/systemd/system/multi-user.target.wants/corosync.service`);
    bench.file('/etc/systemd/system/keep', '');

    const { code, stderr } = bench.run(script);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(bench.exists('/etc/policy-rc.d')).toBe(false);
    expect(bench.exists('/etc/systemd/system/corosync.service')).toBe(false);
    expect(bench.exists('/etc/systemd/system/multi-user.target.wants/corosync.service')).toBe(false);
  });

  it('takes the block away when the installation fails', () => {
    apt('exit 100');
    bench.file('/etc/systemd/system/keep', '');

    expect(bench.run(script).code).toBe(100);
    expect(bench.exists('/etc/policy-rc.d')).toBe(false);
    expect(bench.exists('/etc/systemd/system/pacemaker.service')).toBe(false);
  });

  it('takes over the block of a try that a reset has ended', () => {
    apt(':');
    bench.file('/etc/systemd/system/keep', '');
    bench.file('/etc/policy-rc.d', '#!/bin/sh\n# hadb: nothing starts while packages are installed\nexit 101\n');

    expect(bench.run(script).code).toBe(0);
    expect(bench.exists('/etc/policy-rc.d')).toBe(false);
  });

  it("refuses to replace another one's policy-rc.d", () => {
    apt('moved apt-get');
    bench.file('/etc/policy-rc.d', '#!/bin/sh\nexit 0\n');

    expect(bench.run(script).code).toBe(1);
    expect(bench.read('/etc/policy-rc.d')).toBe('#!/bin/sh\nexit 0\n');
    expect(bench.moves()).toEqual([]);
  });

  it('installs no database server over the mounted replicated data', () => {
    apt('moved apt-get');
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');

    const { code } = bench.run(renderServerInstall(mariadb, { onReplicatedData: false, lockSeconds: 5 }));

    expect(code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it('installs on the replicated data only when it is mounted', () => {
    apt('moved apt-get');

    const { code } = bench.run(renderServerInstall(mariadb, { onReplicatedData: true, lockSeconds: 5 }));

    expect(code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it("refuses when the peer's user id of the server is taken here by another", () => {
    apt('moved apt-get');
    bench.program(
      'getent',
      'case "$1 $2" in "passwd mysql"|"group 101") exit 2 ;; *) echo "someone:x:100:100" ;; esac',
    );
    const script = renderServerInstall(mariadb, {
      onReplicatedData: false,
      user: { uid: 100, gid: 101 },
      lockSeconds: 5,
    });

    expect(bench.run(script).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

it('refuses a kernel without a DRBD module', () => {
  bench.program('modinfo', 'exit 1');
  bench.mover('modprobe');

  expect(bench.run(renderModuleLoad()).code).toBe(REFUSED);
  expect(bench.moves()).toEqual([]);
});

describe('writing several files', () => {
  const files: NodeFile[] = [
    { path: '/etc/a/one', content: 'first\n', mode: 0o600 },
    { path: '/etc/two/three', content: Buffer.from([0, 255, 10, 39]), mode: 0o644 },
  ];

  it('writes each with its own bytes', () => {
    expect(bench.run(renderWriteFiles(files), concatenate(files)).code).toBe(0);

    expect(bench.read('/etc/a/one')).toBe('first\n');
    expect(bench.read('/etc/two/three')).toHaveLength(4);
  });

  it('moves none into place when one has not arrived whole', () => {
    bench.file('/etc/a/one', 'before');

    expect(bench.run(renderWriteFiles(files), 'first\n').code).not.toBe(0);
    expect(bench.read('/etc/a/one')).toBe('before');
  });
});

describe('configuring Corosync', () => {
  const files: NodeFile[] = [
    { path: '/etc/corosync/authkey', content: 'key', mode: 0o400 },
    { path: '/etc/corosync/corosync.conf', content: 'totem {\n}\n', mode: 0o644 },
  ];
  const script = renderCorosyncWrite(files, {
    key: '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683',
  });

  it('writes key and configuration where no cluster is', () => {
    expect(bench.run(script, concatenate(files)).code).toBe(0);
    expect(bench.read('/etc/corosync/corosync.conf')).toBe('totem {\n}\n');
  });

  it('writes them again after a lost answer', () => {
    bench.file('/etc/corosync/authkey', 'key');

    expect(bench.run(script, concatenate(files)).code).toBe(0);
  });

  it.each([
    ['a key of another cluster is there', () => bench.file('/etc/corosync/authkey', 'other')],
    ['Corosync runs', () => running(bench, 'corosync')],
    [
      'a configuration of another cluster is there',
      () => bench.file('/var/lib/pacemaker/cib/cib.xml', '<node uname="node1"/>'),
    ],
  ])('refuses when %s', (_what, alter) => {
    bench.file('/etc/corosync/corosync.conf', 'before');
    alter();

    expect(bench.run(script, concatenate(files)).code).toBe(REFUSED);
    expect(bench.read('/etc/corosync/corosync.conf')).toBe('before');
  });

  it.each([
    ['without a key', undefined, 'ring0_addr: 10.10.10.4\n'],
    ["on the package's example", 'key', 'ring0_addr: 127.0.0.1\n'],
  ])('refuses to start it %s', (_what, key, configuration) => {
    if (key !== undefined) bench.file('/etc/corosync/authkey', key);
    bench.file('/etc/corosync/corosync.conf', configuration);

    expect(bench.run(renderCorosyncStart()).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

describe('the configuration for the first start', () => {
  const [check, cib] = ['<check/>', '<cib/>'];
  const script = renderFirstConfiguration({ checkBytes: check.length, cibBytes: cib.length });
  const acceptable = (): void => {
    bench.program('crm_verify', ':');
    bench.program('install', 'for last do :; done; cp "$7" "$last"');
    bench.file('/var/lib/pacemaker/cib/.keep', '');
  };

  it('lies where Pacemaker finds it', () => {
    acceptable();

    const { code, stderr } = bench.run(script, check + cib);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(bench.read('/var/lib/pacemaker/cib/cib.xml')).toBe(cib);
  });

  it.each([
    ['Pacemaker runs', () => running(bench, 'pacemakerd')],
    ['a configuration is there', () => bench.file('/var/lib/pacemaker/cib/cib.xml', '<other/>')],
    ['crm_verify complains', () => bench.program('crm_verify', 'echo "error: no"; exit 78')],
  ])('is not written when %s', (_what, alter) => {
    acceptable();
    alter();

    expect(bench.run(script, check + cib).code).toBe(REFUSED);
    expect(bench.exists('/var/lib/pacemaker/cib/cib.xml') && bench.read('/var/lib/pacemaker/cib/cib.xml') === cib).toBe(
      false,
    );
  });

  it.each([
    ['there is no quorum', 'exit 2'],
    ['the peer is missing', 'echo "Total votes:      1"'],
  ])('starts nothing when %s', (_what, answer) => {
    bench.program('corosync-quorumtool', answer);

    expect(bench.run(renderPacemakerStart()).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

describe('changing the live configuration', () => {
  const [old, next] = ['<old/>', '<next/>'];
  const script = renderCibPatch({ oldBytes: old.length, newBytes: next.length });

  beforeEach(() => {
    bench.program('crm_verify', ':');
    bench.program('crm_diff', 'echo "<diff/>"; exit 1');
    bench.mover('cibadmin');
  });

  it('applies the difference only, never by force', () => {
    expect(bench.run(script, old + next).code).toBe(0);
    expect(bench.moves()).toEqual([expect.stringMatching(/^cibadmin --patch --xml-file \S+$/)]);
  });

  it('says that the configuration has moved since it was read', () => {
    bench.program('cibadmin', 'echo "Update was older than existing configuration" >&2; exit 103');

    expect(bench.run(script, old + next).code).toBe(103);
  });

  it('is refused when crm_verify complains', () => {
    bench.program('crm_verify', 'echo "error: no"; exit 78');

    expect(bench.run(script, old + next).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });

  it('touches the named properties and the epoch, and nothing else', () => {
    const before = `<cib crm_feature_set="3.16.1" epoch="102" num_updates="17" admin_epoch="0">
      <nvpair id="a-maintenance-mode" name="maintenance-mode" value="true"/>
      <nvpair id="a-dc-deadtime" name="dc-deadtime" value="2s"/></cib>`;

    const after = withProperties(before, { 'maintenance-mode': 'false', 'dc-deadtime': '20s' });

    expect(after).toBe(
      before
        .replace('epoch="102" num_updates="17"', 'epoch="103" num_updates="0"')
        .replace('value="true"', 'value="false"')
        .replace('value="2s"', 'value="20s"'),
    );
  });

  it('refuses to invent a property', () => {
    expect(() => withProperties('<cib epoch="1" num_updates="0"></cib>', { 'maintenance-mode': 'false' })).toThrow(
      'no property maintenance-mode',
    );
  });
});

it('starts nothing at boot that systemd would not start there', () => {
  bench.file('/etc/corosync.service', '[Install]\nWantedBy=graphical.target\n');
  bench.program('systemctl', 'echo /etc/corosync.service');

  expect(bench.run(renderBootEnable()).code).toBe(REFUSED);
});
