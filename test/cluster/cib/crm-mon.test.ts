import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterProblems, nodesOf, parseCrmMon, promotedNodes, sortFailedActions } from '../../../cluster/cib/crm-mon';
import { specificationOf } from '../specimens';

/** Printed by the real crm_mon over states that crm_simulate made of hadb's CIB. */
const captured = (name: string) => readFileSync(join(__dirname, 'captured', `crm_mon-${name}.xml`), 'utf8');
const specification = specificationOf();
const problems = (text: string) => clusterProblems(parseCrmMon(text), specification);

describe.each(['2.1.5', '3.0.3'])('parseCrmMon, Pacemaker %s', (version) => {
  const healthy = captured(`${version}-healthy`);

  it('reads a healthy cluster', () => {
    const state = parseCrmMon(healthy);

    expect(state).toMatchObject({
      available: true,
      quorate: true,
      maintenance: false,
      fencingEnabled: false,
      dc: 'hadb01',
    });
    expect(state.nodes.map(({ name, online }) => [name, online])).toEqual([
      ['hadb01', true],
      ['hadb02', true],
    ]);
    expect(promotedNodes(state)).toEqual(['hadb01']);
    expect(nodesOf(state, 'mysqld')).toEqual(['hadb01']);
    expect(nodesOf(state, 'drbd_mysql')).toEqual(['hadb01', 'hadb02']);
    expect(clusterProblems(state, specification)).toEqual([]);
  });

  it('reads a failed monitor', () => {
    const state = parseCrmMon(captured(`${version}-monitor-failed`));

    expect(state.failures).toMatchObject([{ resource: 'mysqld', node: 'hadb01', operation: 'monitor' }]);
    expect(clusterProblems(state, specification)).toEqual([
      expect.stringMatching(/^monitor of mysqld failed on hadb01: .*Simulated action result/i),
    ]);
  });

  it('reads that Pacemaker does not run', () => {
    const state = parseCrmMon(captured(`${version}-not-connected`));

    expect(state.available).toBe(false);
    expect(clusterProblems(state, specification)).toEqual(['Pacemaker does not answer']);
  });

  it.each<[string, (text: string) => string, string]>([
    [
      'an offline node',
      (text) => text.replace(/(<node name="hadb02" id="2" )online="true"/, '$1online="false"'),
      'hadb02 is offline',
    ],
    [
      'an unclean node',
      (text) => text.replace(/(<node name="hadb01" id="1" online="true"[^>]*)unclean="false"/, '$1unclean="true"'),
      'hadb01 is unclean',
    ],
    [
      'a node in standby',
      (text) => text.replace(/(<node name="hadb01" id="1" online="true" )standby="false"/, '$1standby="true"'),
      'hadb01 is in standby',
    ],
    [
      'maintenance mode',
      (text) => text.replace('maintenance-mode="false"', 'maintenance-mode="true"'),
      'the cluster is in maintenance mode',
    ],
    ['lost quorum', (text) => text.replace('with_quorum="true"', 'with_quorum="false"'), 'the cluster has no quorum'],
    [
      'two primaries',
      (text) => text.replace('role="Unpromoted"', 'role="Promoted"'),
      'DRBD is promoted on hadb01 and hadb02',
    ],
    ['no primary', (text) => text.replace('role="Promoted"', 'role="Unpromoted"'), 'DRBD is promoted on no node'],
    [
      'a server beside its data',
      (text) => text.replace(/(<resource id="mysqld"[^>]*>\s*<node name=)"hadb01" id="1"/, '$1"hadb02" id="2"'),
      'mysqld runs on hadb02, DRBD is promoted on hadb01',
    ],
    [
      'a lost standby copy',
      (text) => text.replace(/(role="Unpromoted" )active="true"/, '$1active="false"'),
      'DRBD runs on hadb01 only',
    ],
    [
      'a blocked resource',
      (text) => text.replace(/(<resource id="fs_mysql"[^>]*)blocked="false"/, '$1blocked="true"'),
      'fs_mysql is blocked on hadb01',
    ],
    [
      'an unmanaged resource',
      (text) => text.replace(/(<resource id="mysqld"[^>]*)managed="true"/, '$1managed="false"'),
      'mysqld is not managed on hadb01',
    ],
    [
      'an operation under way',
      (text) => text.replace(/(<resource id="mysqld"[^>]*)nodes_running_on/, '$1pending="Stopping" nodes_running_on'),
      'mysqld is stopping on hadb01',
    ],
    [
      'a ban',
      (text) =>
        text.replace(
          '<status',
          '<bans><ban id="cli-ban-x" resource="ms_drbd_mysql" node="hadb01" weight="-1000000" promoted-only="true" master_only="true"/></bans><status',
        ),
      'ms_drbd_mysql is kept away from hadb01 by the constraint cli-ban-x',
    ],
    [
      'a failed fencing',
      (text) =>
        text.replace(
          '<status',
          '<fence_history status="0"><fence_event status="failed" action="reboot" target="hadb02" client="c" origin="hadb01"/></fence_history><status',
        ),
      'fencing (reboot) of hadb02 by hadb01 is failed',
    ],
    [
      'a node that is no member',
      (text) => text.replace(/<node name="hadb02" id="2" online[^>]*>/, ''),
      'hadb02 is no member of the cluster',
    ],
  ])('sees %s', (_, change, expected) => {
    expect(change(healthy)).not.toBe(healthy);
    expect(problems(change(healthy))).toContain(expected);
  });
});

describe('failed actions', () => {
  const FAILED = captured('2.1.5-monitor-failed');
  const failedAction = (changes: Record<string, string>) =>
    Object.entries(changes).reduce(
      (text, [name, value]) => text.replace(new RegExp(`(<failure [^>]*\\b${name}=)"[^"]*"`), `$1"${value}"`),
      FAILED,
    );

  it('carry their time', () => {
    expect(parseCrmMon(FAILED).failures).toEqual([
      {
        resource: 'mysqld',
        node: 'hadb01',
        operation: 'monitor',
        exitStatus: 'error',
        reason: 'Simulated action result',
        at: '2026-11-22 18:23:53Z',
      },
    ]);
  });

  it.each<['passing' | 'lasting', string, string]>([
    ['passing', 'a monitor, its resource runs again', FAILED],
    ['passing', 'a monitor on the other node, its resource has moved here', failedAction({ node: 'hadb02' })],
    [
      'passing',
      'a monitor of a copy that runs there',
      failedAction({ op_key: 'drbd_mysql_monitor_31000', node: 'hadb02' }),
    ],
    ['lasting', 'a stop', failedAction({ op_key: 'mysqld_stop_0', task: 'stop' })],
    ['lasting', 'a start', failedAction({ op_key: 'mysqld_start_0', task: 'start', node: 'hadb02' })],
    [
      'passing',
      'the start of a fencing device that runs on the other node',
      failedAction({ op_key: 'st-azure_start_0', task: 'start' }).replace(
        '<resources>',
        '<resources><resource id="st-azure" role="Started" active="true"><node name="hadb02"/></resource>',
      ),
    ],
    [
      'lasting',
      'the start of a fencing device that runs nowhere',
      failedAction({ op_key: 'st-azure_start_0', task: 'start' }),
    ],
    ['lasting', 'a promotion', failedAction({ op_key: 'drbd_mysql_promote_0', task: 'promote' })],
    ['lasting', 'a monitor of something that runs nowhere', failedAction({ op_key: 'ghost_monitor_10000' })],
    [
      'lasting',
      'a monitor of a copy that does not run there',
      failedAction({ op_key: 'drbd_mysql_monitor_31000', node: 'hadb02' }).replace(
        /role="Unpromoted" active="true"/,
        'role="Stopped" active="false"',
      ),
    ],
  ])('are %s when it was %s', (kind, _what, text) => {
    const sorted = sortFailedActions(parseCrmMon(text));

    expect({ passing: sorted.passing.length, lasting: sorted.lasting.length }).toEqual({
      passing: kind === 'passing' ? 1 : 0,
      lasting: kind === 'lasting' ? 1 : 0,
    });
  });
});

describe('parseCrmMon', () => {
  it('finds nothing wrong while a recurring monitor runs', () => {
    const monitoring = captured('2.1.5-healthy').replace(
      /(<resource id="drbd_mysql"[^>]*)nodes_running_on/g,
      '$1pending="Monitoring" nodes_running_on',
    );

    expect(monitoring).toContain('pending="Monitoring"');
    expect(problems(monitoring)).toEqual([]);
  });

  it('reads the fail count, which 2.1.5 does not show beside a failure-timeout', () => {
    const { failCounts } = parseCrmMon(captured('3.0.3-monitor-failed'));

    expect(failCounts).toEqual([{ resource: 'mysqld', node: 'hadb01', count: 1 }]);
  });

  it('takes the old names of roles for the new ones', () => {
    const old = captured('2.1.5-healthy')
      .replace('role="Promoted"', 'role="Master"')
      .replace('role="Unpromoted"', 'role="Slave"');

    expect(problems(old)).toEqual([]);
  });

  it.each(['', 'crm_mon: command not found', '<pacemaker-result api-version="2.42">'])('refuses %j', (text) => {
    expect(() => parseCrmMon(text)).toThrow('crm_mon');
  });
});
