import { renderCibForSimulation } from '../../../cluster/cib/cib';
import {
  renderCleanUp,
  renderClearMove,
  renderConstraintsRead,
  renderMovePrimary,
  renderPacemakerStop,
} from '../../../cluster/node/drill-moves';
import { renderStandbyOff, renderStandbyOn, renderStandbyRead } from '../../../cluster/node/standby-moves';
import { NOT_READY } from '../../../cluster/node/guards';
import { renderFault, type NodeFault } from '../../../cluster/node/faults';
import { renderRefresh } from '../../../cluster/node/pacemaker-moves';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import { realTools, type RealTools } from '../real-tools';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, managedCib, specificationOf } from '../specimens';

const HEALTHY = `exists resource name:r0 role:Primary suspended:no
exists connection name:r0 peer-node-id:1 conn-name:hadb02 local:ipv4:10.10.10.4:7789 peer:ipv4:10.10.10.5:7789 connection:Connected role:Secondary
exists device name:r0 volume:0 minor:1 disk:UpToDate
exists peer-device name:r0 peer-node-id:1 conn-name:hadb02 volume:0 replication:Established peer-disk:UpToDate
exists -`;

describe.each([
  ['Pacemaker 2.1.5', 'bookworm', DEBIAN_12],
  ['Pacemaker 3.0.3', 'sid', DEBIAN_SID],
] as const)('moves of a drill, by the tools of %s', (_, suite, platform) => {
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);

  const cib = managedCib(platform);

  /** Runs the scripts one after the other on one CIB; prints the exit code of each. */
  const inNode = (scripts: string[], { drbd = HEALTHY, cibText = renderCibForSimulation(cib) } = {}) => {
    const files = Object.fromEntries(scripts.map((script, index) => [`/step${index}`, script]));
    const run = scripts.map((_script, index) => `code=0; dash -eu /step${index} || code=$?; echo "exit $code"`);
    return tools.run(
      `export CIB_file=/tmp/cib.xml
cp /cib.xml /tmp/cib.xml
${run.join('\n')}
echo calls; cat /tmp/calls 2>/dev/null || :`,
      {
        files: {
          ...files,
          '/cib.xml': cibText,
          '/events2': drbd,
          '/usr/local/bin/drbdsetup': '#!/bin/sh\ncat /events2\n',
          '/usr/local/bin/pidof': '#!/bin/sh\necho 42\n',
          // Debian's alternatives are made by scripts that did not run in this tree.
          '/usr/local/bin/awk': '#!/bin/sh\nexec mawk "$@"\n',
          '/usr/local/bin/uname': '#!/bin/sh\necho hadb01\n',
          '/var/lib/cloud/data/instance-id': `${VM_ID}\n`,
          '/usr/local/bin/systemctl':
            '#!/bin/sh\ncase $1 in is-system-running) echo running; exit ;; list-units) exit ;; esac\necho "systemctl $*" >>/tmp/calls\n',
          '/usr/local/bin/systemd-run': '#!/bin/sh\necho "systemd-run $*" >>/tmp/calls\n',
        },
      },
    );
  };

  const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';
  const faultOf = (fault: NodeFault) =>
    renderFault(fault, { node: 'hadb01', peer: 'hadb02', vmId: VM_ID, role: 'Primary' });
  const shutdown = faultOf({ fault: 'shutdown' });
  const move = renderMovePrimary({ to: 'hadb02' });
  const standbyOn = renderStandbyOn({ node: 'hadb01', peer: 'hadb02', undoSeconds: 465 });

  it('ask for the other node, leave a constraint with an end, and take it back', () => {
    const { stdout, stderr } = inNode([
      renderConstraintsRead(),
      move,
      renderConstraintsRead(),
      'cibadmin --query --scope constraints',
      renderClearMove(),
      renderConstraintsRead(),
      renderClearMove(),
    ]);

    expect(stderr).not.toContain('error');
    expect(stdout.match(/^exit .*$/gm)).toEqual(Array(7).fill('exit 0'));
    expect(stdout.match(/^cli-.*$/gm)).toEqual(['cli-prefer-ms_drbd_mysql']);
    expect(stdout).toMatch(/role="(Master|Promoted)"/);
    expect(stdout).toMatch(/operation="lt" end="\d{4}-/);
  });

  it('refuse a second move over the constraint of a first', () => {
    const { stdout, stderr } = inNode([move, move]);

    expect(stdout).toContain(`exit 0`);
    expect(stdout).toContain(`exit ${EXIT.guardRefused}`);
    expect(stderr).toContain('cli-prefer-ms_drbd_mysql');
  });

  it('put a node into standby and take it out again', () => {
    const read = renderStandbyRead({ node: 'hadb01' });
    const off = renderStandbyOff({ node: 'hadb01' });
    const { stdout } = inNode([read, standbyOn, read, off, read, off]);

    expect(stdout.match(/^(on|off)$/gm)).toEqual(['off', 'on', 'off']);
    expect(stdout.match(/^exit .*$/gm)).toEqual(Array(6).fill('exit 0'));
    expect(stdout.match(/^systemctl stop .*$/gm)).toEqual(Array(2).fill('systemctl stop hadb-undo-standby.timer'));
  });

  it('take a node out of standby by what their timer would run', () => {
    const { stdout } = inNode([standbyOn]);
    const undo = /^systemd-run .*--unit=hadb-undo-standby .*--on-active=465s .* -- \/bin\/sh -c (.*)$/m.exec(
      stdout,
    )?.[1];
    const read = renderStandbyRead({ node: 'hadb01' });
    const after = inNode([standbyOn, read, undo ?? 'false', read]);

    expect(after.stdout.match(/^(on|off)$/gm)).toEqual(['on', 'off']);
  });

  it('order a shutdown that leaves time for the answer', () => {
    const { stdout } = inNode([shutdown]);

    expect(stdout).toMatch(/exit 0\ncalls\nsystemd-run .*--on-active=1s .*systemctl poweroff\n/);
  });

  const partition = faultOf({ fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 60 });
  const fenced = renderCibForSimulation({
    ...managedCib(platform, specificationOf({ fencing: 'azure' })),
    fencing: AZURE_FENCING,
  });

  it('cut a link only in a cluster that fences, and holds the loser of a race back', () => {
    const without = inNode([partition]);
    const within = inNode([partition], { cibText: fenced });
    const undelayed = inNode([partition], {
      cibText: fenced.replace(/(name="priority-fencing-delay" value=)"[^"]*"/, '$1"0"'),
    });

    expect(without.stderr).toContain('the cluster does not fence');
    expect(undelayed.stderr).toContain('no priority-fencing-delay');
    // These tools have no nft: the last guard of all, after the cluster's own.
    expect(within.stderr).toContain('nft is not installed here');
    expect([without, within, undelayed].map(({ stdout }) => /^exit (\d+)$/m.exec(stdout)?.[1])).toEqual(
      Array(3).fill(String(EXIT.guardRefused)),
    );
  });

  it('let go of a disk, and attach it again, in words that the real drbdadm knows', () => {
    const resource = `resource r0 {
  device /dev/drbd1;
  disk /dev/loop0;
  meta-disk internal;
  on hadb01 { address 10.10.10.4:7789; }
  on hadb02 { address 10.10.10.5:7789; }
}
`;
    const { stdout } = tools.run(
      `for words in "detach --force" attach; do drbdadm -c /r0.conf -d $words r0; echo "exit $?"; done`,
      { files: { '/r0.conf': resource } },
    );

    expect(stdout).toMatch(
      /^drbdsetup\S* detach \S+ --force\nexit 0\n(?:drbdmeta .*\n)?drbdsetup\S* attach .*\nexit 0\n$/,
    );
  });

  const offline = renderCibForSimulation(cib).replace(
    /(<node_state [^>]*uname="hadb02"[^>]*?)in_ccm="true" crmd="online"([^>]*)join="member"/,
    '$1in_ccm="false" crmd="offline"$2join="down"',
  );
  /** Corosync runs on the other node; with fencing, it is online and pending then, whether its Pacemaker comes, goes or is not there. */
  const withoutPacemaker = (controller: string) =>
    renderCibForSimulation(cib)
      .replace(
        /(<node_state [^>]*uname="hadb02"[^>]*?)crmd="online"([^>]*)join="member" expected="member"/,
        `$1crmd="${controller}"$2join="down" expected="down"`,
      )
      .replace(/(name="(?:stonith|fencing)-enabled" value=)"false"/, '$1"true"');
  const standby = renderCibForSimulation(cib).replace(
    /(<node [^>]*uname="hadb02"[^>]*)\/>/,
    '$1><instance_attributes id="nodes-2"><nvpair id="nodes-2-standby" name="standby" value="on"/></instance_attributes></node>',
  );
  const maintenance = renderCibForSimulation(cib).replace(/(name="maintenance-mode" value=)"false"/, '$1"true"');
  it('refuse to have everything looked at again once the cluster manages it', () => {
    const refused = inNode([renderRefresh()]);

    expect(refused.stdout).toContain(`exit ${EXIT.guardRefused}`);
    expect(refused.stderr).toContain('what has failed there is not wiped away');
    // A file of a CIB has no controller to ask; the guard is passed all the same.
    expect(inNode([renderRefresh()], { cibText: maintenance }).stdout).not.toContain(`exit ${EXIT.guardRefused}`);
  });

  it.each([
    ['the other node is offline', { cibText: offline }, EXIT.guardRefused, 'hadb02 is not online'],
    ['the other node is in standby', { cibText: standby }, EXIT.guardRefused, 'hadb02 is in standby'],
    ['the cluster is in maintenance', { cibText: maintenance }, EXIT.guardRefused, 'in maintenance mode'],
    [
      'the copies are not both current',
      { drbd: HEALTHY.replace('peer-disk:UpToDate', 'peer-disk:Inconsistent') },
      74,
      'not both current',
    ],
    [
      'the copies are not connected',
      { drbd: HEALTHY.replace('connection:Connected', 'connection:Connecting') },
      74,
      'not connected',
    ],
  ] as const)('are refused while %s', (_why, state, code, text) => {
    const { stdout, stderr } = inNode([move, standbyOn, shutdown], state);

    expect(stdout.match(/^exit .*$/gm)).toEqual(Array(3).fill(`exit ${code}`));
    expect(stderr).toContain(text);
    expect(stdout).not.toContain('systemd-run');
  });

  it('are refused on a node that is not primary', () => {
    const { stdout, stderr } = inNode([move], { drbd: HEALTHY.replace('role:Primary', 'role:Secondary') });

    expect(stdout).toContain(`exit ${EXIT.guardRefused}`);
    expect(stderr).toContain('not primary');
  });

  const failed = (operation: string) => `crm_simulate -x /tmp/cib.xml -S -O /tmp/one.xml >/dev/null
crm_simulate -x /tmp/one.xml -i ${operation} -S -O /tmp/two.xml >/dev/null
crm_simulate -x /tmp/two.xml -S -O /tmp/cib.xml >/dev/null`;
  const cleanUp = renderCleanUp({ resource: 'mysqld', node: 'hadb01', reason: "monitor failed: it's over" });
  /** The real tool has no controller to ask here; that it takes these words is another test's. */
  const noting = (script: string) =>
    `crm_resource() { echo "crm_resource $*" >>/tmp/calls; }
logger() { echo "logger $*" >>/tmp/calls; }
${script}`;

  /** Has crm_mon tell of these, beside what it sees. */
  const fencings = (...events: string[]) => `cat >/usr/local/bin/crm_mon <<'EOF'
#!/bin/sh
/usr/sbin/crm_mon "$@" | sed 's|<status |<fence_history status="0">${events.map((event) => `<fence_event ${event}/>`).join('')}</fence_history><status |'
EOF
chmod 0755 /usr/local/bin/crm_mon`;
  const FAILED = 'status="failed" action="off" target="hadb02" completed="2026-11-22 18:23:53.5Z"';
  const shot = (at: string, who = 'hadb01', target = 'hadb02') =>
    `status="success" action="off" target="${target}" delegate="${who}" completed="2026-11-22 18:${at}.1Z"`;

  it('clean up a monitor that failed and is over, and leave the reason in the log first', () => {
    const { stdout } = inNode([failed('mysqld_monitor_10000@hadb01=1'), noting(cleanUp)]);

    expect(stdout).toContain(`calls
logger -t hadb -- cleaning up the failed actions of mysqld on hadb01: monitor failed: it's over
crm_resource --cleanup --resource mysqld --node hadb01
`);
  });

  it('clean up a fencing device that could not be started on one node, and runs on the other', () => {
    const device = renderCleanUp({ resource: 'st-azure', node: 'hadb01', reason: 'Azure did not answer' });
    const { stdout } = inNode([failed('st-azure_start_0@hadb01=1'), noting(device), 'crm_mon -1 --output-as=xml'], {
      cibText: fenced,
    });

    expect(stdout).toMatch(/<failure op_key="st-azure_start_0" node="hadb01"/);
    expect(stdout).toContain('crm_resource --cleanup --resource st-azure --node hadb01');
  });

  it('clean up after a fencing that failed and was made good since', () => {
    const { stdout } = inNode([
      failed('mysqld_monitor_10000@hadb01=1'),
      fencings(shot('30:00'), FAILED),
      noting(cleanUp),
    ]);

    expect(stdout).toContain('crm_resource --cleanup --resource mysqld --node hadb01');
  });

  it('clean up in words that the tool knows', () => {
    const { stderr } = inNode([failed('mysqld_monitor_10000@hadb01=1'), `logger() { :; }\n${cleanUp}`]);

    expect(stderr).toContain('Dry run: skipping clean-up of mysqld on hadb01');
  });

  const failedFencing = fencings('status="failed" action="reboot" target="hadb02"');
  const failedStop = `sed -i 's/\\(id="mysqld_last_failure_0" operation_key="mysqld_\\)monitor_10000" operation="monitor"/\\1stop_0" operation="stop"/' /tmp/cib.xml`;
  it.each([
    ['a stop has failed', failedStop, 'task="stop"'],
    [
      'the resource has just failed anew',
      `crm_simulate -x /tmp/cib.xml -i mysqld_monitor_10000@hadb01=1 -O /tmp/anew.xml >/dev/null; cp /tmp/anew.xml /tmp/cib.xml`,
      'has failed or is blocked now: <resource id="mysqld"',
    ],
    ['a start has failed elsewhere', failed('mysqld_start_0@hadb02=1'), 'another operation than a monitor has failed'],
    ['a fencing has not succeeded', failedFencing, 'a fencing has not succeeded'],
    ['a fencing has failed since one that succeeded', fencings(FAILED, shot('20:00')), 'a fencing has not succeeded'],
    [
      'a fencing of the other node alone has succeeded since',
      fencings(shot('30:00', 'hadb02', 'hadb01'), FAILED),
      'a fencing has not succeeded',
    ],
    [
      'only a person has said since that the node is off',
      fencings(shot('30:00', 'a human'), FAILED),
      'a fencing has not succeeded',
    ],
    [
      'a fencing is under way',
      fencings('status="pending" action="off" target="hadb02"', shot('30:00')),
      'a fencing has not succeeded',
    ],
    [
      'the cluster is in maintenance',
      `sed -i 's/\\(name="maintenance-mode" value=\\)"false"/\\1"true"/' /tmp/cib.xml`,
      'maintenance mode',
    ],
  ])('clean up nothing when %s', (_why, spoil, text) => {
    const { stdout, stderr } = inNode([failed('mysqld_monitor_10000@hadb01=1'), spoil, noting(cleanUp)]);

    expect(stdout).toContain(`exit ${EXIT.guardRefused}\ncalls\n`);
    expect(stdout).not.toContain('crm_resource');
    expect(stderr).toContain(text);
  });

  it('do not end Pacemaker on the primary while the other one would take over', () => {
    const stop = renderPacemakerStop({ peer: 'hadb02' });
    const early = inNode([stop]);
    const soon = inNode([stop], { cibText: withoutPacemaker('online') });
    const ended = inNode([stop], { cibText: withoutPacemaker('offline') });
    const late = inNode([stop], { cibText: offline });
    const onStandby = inNode([stop], { drbd: HEALTHY.replace('role:Primary', 'role:Secondary') });

    expect(early.stdout).toContain(`exit ${EXIT.guardRefused}`);
    expect(early.stdout).not.toContain('stop pacemaker');
    expect(soon.stdout).toContain(`exit ${NOT_READY}`);
    expect(soon.stdout).not.toContain('stop pacemaker');
    expect(ended.stdout).toContain('systemctl stop pacemaker');
    expect(late.stdout).toContain('systemctl stop pacemaker');
    expect(onStandby.stdout).toContain('systemctl stop pacemaker');
  });
});
