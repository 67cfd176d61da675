import { renderFault, renderFaultEnd, type LastingFault } from '../../../cluster/node/faults';
import { renderNetworkToolsRead } from '../../../cluster/node/network-faults';
import { renderRead } from '../../../cluster/node-scripts/remote-command';
import { realTools, type RealTools } from '../real-tools';
import { events2 } from './script-bench';

/** The rules of network faults by the real nft and tc, on a real link: what is cut is cut, and nothing else is. */

const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';
const [NODE, PEER, GATEWAY] = ['10.10.10.4', '10.10.10.5', '10.10.10.1'];
const target = { node: 'hadb01', peer: 'hadb02', vmId: VM_ID, role: 'Primary' } as const;
jest.setTimeout(900_000);

let tools: RealTools;
beforeAll(() => {
  tools = realTools('network');
}, 900_000);

const partition: LastingFault = { fault: 'partition', peerAddress: PEER, undoSeconds: 100 };
const armCut: LastingFault = { fault: 'resource-manager-cut', peerAddress: PEER, undoSeconds: 100 };

const CRM_MON = `<nodes><node name="hadb02" online="true" standby="false"/></nodes>
<cluster_options stonith-enabled="true" maintenance-mode="false"/>`;

/** hadb01 in this namespace; its peer, and somebody else, at the other end of a cable. */
const WIRE = `ip link set lo up
ip link add eth0 type veth peer name far
unshare --net sleep 300 &
other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set far netns "$other"
over() { nsenter --target "$other" --net "$@"; }
ip address add ${NODE}/24 dev eth0
ip link set eth0 up
over ip link set lo up
over ip address add ${PEER}/24 dev far
over ip address add ${GATEWAY}/24 dev far
over ip link set far up
# Every port that a test knocks at, on both sides.
for port in 22 443 2224 3306 7789 61000; do
  over socat TCP4-LISTEN:$port,fork,reuseaddr PIPE &
  socat TCP4-LISTEN:$port,fork,reuseaddr PIPE &
done
over socat UDP4-RECVFROM:5405,fork PIPE &
socat UDP4-RECVFROM:5405,fork PIPE &
sleep 0.3
knock() { name=$1; shift; if echo x | timeout 2 "$@" 2>/dev/null | grep -q x; then echo "$name open"; else echo "$name shut"; fi; }
look() {
  echo "$1"
  for port in 22 443 7789; do knock "to-peer-$port" socat -t1 - TCP4:${PEER}:$port,connect-timeout=1; done
  knock to-peer-5405 socat -t1 - UDP4:${PEER}:5405
  for port in 22 7789; do knock "from-peer-$port" nsenter --target "$other" --net socat -t1 - TCP4:${NODE}:$port,bind=${PEER},connect-timeout=1; done
  knock from-peer-5405 nsenter --target "$other" --net socat -t1 - UDP4:${NODE}:5405,bind=${PEER}
  for port in 443 3306; do knock "to-others-$port" socat -t1 - TCP4:${GATEWAY}:$port,connect-timeout=1; done
  for port in 22 443 3306 61000; do knock "from-others-$port" nsenter --target "$other" --net socat -t1 - TCP4:${NODE}:$port,bind=${GATEWAY},connect-timeout=1; done
}
`;

function onTheWire(work: string, scripts: Readonly<Record<string, string>>) {
  const files = Object.fromEntries(
    Object.entries(scripts).map(([name, script]) => [`/${name}`, renderRead(script)] as const),
  );
  return tools.run(`${WIRE}${work}\nkill $(jobs -p) 2>/dev/null || :\n`, {
    timeoutMs: 300_000,
    files: {
      ...files,
      '/events2': events2(),
      '/var/lib/cloud/data/instance-id': `${VM_ID}\n`,
      '/view': CRM_MON,
      '/usr/local/bin/drbdsetup': '#!/bin/sh\ncat /events2\n',
      '/usr/local/bin/crm_mon': '#!/bin/sh\ncat /view\n',
      '/usr/local/bin/crm_attribute': '#!/bin/sh\necho 5s\n',
      '/usr/local/bin/systemctl': '#!/bin/sh\n',
      // What the timer would run is kept, so that a test can let it fire.
      '/usr/local/bin/systemd-run': '#!/bin/sh\nfor last do :; done\nprintf "%s\\n" "$last" >/timer\n',
    },
  });
}

/** What was open at each look, by the name of the look. */
function looksIn(stdout: string): Record<string, string[]> {
  const looks: Record<string, string[]> = {};
  let name = '';
  for (const line of stdout.split('\n')) {
    const [, door, state] = /^(\S+) (open|shut)$/.exec(line) ?? [];
    if (door === undefined) name = line.startsWith('look-') ? line : name;
    else if (state === 'open') (looks[name] ??= []).push(door);
  }
  return looks;
}

const PEER_DOORS = ['to-peer-443', 'to-peer-7789', 'to-peer-5405', 'from-peer-7789', 'from-peer-5405'];
const SSH = ['to-peer-22', 'from-peer-22'];
const OTHERS = [
  'to-others-443',
  'to-others-3306',
  'from-others-22',
  'from-others-443',
  'from-others-3306',
  'from-others-61000',
];
const sorted = (names: readonly string[] | undefined): string[] => [...(names ?? [])].sort();

describe('a partition', () => {
  it('cuts the nodes off from each other, both ways, leaves everybody else and SSH alone, and is gone when it is taken back', () => {
    const { stdout, stderr } = onTheWire(
      `look look-before
dash /make || echo failed
look look-cut
dash /end
look look-after
dash /end; echo "second $?"`,
      { make: renderFault(partition, target), end: renderFaultEnd(partition) },
    );

    const looks = looksIn(stdout);
    expect({ stderr, before: sorted(looks['look-before']) }).toEqual({
      stderr: '',
      before: sorted([...PEER_DOORS, ...SSH, ...OTHERS]),
    });
    expect(sorted(looks['look-cut'])).toEqual(sorted([...SSH, ...OTHERS]));
    expect(sorted(looks['look-after'])).toEqual(sorted(looks['look-before']));
    expect(stdout).toContain('second 0');
    expect(stdout.match(/^fault$/gm)).toHaveLength(1);
  });

  it('ends by its timer as well, also when that fires twice', () => {
    const { stdout } = onTheWire(
      `dash /make
look look-cut
sh /timer; sh /timer
echo "timer $?"
look look-after
nft list ruleset`,
      { make: renderFault(partition, target) },
    );

    const looks = looksIn(stdout);
    expect(sorted(looks['look-cut'])).toEqual(sorted([...SSH, ...OTHERS]));
    expect(sorted(looks['look-after'])).toEqual(sorted([...PEER_DOORS, ...SSH, ...OTHERS]));
    expect(stdout).toContain('timer 0');
    expect(stdout).not.toContain('hadb_drill');
  });

  it('is asked for beforehand, of the kernel itself, and nothing stays of the question', () => {
    const { stdout } = onTheWire(
      `dash /ask
echo "asked $?"
nft list ruleset`,
      { ask: renderNetworkToolsRead('rules') },
    );

    expect(stdout).toBe('asked 0\n');
  });

  it('is refused where rules of another drill are in force, and leaves those of the host alone', () => {
    const { stdout, stderr } = onTheWire(
      `nft add table inet hosts_own
dash /make
dash /make; echo "second $?"
dash /end
nft list tables`,
      { make: renderFault(partition, target), end: renderFaultEnd(partition) },
    );

    expect(stderr).toContain('the rules of another drill are in force here');
    expect(stdout).toContain('second 75');
    expect(stdout).toContain('table inet hosts_own');
    expect(stdout).not.toContain('hadb_drill');
  });
});

describe('a cut way to Azure Resource Manager', () => {
  it('ends HTTPS that the node begins, and nothing of what it answers or says to its peer', () => {
    const { stdout, stderr } = onTheWire(
      `dash /make || echo failed
look look-cut
dash /end
look look-after`,
      { make: renderFault(armCut, target), end: renderFaultEnd(armCut) },
    );

    const looks = looksIn(stdout);
    expect(stderr).toBe('');
    expect(sorted(looks['look-cut'])).toEqual(
      sorted([...PEER_DOORS, ...SSH, ...OTHERS.filter((door) => door !== 'to-others-443')]),
    );
    expect(sorted(looks['look-after'])).toEqual(sorted([...PEER_DOORS, ...SSH, ...OTHERS]));
  });
});

describe('a disturbed network', () => {
  const fault: LastingFault = {
    fault: 'disturbance',
    peerAddress: PEER,
    lossPercent: 5,
    delayMs: 20,
    undoSeconds: 100,
  };
  const KERNEL_LACKS = 'Error: Specified qdisc kind is unknown.';

  it('is in words that the real tc knows, and leaves the interface as it was', () => {
    const { stdout, stderr } = onTheWire(
      `tc qdisc show dev eth0 >/before
dash /make; code=$?
echo "made $code"
tc qdisc show dev eth0
tc filter show dev eth0
dash /end; echo "ended $?"
[ "$(tc qdisc show dev eth0)" = "$(cat /before)" ] && echo "as before"`,
      { make: renderFault(fault, target), end: renderFaultEnd(fault) },
    );

    // Not every kernel that runs tests has netem; what one without it says comes after tc has understood all words.
    const [told, expected] = stdout.includes('made 0')
      ? [stdout, 'qdisc netem 40: parent 1:4 limit 10000 delay 20ms loss 5%']
      : [stderr.split('\n')[0], KERNEL_LACKS];
    expect(told).toContain(expected);
    expect(stdout).toContain('ended 0');
    expect(stdout).toContain('as before');
  });
});
