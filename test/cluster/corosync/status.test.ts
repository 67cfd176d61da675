import { parseCfgtool, parseQuorumtool } from '../../../cluster/corosync/status';

/** Printed by Corosync 3.1.7, alone and not quorate. */
const ALONE = `Quorum information
------------------
Date:             Sun Nov 22 18:30:13 2026
Quorum provider:  corosync_votequorum
Nodes:            1
Node ID:          1
Ring ID:          1.5
Quorate:          No

Votequorum information
----------------------
Expected votes:   2
Highest expected: 2
Total votes:      1
Quorum:           1 Activity blocked
Flags:            2Node WaitForAll 

Membership information
----------------------
    Nodeid      Votes Name
         1          1 hadb01 (local)
`;

const LINKS = `Local node ID 1, transport knet
LINK ID 0 udp
	addr	= 10.10.10.4
	status:
		nodeid:          1:	localhost
		nodeid:          2:	disconnected
`;

describe('parseQuorumtool', () => {
  it('reads a node that waits for its peer', () => {
    expect(parseQuorumtool(ALONE)).toEqual({
      quorate: false,
      localNode: 1,
      expectedVotes: 2,
      totalVotes: 1,
      members: [{ id: 1, name: 'hadb01' }],
    });
  });

  it('reads members beside a column of a quorum device', () => {
    const text = ALONE.replace(
      'Votes Name\n         1          1 hadb01',
      'Votes    Qdevice Name\n         1          1    A,V,NMW hadb01',
    );

    expect(parseQuorumtool(text).members).toEqual([{ id: 1, name: 'hadb01' }]);
  });

  it.each(['', 'Cannot initialize CMAP service\n'])('refuses %j', (text) => {
    expect(() => parseQuorumtool(text)).toThrow('corosync-quorumtool');
  });
});

describe('parseCfgtool', () => {
  it('reads the links to the other node', () => {
    expect(parseCfgtool(LINKS)).toEqual([{ link: 0, address: '10.10.10.4', node: 2, connected: false }]);
    expect(parseCfgtool(LINKS.replace('disconnected', 'connected'))[0]?.connected).toBe(true);
  });

  it('refuses the complaint of a tool that finds no Corosync', () => {
    expect(() => parseCfgtool('Could not initialize corosync configuration API error 2\n')).toThrow('corosync-cfgtool');
  });
});
