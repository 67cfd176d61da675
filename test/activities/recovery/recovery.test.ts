import { noopMetricMeter } from '@temporalio/common';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import { createRecoveryActivities } from '../../../activities/recovery';
import { readFindings } from '../../../activities/recovery/findings';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import { HadbError } from '../../../cluster/errors';
import { OWNER_TAG } from '../../../cluster/ids';
import { renderEndLeftFaults, renderLeftFaultsRead } from '../../../cluster/node/fault-guards';
import { renderIdentityRead } from '../../../cluster/node/access';
import { renderMetadataRead } from '../../../cluster/node/drbd-moves';
import { renderConstraintsRead } from '../../../cluster/node/drill-moves';
import { renderStandbyRead } from '../../../cluster/node/standby-moves';
import { renderLiftStandby, renderRemoveConstraints } from '../../../cluster/node/recovery-moves';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { FENCE_EVENTS } from '../../cluster/cib/fence-events';
import { EQUAL, events2, type DrbdView } from '../../cluster/node/script-bench';
import { CRM_MON, SAYS, altered, withFence } from '../../cluster/recovery/specimen-findings';
import { faultsInNetwork } from '../drill/faults-in-network';
import { answeringNodes } from '../node/answering-node';
import { createModelPair, runActivity, specification, step } from '../node/model-pair';

/** What a recovery sees of a pair, and how it makes its moves. */

const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';
const BOOT = 'bootId=7ea49b58-0948-4754-8981-71b190e1a4d6\n';
const ADDRESSES: Readonly<Record<string, string>> = { hadb01: '10.10.10.4', hadb02: '10.10.10.5' };
const HANDLER = 'drbd-fence-by-handler-r0-ms_drbd_mysql';

interface Machine {
  power?: string;
  vmId?: string;
  crmMon?: string;
  drbd?: DrbdView;
  /** What it says of its resource first, one after the other. */
  comingUp?: DrbdView[];
  constraints?: string[];
  /** Faults that it is still to take back. */
  left?: string[];
  /** And does not. */
  stays?: true;
  standby?: boolean;
  /** Does not answer, or never. */
  silent?: HadbError;
}

/** Two machines of an imagined Azure; hadb01 is primary. Moves change what they say. */
function pairOfMachines(
  machines: { hadb01?: Machine; hadb02?: Machine } = {},
  tags: Record<string, string> = {},
  links: string[] = [],
) {
  const faults = faultsInNetwork(links);
  const { socket } = databaseProfile(specification.database.engine);
  const model: Record<string, Machine> = { hadb01: { ...machines.hadb01 }, hadb02: { ...machines.hadb02 } };
  const { sessions, opened, changes } = answeringNodes((node) => {
    const own = model[node] ?? {};
    if (own.silent !== undefined) throw own.silent;
    const roles: DrbdView = node === 'hadb01' ? {} : { role: 'Secondary', peerRole: 'Primary' };
    return {
      reads: {
        [readCrmMon()]: own.crmMon ?? CRM_MON.healthy,
        [renderLeftFaultsRead()]: () => ({ stdout: (own.left ?? []).join('\n') }),
        [renderConstraintsRead()]: () => ({ stdout: (own.constraints ?? []).join('\n') }),
        [renderRuntimeRead({ socket })]: () => {
          const drbd = own.comingUp?.shift() ?? own.drbd;
          return { stdout: `${BOOT}module=loaded\ndrbd:\n${events2({ ...roles, ...drbd })}` };
        },
        [renderIdentityRead()]: `hostName=${node}\nmachineId=m\n${BOOT}vmId=${own.vmId ?? VM_ID}\nfirstBoot=done\naddress=${ADDRESSES[node]}\n`,
        [renderMetadataRead()]: `metadata=attached\ngi=${EQUAL}\n`,
        [renderStandbyRead({ node: 'hadb02' })]: () => ({
          stdout: model['hadb02']?.standby === true ? 'on\n' : 'off\n',
        }),
      },
      changes: {
        [renderEndLeftFaults(['server-hang'])]: () => {
          own.left = own.stays === true ? (own.left ?? []) : [];
          return {};
        },
        [renderLiftStandby({ peer: 'hadb02' })]: () => {
          model['hadb02'] = { ...model['hadb02'], standby: false };
          return {};
        },
        [renderRemoveConstraints({ peer: 'hadb02', ids: [HANDLER] })]: () => {
          own.constraints = (own.constraints ?? []).filter((id) => id !== HANDLER);
          return {};
        },
      },
    };
  });
  const arm = {
    subscriptionId: 'subscription',
    compute: {
      virtualMachines: {
        get: async (_group: string, name: string) => {
          const { power = 'running' } = model[name] ?? {};
          if (power === 'missing') throw Object.assign(new Error('gone'), { name: 'RestError', statusCode: 404 });
          return {
            vmId: VM_ID,
            tags: { [OWNER_TAG]: specification.name },
            instanceView: { statuses: [{ code: `PowerState/${power}` }] },
          };
        },
      },
    },
    resources: { resourceGroups: { get: async () => ({ tags }) } },
  } as unknown as ArmClients;
  const { secrets } = createModelPair();
  const activities = createRecoveryActivities({
    arm,
    secrets,
    sessions,
    faults,
    constraintsGoMs: 0,
    standAlonePauseMs: 1,
    alerts: { getMeter: () => noopMetricMeter, redact: (text) => text },
  });
  return {
    activities,
    opened,
    changes,
    find: () =>
      runActivity(() => readFindings({ arm, secrets, sessions, faults, standAlonePauseMs: 1 }, step('hadb01', 'look'))),
    startGate: (node: string) => runActivity(() => activities.readStartGate(step(node, 'start'))),
  };
}

const OFFLINE = altered(SAYS.offline('hadb02'));
const FENCED_HADB02 = FENCE_EVENTS.confirmed
  .replaceAll('"hadb02"', '"x"')
  .replaceAll('"hadb01"', '"hadb02"')
  .replaceAll('"x"', '"hadb01"');
const SURVIVOR: Machine = {
  crmMon: altered(SAYS.offline('hadb02'), withFence(FENCED_HADB02)),
  drbd: { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' },
};

describe('what is seen of a pair', () => {
  it('is told by Azure, DRBD and Pacemaker, of both nodes', async () => {
    const { nodes } = await pairOfMachines().find();

    expect(nodes).toMatchObject([
      { node: 'hadb01', power: 'running', says: { drbd: { role: 'Primary' }, state: { available: true } } },
      { node: 'hadb02', power: 'running', says: { drbd: { role: 'Secondary' }, constraints: [] } },
    ]);
  });

  it('asks nothing of a machine that is off', async () => {
    const pair = pairOfMachines(
      { hadb01: SURVIVOR, hadb02: { power: 'stopped' } },
      { 'hadb-starts-hadb02': '2026-11-23T06:57:10Z/0190a0a0' },
    );

    const [, finding] = (await pair.find()).nodes;
    expect(finding).toEqual({ node: 'hadb02', power: 'stopped', starts: ['2026-11-23T06:57:10Z'] });
    expect(pair.opened).toEqual(['hadb01']);
  });

  it('takes silence, a machine that is gone and a stranger for answers', async () => {
    const silent = await pairOfMachines({ hadb02: { silent: new HadbError('NodeUnreachable', 'refused') } }).find();
    const gone = await pairOfMachines({ hadb02: { power: 'missing' } }).find();
    const stranger = await pairOfMachines({ hadb02: { vmId: '00000000-1111-2222-3333-444444444444' } }).find();

    expect(silent.nodes[1]).toMatchObject({ silence: { code: 'NodeUnreachable', message: 'refused' } });
    expect(gone.nodes[1]).toMatchObject({ power: 'missing' });
    expect(stranger.nodes[1]).toMatchObject({ silence: { code: 'NodeMismatch' } });
  });

  it('does not take a resource that is being brought up for one that was refused', async () => {
    const comingUp: DrbdView[] = [
      { connection: 'StandAlone', disk: 'Consistent', peerDisk: 'DUnknown' },
      { connection: 'StandAlone', disk: 'Consistent', peerDisk: 'DUnknown' },
    ];
    const [, finding] = (await pairOfMachines({ hadb02: { comingUp } }).find()).nodes;

    expect(finding?.says).toMatchObject({ drbd: { connection: 'Connected' } });
    expect(finding?.says).not.toHaveProperty('generations');
  });

  it('names what a terminated drill has left, on a node and in the network, also of a node that is silent', async () => {
    const silent = { silent: new HadbError('NodeUnreachable', 'refused') };
    const pair = pairOfMachines({ hadb01: { left: ['server-hang'] }, hadb02: silent }, {}, ['drill-partition-hadb02']);

    const { nodes } = await pair.find();
    expect(nodes.map(({ leftFaults }) => leftFaults)).toEqual([
      [{ fault: 'server-hang', where: 'node' }],
      [{ fault: 'partition', where: 'network' }],
    ]);
  });

  it('brings the generations of copies that have parted', async () => {
    const apart: Machine = { drbd: { connection: 'StandAlone', peerDisk: 'DUnknown' } };
    const { nodes } = await pairOfMachines({ hadb01: apart, hadb02: apart }).find();

    expect(nodes.map(({ says }) => says?.generations)).toEqual(
      Array(2).fill('980F6B5B67270CE6:0000000000000000:0000000000000000:0000000000000000'),
    );
  });
});

it('what may be done next is told with what was seen', async () => {
  const { activities } = pairOfMachines({ hadb01: SURVIVOR, hadb02: { power: 'stopped' } });

  expect(await runActivity(() => activities.readPairDiagnosis(step('hadb01', 'look')))).toMatchObject({
    result: 'unchanged',
    observed: expect.stringContaining('hadb02: stopped') as string,
    diagnosis: { healthy: false, remedy: { kind: 'start', node: 'hadb02' } },
  });
});

describe('the start of a machine', () => {
  it('is what the pair needs next', async () => {
    const pair = pairOfMachines({ hadb01: SURVIVOR, hadb02: { power: 'stopped' } });

    expect(await pair.startGate('hadb02')).toMatchObject({ result: 'unchanged' });
  });

  it('that was asked for by a try whose answer was lost is left to itself', async () => {
    const pair = pairOfMachines({ hadb01: SURVIVOR, hadb02: { power: 'starting' } });

    expect(await pair.startGate('hadb02')).toMatchObject({ observed: expect.stringContaining('starting') as string });
  });

  const SHOT = FENCED_HADB02.replace('success', 'pending');
  const now = () => new Date().toISOString().slice(0, 19);
  it.each<[string, Machine, Record<string, string>, string]>([
    [
      'it is being fenced',
      { ...SURVIVOR, crmMon: altered(SAYS.offline('hadb02'), withFence(SHOT)) },
      {},
      'something else has to come first',
    ],
    ['the other node is silent', { silent: new HadbError('NodeUnreachable', 'refused') }, {}, 'has to come first'],
    [
      'the copies have parted',
      { crmMon: OFFLINE, drbd: { connection: 'StandAlone', peerDisk: 'DUnknown' } },
      {},
      'split brain',
    ],
    [
      'the cluster is in maintenance',
      { ...SURVIVOR, crmMon: altered(SAYS.clusterMaintenance) },
      {},
      'the cluster is in maintenance mode',
    ],
    ['both machines are down', { power: 'stopped' }, {}, 'both machines are down'],
    [
      'it falls again and again',
      SURVIVOR,
      { 'hadb-starts-hadb02': `${now()}Z/00000001 ${now()}Z/00000002` },
      'for the third time within an hour',
    ],
  ])('is refused while %s', async (_why, hadb01, tags, text) => {
    const gate = pairOfMachines({ hadb01, hadb02: { power: 'stopped' } }, tags).startGate('hadb02');

    await expect(gate).rejects.toMatchObject({
      code: 'GuardRefused',
      message: expect.stringContaining(text) as string,
      details: { observed: expect.stringContaining('hadb02: stopped') as string },
    });
  });
});

describe('faults that a drill has left', () => {
  const HANG = { fault: 'server-hang', where: 'node' } as const;
  const CUT = { fault: 'partition', where: 'network' } as const;

  it('are taken back where they are', async () => {
    const links = ['drill-partition-hadb01', 'drill-partition-hadb02'];
    const pair = pairOfMachines({ hadb01: { left: ['server-hang'] } }, {}, links);

    const ended = await runActivity(() => pair.activities.endLeftFaults({ ...step('hadb01'), faults: [HANG, CUT] }));

    expect(ended).toMatchObject({ result: 'changed', done: 'took it back: server-hang, partition' });
    expect(links).toEqual(['drill-partition-hadb02']);
  });

  it('of the network need nobody on the node', async () => {
    const pair = pairOfMachines({ hadb01: { silent: new HadbError('NodeUnreachable', 'no') } });

    await runActivity(() => pair.activities.endLeftFaults({ ...step('hadb01'), faults: [CUT] }));

    expect(pair.opened).toEqual([]);
  });

  it('are not called taken back while one is still there', async () => {
    const pair = pairOfMachines({ hadb01: { left: ['server-hang'], stays: true } });

    await expect(
      runActivity(() => pair.activities.endLeftFaults({ ...step('hadb01'), faults: [HANG] })),
    ).rejects.toMatchObject({ code: 'NotReady', message: 'hadb01: still to be taken back: server-hang' });
  });
});

describe('moves', () => {
  it('take a node out of standby at the node that holds the database', async () => {
    const pair = pairOfMachines({ hadb02: { standby: true } });
    const lift = () => runActivity(() => pair.activities.liftStandby({ ...step('hadb02'), primary: 'hadb01' }));

    expect(await lift()).toMatchObject({ result: 'changed', verified: 'standby off' });
    expect(await lift()).toMatchObject({ result: 'unchanged' });
    expect(new Set(pair.opened)).toEqual(new Set(['hadb01']));
  });

  it('leave a constraint that goes by itself to DRBD, and remove one that stays', async () => {
    const gone = pairOfMachines();
    const stays = pairOfMachines({ hadb01: { constraints: [HANDLER, 'cli-ban-of-somebody'] } });
    const remove = (pair: typeof gone) =>
      runActivity(() => pair.activities.removeConstraints({ ...step('hadb01'), ids: [HANDLER] }));

    expect(await remove(gone)).toMatchObject({ result: 'unchanged' });
    expect(await remove(stays)).toMatchObject({ result: 'changed', done: `removed ${HANDLER}` });
    expect(gone.changes).toEqual([]);
  });

  it('wait for a member until both nodes count it as one', async () => {
    const pair = pairOfMachines();

    expect(await runActivity(() => pair.activities.awaitMember(step('hadb02')))).toMatchObject({ result: 'unchanged' });
  });
});
