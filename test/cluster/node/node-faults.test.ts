import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../eventually';
import {
  describeFault,
  renderFault,
  renderFaultEnd,
  type LastingFault,
  type NodeFault,
} from '../../../cluster/node/faults';
import { renderNetworkToolsRead } from '../../../cluster/node/network-faults';
import { renderEndLeftFaults, renderLeftFaultsRead, type FaultTarget } from '../../../cluster/node/fault-guards';
import { NOT_READY } from '../../../cluster/node/guards';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import { createScriptBench, events2, type DrbdView, type ScriptBench } from './script-bench';

/** Every fault that a node makes itself, in a real shell: made on the right machine of a whole pair, after its timer, and refused otherwise. */

const REFUSED = EXIT.guardRefused;
const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';
const SWAPPED = '8e1f2d5c-7a3b-0e4d-9f61-2a8b4c6d7e90';
const PID = 4711;
const target: FaultTarget = { node: 'hadb01', peer: 'hadb02', vmId: VM_ID, role: 'Primary' };

const HEALTHY_VIEW = readFileSync(
  join(__dirname, '..', 'cib', 'captured', 'crm_mon-2.1.5-healthy.xml'),
  'utf8',
).replace('stonith-enabled="false"', 'stonith-enabled="true"');

const FAULTS = [
  { fault: 'server-kill', pid: PID },
  { fault: 'server-hang', pid: PID, undoSeconds: 95 },
  { fault: 'crash', panicSeconds: 300 },
  { fault: 'shutdown' },
  { fault: 'disk-detach', undoSeconds: 180 },
  { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 190 },
  { fault: 'disturbance', peerAddress: '10.10.10.5', lossPercent: 5, delayMs: 20, undoSeconds: 180 },
  { fault: 'resource-manager-cut', peerAddress: '10.10.10.5', undoSeconds: 400 },
] as const satisfies readonly NodeFault[];
const LASTING: readonly LastingFault[] = FAULTS.filter((fault) => 'undoSeconds' in fault);
const named = <Kind extends NodeFault>(faults: readonly Kind[]) => faults.map((fault) => [fault.fault, fault] as const);

let bench: ScriptBench;
beforeEach(() => {
  bench = createScriptBench();
});
afterEach(() => bench.remove());

interface NodeFacts {
  view?: string;
  drbd?: DrbdView;
  vmId?: string;
  name?: string;
  /** Units of timers that are still to take a fault back. */
  pending?: string;
  timerRuns?: boolean;
  delay?: string;
}

/** The primary of a whole pair that fences. */
function node(facts: NodeFacts = {}): void {
  const { view = HEALTHY_VIEW, drbd = {}, vmId = VM_ID, name = 'hadb01', pending = '', timerRuns = true } = facts;
  bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');
  bench.file('/proc/sysrq-trigger', '');
  bench.file('/proc/sys/kernel/panic', '0\n');
  if (vmId !== '') bench.file('/var/lib/cloud/data/instance-id', `${vmId}\n`);
  bench.mover('moved');
  bench.program('uname', `echo ${name}`);
  bench.program('crm_mon', `cat <<'VIEW'\n${view}\nVIEW`);
  bench.program('crm_attribute', `echo ${facts.delay ?? '5s'}`);
  bench.program('drbdsetup', `cat <<'EVENTS'\n${events2(drbd)}\nEVENTS`);
  bench.program('drbdadm', 'moved drbdadm "$@"');
  bench.program('pidof', `case $1 in mariadbd) echo ${PID} ;; *) exit 1 ;; esac`);
  bench.program(
    'systemctl',
    `case $* in
is-system-running) echo running ;;
list-units*) printf '%s' '${pending}' ;;
*is-active*) ${timerRuns ? 'true' : 'exit 3'} ;;
*) moved systemctl "$@" ;;
esac`,
  );
  bench.program('systemd-run', 'moved systemd-run "$@"');
  // The table is not there until it is loaded; what was loaded is noted.
  bench.program('nft', 'case $1 in list) exit 1 ;; -f) moved nft $(cat) ;; *) moved nft "$@" ;; esac');
  bench.program('ip', 'echo "10.10.10.5 dev eth0 src 10.10.10.4 uid 0"');
  bench.program('tc', 'case "$1 $2" in "qdisc show") echo "qdisc mq 0: root" ;; *) moved tc "$@" ;; esac');
}

/** What was done, by the first two words. */
const order = (): string[] => bench.moves().map((move) => move.split(' ').slice(1, 3).join(' '));

describe('a fault', () => {
  it.each(named(LASTING.filter(({ fault }) => fault !== 'server-hang')))(
    'of kind %s is made only when the timer that takes it back runs',
    (_name, fault) => {
      node();

      const { code, stderr } = bench.run(renderFault(fault, target));

      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const [timer = '', made = ''] = bench.moves();
      expect(timer).toContain(`moved systemd-run --quiet --collect --unit=hadb-undo-${fault.fault} `);
      expect(timer).toContain(`--on-active=${fault.undoSeconds}s `);
      // systemd would put its own environment in.
      expect(timer).not.toMatch(/\$\{|\$\$/);
      expect(made).toMatch(/^moved (?:drbdadm detach|nft table|tc qdisc add)/);
    },
  );

  it.each(named(LASTING))('of kind %s is not made when the timer does not run', (_name, fault) => {
    node({ timerRuns: false });

    const { code, stderr } = bench.run(renderFault(fault, target));

    expect(code).toBe(REFUSED);
    expect(stderr).toContain('the timer that would take the fault back does not run');
    expect(order()).toEqual(['systemd-run --quiet']);
  });

  it.each(named(LASTING))('of kind %s is not made when systemd makes no timer', (_name, fault) => {
    node();
    bench.program('systemd-run', 'echo "Failed to start transient timer unit" >&2; exit 1');

    expect(bench.run(renderFault(fault, target)).code).not.toBe(0);
    expect(bench.moves()).toEqual([]);
  });

  it.each([
    ['disk-detach', 'drbdadm', 'case $1 in detach) exit 17 ;; *) moved drbdadm "$@" ;; esac', 17],
    ['partition', 'nft', 'case $1 in list|-f) exit 1 ;; *) moved nft "$@" ;; esac', 1],
    [
      'disturbance',
      'tc',
      'case "$1 $2" in "qdisc show") echo "qdisc mq 0: root" ;; "filter add") exit 2 ;; *) moved tc "$@" ;; esac',
      2,
    ],
  ])(
    'of kind %s of which only half can be made is taken back at once, with its timer',
    (kind, tool, body, expected) => {
      node();
      bench.program(tool, body);
      const fault = LASTING.find((one) => one.fault === kind);
      if (fault === undefined) throw new Error(kind);

      expect(bench.run(renderFault(fault, target)).code).toBe(expected);
      expect(bench.moves().at(-1)).toBe(`moved systemctl stop hadb-undo-${kind}.timer`);
    },
  );

  it.each<[string, NodeFacts, number, string]>([
    ['on another machine, by its VM id', { vmId: '00000000-1111-2222-3333-444444444444' }, REFUSED, 'not 5c2d1f8e'],
    ['on a machine that cannot tell its VM id', { vmId: '' }, REFUSED, 'the vmId of this machine is unknown'],
    ['on a machine of another name', { name: 'hadb02' }, REFUSED, 'this machine is called hadb02'],
    [
      'on a node that has lost its role since',
      { drbd: { role: 'Secondary', peerRole: 'Primary' } },
      REFUSED,
      'the roles are Secondary/Primary',
    ],
    ['beside a second primary', { drbd: { peerRole: 'Primary' } }, REFUSED, 'the roles are Primary/Primary'],
    ['without the other node', { view: withPeer('online="false"') }, REFUSED, 'hadb02 is not online'],
    ['with the other node in standby', { view: withPeer('standby="true"') }, REFUSED, 'hadb02 is in standby'],
    [
      'in maintenance',
      { view: HEALTHY_VIEW.replace('maintenance-mode="false"', 'maintenance-mode="true"') },
      REFUSED,
      'in maintenance mode',
    ],
    ['with a copy that is not current', { drbd: { peerDisk: 'Inconsistent' } }, NOT_READY, 'not both current'],
    [
      'without a connection',
      { drbd: { connection: 'Connecting', peerDisk: 'DUnknown', peerRole: 'Unknown' } },
      NOT_READY,
      'not connected',
    ],
    [
      'on top of another one',
      { pending: 'hadb-undo-partition.timer loaded active waiting' },
      REFUSED,
      'still to be taken back here: hadb-undo-partition.timer',
    ],
  ])('is refused %s, whatever its kind', (_what, facts, expected, text) => {
    for (const fault of FAULTS) {
      node(facts);

      const { code, stderr } = bench.run(renderFault(fault, target));

      expect({ fault: fault.fault, code }).toEqual({ fault: fault.fault, code: expected });
      expect(stderr).toContain(text);
    }
    expect(bench.moves()).toEqual([]);
    expect(bench.read('/proc/sys/kernel/panic')).toBe('0\n');
  });

  it.each(named(FAULTS))('of kind %s is refused where nobody can tell what else is pending', (_name, fault) => {
    node();
    bench.program('systemctl', 'case $1 in is-system-running) echo running ;; *) exit 1 ;; esac');

    const { code, stderr } = bench.run(renderFault(fault, target));

    expect(code).toBe(REFUSED);
    expect(stderr).toContain('systemd does not tell');
    expect(bench.moves()).toEqual([]);
  });

  it('knows its machine also where the firmware writes the VM id in the other byte order', () => {
    node({ vmId: '' });
    bench.file('/sys/class/dmi/id/product_uuid', `${SWAPPED.toUpperCase()}\n`);

    expect(bench.run(renderFault({ fault: 'disk-detach', undoSeconds: 180 }, target)).code).toBe(0);
  });

  it('of a secondary is made on the secondary only', () => {
    const fault: NodeFault = { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 190 };
    const secondary: FaultTarget = { ...target, role: 'Secondary' };
    node();
    const onPrimary = bench.run(renderFault(fault, secondary));
    node({ drbd: { role: 'Secondary', peerRole: 'Primary' } });

    expect(onPrimary.code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
    expect(bench.run(renderFault(fault, secondary)).code).toBe(0);
  });

  it.each(named(FAULTS))('of kind %s is told in one line', (_name, fault) => {
    expect(describeFault(fault)).toMatch(/^\S.{10,150}$/);
  });
});

describe('a fault of the network', () => {
  const NETWORK = LASTING.filter((fault) => 'peerAddress' in fault);

  it.each(named(NETWORK))('of kind %s is refused in a cluster that does not fence', (_name, fault) => {
    node({ view: HEALTHY_VIEW.replace('stonith-enabled="true"', 'stonith-enabled="false"') });

    const { code, stderr } = bench.run(renderFault(fault, target));

    expect(code).toBe(REFUSED);
    expect(stderr).toContain('the cluster does not fence');
    expect(bench.moves()).toEqual([]);
  });

  it.each(['', '0', '0s'])('is refused when nobody is held back in a race of fencing (delay "%s")', (delay) => {
    for (const fault of NETWORK) {
      node({ delay });

      expect(bench.run(renderFault(fault, target)).stderr).toContain('no priority-fencing-delay');
    }
    expect(bench.moves()).toEqual([]);
  });

  it('is refused beside rules of another drill', () => {
    for (const fault of NETWORK.filter((one) => one.fault !== 'disturbance')) {
      node();
      bench.program('nft', 'case $1 in list) true ;; *) moved nft "$@" ;; esac');

      expect(bench.run(renderFault(fault, target)).code).toBe(REFUSED);
    }
    expect(bench.moves()).toEqual([]);
  });

  it.each([
    ['the traffic is shaped already', 'echo "qdisc htb 1: root refcnt 2"', 'shaped already'],
    ['nobody can tell whether it is shaped', 'exit 1', ''],
  ])('refuses to disturb the network when %s', (_what, tc, text) => {
    node();
    bench.program('tc', tc);

    const { code, stderr } = bench.run(
      renderFault(
        { fault: 'disturbance', peerAddress: '10.10.10.5', lossPercent: 5, delayMs: 20, undoSeconds: 9 },
        target,
      ),
    );

    expect(code).not.toBe(0);
    expect(stderr).toContain(text);
    expect(bench.moves()).toEqual([]);
  });

  it('takes nothing but an address for an address', () => {
    expect(() =>
      renderFault({ fault: 'partition', peerAddress: '10.10.10.5; reboot', undoSeconds: 9 }, target),
    ).toThrow('no IPv4 address');
  });
});

describe('a fault of the server', () => {
  let server: ChildProcess;
  const state = (): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? '';
  const pid = (): number => server.pid ?? 0;
  beforeEach(async () => {
    server = spawn('sleep', ['600'], { stdio: 'ignore' });
    await once(server, 'spawn');
    node();
    bench.program('pidof', `case $1 in mariadbd) echo ${pid()} ;; *) exit 1 ;; esac`);
  });
  afterEach(() => server.kill('SIGKILL'));

  it('kills it', async () => {
    const ended = once(server, 'exit');

    expect(bench.run(renderFault({ fault: 'server-kill', pid: pid() }, target)).code).toBe(0);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });

  it('stops it where it stands, after the timer that lets it go on', async () => {
    const { code } = bench.run(renderFault({ fault: 'server-hang', pid: pid(), undoSeconds: 95 }, target));

    expect(code).toBe(0);
    await eventually('it stands still', () => state() === 'T');
    expect(bench.moves()).toEqual([
      `moved systemd-run --quiet --collect --unit=hadb-undo-server-hang --description=hadb: takes the fault of a drill back --on-active=95s --timer-property=AccuracySec=1s -- /bin/sh -c kill -CONT ${pid()} 2>/dev/null || :`,
    ]);
  });

  it('lets it go on again, and says that it did so once', async () => {
    const fault: LastingFault = { fault: 'server-hang', pid: pid(), undoSeconds: 95 };
    bench.run(renderFault(fault, target));
    bench.link(`/proc/${pid()}`, `/proc/${pid()}`);

    const first = bench.run(renderFaultEnd(fault));
    const second = bench.run(renderFaultEnd(fault));

    expect(first.stdout.split('\n')).toContain('fault');
    expect(second.stdout.split('\n')).not.toContain('fault');
    await eventually('it goes on', () => state() === 'S');
  });

  it.each([
    [
      'that is another process by now',
      () => bench.program('pidof', 'case $1 in mariadbd) echo 1 ;; *) exit 1 ;; esac'),
    ],
    ['beside which another one runs', () => bench.program('pidof', `case $1 in mariadbd) echo 1 ${pid()} ;; esac`)],
    ['that does not run', () => bench.program('pidof', 'exit 1')],
    ['of which nobody can tell whether it runs', () => bench.program('pidof', 'exit 127')],
    ['on the local disk', () => bench.file('/proc/mounts', '/dev/sda1 / ext4 rw 0 0\n')],
  ])('refuses to touch a server %s', async (_what, alter) => {
    alter();

    for (const fault of [
      { fault: 'server-kill', pid: pid() },
      { fault: 'server-hang', pid: pid(), undoSeconds: 95 },
    ] as const) {
      expect(bench.run(renderFault(fault, target)).code).toBe(REFUSED);
    }
    await eventually('it goes on', () => state() === 'S');
    expect(bench.moves()).toEqual([]);
  });
});

describe('a crash', () => {
  it('is ordered after the kernel was told to boot again by itself, and leaves time for the answer', () => {
    node();

    expect(bench.run(renderFault({ fault: 'crash', panicSeconds: 300 }, target)).code).toBe(0);
    expect(bench.read('/proc/sys/kernel/panic')).toBe('300\n');
    expect(bench.moves()).toEqual([
      'moved systemd-run --quiet --collect --on-active=1s --timer-property=AccuracySec=100ms -- /bin/sh -c echo c >/proc/sysrq-trigger',
    ]);
  });

  it('is refused by a kernel that would not boot again', () => {
    node();
    const script = renderFault({ fault: 'crash', panicSeconds: 300 }, target).replace(
      'armed=$(cat /proc/sys/kernel/panic)',
      'armed=0',
    );

    expect(bench.run(script).code).toBe(REFUSED);
    expect(bench.moves()).toEqual([]);
  });
});

describe('a shutdown', () => {
  it('is not ordered twice: a machine that goes down already is left alone, whatever its pair is like', () => {
    node({ drbd: { connection: 'Connecting', peerDisk: 'DUnknown' } });
    bench.program('systemctl', 'case $1 in is-system-running) echo stopping; exit 1 ;; esac');

    expect(bench.run(renderFault({ fault: 'shutdown' }, target)).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });
});

describe('a disk that fails by itself', () => {
  const fault: LastingFault = { fault: 'disk-detach', undoSeconds: 180, isStruck: true };

  it('is looked at like one that is let go, and the node only arms what attaches it again', () => {
    node();

    expect(bench.run(renderFault(fault, target)).code).toBe(0);
    expect(bench.moves()).toEqual([
      expect.stringContaining('moved systemd-run --quiet --collect --unit=hadb-undo-disk-detach '),
    ]);
    expect(bench.moves()[0]).toContain('drbdadm attach r0');
  });

  it('is refused while the copies are apart', () => {
    node({ drbd: { connection: 'Connecting', peerDisk: 'DUnknown' } });

    expect(bench.run(renderFault(fault, target)).code).not.toBe(0);
    expect(bench.moves()).toEqual([]);
  });
});

describe('what a node needs to disturb its network', () => {
  const lacks = (kind: 'rules' | 'disturbance') => bench.run(renderNetworkToolsRead(kind)).stdout;

  it('is there, and nothing is changed by the look', () => {
    bench.program('nft', 'case $1 in --check) ;; *) moved nft "$@" ;; esac');
    bench.program('tc', 'moved tc "$@"');
    bench.program('modprobe', 'case " $* " in *" --dry-run "*) ;; *) moved modprobe "$@" ;; esac');

    expect([lacks('rules'), lacks('disturbance')]).toEqual(['', '']);
    expect(bench.moves()).toEqual([]);
  });

  it('is named where the kernel lacks it', () => {
    bench.program('nft', 'echo "Error: Could not process rule: No such file or directory" >&2; echo more >&2; exit 1');
    bench.program('tc', 'exit 0');
    bench.program('modprobe', 'case " $* " in *" sch_netem "*) exit 1 ;; esac');

    expect(lacks('rules')).toBe(
      'the kernel takes no rules of nftables: Error: Could not process rule: No such file or directory\n',
    );
    expect(lacks('disturbance')).toBe('the kernel has no sch_netem\n');
  });
});

describe('a disk that was let go', () => {
  const fault: LastingFault = { fault: 'disk-detach', undoSeconds: 180 };

  it('is attached again, once', () => {
    node({ drbd: { disk: 'Diskless' } });
    bench.program(
      'drbdadm',
      'moved drbdadm "$@"; cat >"$(dirname "$0")/drbdsetup" <<EOF\n#!/bin/sh\necho exists device name:r0 volume:0 minor:1 disk:UpToDate\nEOF',
    );

    expect(bench.run(renderFaultEnd(fault)).stdout).toBe('fault\ntimer\n');
    expect(bench.run(renderFaultEnd(fault)).stdout).toBe('timer\n');
    expect(bench.moves().filter((move) => move.includes('drbdadm'))).toEqual(['moved drbdadm attach r0']);
  });

  it.each([
    ['is there', {}],
    ['is away at the other node only', { peerDisk: 'Diskless' }],
  ])('is left alone when it %s', (_what, drbd: DrbdView) => {
    node({ drbd, timerRuns: false });

    expect(bench.run(renderFaultEnd(fault)).stdout).toBe('');
    expect(bench.moves()).toEqual([]);
  });
});

function withPeer(attribute: string): string {
  const name = attribute.split('=')[0] ?? '';
  return HEALTHY_VIEW.replace(/<node name="hadb02"[^>]*>/, (element) =>
    element.replace(new RegExp(`${name}="[a-z]+"`), attribute),
  );
}

describe('what a terminated drill has left', () => {
  const UNITS = `hadb-undo-partition.timer   loaded active waiting hadb: takes the fault of a drill back
hadb-undo-server-hang.service loaded active running hadb: takes the fault of a drill back
hadb-undo-server-hang.timer loaded active running hadb: takes the fault of a drill back`;
  const systemd = (units: string, active: string) =>
    bench.program(
      'systemctl',
      `case "$*" in
list-units*) cat <<'UNITS'
${units}
UNITS
;;
'--quiet is-active hadb-undo-${active}.timer') ;;
*is-active*) exit 3 ;;
*) moved systemctl "$@" ;;
esac`,
    );
  beforeEach(() => {
    bench.mover('moved');
    bench.mover('logger');
    bench.program('crm_mon', `cat <<'XML'\n${HEALTHY_VIEW}\nXML`);
  });

  it('is named, each fault once', () => {
    systemd(UNITS, 'partition');

    expect(bench.run(renderLeftFaultsRead()).stdout).toBe('partition\nserver-hang\n');
  });

  it('is nothing where no timer waits, and not known where systemd does not tell', () => {
    systemd('', 'partition');
    expect(bench.run(renderLeftFaultsRead())).toMatchObject({ code: 0, stdout: '' });

    bench.program('systemctl', 'exit 1');
    expect(bench.run(renderLeftFaultsRead()).code).not.toBe(0);
  });

  it('is taken back by its own unit, which is waited for, and only then its timer is ended', () => {
    systemd(UNITS, 'partition');

    expect(bench.run(renderEndLeftFaults(['partition'])).code).toBe(0);
    expect(bench.moves().filter((line) => !line.startsWith('logger'))).toEqual([
      'moved systemctl start --wait hadb-undo-partition.service',
      'moved systemctl stop hadb-undo-partition.timer',
    ]);
  });

  it('is left to itself where its timer has run in the meantime', () => {
    systemd('', 'partition');

    expect(bench.run(renderEndLeftFaults(['server-hang'])).code).toBe(0);
    expect(bench.moves()).toEqual([]);
  });

  it('keeps its timer when it cannot be taken back', () => {
    systemd(UNITS, 'partition');
    bench.program('systemctl', `case "$*" in *is-active*) ;; *start*) exit 1 ;; *) moved systemctl "$@" ;; esac`);

    expect(bench.run(renderEndLeftFaults(['partition'])).code).toBe(1);
    expect(bench.moves().filter((line) => !line.startsWith('logger'))).toEqual([]);
  });

  it('is not taken back into a fencing that is under way; the way to Azure, which it needs, is', () => {
    const shot = '<fence_event status="pending" action="off" target="hadb02" client="x" origin="hadb01"/>';
    bench.program(
      'crm_mon',
      `cat <<'XML'\n${HEALTHY_VIEW.replace('</pacemaker-result>', `${shot}</pacemaker-result>`)}\nXML`,
    );
    systemd(UNITS, 'partition');

    expect(bench.run(renderEndLeftFaults(['resource-manager-cut', 'partition']))).toMatchObject({
      code: REFUSED,
      stderr: expect.stringContaining('a node is being fenced') as string,
    });
    expect(bench.moves()).toEqual([]);
    systemd(UNITS, 'resource-manager-cut');
    expect(bench.run(renderEndLeftFaults(['resource-manager-cut'])).code).toBe(0);
    expect(bench.moves()).toContain('moved systemctl start --wait hadb-undo-resource-manager-cut.service');
  });

  it('takes no word that is no fault', () => {
    expect(() => renderEndLeftFaults(['x; reboot'])).toThrow('is no fault');
  });
});
