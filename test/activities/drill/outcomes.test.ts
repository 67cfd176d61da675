import { setTimeout as sleep } from 'node:timers/promises';
import { createOutcomeActivities } from '../../../activities/drill/outcomes';
import { isHadbError } from '../../../cluster/errors';
import { runActivity, step } from '../node/model-pair';
import { ALONE, captured, createSeenPair, CUT_OFF, HEALTHY, MOVED, TAKEN_OVER, type SeenPair } from './seen-pair';

/** The end of a fault as the nodes and Azure tell it: the waits watch, and tell what they saw. */

let pair: SeenPair;
beforeEach(() => {
  pair = createSeenPair();
});
const outcomes = () => createOutcomeActivities(pair);
const codeOf = async (work: () => Promise<unknown>): Promise<string | undefined> =>
  runActivity(work).then(
    () => undefined,
    (error: unknown) => (isHadbError(error) ? error.code : String(error)),
  );

describe('served again after the server was broken', () => {
  const wait = (withinSeconds = 0) =>
    outcomes().awaitServedAgain({ ...step('hadb01', 'served-again'), pid: 100, withinSeconds });

  it('is what another process does on the same node', async () => {
    pair.hadb01.pid = 101;

    expect(await runActivity(() => wait())).toMatchObject({ serving: 'hadb01', at: expect.any(Number) as number });
  });

  it('is what the other node does after a move', async () => {
    Object.assign(pair.hadb01, { crmMon: MOVED, pid: undefined, drbd: { role: 'Secondary', peerRole: 'Primary' } });
    Object.assign(pair.hadb02, { crmMon: MOVED, pid: 200, serves: true, drbd: {} });

    expect(await runActivity(() => wait())).toMatchObject({ serving: 'hadb02' });
  });

  it.each<[string, () => void]>([
    ['Pacemaker still shows the broken process as well', () => undefined],
    ['no process is there yet', () => void delete pair.hadb01.pid],
    ['the new process does not answer yet', () => void Object.assign(pair.hadb01, { pid: 101, serves: false })],
    [
      'the resource is still being started',
      () =>
        void Object.assign(pair.hadb01, {
          pid: 101,
          crmMon: HEALTHY.replace(
            /(<resource id="mysqld"[^>]*)nodes_running_on/,
            '$1pending="Starting" nodes_running_on',
          ),
        }),
    ],
  ])('is not yet reached while %s', async (_what, alter) => {
    alter();

    expect(await codeOf(() => wait())).toBe('NotReady');
  });
});

describe('a primary without its disk', () => {
  const DISKLESS = { disk: 'Diskless' } as const;
  const served = () => outcomes().awaitServedDiskless({ ...step('hadb01', 'served-diskless'), withinSeconds: 0 });
  const left = (holdSeconds: number) =>
    outcomes().awaitLeftDiskless({ ...step('hadb01', 'left-diskless'), holdSeconds, withinSeconds: 0 });
  const moveAway = () => {
    Object.assign(pair.hadb01, { crmMon: MOVED, pid: undefined, drbd: { role: 'Secondary', ...DISKLESS } });
    Object.assign(pair.hadb02, { crmMon: MOVED, pid: 200, serves: true, drbd: { peerDisk: 'Diskless' } });
  };

  it('is not waited for any longer once it serves without it', async () => {
    expect(await codeOf(served)).toBe('NotReady');

    pair.hadb01.drbd = DISKLESS;

    expect(await runActivity(served)).toMatchObject({ serving: 'hadb01' });
  });

  it('has lost the database once the other node serves', async () => {
    pair.hadb01.drbd = DISKLESS;
    const leaving = runActivity(() => left(30));
    await sleep(100);
    moveAway();

    expect(await leaving).toMatchObject({
      serving: 'hadb02',
      observed: expect.stringMatching(/^the database moved to hadb02, which has a disk, after \d+\.\d s; /),
    });
  });

  it('keeps the database where nothing moves it in that time', async () => {
    pair.hadb01.drbd = DISKLESS;

    expect(await runActivity(() => left(0))).toMatchObject({
      serving: 'hadb01',
      observed: expect.stringContaining('the database stayed on hadb01'),
    });
  });

  it('is not the end where nobody serves', async () => {
    moveAway();
    pair.hadb02.serves = false;

    expect(await codeOf(() => left(0))).toBe('NotReady');
  });
});

describe('a node that is slow', () => {
  /** Long enough for a busy computer to answer at once within it. */
  const ANSWER_MS = 150;
  /** Each look at hadb01 takes as long as said, one after the other, the last of them for ever after. */
  function slow(...looksMs: number[]) {
    let asked = 0;
    let atOnce = 0;
    let most = 0;
    const open: SeenPair['sessions']['open'] = async (owner, node) => {
      const lasts = looksMs[Math.min(asked, looksMs.length - 1)] ?? 0;
      asked += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await sleep(lasts);
      atOnce -= 1;
      return pair.sessions.open(owner, node);
    };
    const subject = createOutcomeActivities({ ...pair, sessions: { ...pair.sessions, open } }, ANSWER_MS);
    const wait = () => subject.awaitSurvivor({ ...step('hadb01', 'alone'), withinSeconds: 2 });
    return { wait, looks: () => ({ asked, most }) };
  }
  beforeEach(() => void Object.assign(pair.hadb01, { crmMon: ALONE, drbd: CUT_OFF }));

  it('is not asked again before it has answered, and not believed what it says late', async () => {
    const { wait, looks } = slow(ANSWER_MS * 3);

    expect(await codeOf(wait)).toBe('NotReady');
    expect(looks().asked).toBeGreaterThan(1);
    expect(looks().most).toBe(1);
  });

  it('is believed as soon as it answers in time', async () => {
    const { wait, looks } = slow(ANSWER_MS * 4, 0);

    expect(await runActivity(wait)).toMatchObject({ pid: 100 });
    expect(looks()).toEqual({ asked: 2, most: 1 });
  });
});

it.each<[string, () => void, object]>([
  ['runs', () => undefined, { pid: 100, observed: expect.stringMatching(/^server process 100, boot /) as string }],
  [
    'does not run',
    () => void delete pair.hadb01.pid,
    { observed: expect.stringMatching(/^no server runs, boot /) as string },
  ],
])('a server that %s is told, with the boot of its node', async (_what, alter, expected) => {
  alter();

  const seen = await runActivity(() => outcomes().readServer(step('hadb01', 'server-kept')));

  expect(seen).toMatchObject({ result: 'unchanged', bootId: expect.any(String) as string, ...expected });
});

describe('a primary that has lost its peer', () => {
  const wait = () => outcomes().awaitSurvivor({ ...step('hadb01', 'alone'), withinSeconds: 0 });
  beforeEach(() => void Object.assign(pair.hadb01, { crmMon: ALONE, drbd: CUT_OFF }));

  it('goes on alone, with the server that it had', async () => {
    expect(await runActivity(wait)).toMatchObject({ pid: 100 });
  });

  it.each<[string, () => void]>([
    ['the loss is not noticed', () => void (pair.hadb01.crmMon = HEALTHY)],
    ['the peer is in doubt', () => void (pair.hadb01.crmMon = unclean(ALONE, 'hadb02'))],
    ['DRBD is connected', () => void (pair.hadb01.drbd = {})],
    ['the node does not answer', () => void (pair.hadb01.answers = 'unreachable')],
  ])('is still waited for while %s', async (_what, alter) => {
    alter();

    expect(await codeOf(wait)).toBe('NotReady');
  });
});

describe('the end of a fight', () => {
  const wait = (withinSeconds = 0) => outcomes().awaitOneSurvivor({ ...step('hadb01', 'one-survivor'), withinSeconds });

  it('is one node that serves, and the other machine off', async () => {
    Object.assign(pair.hadb01, { crmMon: ALONE, drbd: CUT_OFF });
    Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });

    expect(await runActivity(() => wait())).toMatchObject({ survivor: 'hadb01', lost: 'hadb02' });
  });

  it('may be that the other node has taken over from a machine that was shot where it stood', async () => {
    Object.assign(pair.hadb02, { crmMon: TAKEN_OVER, drbd: CUT_OFF, pid: 200, serves: true });
    pair.hadb01.answers = 'silent';
    const waiting = runActivity(() => wait(30));
    await sleep(200);
    pair.hadb01.power = 'stopped';

    expect(await waiting).toMatchObject({ survivor: 'hadb02', lost: 'hadb01' });
  });

  it.each<[string, () => void]>([
    ['both machines run', () => undefined],
    [
      'both machines are off',
      () => {
        pair.hadb01.power = 'stopped';
        pair.hadb02.power = 'stopped';
      },
    ],
    ['the survivor does not serve', () => void Object.assign(pair.hadb01, { power: 'stopped' })],
  ])('is not reached while %s', async (_what, alter) => {
    alter();

    expect(await codeOf(() => wait())).toBe('NotReady');
  });

  it('is a failure as soon as both are primary', async () => {
    pair.hadb02.drbd = {};

    expect(await codeOf(() => wait(60))).toBe('TwoPrimaries');
  });
});

describe('a time in which nothing may move', () => {
  const hold = () => outcomes().awaitNothingMoves({ ...step('hadb01', 'hold'), pid: 100, holdSeconds: 0.1 });

  it('passes when nothing does', async () => {
    expect(await runActivity(hold)).toMatchObject({ moved: [], twoPrimaries: false, looks: 2 });
  });

  it.each<[string, () => void, string]>([
    ['the primary', () => void (pair.hadb02.crmMon = MOVED), 'hadb02 saw the primary hadb02'],
    ['a node, out of the cluster', () => void (pair.hadb01.crmMon = ALONE), 'hadb01 saw hadb02 offline'],
    ['the server', () => void (pair.hadb01.pid = 101), 'the server process is 101, not 100'],
  ])('tells what moved: %s', async (_what, alter, told) => {
    alter();

    const { moved } = await runActivity(hold);

    expect(moved).toEqual([told]);
  });

  it('tells of two primaries', async () => {
    pair.hadb02.drbd = {};

    expect(await runActivity(hold)).toMatchObject({ twoPrimaries: true, moved: ['both nodes were primary'] });
  });

  it('tells of a node that was fenced meanwhile', async () => {
    const holding = runActivity(() =>
      outcomes().awaitNothingMoves({ ...step('hadb01', 'hold'), pid: 100, holdSeconds: 1 }),
    );
    await sleep(200);
    pair.hadb01.crmMon = HEALTHY.replace(
      /<fence_history[^>]*\/>|<status /,
      (found) =>
        `<fence_history status="0"><fence_event status="success" action="off" target="hadb02"/></fence_history>${found.startsWith('<status') ? found : ''}`,
    );

    expect((await holding).moved).toEqual(['a node was fenced']);
  });

  it('counts no look that nobody answered', async () => {
    pair.hadb01.answers = 'unreachable';
    pair.hadb02.answers = 'unreachable';

    expect(await runActivity(hold)).toMatchObject({ looks: 0, moved: [] });
  });
});

describe('a time in which nothing may be promoted', () => {
  const hold = () => outcomes().awaitNothingPromoted({ ...step('hadb02', 'hold'), holdSeconds: 0.1 });
  beforeEach(
    () =>
      void Object.assign(pair.hadb02, { crmMon: unclean(ALONE, 'hadb01'), drbd: { ...CUT_OFF, role: 'Secondary' } }),
  );

  it('passes when the node does nothing', async () => {
    expect(await runActivity(hold)).toMatchObject({ promoted: [], looks: 2 });
  });

  it('tells of a promotion, and of a server', async () => {
    Object.assign(pair.hadb02, { drbd: CUT_OFF, pid: 200 });

    expect((await runActivity(hold)).promoted).toEqual([
      'DRBD is promoted on hadb02',
      'a database server runs on hadb02',
    ]);
  });

  it('counts no look that the node did not answer', async () => {
    pair.hadb02.answers = 'unreachable';

    expect(await runActivity(hold)).toMatchObject({ looks: 0 });
  });
});

describe('a machine that crashes', () => {
  const wait = () => outcomes().awaitCrashed({ ...step('hadb01', 'crashed'), bootId: 'boot-hadb01', withinSeconds: 0 });

  it('is off, or has booted by itself', async () => {
    pair.hadb01.bootId = 'another';
    const booted = await runActivity(wait);
    pair.hadb01.power = 'stopped';
    const off = await runActivity(wait);

    expect([booted.observed, off.observed]).toEqual(['hadb01 has booted by itself', 'the machine is stopped']);
  });

  it('is waited for while its kernel hangs', async () => {
    pair.hadb01.answers = 'unreachable';

    expect(await codeOf(wait)).toBe('NotReady');
  });
});

describe('a fencing that is under way', () => {
  const wait = () => outcomes().awaitFencingSettled({ ...step('hadb02', 'settled'), withinSeconds: 0 });

  it.each<[string, () => void]>([
    ['both are well', () => undefined],
    [
      'the one that was shot is off',
      () => {
        Object.assign(pair.hadb01, { crmMon: ALONE, drbd: CUT_OFF });
        Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });
      },
    ],
    [
      'both are off',
      () => {
        Object.assign(pair.hadb01, { power: 'stopped', answers: 'silent' });
        Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });
      },
    ],
    [
      'a node that was started alone takes the other one for lost, and has no quorum to shoot it',
      () => {
        Object.assign(pair.hadb01, { crmMon: withoutQuorum(unclean(ALONE, 'hadb02')), drbd: CUT_OFF });
        Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });
      },
    ],
  ])('is over when %s', async (_what, alter) => {
    alter();

    expect(await codeOf(wait)).toBeUndefined();
  });

  it.each<[string, () => void]>([
    ['a node is in doubt', () => void (pair.hadb01.crmMon = unclean(ALONE, 'hadb02'))],
    ['a node is offline while its machine runs', () => void (pair.hadb01.crmMon = ALONE)],
    [
      'a machine that is off is in doubt',
      () => {
        pair.hadb01.crmMon = unclean(ALONE, 'hadb02');
        Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });
      },
    ],
    [
      'a machine that is off still counts as a member: its token runs',
      () => void Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' }),
    ],
    [
      'nobody has been elected who would say what is lost',
      () => {
        pair.hadb01.crmMon = withoutDc(unclean(ALONE, 'hadb02'));
        Object.assign(pair.hadb02, { power: 'stopped', answers: 'silent' });
      },
    ],
    ['a node that runs does not answer', () => void (pair.hadb02.answers = 'unreachable')],
    ['Pacemaker does not answer there', () => void (pair.hadb02.crmMon = captured('not-connected'))],
    ['Azure does not know the state of a machine', () => void (pair.hadb02.power = 'stopping')],
  ])('is waited for while %s', async (_what, alter) => {
    alter();

    expect(await codeOf(wait)).toBe('NotReady');
  });
});

function unclean(view: string, node: string): string {
  return view.replace(new RegExp(`<node name="${node}"[^>]*>`), (element) =>
    element.replace('unclean="false"', 'unclean="true"'),
  );
}

const withoutQuorum = (view: string): string => view.replace('with_quorum="true"', 'with_quorum="false"');
const withoutDc = (view: string): string => view.replace(/<current_dc [^>]*>/, '<current_dc present="false"/>');
