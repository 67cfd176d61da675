import { createFaultActivities } from '../../../activities/drill/faults';
import { createFaultInjector, type FaultInjector, type LinkFault } from '../../../activities/drill/fault-injector';
import { createPowerActivities } from '../../../activities/drill/power';
import { HadbError, isHadbError } from '../../../cluster/errors';
import {
  renderFault,
  renderFaultEnd,
  renderNetworkFaultGuard,
  type LastingFault,
  type NetworkFault,
} from '../../../cluster/node/faults';
import { runActivity, step } from '../node/model-pair';
import { ALONE, createSeenPair, CUT_OFF, MOVED, TAKEN_OVER, VM_IDS, type SeenPair } from './seen-pair';

/** What breaks a node: the machine and its role are looked at right before, and nothing is broken twice. */

let pair: SeenPair;
let frozen: [vmId: string, seconds: number][];
beforeEach(() => {
  pair = createSeenPair();
  frozen = [];
});

const lab = (): FaultInjector => ({
  kind: 'lab',
  freeze: async (vmId, seconds) => void frozen.push([vmId, seconds]),
  thaw: async (vmId) => void frozen.push([vmId, 0]),
});
const activities = (faults = lab()) => createFaultActivities({ ...pair, faults });
const powerGates = () => createPowerActivities(pair);

async function refusalOf(work: () => Promise<unknown>): Promise<HadbError> {
  const error: unknown = await runActivity(work).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isHadbError(error)) throw new Error('nothing was refused', { cause: error });
  return error;
}

/** The pair as it must not be, and what is said of it. */
const WRONG: [string, (pair: SeenPair) => void, string][] = [
  ['the primary has changed since', ({ hadb01 }) => void (hadb01.crmMon = MOVED), 'the primary is hadb02, not hadb01'],
  ['the other node has gone since', ({ hadb01 }) => void (hadb01.crmMon = ALONE), 'hadb02 is offline'],
  ['the other copy is not current', ({ hadb01 }) => void (hadb01.drbd = { peerDisk: 'Outdated' }), 'DRBD on hadb01'],
  [
    'another machine has the name',
    ({ hadb01 }) => void (hadb01.vmId = '00000000-1111-2222-3333-444444444444'),
    `not ${VM_IDS.hadb01}`,
  ],
];

describe('the target of a fault', () => {
  const read = () => activities().readFaultTarget({ ...step('hadb01', 'target'), role: 'Primary' });

  it('is the machine that is primary now, with its boot and its server', async () => {
    expect(await runActivity(read)).toMatchObject({
      result: 'unchanged',
      vmId: VM_IDS.hadb01,
      bootId: 'boot-hadb01',
      pid: 100,
      at: expect.any(Number) as number,
    });
  });

  it.each(WRONG)('is refused when %s', async (_what, alter, text) => {
    alter(pair);

    const { code, message } = await refusalOf(read);

    expect(['GuardRefused', 'NodeMismatch']).toContain(code);
    expect(message).toContain(text);
  });

  it('may be the secondary, where that is meant', async () => {
    const seen = await runActivity(() =>
      activities().readFaultTarget({ ...step('hadb02', 'target'), role: 'Secondary' }),
    );
    const error = await refusalOf(() =>
      activities().readFaultTarget({ ...step('hadb01', 'target'), role: 'Secondary' }),
    );

    expect(seen).toMatchObject({ vmId: VM_IDS.hadb02 });
    expect(error.message).toContain('the primary is hadb01, not hadb02');
  });
});

describe('a fault', () => {
  const fault: LastingFault = { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 100 };
  const inject = () => activities().injectFault({ ...step('hadb01', 'break'), role: 'Primary', fault });
  const end = () => activities().endFault({ ...step('hadb01', 'mend'), fault });

  it('is ordered in one command, with the VM id that Azure has just told', async () => {
    expect(await runActivity(inject)).toMatchObject({ result: 'changed', done: expect.stringContaining('10.10.10.5') });
    expect(pair.changes).toEqual([
      ['hadb01', renderFault(fault, { node: 'hadb01', peer: 'hadb02', vmId: VM_IDS.hadb01, role: 'Primary' })],
    ]);
  });

  it('is told with the time before its order was sent, and without one where an earlier try has sent it', async () => {
    jest.spyOn(Date, 'now').mockImplementation(() => 1000 + pair.changes.length);

    const [first, second] = [await runActivity(inject), await runActivity(inject)];

    expect([first.movedAt, second.movedAt]).toEqual([1000, undefined]);
    jest.restoreAllMocks();
  });

  it('is not made when it was made by a try whose answer was lost', async () => {
    await runActivity(inject);

    expect(await runActivity(inject)).toMatchObject({ result: 'changedEarlier' });
    expect(pair.changes).toHaveLength(1);
  });

  it.each([
    ['fault\ntimer\n', 'changed', 'took the fault back'],
    ['timer\n', 'unchanged', undefined],
    ['', 'unchanged', undefined],
  ])('is taken back, and what was still there is told (%j)', async (printed, result, done) => {
    pair.printed = printed;

    const outcome = await runActivity(end);

    expect(outcome.result).toBe(result);
    expect(outcome.done).toBe(done);
    expect(pair.changes).toEqual([['hadb01', renderFaultEnd(fault)]]);
  });

  it('of a machine that is off has ended with it: the node is not asked', async () => {
    pair.hadb01.power = 'stopped';
    pair.hadb01.answers = 'silent';

    expect(await runActivity(end)).toMatchObject({
      result: 'unchanged',
      observed: 'the machine is stopped: no fault outlasts it',
    });
  });
});

describe('a fault of the network, where somebody can make it there', () => {
  let links: LinkFault[];
  beforeEach(() => {
    links = [];
  });
  const network = (): FaultInjector => ({
    ...lab(),
    links: {
      list: async () => links.map(({ id }) => id),
      has: async (id) => links.some((link) => link.id === id),
      put: async (link) => void links.push(link),
      remove: async (id) => void (links = links.filter((link) => link.id !== id)),
    },
  });
  const partition: NetworkFault = { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 100 };
  const inject = (fault: NetworkFault) => () =>
    activities(network()).injectFault({ ...step('hadb01', 'break'), role: 'Primary', fault });
  const end = (fault: NetworkFault) => () => activities(network()).endFault({ ...step('hadb01', 'mend'), fault });

  it.each<[NetworkFault, Partial<LinkFault>]>([
    [partition, { from: VM_IDS.hadb01, to: VM_IDS.hadb02, bothDirections: true, loss: 1, delayMs: 0, seconds: 100 }],
    [
      { fault: 'disturbance', peerAddress: '10.10.10.5', lossPercent: 5, delayMs: 20, undoSeconds: 90 },
      { from: VM_IDS.hadb01, to: VM_IDS.hadb02, bothDirections: false, loss: 0.05, delayMs: 20, seconds: 90 },
    ],
    [
      { fault: 'resource-manager-cut', peerAddress: '10.10.10.5', undoSeconds: 100 },
      { from: VM_IDS.hadb01, to: 'management', loss: 1, seconds: 100 },
    ],
  ])('is made there (%j), behind the guard of the node, and ends by itself', async (fault, link) => {
    const from = Date.now();

    const { result, movedAt = 0 } = await runActivity(inject(fault));

    expect(result).toBe('changed');
    expect(movedAt).toBeGreaterThanOrEqual(from);
    expect(links).toMatchObject([link]);
    const target = { node: 'hadb01', peer: 'hadb02', vmId: VM_IDS.hadb01, role: 'Primary' } as const;
    expect(pair.changes).toEqual([['hadb01', renderNetworkFaultGuard(target)]]);
  });

  it('is not made twice', async () => {
    await runActivity(inject(partition));

    expect(await runActivity(inject(partition))).toMatchObject({ result: 'changedEarlier' });
    expect(links).toHaveLength(1);
    expect(pair.changes).toHaveLength(1);
  });

  it('is taken back, also from a machine that is off, and may have gone by itself', async () => {
    await runActivity(inject(partition));
    pair.hadb01.power = 'stopped';

    expect(await runActivity(end(partition))).toMatchObject({ result: 'changed', done: 'took the fault back' });
    expect(await runActivity(end(partition))).toMatchObject({ result: 'unchanged' });
    expect(links).toEqual([]);
  });
});

describe('a fault of the network, where the nodes are to make it although the network could', () => {
  const nodes = (): FaultInjector => ({
    ...lab(),
    networkFaultsBy: 'nodes',
    links: { list: refused, has: refused, put: refused, remove: refused },
  });
  const refused = () => Promise.reject(new Error('the network is not asked'));
  const fault: NetworkFault = { fault: 'partition', peerAddress: '10.10.10.5', undoSeconds: 100 };

  it('is made and taken back by the node', async () => {
    await runActivity(() => activities(nodes()).injectFault({ ...step('hadb01', 'break'), role: 'Primary', fault }));
    await runActivity(() => activities(nodes()).endFault({ ...step('hadb01', 'mend'), fault }));

    const target = { node: 'hadb01', peer: 'hadb02', vmId: VM_IDS.hadb01, role: 'Primary' } as const;
    expect(pair.changes).toEqual([
      ['hadb01', renderFault(fault, target)],
      ['hadb01', renderFaultEnd(fault)],
    ]);
  });

  const check = (faults: FaultInjector) => () =>
    activities(faults).checkNetworkFault({ ...step('hadb01', 'gate'), needs: 'rules' });

  it('is refused, with what is missing on which node, before anything is begun', async () => {
    pair.tools = { hadb01: '', hadb02: 'nft is not installed: apt-get install nftables\n' };

    const { code, message } = await refusalOf(check(nodes()));

    expect(code).toBe('GateNotMet');
    expect(message).toBe(
      'the network cannot be disturbed here: hadb02: nft is not installed: apt-get install nftables',
    );
    expect(pair.changes).toEqual([]);
  });

  it('is possible where both nodes have what it takes, and where the network makes it', async () => {
    expect(await runActivity(check(lab()))).toMatchObject({ observed: 'both nodes have nft' });
    pair.tools.hadb02 = 'nft is not installed\n';
    const { networkFaultsBy: _, ...network } = nodes();
    expect(await runActivity(check(network))).toMatchObject({
      observed: 'made in the network itself, not by the nodes',
    });
  });
});

describe('the data disk of the primary', () => {
  const fault = { fault: 'disk-detach', undoSeconds: 180 } as const;
  const target = { node: 'hadb01', peer: 'hadb02', vmId: VM_IDS.hadb01, role: 'Primary' } as const;
  let struck: string[];
  beforeEach(() => {
    struck = [];
  });
  const disks = (canFail: boolean): FaultInjector => ({
    ...lab(),
    disks: {
      canFail: async () => canFail,
      failWrites: async (vmId, seconds) => {
        if (canFail) struck.push(`${vmId} fails for ${seconds} s after ${pair.changes.length} commands`);
        return canFail;
      },
      restore: async (vmId) => void struck.push(`${vmId} is sound after ${pair.changes.length} commands`),
    },
  });
  const inject = (faults: FaultInjector) => () =>
    activities(faults).injectFault({ ...step('hadb01', 'break'), role: 'Primary', fault });

  it('fails its writes where the engine can make it: behind the guard of the node, whose timer outlasts it', async () => {
    const { done } = await runActivity(inject(disks(true)));

    expect(done).toBe('made every write to the data disk an I/O error; it is attached again by itself after 180 s');
    expect(pair.changes).toEqual([['hadb01', renderFault({ ...fault, isStruck: true }, target)]]);
    expect(struck).toEqual([`${VM_IDS.hadb01} fails for 150 s after 1 commands`]);
  });

  it('is let go by DRBD where no engine can, which is named', async () => {
    const { done } = await runActivity(inject(disks(false)));

    expect(done).toContain('drbdadm detach --force');
    expect(done).toContain('the engine of this machine fails no disk on request');
    expect(pair.changes).toEqual([['hadb01', renderFault(fault, target)]]);
    expect(struck).toEqual([]);
  });

  it('fails once the answer of a first try was lost as well, and the node is not ordered twice', async () => {
    await runActivity(inject(disks(true)));
    const again = await runActivity(inject(disks(true)));

    expect(again).toMatchObject({ result: 'changedEarlier', done: expect.stringContaining('an I/O error') });
    expect(pair.changes).toHaveLength(1);
    expect(struck).toHaveLength(2);
  });

  it('does not fail when the node refuses', async () => {
    pair.refusal = new HadbError('GuardRefused', 'the roles are Secondary/Primary');

    expect((await refusalOf(inject(disks(true)))).code).toBe('GuardRefused');
    expect(struck).toEqual([]);
  });

  it('is sound before it is attached again', async () => {
    await runActivity(() => activities(disks(true)).endFault({ ...step('hadb01', 'mend'), fault }));

    expect(struck).toEqual([`${VM_IDS.hadb01} is sound after 0 commands`]);
    expect(pair.changes).toEqual([['hadb01', renderFaultEnd(fault)]]);
  });
});

describe('an ordered shutdown', () => {
  it('carries the VM id as well', async () => {
    await runActivity(() => activities().orderShutdown(step('hadb01', 'order-shutdown')));

    expect(pair.changes[0]?.[1]).toContain(VM_IDS.hadb01);
    expect(pair.changes[0]?.[1]).toContain('systemctl poweroff');
  });
});

describe('freezing a machine', () => {
  const freeze = (faults?: FaultInjector) =>
    activities(faults).freezeNode({ ...step('hadb01', 'freeze'), role: 'Primary', seconds: 1.5 });

  it('is asked of whoever can, by the VM id', async () => {
    await runActivity(() => freeze());

    expect(frozen).toEqual([[VM_IDS.hadb01, 1.5]]);
  });

  it.each(WRONG)('is refused when %s', async (_what, alter) => {
    alter(pair);

    await refusalOf(() => freeze());

    expect(frozen).toEqual([]);
  });

  it('is refused where nodes and Azure are all there is, before and at the fault', async () => {
    const nodes = createFaultInjector({});

    const early = await refusalOf(() => activities(nodes).checkFreezable(step('hadb01', 'freezable')));
    const late = await refusalOf(() => freeze(nodes));

    expect([early.code, late.code]).toEqual(['GateNotMet', 'GateNotMet']);
    expect(early.details.whatNow).toContain('HADB_FAULTS_ENDPOINT');
  });

  it('ends early for a machine that still stands, and not for one that is off', async () => {
    await runActivity(() => activities().thawNode(step('hadb01', 'thaw')));
    pair.hadb01.power = 'stopped';
    await runActivity(() => activities().thawNode(step('hadb01', 'thaw')));

    expect(frozen).toEqual([[VM_IDS.hadb01, 0]]);
  });
});

describe('the power of a secondary', () => {
  const gate = () => powerGates().readPowerCutGate({ ...step('hadb02', 'power-off'), role: 'Secondary' });

  it('is cut while it is the secondary of a whole pair', async () => {
    expect(await runActivity(gate)).toMatchObject({ observed: expect.stringContaining(VM_IDS.hadb02) });
  });

  it.each<[string, (pair: SeenPair) => void, string]>([
    ['it is primary by now', ({ hadb02 }) => void (hadb02.crmMon = MOVED), 'the primary is hadb02, not hadb01'],
    ['its copy is all there is', ({ hadb02 }) => void (hadb02.drbd = CUT_OFF), 'DRBD on hadb02'],
  ])('is not cut when %s', async (_what, alter, text) => {
    alter(pair);

    expect((await refusalOf(gate)).message).toContain(text);
  });
});

describe('the power of a survivor', () => {
  const gate = () => powerGates().readSurvivorCutGate(step('hadb02', 'power-off-survivor'));
  beforeEach(() => {
    Object.assign(pair.hadb01, { power: 'stopped', answers: 'silent' });
    Object.assign(pair.hadb02, { crmMon: TAKEN_OVER, drbd: CUT_OFF, pid: 200, serves: true });
  });

  it('is cut while it serves alone and the other machine is off', async () => {
    expect(await runActivity(gate)).toMatchObject({ observed: expect.stringContaining(VM_IDS.hadb02) });
  });

  it.each<[string, (pair: SeenPair) => void, string]>([
    ['the other machine runs', ({ hadb01 }) => void (hadb01.power = 'running'), 'hadb01 is running, not stopped'],
    ['it does not serve', ({ hadb02 }) => void (hadb02.crmMon = ALONE), 'it does not serve'],
    [
      'its copy is not current',
      ({ hadb02 }) => void (hadb02.drbd = { ...CUT_OFF, disk: 'Outdated' }),
      'DRBD on hadb02',
    ],
    [
      'another machine has the name',
      ({ hadb02 }) => void (hadb02.vmId = '00000000-1111-2222-3333-444444444444'),
      `not ${VM_IDS.hadb02}`,
    ],
  ])('is not cut when %s', async (_what, alter, text) => {
    alter(pair);

    expect((await refusalOf(gate)).message).toContain(text);
  });

  it('that was cut by a try whose answer was lost asks nothing of the node', async () => {
    Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });

    expect(await runActivity(gate)).toMatchObject({ observed: 'the machine is stopped' });
  });
});
