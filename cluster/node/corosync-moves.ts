import { COROSYNC_CONFIGURATION, COROSYNC_KEY } from '../corosync/configuration';
import { parseQuorumtool } from '../corosync/status';
import { assign, REFUSE } from '../shell';
import { renderChecksums, renderWriteFiles, type NodeFile } from './files';
import { RUNS } from './guards';
import { CIB_FILE, WHOSE_CIB } from './pacemaker-moves';

/** Key, configuration and first start of Corosync, and what is read of its membership. */

/** Prints checksums, `corosync=active`, and `cib=ours|foreign`; changes nothing. */
export function renderCorosyncRead(): string {
  return `${REFUSE}${RUNS}${renderChecksums([COROSYNC_CONFIGURATION, COROSYNC_KEY])}${assign({ cib: CIB_FILE })}
if runs corosync; then echo corosync=active; fi
${WHOSE_CIB}`;
}

/**
 * Writes key and configuration where no cluster is, and nowhere else: a key of another cluster would be lost, and one edited
 * configuration of two splits the membership. The package's own example (`127.0.0.1`) is no cluster.
 */
export function renderCorosyncWrite(files: readonly NodeFile[], sums: { key: string }): string {
  return `${REFUSE}${RUNS}${assign({ key: COROSYNC_KEY, cib: CIB_FILE, wanted: sums.key })}
! runs corosync || refuse "Corosync runs with another configuration: $(grep -e 'ring0_addr' -e 'cluster_name' ${COROSYNC_CONFIGURATION} | tr -s ' \\n' ' ')"
if [ -e "$key" ]; then
  found=$(sha256sum <"$key" | cut -d ' ' -f 1)
  [ "$found" = "$wanted" ] || refuse "$key belongs to another cluster (sha256 $found)"
fi
if [ -e "$cib" ]; then
  grep -q 'id="drbd_mysql"' "$cib" || refuse "$cib is the configuration of another cluster: $(grep -o 'uname="[^"]*"' "$cib" | sort -u | tr '\\n' ' ')"
fi
${renderWriteFiles(files)}`;
}

/** Starts Corosync only as configured by hadb: its key must be there. */
export function renderCorosyncStart(): string {
  return `${REFUSE}[ -s ${COROSYNC_KEY} ] || refuse "there is no ${COROSYNC_KEY}"
! grep -q '127\\.0\\.0\\.1' ${COROSYNC_CONFIGURATION} || refuse "${COROSYNC_CONFIGURATION} is the package's example"
systemctl start corosync
`;
}

/** Prints the answer of corosync-quorumtool; without Corosync nothing. */
export const renderMembershipRead = (): string => `corosync-quorumtool -s 2>/dev/null || :\n`;

export interface Membership {
  quorate: boolean;
  votes: number;
  /** Names or addresses of the members. */
  members: string[];
}

export function parseMembership(text: string): Membership {
  // Nothing is printed while Corosync is not up yet.
  if (text.trim() === '') return { quorate: false, votes: 0, members: [] };
  const { quorate, totalVotes, members } = parseQuorumtool(text);
  return { quorate, votes: totalVotes, members: members.map(({ name }) => name) };
}
