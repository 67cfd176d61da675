import { COROSYNC_CONFIGURATION, renderCorosyncConfiguration } from '../../../cluster/corosync/configuration';
import { parseCfgtool, parseQuorumtool } from '../../../cluster/corosync/status';
import { timingOf } from '../../../cluster/timing';
import { realTools, type RealTools } from '../real-tools';
import { specificationOf } from '../specimens';

/** Both nodes on one loopback interface; the second one with files of its own where processes meet. */
const TWO_NODES = `set -eu
head -c 256 /dev/urandom >/etc/corosync/authkey
mkdir -p /etc/libqb /var/run
: >/etc/libqb/force-filesystem-sockets
ip link set lo up
ip addr add 10.10.10.4/24 dev lo
ip addr add 10.10.10.5/24 dev lo
for directory in /run /var/run /tmp /var/lib/corosync; do mkdir -p "/second$directory"; done
unshare -m -u sh -c 'hostname hadb02; for d in /run /var/run /tmp /var/lib/corosync; do mount --bind "/second$d" "$d"; done
  exec corosync -f' >&2 &
corosync -f >&2 &
tries=0
until corosync-quorumtool -s >/answer.quorum && corosync-cfgtool -s >/answer.links && ! grep -q disconnected /answer.links; do
  tries=$((tries + 1)); [ $tries -lt 150 ] || break; sleep 0.2
done
cat /answer.quorum /answer.links
`;

describe.each(['bookworm', 'sid'] as const)('the Corosync of Debian %s', (suite) => {
  const render = (tokenMs: number) => {
    const specification = specificationOf({ corosync: { tokenMs } });
    return renderCorosyncConfiguration({ specification, timing: timingOf(specification) });
  };
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);
  const test = (configuration: string) =>
    tools.run('head -c 256 /dev/urandom >/etc/corosync/authkey; corosync -t', {
      files: { [COROSYNC_CONFIGURATION]: configuration },
    });

  it.each([30_000, 3000])('accepts the configuration with a token of %d ms', (tokenMs) => {
    expect(test(render(tokenMs))).toMatchObject({ code: 0 });
  });

  it.each([
    ['an unknown cipher', (text: string) => text.replace('aes256', 'rot13')],
    ['a brace without a line break', (text: string) => text.replace('totem {\n', 'totem { ')],
  ])('would have refused %s', (_, change) => {
    expect(test(change(render(30_000))).code).not.toBe(0);
  });

  it('brings two nodes together, encrypted and quorate', () => {
    const result = tools.run(TWO_NODES, { files: { [COROSYNC_CONFIGURATION]: render(1000) } });

    expect(parseQuorumtool(result.stdout)).toMatchObject({
      quorate: true,
      expectedVotes: 2,
      totalVotes: 2,
      members: [
        { id: 1, name: 'hadb01' },
        { id: 2, name: 'hadb02' },
      ],
    });
    expect(parseCfgtool(result.stdout)).toEqual([expect.objectContaining({ connected: true })]);
  });
});
