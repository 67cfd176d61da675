import { renderCibForSimulation } from '../../../cluster/cib/cib';
import { renderConstraintsRead, renderMovePrimary } from '../../../cluster/node/drill-moves';
import { NOT_READY } from '../../../cluster/node/guards';
import { renderLiftStandby, renderRemoveConstraints } from '../../../cluster/node/recovery-moves';
import { renderStandbyRead } from '../../../cluster/node/standby-moves';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import { realTools, type RealTools } from '../real-tools';
import { DEBIAN_12, DEBIAN_SID, managedCib } from '../specimens';
import { events2 } from './script-bench';

const HANDLER = 'drbd-fence-by-handler-r0-ms_drbd_mysql';

describe.each([
  ['Pacemaker 2.1.5', 'bookworm', DEBIAN_12],
  ['Pacemaker 3.0.3', 'sid', DEBIAN_SID],
] as const)('moves of a recovery, by the tools of %s', (_, suite, platform) => {
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);

  const cib = managedCib(platform);
  const healthy = renderCibForSimulation(cib);
  const standby = healthy.replace(
    /(<node [^>]*uname="hadb02"[^>]*)\/>/,
    '$1><instance_attributes id="nodes-2"><nvpair id="nodes-2-standby" name="standby" value="on"/></instance_attributes></node>',
  );
  const maintenance = (text: string) => text.replace(/(name="maintenance-mode" value=)"false"/, '$1"true"');
  const offline = (text: string) =>
    text.replace(
      /(<node_state [^>]*uname="hadb02"[^>]*?)in_ccm="true" crmd="online"([^>]*)join="member"/,
      '$1in_ccm="false" crmd="offline"$2join="down"',
    );

  /** Runs the scripts one after the other on hadb01, on one CIB; prints the exit code of each, and what the system's log was told. */
  const onPrimary = (scripts: string[], { drbd = events2(), cibText = healthy, crmMon = '' } = {}) => {
    const files = Object.fromEntries(scripts.map((script, index) => [`/step${index}`, script]));
    const run = scripts.map((_script, index) => `code=0; dash -eu /step${index} || code=$?; echo "exit $code"`);
    return tools.run(
      `export CIB_file=/tmp/cib.xml
cp /cib.xml /tmp/cib.xml
${run.join('\n')}
echo log; cat /tmp/log 2>/dev/null || :`,
      {
        files: {
          ...files,
          '/cib.xml': cibText,
          '/events2': drbd,
          '/usr/local/bin/drbdsetup': '#!/bin/sh\ncat /events2\n',
          '/usr/local/bin/logger': '#!/bin/sh\necho "$*" >>/tmp/log\n',
          '/usr/local/bin/crm_mon': `#!/bin/sh\n/usr/sbin/crm_mon "$@" ${crmMon}\n`,
        },
      },
    );
  };

  /** As the handler of DRBD makes it. */
  const fence = `cibadmin --create --scope constraints --xml-text '<rsc_location rsc="ms_drbd_mysql" id="${HANDLER}"><rule role="${
    platform.pacemakerVersion?.startsWith('3') ? 'Promoted' : 'Master'
  }" score="-INFINITY" id="drbd-fence-by-handler-r0-rule-ms_drbd_mysql"><expression attribute="#uname" operation="ne" value="hadb01" id="drbd-fence-by-handler-r0-expr-20-ms_drbd_mysql"/></rule></rsc_location>'`;
  const move = renderMovePrimary({ to: 'hadb02' });
  const remove = renderRemoveConstraints({ peer: 'hadb02', ids: ['cli-prefer-ms_drbd_mysql', HANDLER] });
  const constraints = (text: string) => text.match(/^(?:cli-|drbd-fence).*$/gm) ?? [];

  it('remove what a move and the handler have left, nothing else, and tell the log', () => {
    const count = 'cibadmin --query --scope constraints | grep -c "<rsc_"';
    const { stdout } = onPrimary([count, move, fence, renderConstraintsRead(), remove, renderConstraintsRead(), count]);

    expect(stdout.match(/^exit .*$/gm)).toEqual(Array(7).fill('exit 0'));
    expect(constraints(stdout).sort()).toEqual(['cli-prefer-ms_drbd_mysql', HANDLER]);
    const [before, after] = stdout.match(/^\d+$/gm) ?? [];
    expect(after).toBe(before);
    expect(stdout).toMatch(
      new RegExp(`removing the leftover constraint ${HANDLER} \\(Primary/Secondary Connected UpToDate`),
    );
  });

  it.each([
    ['the other copy is not current', { drbd: events2({ peerDisk: 'Outdated' }) }, NOT_READY, 'not both current'],
    ['a resync runs', { drbd: events2({ peerDisk: 'Inconsistent' }) }, NOT_READY, 'not both current'],
    ['the copies are apart', { drbd: events2({ connection: 'Connecting' }) }, NOT_READY, 'not connected'],
    [
      'this node is not primary',
      { drbd: events2({ role: 'Secondary', peerRole: 'Primary' }) },
      EXIT.guardRefused,
      'not primary',
    ],
    ['the cluster is in maintenance', { cibText: maintenance(healthy) }, EXIT.guardRefused, 'in maintenance mode'],
    ['the other node is offline', { cibText: offline(healthy) }, EXIT.guardRefused, 'hadb02 is not online'],
    ['the other node is in standby', { cibText: standby }, EXIT.guardRefused, 'hadb02 is in standby'],
  ] as const)('remove no constraint while %s', (_why, state, code, text) => {
    const { stdout, stderr } = onPrimary([fence, remove, renderConstraintsRead()], state);

    expect(stdout.match(/^exit .*$/gm)).toEqual(['exit 0', `exit ${code}`, 'exit 0']);
    expect(stderr).toContain(text);
    expect(constraints(stdout)).toEqual([HANDLER]);
    expect(stdout).not.toContain('removing');
  });

  it('do not touch a constraint of the configuration', () => {
    const own = renderRemoveConstraints({ peer: 'hadb02', ids: [HANDLER, 'mysql_on_drbd'] });
    const { stdout, stderr } = onPrimary([fence, own, renderConstraintsRead()]);

    expect(stdout).toContain(`exit ${EXIT.guardRefused}`);
    expect(stderr).toContain('mysql_on_drbd was left by no move and by no handler');
    expect(constraints(stdout)).toEqual([HANDLER]);
  });

  const lift = renderLiftStandby({ peer: 'hadb02' });
  const isStandby = renderStandbyRead({ node: 'hadb02' });
  const APART = events2({ connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' });

  it('take the other node out of standby', () => {
    const { stdout } = onPrimary([isStandby, lift, isStandby], { cibText: standby, drbd: APART });

    expect(stdout.match(/^(?:on|off|exit .*)$/gm)).toEqual(['on', 'exit 0', 'exit 0', 'off', 'exit 0']);
  });

  it.each([
    [
      'this node does not hold the database',
      { drbd: events2({ role: 'Secondary', disk: 'Outdated', connection: 'Connecting', peerDisk: 'DUnknown' }) },
      'does not hold the database',
    ],
    ['its own copy is not current', { drbd: events2({ disk: 'Inconsistent' }) }, 'does not hold the database'],
    ['the copies have parted', { drbd: events2({ connection: 'StandAlone' }) }, 'the copies have parted'],
    ['the cluster is in maintenance', { cibText: maintenance(standby), drbd: APART }, 'in maintenance mode'],
    ['the other node is offline', { cibText: offline(standby), drbd: APART }, 'hadb02 is not online'],
    [
      'a node is being fenced',
      {
        drbd: APART,
        crmMon: `| sed 's|<status |<fence_history status="0"><fence_event status="pending" action="off" target="hadb02"/></fence_history><status |'`,
      },
      'a node is being fenced',
    ],
  ])('lift no standby while %s', (_why, state, text) => {
    const { stdout, stderr } = onPrimary([lift, isStandby], { cibText: standby, ...state });

    expect(stdout.match(/^exit .*$/gm)).toEqual([`exit ${EXIT.guardRefused}`, 'exit 0']);
    expect(stderr).toContain(text);
    expect(stdout).toMatch(/^on$/m);
  });
});
