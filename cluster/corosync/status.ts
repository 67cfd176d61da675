import { unreadable } from '../errors';

/** Membership and quorum as one node sees them. */
export interface Quorum {
  quorate: boolean;
  localNode: number;
  expectedVotes: number;
  totalVotes: number;
  members: { id: number; name: string }[];
}

/** @throws HadbError CommandFailed when Corosync does not run, or the text is not that of `corosync-quorumtool -s`. */
export function parseQuorumtool(text: string): Quorum {
  const field = (name: string) => new RegExp(`^${name}: +(\\S+)`, 'm').exec(text)?.[1];
  const [localNode, expectedVotes, totalVotes] = ['Node ID', 'Expected votes', 'Total votes'].map(field);
  const quorate = field('Quorate');
  const membership = /^Membership information\n-+\n *Nodeid +Votes[^\n]*\n([^]*)/m.exec(text)?.[1];
  if (quorate === undefined || membership === undefined) throw unreadable('corosync-quorumtool', text);
  return {
    quorate: quorate === 'Yes',
    localNode: Number(localNode),
    expectedVotes: Number(expectedVotes),
    totalVotes: Number(totalVotes),
    // A column for the quorum device stands between votes and name where there is one.
    members: [...membership.matchAll(/^ +(\d+) +\d+ +(?:\S+,\S+,\S+ +)?(\S+)/gm)].map(([, id, name = '']) => ({
      id: Number(id),
      name,
    })),
  };
}

/** One knet link of this node to another one. */
export interface Link {
  link: number;
  address: string;
  node: number;
  connected: boolean;
}

/** Reads `corosync-cfgtool -s`; the node's link to itself is left out. @throws HadbError CommandFailed for anything else. */
export function parseCfgtool(text: string): Link[] {
  if (!/^Local node ID \d+/m.test(text)) throw unreadable('corosync-cfgtool', text);
  return text.split(/^(?=LINK ID )/m).flatMap((section) => {
    const [, link, address = ''] = /^LINK ID (\d+)[^\n]*\n\s*addr\s*= (\S+)/.exec(section) ?? [];
    if (link === undefined) return [];
    return [...section.matchAll(/^\s*nodeid: +(\d+):\s+(\S+)/gm)]
      .filter(([, , status]) => status !== 'localhost')
      .map(([, node, status]) => ({
        link: Number(link),
        address,
        node: Number(node),
        connected: status === 'connected',
      }));
  });
}
