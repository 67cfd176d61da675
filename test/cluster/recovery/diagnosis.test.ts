import {
  FALLS,
  describeDiagnosis,
  diagnose,
  isUnderWay,
  type Diagnosis,
  type Remedy,
} from '../../../cluster/recovery/diagnosis';
import { describeFindings } from '../../../cluster/recovery/findings';
import { FENCE_EVENTS } from '../cib/fence-events';
import { specificationOf } from '../specimens';
import {
  AT,
  CRM_MON,
  SAYS,
  SILENT,
  altered,
  fencingInVain,
  findingsOf,
  survivorOf,
  withFence,
  type FindingChanges,
} from './specimen-findings';

/** Everything that a night leaves behind: put right, waited for, or put before a person. */

type Seen = { hadb01?: FindingChanges; hadb02?: FindingChanges };
const diagnosisOf = (seen: Seen = {}): Diagnosis => diagnose(findingsOf(seen), specificationOf());

/** hadb02 is away, hadb01 serves alone. */
const ALONE = { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' };
const shotAt = (event: string, over: Record<string, string> = {}) =>
  Object.entries({ '"hadb02"': '"x"', '"hadb01"': '"hadb02"', '"x"': '"hadb01"', ...over }).reduce(
    (text, [from, to]) => text.replaceAll(from, to),
    event,
  );
const FENCED = shotAt(FENCE_EVENTS.confirmed);
const fencedAt = (time: string) => FENCED.replace('18:23:53', time);
const SYNC_SOURCE = { peerDisk: 'Inconsistent' };
const SYNC_TARGET = { disk: 'Inconsistent' };
const HANG = { fault: 'server-hang', where: 'node' } as const;
const CUT = { fault: 'partition', where: 'network' } as const;
const WAY = { fault: 'resource-manager-cut', where: 'network' } as const;
const STANDBY = altered(SAYS.standby('hadb02'));
const CAME_UP_ALONE: FindingChanges = {
  crmMon: altered(SAYS.offline('hadb02'), SAYS.unclean('hadb02'), SAYS.noQuorum),
  drbd: 'down',
};

it('a pair that is whole needs nothing', () => {
  expect(diagnosisOf()).toEqual({ healthy: true, problems: [], refusals: [], left: [] });
});

it('a pair with a fault that a drill has left is not whole, and says so', () => {
  const findings = findingsOf({ hadb02: { leftFaults: [HANG, CUT] } });

  expect(diagnose(findings, specificationOf())).toMatchObject({
    healthy: false,
    problems: [
      'the fault server-hang of a drill is still to be taken back on hadb02',
      'the fault partition of a drill is still to be taken back in the network of hadb02',
    ],
  });
  expect(describeFindings(findings)).toContain('the fault server-hang of a drill is still to be taken back on hadb02');
});

describe('without a person', () => {
  it.each<[string, Seen, Remedy]>([
    [
      'a node that was fenced is started',
      { hadb01: survivorOf(withFence(FENCED)), hadb02: { power: 'stopped' } },
      {
        kind: 'start',
        node: 'hadb02',
        why: 'hadb02 was fenced (off) at 2026-11-22T18:23:53.000Z by hadb01: confirmed',
      },
    ],
    [
      'a machine that was stopped is started',
      { hadb01: survivorOf(), hadb02: { power: 'stopped' } },
      { kind: 'start', node: 'hadb02', why: 'it was stopped, and no fencing is known' },
    ],
    [
      'the former primary is started',
      {
        hadb01: { power: 'stopped' },
        hadb02: { crmMon: altered(SAYS.offline('hadb01')), drbd: { ...ALONE, role: 'Primary' } },
      },
      { kind: 'start', node: 'hadb01', why: 'it was stopped, and no fencing is known' },
    ],
    [
      'a survivor that waits for its peer before it promotes anything gets its peer',
      {
        hadb01: { power: 'stopped' },
        hadb02: { crmMon: altered(SAYS.offline('hadb01')), drbd: { ...ALONE, role: 'Secondary', disk: 'Outdated' } },
      },
      { kind: 'start', node: 'hadb01', why: 'it was stopped, and no fencing is known' },
    ],
    [
      'a survivor that was reset meanwhile, has no quorum and takes its peer for lost, gets its peer',
      {
        hadb01: { power: 'stopped' },
        hadb02: {
          crmMon: altered(SAYS.offline('hadb01'), SAYS.unclean('hadb01'), SAYS.noQuorum),
          drbd: { ...ALONE, role: 'Secondary', disk: 'Outdated' },
        },
      },
      { kind: 'start', node: 'hadb01', why: 'hadb02 came up alone, and waits for it before it promotes anything' },
    ],
    [
      'a machine that is off and still counts as a member is not started into the fencing that comes of it',
      { hadb02: { power: 'stopped' } },
      { kind: 'await-fence', node: 'hadb02' },
    ],
    [
      'a node in doubt is waited for while nobody is elected who could shoot it',
      { hadb01: survivorOf(SAYS.unclean('hadb02'), SAYS.noDc), hadb02: { power: 'stopped' } },
      { kind: 'await-fence', node: 'hadb02' },
    ],
    [
      'a node that came up alone gets its peer: without quorum nobody is shot, however unclean',
      { hadb01: CAME_UP_ALONE, hadb02: { power: 'stopped' } },
      { kind: 'start', node: 'hadb02', why: 'hadb01 came up alone, and waits for it before it promotes anything' },
    ],
    [
      'a machine that a person has told the cluster to be off, and that Azure says is off, is started',
      { hadb01: survivorOf(withFence(shotAt(FENCE_EVENTS.asserted))), hadb02: { power: 'stopped' } },
      {
        kind: 'start',
        node: 'hadb02',
        why: 'a person has told the cluster that hadb02 is off at 2026-11-22T18:30:00.000Z; no machine has confirmed it',
      },
    ],
    [
      'a machine that is being shut down is waited for',
      { hadb01: survivorOf(), hadb02: { power: 'stopping' } },
      { kind: 'await-stop', node: 'hadb02' },
    ],
    [
      'a node that is being fenced is waited for, and not started meanwhile',
      {
        hadb01: survivorOf(SAYS.unclean('hadb02'), withFence(shotAt(FENCE_EVENTS.pending))),
        hadb02: { power: 'stopped' },
      },
      { kind: 'await-fence', node: 'hadb02' },
    ],
    [
      'a node that is unclean before anybody shoots is waited for',
      { hadb01: survivorOf(SAYS.unclean('hadb02')), hadb02: SILENT },
      { kind: 'await-fence', node: 'hadb02' },
    ],
    [
      'what a terminated drill has left on a node is taken back',
      { hadb01: { leftFaults: [HANG] } },
      { kind: 'end-faults', node: 'hadb01', faults: [HANG] },
    ],
    [
      'a standby that a drill has left to its timer is lifted by what the timer would do, and the timer ended with it',
      {
        hadb01: { crmMon: STANDBY, drbd: ALONE },
        hadb02: { crmMon: STANDBY, drbd: 'down', leftFaults: [{ fault: 'standby', where: 'node' }] },
      },
      { kind: 'end-faults', node: 'hadb02', faults: [{ fault: 'standby', where: 'node' }] },
    ],
    [
      'a cut that a drill has left is taken back before the node that was shot is started into it',
      { hadb01: { ...survivorOf(withFence(FENCED)), leftFaults: [CUT] }, hadb02: { power: 'stopped' } },
      { kind: 'end-faults', node: 'hadb01', faults: [CUT] },
    ],
    [
      'a cut that a drill has left is not taken back while a node is being fenced',
      { hadb01: { ...survivorOf(SAYS.unclean('hadb02')), leftFaults: [CUT] }, hadb02: SILENT },
      { kind: 'await-fence', node: 'hadb02' },
    ],
    [
      'the way to Azure is opened before a fencing that needs it',
      { hadb01: { ...survivorOf(SAYS.unclean('hadb02')), leftFaults: [WAY, CUT] }, hadb02: SILENT },
      { kind: 'open-way', node: 'hadb01', faults: [WAY] },
    ],
    [
      'a node that boots is waited for',
      { hadb01: survivorOf(), hadb02: SILENT },
      { kind: 'await-boot', node: 'hadb02' },
    ],
    [
      'a machine that starts is waited for',
      { hadb01: survivorOf(), hadb02: { power: 'starting' } },
      { kind: 'await-boot', node: 'hadb02' },
    ],
    [
      'the survivor must answer before its peer is started',
      { hadb01: SILENT, hadb02: { power: 'stopped' } },
      { kind: 'await-boot', node: 'hadb01' },
    ],
    [
      'the survivor must run Pacemaker before its peer is started',
      { hadb01: { crmMon: CRM_MON.silent, drbd: 'down' }, hadb02: { power: 'stopped' } },
      { kind: 'await-member', node: 'hadb01' },
    ],
    [
      'a node whose Pacemaker has not begun is waited for',
      { hadb01: survivorOf(), hadb02: { crmMon: CRM_MON.silent, drbd: 'down' } },
      { kind: 'await-member', node: 'hadb02' },
    ],
    [
      'a node that only itself takes for a member is waited for',
      { hadb01: survivorOf(), hadb02: { drbd: 'down' } },
      { kind: 'await-member', node: 'hadb02' },
    ],
    [
      'a standby that was left is lifted',
      { hadb01: { crmMon: STANDBY, drbd: ALONE }, hadb02: { crmMon: STANDBY, drbd: 'down' } },
      { kind: 'lift-standby', node: 'hadb02', primary: 'hadb01' },
    ],
    [
      'a resync is waited for, and the constraint of the handler stays until then',
      {
        hadb01: { drbd: SYNC_SOURCE, constraints: ['drbd-fence-by-handler-r0-ms_drbd_mysql'] },
        hadb02: { drbd: SYNC_TARGET, constraints: ['drbd-fence-by-handler-r0-ms_drbd_mysql'] },
      },
      { kind: 'await-sync', node: 'hadb01' },
    ],
    [
      'a constraint that was left goes when both copies are current',
      {
        hadb01: { constraints: ['drbd-fence-by-handler-r0-ms_drbd_mysql', 'cli-prefer-ms_drbd_mysql'] },
        hadb02: { constraints: ['drbd-fence-by-handler-r0-ms_drbd_mysql', 'cli-prefer-ms_drbd_mysql'] },
      },
      {
        kind: 'remove-constraints',
        node: 'hadb01',
        ids: ['drbd-fence-by-handler-r0-ms_drbd_mysql', 'cli-prefer-ms_drbd_mysql'],
      },
    ],
    [
      'a ban of the promoted role, under which DRBD is up, goes like every other constraint',
      {
        hadb01: { constraints: ['cli-ban-ms_drbd_mysql-on-hadb02'] },
        hadb02: { constraints: ['cli-ban-ms_drbd_mysql-on-hadb02'] },
      },
      { kind: 'remove-constraints', node: 'hadb01', ids: ['cli-ban-ms_drbd_mysql-on-hadb02'] },
    ],
    [
      'a node that has not started DRBD yet is waited for, whatever is banned from the other one',
      {
        hadb01: { drbd: ALONE, constraints: ['cli-ban-ms_drbd_mysql-on-hadb01'] },
        hadb02: { drbd: 'down', constraints: ['cli-ban-ms_drbd_mysql-on-hadb01'] },
      },
      { kind: 'await-sync', node: 'hadb01' },
    ],
    [
      'whatever else is on its way is waited for',
      {
        hadb01: { crmMon: altered([/(<resource id="lb_mysql"[^>]*active=)"true"/, '$1"false"']) },
        hadb02: {},
      },
      { kind: 'await-health', node: 'hadb01' },
    ],
  ])('%s', (_what, seen, remedy) => {
    expect(diagnosisOf(seen)).toMatchObject({ healthy: false, remedy, refusals: [], left: [] });
  });
});

describe('a person is asked', () => {
  it.each<[string, Seen, string, string]>([
    [
      'when both machines are down',
      { hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } },
      'both-down',
      'hadb01 is stopped, hadb02 is stopped',
    ],
    [
      'when both are on their way down',
      { hadb01: { power: 'stopping' }, hadb02: { power: 'stopped' } },
      'both-down',
      'both machines are down',
    ],
    ['when a machine is gone', { hadb01: survivorOf(), hadb02: { power: 'missing' } }, 'machine-missing', 'hadb02'],
    [
      'when somebody gave the host of a machine back',
      { hadb01: survivorOf(), hadb02: { power: 'deallocated' } },
      'machine-released',
      'a person has',
    ],
    ['when Azure cannot tell', { hadb01: survivorOf(), hadb02: { power: 'unknown' } }, 'power-unknown', 'hadb02'],
    [
      'when another machine answers',
      { hadb02: { silence: { code: 'NodeMismatch', message: 'its vmId is another' } } },
      'other-machine',
      'its vmId is another',
    ],
    [
      'when the copies have parted on one side',
      { hadb01: { drbd: { connection: 'StandAlone', peerDisk: 'DUnknown' }, generations: 'AA:BB:00:00' } },
      'split-brain',
      'generations AA:BB:00:00',
    ],
    [
      'when both are primary',
      { hadb02: { drbd: { role: 'Primary' } } },
      'two-primaries',
      'hadb01 and hadb02 are both primary',
    ],
    [
      'when Pacemaker has promoted both',
      { hadb02: { crmMon: altered(SAYS.twoPromoted) } },
      'two-primaries',
      'hadb01 and hadb02 are both primary',
    ],
    ['when a disk is lost', { hadb02: { drbd: { disk: 'Diskless' } } }, 'disk-failed', 'hadb02'],
    [
      'when both copies are inconsistent',
      {
        hadb01: { drbd: { role: 'Secondary', disk: 'Inconsistent', peerDisk: 'Inconsistent' } },
        hadb02: { drbd: { disk: 'Inconsistent', peerDisk: 'Inconsistent' } },
      },
      'both-inconsistent',
      'nothing to synchronise from',
    ],
    [
      'when neither copy is known to be current',
      {
        hadb01: { drbd: { role: 'Secondary', disk: 'Outdated', peerDisk: 'Consistent' } },
        hadb02: { drbd: { peerRole: 'Secondary', disk: 'Consistent', peerDisk: 'Outdated' } },
      },
      'no-current-copy',
      'Outdated/Consistent',
    ],
    [
      'when DRBD runs nowhere',
      { hadb01: { drbd: 'down' }, hadb02: { drbd: 'down' } },
      'drbd-down',
      'r0 is up on neither',
    ],
    [
      'when an operator has banned DRBD from a node',
      {
        hadb01: { drbd: ALONE, constraints: ['cli-ban-ms_drbd_mysql-on-hadb02'] },
        hadb02: { drbd: 'down', constraints: ['cli-ban-ms_drbd_mysql-on-hadb02'] },
      },
      'drbd-banned',
      'r0 is not up on hadb02: somebody has banned it from there (cli-ban-ms_drbd_mysql-on-hadb02)',
    ],
    [
      'when an operator has set maintenance',
      { hadb01: { crmMon: altered(SAYS.clusterMaintenance) } },
      'maintenance',
      'the cluster is in maintenance mode',
    ],
    [
      'when an operator has set maintenance on a node',
      { hadb01: { crmMon: altered(SAYS.maintenance('hadb02')) } },
      'maintenance',
      'hadb02 is in maintenance mode',
    ],
    [
      'when an operator manages a resource',
      { hadb01: { crmMon: altered(SAYS.unmanaged) } },
      'maintenance',
      'mysqld is not managed',
    ],
    [
      'when both are in standby',
      { hadb01: { crmMon: altered(SAYS.standby('hadb01'), SAYS.standby('hadb02')), drbd: 'down' } },
      'both-standby',
      'hadb01 and hadb02 are both in standby',
    ],
    [
      'when the node beside the one in standby does not hold the database',
      {
        hadb01: { crmMon: STANDBY, drbd: { ...ALONE, role: 'Secondary', disk: 'Outdated' } },
        hadb02: { crmMon: STANDBY, drbd: 'down' },
      },
      'standby-unsafe',
      'hadb01 does not hold the database',
    ],
    [
      'when a fencing has failed',
      { hadb01: survivorOf(SAYS.unclean('hadb02'), withFence(shotAt(FENCE_EVENTS.failed))), hadb02: SILENT },
      'fence-failed',
      'No access token',
    ],
    [
      'when a fencing has failed, also while Azure says that the machine is off',
      { hadb01: survivorOf(withFence(shotAt(FENCE_EVENTS.failed))), hadb02: { power: 'stopped' } },
      'fence-failed',
      'fencing (off) of hadb02',
    ],
    [
      'when a person has told the cluster that a machine is off which runs',
      { hadb01: survivorOf(withFence(shotAt(FENCE_EVENTS.asserted))), hadb02: SILENT },
      'fence-asserted',
      'no machine has confirmed it',
    ],
    [
      'when a node was fenced for the third time within the hour',
      {
        hadb01: survivorOf(withFence(fencedAt('17:31:00'), fencedAt('18:00:00'), fencedAt('18:23:53'))),
        hadb02: { power: 'stopped' },
      },
      'falls-again',
      'hadb02 is down for the third time within an hour (fenced at 2026-11-22T17:31:00.000Z',
    ],
    [
      'when a node was started twice within the hour and is down again, whoever stops it',
      { hadb01: survivorOf(), hadb02: { power: 'stopped', starts: ['2026-11-22T17:40:00Z', '2026-11-22T18:10:00Z'] } },
      'falls-again',
      'started again at 2026-11-22T17:40:00Z, 2026-11-22T18:10:00Z',
    ],
  ])('%s, and nothing is done', (_what, seen, code, sentence) => {
    const { healthy, remedy, refusals } = diagnosisOf(seen);

    expect(healthy).toBe(false);
    expect(remedy).toBeUndefined();
    expect(refusals.map((one) => one.code)).toContain(code);
    const found = refusals.find((one) => one.code === code);
    expect(found?.sentence).toContain(sentence);
    expect(found?.whatNow).toMatch(/^[A-Z].*\.$/);
  });

  it('not before the third fall within the hour', () => {
    const longAgo = new Date(AT - FALLS.withinMs - 1).toISOString();
    const seen = {
      hadb01: survivorOf(withFence(fencedAt('17:29:59'), fencedAt('18:00:00'), fencedAt('18:23:53'))),
      hadb02: { power: 'stopped', starts: [longAgo, '2026-11-22T18:10:00Z'] },
    } as const satisfies Seen;

    expect(diagnosisOf(seen)).toMatchObject({ refusals: [], remedy: { kind: 'start' } });
  });
});

describe('what only a person puts right but forbids nothing', () => {
  const FAILED = (task: string) =>
    `<failures><failure op_key="mysqld_${task}_0" node="hadb01" exitstatus="error" exitreason="it hung" task="${task}" last-rc-change="2026-11-22 18:20:00Z"/></failures></pacemaker-result>`;

  it('a stop that failed does not keep the other machine from being started', () => {
    const seen = {
      hadb01: survivorOf(['</pacemaker-result>', FAILED('stop')]),
      hadb02: { power: 'stopped' },
    } as const satisfies Seen;

    expect(diagnosisOf(seen)).toMatchObject({
      remedy: { kind: 'start', node: 'hadb02' },
      left: [{ code: 'failed-action', sentence: expect.stringContaining('stop of mysqld failed on hadb01') as string }],
    });
  });

  it('ends the recovery when nothing else is to be done', () => {
    const crmMon = altered(['</pacemaker-result>', FAILED('stop')]);

    const { remedy, left } = diagnosisOf({ hadb01: { crmMon }, hadb02: { crmMon } });

    expect(remedy).toBeUndefined();
    expect(left).toHaveLength(1);
  });

  it('a monitor that failed once is left to the cleaner', () => {
    const crmMon = altered(['</pacemaker-result>', FAILED('monitor')]);

    expect(diagnosisOf({ hadb01: { crmMon }, hadb02: { crmMon } })).toMatchObject({
      remedy: { kind: 'await-health' },
      left: [],
    });
  });

  it('a failed fencing of a node that is back stands in the history', () => {
    const crmMon = altered(withFence(shotAt(FENCE_EVENTS.failed)));

    expect(diagnosisOf({ hadb01: { crmMon }, hadb02: { crmMon } })).toMatchObject({
      refusals: [],
      left: [{ code: 'fence-failed' }],
    });
  });
});

describe('is under way', () => {
  it.each<[string, Seen, boolean]>([
    ['while the copies are made equal', { hadb01: { drbd: SYNC_SOURCE }, hadb02: { drbd: SYNC_TARGET } }, true],
    ['while a node boots', { hadb01: survivorOf(), hadb02: { power: 'starting' } }, true],
    ['not when a machine must be started', { hadb01: survivorOf(), hadb02: { power: 'stopped' } }, false],
    ['not when a person is needed', { hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } }, false],
    ['not when all is well', {}, false],
  ])('%s', (_what, seen, expected) => {
    expect(isUnderWay(diagnosisOf(seen))).toBe(expected);
  });
});

it('what is seen of both nodes fits in a line', () => {
  const findings = findingsOf({
    hadb01: { ...survivorOf(), constraints: ['cli-ban-x'] },
    hadb02: { silence: { code: 'NodeUnreachable', message: 'no answer within 20 s' } },
  });

  expect(describeFindings(findings)).toBe(
    'hadb01: running, online, Primary/Unknown Connecting UpToDate/Outdated, constraints cli-ban-x | hadb02: running, does not answer (NodeUnreachable: no answer within 20 s)',
  );
});

describe('what a recovery would say, on one line,', () => {
  it('names what needs a person with its code, and what to do', () => {
    const said = describeDiagnosis(diagnose(fencingInVain(), specificationOf()));

    expect(said).toMatch(/^fence-failed: fencing \(off\) of hadb01 .*stop hadb01 in the Azure portal/);
    expect(said).toContain('seen: the machine of hadb01 is stopped; hadb01 is unclean');
  });

  it('names what it would do next', () => {
    const said = describeDiagnosis(diagnosisOf({ hadb01: CAME_UP_ALONE, hadb02: { power: 'stopped' } }));

    expect(said).toMatch(
      /^Start the machine again: hadb01 came up alone, .* \(hadb02\) \| seen: the cluster has no quorum/,
    );
    expect(describeDiagnosis(diagnosisOf())).toBe('the pair is whole');
  });
});
