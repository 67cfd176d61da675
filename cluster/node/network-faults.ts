import { quote } from '../shell';

/** Faults of the network that a node makes itself: with its peer, or on its way to Azure. SSH and the balancer's probes are never touched. */

/** Our own table: what it holds is there by a drill, and nothing else is. */
const TABLE = 'inet hadb_drill';

const RULES_MISSING = `command -v nft >/dev/null || refuse "nft is not installed here: apt-get install nftables"\n`;

/** Before any other rule, so that no rule of the host lets pass what is cut; a table of that name is another drill's. */
const tableOf = (chains: string): string => `<<'RULES'
table ${TABLE} {
${chains}}
RULES
`;

const chain = (hook: 'input' | 'output', rules: readonly string[]): string => `  chain ${hook} {
    type filter hook ${hook} priority -300; policy accept;
${rules.map((rule) => `    ${rule}\n`).join('')}  }
`;

const PROBED_CHAINS =
  chain('input', ['ip saddr 192.0.2.1 tcp dport 22 accept', 'ip saddr 192.0.2.1 counter drop']) +
  chain('output', ['ip daddr { 192.0.2.1, 127.0.0.0/8 } accept', 'tcp dport 443 counter drop']);

/**
 * Prints what the node lacks for rules (`nft`) or for a disturbance (`tc`), a line each; changes nothing. A module that is not loaded yet is loaded by the fault. The
 * kernel itself is asked for rules like those of a fault (`nft --check`): one may know nf_tables, and neither this family nor these expressions.
 */
export const renderNetworkToolsRead = (kind: 'rules' | 'disturbance'): string =>
  kind === 'rules'
    ? `if ! command -v nft >/dev/null; then echo 'nft is not installed: apt-get install nftables'
elif ! why=$(nft --check -f - 2>&1 ${tableOf(PROBED_CHAINS)}); then printf 'the kernel takes no rules of nftables: %s\n' "$(printf '%s\n' "$why" | head -n 1)"
fi
`
    : `command -v tc >/dev/null || echo 'tc is not installed: apt-get install iproute2'
for module in sch_prio sch_netem cls_u32; do
  modprobe --dry-run --quiet "$module" || echo "the kernel has no $module"
done
`;

export interface TableFault {
  guard: string;
  make: string;
  undo: string;
  isThere: string;
}

const tableFault = (chains: string): TableFault => ({
  guard: `${RULES_MISSING}! nft list table ${TABLE} >/dev/null 2>&1 || refuse "the rules of another drill are in force here"\n`,
  make: `nft -f - ${tableOf(chains)}`,
  undo: `! nft list table ${TABLE} >/dev/null 2>&1 || nft delete table ${TABLE}`,
  isThere: `nft list table ${TABLE} >/dev/null 2>&1\n`,
});

/** Everything between the two nodes, both ways, but SSH: cluster and replication are gone, Azure and the worker are not. */
export const partitionRules = ({ peerAddress }: { peerAddress: string }): TableFault => {
  const peer = ipv4(peerAddress);
  return tableFault(
    [
      chain('input', [
        `ip saddr ${peer} tcp dport 22 accept`,
        `ip saddr ${peer} tcp sport 22 accept`,
        `ip saddr ${peer} counter drop`,
      ]),
      chain('output', [
        `ip daddr ${peer} tcp dport 22 accept`,
        `ip daddr ${peer} tcp sport 22 accept`,
        `ip daddr ${peer} counter drop`,
      ]),
    ].join(''),
  );
};

/**
 * The node's way to Azure Resource Manager, whose addresses change: every HTTPS connection that does not go to the peer. Tokens of the metadata service and
 * Azure's own agent (168.63.129.16) are not touched.
 */
export const resourceManagerRules = ({ peerAddress }: { peerAddress: string }): TableFault =>
  tableFault(
    chain('output', [
      `ip daddr { ${ipv4(peerAddress)}, 168.63.129.16, 127.0.0.0/8 } accept`,
      'tcp dport 443 counter drop',
    ]),
  );

/** Of what goes to the peer; on both nodes, so that both directions have it. */
export interface Disturbance {
  lossPercent: number;
  delayMs: number;
}

/** Only packets to the peer pass the disturbed band; everything else keeps the ways that the kernel gives it by default. */
export function disturbance({ peerAddress, lossPercent, delayMs }: Disturbance & { peerAddress: string }): TableFault {
  const peer = ipv4(peerAddress);
  return {
    guard: `command -v tc >/dev/null || refuse "tc is not installed here: apt-get install iproute2"
device=$(ip -o -4 route get ${peer} | sed -n 's/.* dev \\([A-Za-z0-9._-]*\\) .*/\\1/p')
[ -n "$device" ] || refuse "no interface leads to ${peer}"
shaped=$(tc qdisc show dev "$device" root)
case $shaped in
''|'qdisc '*' 0: root'*) ;;
*) refuse "the traffic of $device is shaped already: $shaped" ;;
esac
`,
    make: `tc qdisc add dev "$device" root handle 1: prio bands 4 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1
tc qdisc add dev "$device" parent 1:4 handle 40: netem limit 10000 delay ${number(delayMs)}ms loss ${number(lossPercent)}%
tc filter add dev "$device" parent 1: protocol ip prio 1 u32 match ip dst ${peer}/32 flowid 1:4
`,
    undo: `for device in $(${SHAPED_DEVICES}); do tc qdisc del dev "$device" root; done`,
    isThere: `[ -n "$(${SHAPED_DEVICES})" ]\n`,
  };
}

/** Interfaces with our band, by the handle that nothing else here uses. */
const SHAPED_DEVICES = `tc qdisc show | sed -n 's/^qdisc netem 40: dev \\([A-Za-z0-9._-]*\\) parent 1:4 .*/\\1/p'`;

/** The specification has checked it; a rule is no place for anything else. */
function ipv4(address: string): string {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address)) throw new Error(`${quote(address)} is no IPv4 address`);
  return address;
}

function number(value: number): string {
  if (!Number.isFinite(value) || value < 0) throw new Error(`${value} is no amount`);
  return String(value);
}
