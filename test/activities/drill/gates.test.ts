import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import { createClusterMoveActivities } from '../../../activities/drill/cluster-moves';
import { createPowerActivities } from '../../../activities/drill/power';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import { HadbError, isHadbError } from '../../../cluster/errors';
import { OWNER_TAG } from '../../../cluster/ids';
import { renderLeftFaultsRead } from '../../../cluster/node/fault-guards';
import { renderIdentityRead } from '../../../cluster/node/access';
import { renderConstraintsRead } from '../../../cluster/node/drill-moves';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { events2, type DrbdView } from '../../cluster/node/script-bench';
import { answeringNodes } from '../node/answering-node';
import { faultsInNetwork } from './faults-in-network';
import { createModelPair, runActivity, specification, step } from '../node/model-pair';

/** What must hold before a drill breaks anything: each thing that does not is named, and no drill begins. */

const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';
const captured = (name: string): string =>
  readFileSync(join(__dirname, '..', '..', 'cluster', 'cib', 'captured', `crm_mon-2.1.5-${name}.xml`), 'utf8');
const HEALTHY = captured('healthy');
const BOOT = 'bootId=7ea49b58-0948-4754-8981-71b190e1a4d6\n';
const ADDRESSES: Readonly<Record<string, string>> = { hadb01: '10.10.10.4', hadb02: '10.10.10.5' };

interface SeenFrom {
  crmMon?: string;
  drbd?: DrbdView;
  constraints?: string;
  /** Faults that the node is still to take back. */
  left?: string;
  vmId?: string;
  /** Nobody answers there, this often. */
  silent?: number;
}

/** Two nodes that only answer; hadb01 is primary. */
function pairThatSays(seen: { hadb01?: SeenFrom; hadb02?: SeenFrom } = {}, power = 'running', links?: string[]) {
  const { socket } = databaseProfile(specification.database.engine);
  const { sessions, opened } = answeringNodes((node) => {
    const said = seen[node as 'hadb01'] ?? {};
    const { crmMon = HEALTHY, drbd = {}, constraints = '', left = '', vmId = VM_ID, silent = 0 } = said;
    if (silent > 0) {
      said.silent = silent - 1;
      throw new HadbError('NodeUnreachable', 'connect ETIMEDOUT', { subject: node });
    }
    const roles: DrbdView = node === 'hadb01' ? {} : { role: 'Secondary', peerRole: 'Primary' };
    return {
      reads: {
        [readCrmMon()]: crmMon,
        [renderConstraintsRead()]: constraints,
        [renderLeftFaultsRead()]: left,
        [renderRuntimeRead({ socket })]: `${BOOT}module=loaded\ndrbd:\n${events2({ ...roles, ...drbd })}`,
        [renderIdentityRead()]: `hostName=${node}\nmachineId=m\n${BOOT}vmId=${vmId}\nfirstBoot=done\naddress=${ADDRESSES[node]}\n`,
      },
    };
  });
  const machine = {
    vmId: VM_ID,
    tags: { [OWNER_TAG]: specification.name },
    instanceView: { statuses: [{ code: `PowerState/${power}` }] },
  };
  const arm = { compute: { virtualMachines: { get: async () => machine } } } as unknown as ArmClients;
  const { secrets } = createModelPair();
  return {
    opened,
    gate: () =>
      runActivity(() =>
        createClusterMoveActivities({
          sessions,
          answerMs: 1500,
          ...(links !== undefined && { faults: faultsInNetwork(links) }),
        }).readDrillGate(step('hadb01', 'gate')),
      ),
    powerCutGate: () =>
      runActivity(() =>
        createPowerActivities({ arm, secrets, sessions }).readPowerCutGate(step('hadb01', 'power-off')),
      ),
  };
}

const refusal = async (gate: Promise<unknown>) => {
  const error: unknown = await gate.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isHadbError(error)) throw new Error('the gate let it pass', { cause: error });
  return error;
};

const OFFLINE = HEALTHY.replace(/(<node name="hadb02" id="2" )online="true"/, '$1online="false"');
const STANDBY = HEALTHY.replace(/(<node name="hadb02" id="2" online="true" )standby="false"/, '$1standby="true"');
const MAINTENANCE = HEALTHY.replace('maintenance-mode="false"', 'maintenance-mode="true"');
const TWO_PRIMARIES = HEALTHY.replace('role="Unpromoted"', 'role="Promoted"');
const MOVED = HEALTHY.replaceAll('"hadb01"', '"x"').replaceAll('"hadb02"', '"hadb01"').replaceAll('"x"', '"hadb02"');

describe('a drill', () => {
  it('begins on a healthy pair, at the node that is primary now', async () => {
    const pair = pairThatSays();

    expect(await pair.gate()).toMatchObject({ result: 'unchanged', primary: 'hadb01', standby: 'hadb02' });
    expect(pair.opened.sort()).toEqual(['hadb01', 'hadb02']);
  });

  it.each<[string, Parameters<typeof pairThatSays>[0], string]>([
    ['a node is offline', { hadb01: { crmMon: OFFLINE } }, 'hadb02 is offline'],
    ['a node is in standby', { hadb01: { crmMon: STANDBY } }, 'hadb02 is in standby'],
    ['the cluster is in maintenance', { hadb01: { crmMon: MAINTENANCE } }, 'the cluster is in maintenance mode'],
    ['two nodes are primary', { hadb01: { crmMon: TWO_PRIMARIES } }, 'DRBD is promoted on hadb01 and hadb02'],
    [
      'a failed action is not cleaned up',
      { hadb01: { crmMon: captured('monitor-failed') } },
      'monitor of mysqld failed on hadb01',
    ],
    [
      'Pacemaker does not answer on one of them',
      { hadb02: { crmMon: captured('not-connected') } },
      'Pacemaker does not answer on hadb02',
    ],
    ['a copy is not current', { hadb01: { drbd: { peerDisk: 'Inconsistent' } } }, 'DRBD on hadb01'],
    [
      'only the other node sees that the copies are apart',
      { hadb02: { drbd: { connection: 'Connecting', peerDisk: 'DUnknown' } } },
      'DRBD on hadb02',
    ],
    [
      'an earlier move has left its constraint',
      { hadb01: { constraints: 'cli-prefer-ms_drbd_mysql\n' } },
      'the constraint cli-prefer-ms_drbd_mysql is left',
    ],
    [
      'the fence-peer handler keeps a node away',
      { hadb02: { constraints: 'drbd-fence-by-handler-r0-ms_drbd_mysql\n' } },
      'the constraint drbd-fence-by-handler-r0-ms_drbd_mysql is left',
    ],
    [
      'a node is still to take back what a terminated drill has broken',
      { hadb02: { left: 'server-hang\n' } },
      'the fault server-hang of a drill is still to be taken back on hadb02',
    ],
  ])('is refused while %s', async (_what, seen, problem) => {
    const { code, message, details } = await refusal(pairThatSays(seen).gate());

    expect(code).toBe('GateNotMet');
    expect(message).toContain(problem);
    expect(details.whatNow).toBe(
      'Put right what is named, then retry; "hadb recover" does what is safe. Nothing was moved or broken.',
    );
  });

  it('is refused while a node is silent, with what the other one says', async () => {
    const { code, message, details } = await refusal(
      pairThatSays({ hadb01: { silent: Infinity }, hadb02: { crmMon: OFFLINE } }).gate(),
    );

    expect(code).toBe('GateNotMet');
    expect(message).toMatch(
      /^the cluster is not healthy: hadb01 does not answer: connect ETIMEDOUT; .*hadb02 is offline/,
    );
    expect(details.observed).toMatch(/^hadb01: silent \| hadb02: /);
  });

  it('is not refused because a connection broke: it is dialled again', async () => {
    expect(await pairThatSays({ hadb01: { silent: 1 } }).gate()).toMatchObject({ primary: 'hadb01' });
  });

  it('is refused while the network is still to take a fault of one of its nodes back, and not for the faults of others', async () => {
    const links = ['drill-partition-hadb01', 'show-loss', 'drill-partition-other01'];
    const { message } = await refusal(pairThatSays({}, 'running', links).gate());

    expect(message).toBe(
      'the cluster is not healthy: the fault partition of a drill is still to be taken back in the network of hadb01',
    );
    expect(await pairThatSays({}, 'running', links.slice(1)).gate()).toMatchObject({ result: 'unchanged' });
  });
});

describe('the power of the primary', () => {
  it('is cut while it is primary, is the machine that answers, and the other node has everything', async () => {
    expect(await pairThatSays().powerCutGate()).toMatchObject({ observed: expect.stringContaining(VM_ID) as string });
  });

  it.each<[string, SeenFrom, string, string]>([
    [
      'the primary has changed since',
      { crmMon: MOVED, drbd: { role: 'Secondary', peerRole: 'Primary' } },
      'GuardRefused',
      'the primary is hadb02, not hadb01',
    ],
    ['the other node has gone since', { crmMon: OFFLINE }, 'GuardRefused', 'hadb02 is offline'],
    ['the other node is in standby since', { crmMon: STANDBY }, 'GuardRefused', 'hadb02 is in standby'],
    [
      'the other copy is not current any more',
      { drbd: { peerDisk: 'Inconsistent' } },
      'GuardRefused',
      'DRBD on hadb01',
    ],
    [
      'another machine has the name',
      { vmId: '00000000-1111-2222-3333-444444444444' },
      'NodeMismatch',
      `its vmId is 00000000-1111-2222-3333-444444444444, not ${VM_ID}`,
    ],
  ])('is not cut when %s', async (_what, seen, expected, problem) => {
    const { code, message } = await refusal(pairThatSays({ hadb01: seen }).powerCutGate());

    expect(code).toBe(expected);
    expect(message).toContain(problem);
  });

  it('that was cut by a try whose answer was lost asks nothing of the node', async () => {
    const pair = pairThatSays({}, 'stopped');

    expect(await pair.powerCutGate()).toMatchObject({ observed: 'the machine is stopped' });
    expect(pair.opened).toEqual([]);
  });
});
