import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCrmMon, type ClusterState } from '../../../cluster/cib/crm-mon';
import { parseEvents2 } from '../../../cluster/drbd/state';
import type { NodeFinding, NodeView, PairFindings } from '../../../cluster/recovery/findings';
import { FENCE_EVENTS } from '../cib/fence-events';
import { events2, type DrbdView } from '../node/script-bench';

/** A pair as it is seen from outside: whole, hadb01 the primary, until a test says otherwise. */

export const AT = Date.parse('2026-11-22T18:30:00Z');

const captured = (name: string): string =>
  readFileSync(join(__dirname, '..', 'cib', 'captured', `crm_mon-2.1.5-${name}.xml`), 'utf8');
export const CRM_MON = { healthy: captured('healthy'), silent: captured('not-connected') };

/** Changes of the text of crm_mon; each fails when there is nothing to change. */
export const altered = (...changes: [from: string | RegExp, to: string][]): string =>
  changes.reduce((text, [from, to]) => {
    const after = text.replace(from, to);
    if (after === text) throw new Error(`crm_mon does not say ${String(from)}`);
    return after;
  }, CRM_MON.healthy);

const nodeIs = (name: string, attribute: string, value: boolean): [RegExp, string] => [
  new RegExp(`(<node name="${name}" id="\\d" [^>]*\\b${attribute}=)"${String(!value)}"`),
  `$1"${String(value)}"`,
];

export const withFence = (...events: string[]): [string, string] => [
  '</pacemaker-result>',
  `<fence_history status="0">${events.join('')}</fence_history></pacemaker-result>`,
];

export const SAYS = {
  offline: (name: string) => nodeIs(name, 'online', false),
  standby: (name: string) => nodeIs(name, 'standby', true),
  unclean: (name: string) => nodeIs(name, 'unclean', true),
  maintenance: (name: string) => nodeIs(name, 'maintenance', true),
  clusterMaintenance: [/maintenance-mode="false"/, 'maintenance-mode="true"'] as [RegExp, string],
  unmanaged: [/(<resource id="mysqld"[^>]*managed=)"true"/, '$1"false"'] as [RegExp, string],
  noQuorum: [/with_quorum="true"/, 'with_quorum="false"'] as [RegExp, string],
  noDc: [/<current_dc [^>]*>/, '<current_dc present="false"/>'] as [RegExp, string],
  twoPromoted: [/role="Unpromoted"/, 'role="Promoted"'] as [RegExp, string],
};

export interface ViewChanges {
  crmMon?: string;
  drbd?: DrbdView | 'down';
  constraints?: string[];
  generations?: string;
}

export function viewOf(node: string, changes: ViewChanges = {}): NodeView {
  const { crmMon = CRM_MON.healthy, drbd = {}, constraints = [], generations } = changes;
  const roles: DrbdView = node === 'hadb01' ? {} : { role: 'Secondary', peerRole: 'Primary' };
  const state: ClusterState = parseCrmMon(crmMon);
  return {
    state,
    drbd: parseEvents2(drbd === 'down' ? 'exists -' : events2({ ...roles, ...drbd })),
    constraints,
    ...(generations === undefined ? {} : { generations }),
  };
}

export type FindingChanges = ViewChanges & Partial<Omit<NodeFinding, 'node'>>;

function findingOf(node: string, changes: FindingChanges): NodeFinding {
  const { power = 'running', starts = [], silence, leftFaults, ...view } = changes;
  const left = leftFaults === undefined ? {} : { leftFaults };
  if (silence !== undefined) return { node, power, starts, silence, ...left };
  const says = power === 'running' ? { says: viewOf(node, view) } : {};
  return { node, power, starts, ...says, ...left };
}

export const findingsOf = (changes: { hadb01?: FindingChanges; hadb02?: FindingChanges } = {}): PairFindings => ({
  at: AT,
  nodes: [findingOf('hadb01', changes.hadb01 ?? {}), findingOf('hadb02', changes.hadb02 ?? {})],
});

export const SILENT = { silence: { code: 'NodeUnreachable', message: 'no answer within 20 s' } };

/** hadb02 is away, hadb01 serves alone. */
const ALONE = { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' };
export const LEFT_BY_HANDLER = 'drbd-fence-by-handler-r0-ms_drbd_mysql';

export const survivorOf = (...changes: Parameters<typeof altered>): FindingChanges => ({
  crmMon: altered(SAYS.offline('hadb02'), ...changes),
  drbd: ALONE,
  constraints: [LEFT_BY_HANDLER],
});

/** One node came up alone and has never seen the other, whose machine is off. */
export const waitingForPeer = (down: 'hadb01' | 'hadb02'): PairFindings => {
  const alone: FindingChanges = {
    crmMon: altered(SAYS.offline(down), SAYS.unclean(down), SAYS.noQuorum),
    drbd: 'down',
  };
  const off: FindingChanges = { power: 'stopped' };
  return findingsOf(down === 'hadb01' ? { hadb01: off, hadb02: alone } : { hadb01: alone, hadb02: off });
};

/** The survivor hadb02 has tried in vain to shoot hadb01, whose machine is off. */
export const fencingInVain = (): PairFindings =>
  findingsOf({
    hadb01: { power: 'stopped' },
    hadb02: {
      crmMon: altered(SAYS.offline('hadb01'), SAYS.unclean('hadb01'), withFence(FENCE_EVENTS.failed)),
      drbd: { ...ALONE, role: 'Secondary' },
      leftFaults: [{ fault: 'resource-manager-cut', where: 'node' }],
    },
  });

/** Look by look, all that can be put right: hadb02 was fenced while it was in standby, and it missed writes. */
export function afterANight(): PairFindings[] {
  const standby = altered(SAYS.standby('hadb02'));
  const constraints = [LEFT_BY_HANDLER];
  return [
    findingsOf({ hadb01: survivorOf(), hadb02: { power: 'stopped' } }),
    findingsOf({ hadb01: survivorOf(), hadb02: SILENT }),
    findingsOf({ hadb01: survivorOf(), hadb02: { crmMon: CRM_MON.silent, drbd: 'down' } }),
    findingsOf({
      hadb01: { crmMon: standby, drbd: ALONE, constraints },
      hadb02: { crmMon: standby, drbd: 'down', constraints },
    }),
    findingsOf({
      hadb01: { drbd: { peerDisk: 'Inconsistent' }, constraints },
      hadb02: { drbd: { disk: 'Inconsistent' }, constraints },
    }),
    findingsOf({ hadb01: { constraints }, hadb02: { constraints } }),
    findingsOf({ hadb01: { crmMon: altered([/(<resource id="lb_mysql"[^>]*active=)"true"/, '$1"false"']) } }),
    findingsOf(),
  ];
}
