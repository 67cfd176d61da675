import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCibCopy } from '../../../cluster/cib/cib-copy';
import { parseCrmMon } from '../../../cluster/cib/crm-mon';
import { parseEvents2 } from '../../../cluster/drbd/state';
import { auditCluster, type AuditedNode } from '../../../cluster/verdict/audit-cluster';
import { events2 } from '../node/script-bench';

const captured = (name: string) => readFileSync(join(__dirname, '..', 'cib', 'captured', `${name}.xml`), 'utf8');
const CIB = captured('cib-2.1.5-healthy');
const HEALTHY = captured('crm_mon-2.1.5-healthy');

interface Says {
  cib?: string;
  crmMon?: string;
  drbd?: Parameters<typeof events2>[0];
  cores?: string[];
}

const node = (name: string, { cib = CIB, crmMon = HEALTHY, drbd = {}, cores = [] }: Says = {}): AuditedNode => ({
  node: name,
  cib: parseCibCopy(cib),
  cluster: parseCrmMon(crmMon),
  drbd: parseEvents2(events2(drbd)),
  cores,
});
const SECONDARY = { role: 'Secondary', peerRole: 'Primary' };
/** `first` and `second`: what is other than in a healthy pair. */
const pair = (first: Says = {}, second: Says = {}): AuditedNode[] => [
  node('hadb01', first),
  node('hadb02', { drbd: SECONDARY, ...second }),
];
const audited = (nodes: AuditedNode[], kind = 'node-power-off') =>
  new Map(auditCluster(nodes, { kind }).map((check) => [check.name, check]));
const changed = (from: string | RegExp, to: string, text = CIB) => {
  const result = text.replace(from, to);
  expect(result).not.toBe(text);
  return result;
};

const NAMES = [
  'CIB equal on both nodes',
  'no failed or pending action',
  'no constraint left',
  'both copies current',
  'no core file',
];

describe('the audits of a cluster after a drill', () => {
  it.each(['2.1.5', '3.0.3'])('hold for a healthy pair of Pacemaker %s', (version) => {
    const crmMon = captured(`crm_mon-${version}-healthy`);

    const checks = auditCluster(pair({ crmMon }, { crmMon }), { kind: 'switchover' });

    expect(checks.map(({ name }) => name)).toEqual(NAMES);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
  });

  it.each(NAMES)('are not known where a node cannot be asked: %s', (name) => {
    const nodes: AuditedNode[] = [node('hadb01'), { node: 'hadb02', silent: 'connect ETIMEDOUT' }];

    expect(audited(nodes).get(name)).toEqual({
      name,
      passed: false,
      unknown: true,
      detail: 'hadb02 could not be asked: connect ETIMEDOUT',
    });
  });

  it('do not hold, whoever is silent, where the other node says enough', () => {
    const nodes: AuditedNode[] = [
      node('hadb01', { cores: ['/core'] }),
      { node: 'hadb02', silent: 'connect ETIMEDOUT' },
    ];

    expect(audited(nodes).get('no core file')).toMatchObject({ passed: false, detail: 'hadb01: /core' });
    expect(audited(nodes).get('no core file')).not.toHaveProperty('unknown');
  });
});

describe('the CIBs of both nodes', () => {
  const cib = (other: string) => audited(pair({}, { cib: other })).get('CIB equal on both nodes');

  it('differ by their configuration, whatever they call it', () => {
    expect(cib(changed('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"'))).toMatchObject({
      passed: false,
      detail: 'the two copies differ: version 0.117.3 on hadb01, 0.117.3 on hadb02',
    });
  });

  it('differ by their epoch', () => {
    expect(cib(changed('epoch="117"', 'epoch="118"'))).toMatchObject({ passed: false });
  });

  it('differ where the same version has another status', () => {
    expect(cib(changed('rc-code="8"', 'rc-code="1"'))).toMatchObject({ passed: false });
  });

  it('are not known to be equal where the status moved between all reads', () => {
    const moved = changed('num_updates="3"', 'num_updates="4"', changed('rc-code="8"', 'rc-code="1"'));

    expect(cib(moved)).toMatchObject({ passed: false, unknown: true });
  });
});

describe('actions', () => {
  const actions = (crmMon: string) => audited(pair({ crmMon })).get('no failed or pending action');

  it.each(['2.1.5', '3.0.3'])('that have failed are named, Pacemaker %s', (version) => {
    expect(actions(captured(`crm_mon-${version}-monitor-failed`))).toMatchObject({
      passed: false,
      detail: expect.stringContaining('hadb01: monitor of mysqld failed on hadb01') as string,
    });
  });

  it.each([
    [
      'a resource that is starting',
      /(<resource id="lb_mysql"[^>]*)nodes_running_on/,
      '$1pending="Starting" nodes_running_on',
      'lb_mysql is starting',
    ],
    ['a node in doubt', /(<node name="hadb02"[^>]*)unclean="false"/, '$1unclean="true"', 'hadb02 is unclean'],
    ['a node that joins', /(<node name="hadb02"[^>]*)pending="false"/, '$1pending="true"', 'hadb02 is still joining'],
    ['a blocked resource', /(<resource id="mysqld"[^>]*)blocked="false"/, '$1blocked="true"', 'mysqld is blocked'],
  ])('are named: %s', (_, from, to, said) => {
    expect(actions(changed(from, to, HEALTHY))).toMatchObject({
      passed: false,
      detail: expect.stringContaining(said) as string,
    });
  });

  it('are no concern where it is a recurring monitor that runs just now', () => {
    const crmMon = changed(
      /(<resource id="lb_mysql"[^>]*)nodes_running_on/,
      '$1pending="Monitoring" nodes_running_on',
      HEALTHY,
    );

    expect(actions(crmMon)).toMatchObject({ passed: true });
  });

  it('are not fine where Pacemaker does not answer', () => {
    expect(actions(captured('crm_mon-2.1.5-not-connected'))).toMatchObject({
      passed: false,
      detail: 'hadb01: Pacemaker does not answer',
    });
  });
});

describe('what a drill leaves', () => {
  it('is named: the constraint of a move, and standby', () => {
    const standby =
      '<node id="1" uname="hadb01"><instance_attributes id="i"><nvpair id="s" name="standby" value="on"/></instance_attributes></node>';
    const cib = changed('<node id="1" uname="hadb01"/>', standby, captured('cib-2.1.5-move-left'));

    expect(audited(pair({ cib }, { cib })).get('no constraint left')).toMatchObject({
      passed: false,
      detail: expect.stringMatching(
        /hadb01: the constraint cli-prefer-ms_drbd_mysql is left; hadb01: hadb01 has the attribute standby; hadb02/,
      ) as string,
    });
  });

  it.each([
    ['without a connection', { connection: 'StandAlone', peerDisk: 'DUnknown' }],
    ['outdated', { ...SECONDARY, disk: 'Outdated' }],
  ])('is a copy %s', (_, drbd) => {
    expect(audited(pair({}, { drbd })).get('both copies current')).toMatchObject({ passed: false });
  });

  it('are core files; the dump of a kernel only where the drill made it panic', () => {
    const cores = ['/var/crash/202611230910/dump.202611230910'];

    expect(audited(pair({ cores })).get('no core file')).toMatchObject({ passed: false });
    expect(audited(pair({ cores }), 'node-crash').get('no core file')).toMatchObject({
      passed: true,
      detail: expect.stringContaining('only what the panic of the kernel left') as string,
    });
    expect(audited(pair({ cores: [...cores, '/core'] }), 'node-crash').get('no core file')).toMatchObject({
      passed: false,
      detail: 'hadb01: /core',
    });
  });
});
