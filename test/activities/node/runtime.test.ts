import { createDrbdActivities } from '../../../activities/node/drbd';
import { createFileSystemActivities } from '../../../activities/node/filesystem';
import { createRoleActivities } from '../../../activities/node/roles';
import { awaitConnection, awaitSync, bringBack } from '../../../activities/node/runtime';
import { databaseProfile } from '../../../cluster/database/profile';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { events2 } from '../../cluster/node/script-bench';
import { answeringNodes } from './answering-node';
import { createModelPair, runActivity, specification, step, virgin } from './model-pair';

/** A reboot during the build undoes run-time state only; each step brings back what it needs, and nothing happens twice. */

const serving = { role: 'Primary', mounted: true, server: true } as const;

it('brings nothing back where nothing is missing', async () => {
  const pair = createModelPair();
  Object.assign(pair.nodes.hadb01, serving);

  expect(await runActivity(() => bringBack(pair, step('hadb01'), 'server'))).toEqual([]);
  expect(pair.moves).toEqual([]);
});

it('brings a reset node back step by step, up to the server', async () => {
  const pair = createModelPair();
  Object.assign(pair.nodes.hadb01, serving);
  pair.reset('hadb01');

  const broughtBack = await runActivity(() => bringBack(pair, step('hadb01'), 'server'));

  expect(broughtBack).toEqual(['module', 'up', 'primary', 'mounted', 'server']);
  expect(pair.moves).toEqual([
    'hadb01: load module',
    'hadb01: bring up',
    'hadb01: promote',
    'hadb01: mount',
    'hadb01: start server',
  ]);
});

it('brings the peer up as well, when a step needs the pair connected', async () => {
  const pair = createModelPair();
  pair.reset('hadb02');

  await runActivity(() => bringBack(pair, step('hadb01'), 'connected'));

  expect(pair.moves).toEqual(['hadb02: load module', 'hadb02: bring up']);
});

it('goes no further than the step needs', async () => {
  const pair = createModelPair();
  pair.reset('hadb01');

  await runActivity(() => bringBack(pair, step('hadb01'), 'up'));

  expect(pair.moves).toEqual(['hadb01: load module', 'hadb01: bring up']);
});

it('leaves no mark of the step itself: what was brought back is preparation', async () => {
  const pair = createModelPair();
  const activities = createFileSystemActivities(pair);
  pair.nodes.hadb01.role = 'Primary';
  await runActivity(() => activities.mount(step('hadb01', 'mount')));
  pair.reset('hadb01');

  const again = await runActivity(() => activities.mount(step('hadb01', 'mount')));

  expect(again).toMatchObject({ result: 'changed', observed: expect.stringContaining('nothing mounted') });
});

it('promotes the same node again after both were reset, and only that one', async () => {
  const pair = createModelPair();
  Object.assign(pair.nodes.hadb01, serving);
  pair.reset('hadb01');
  pair.reset('hadb02');

  await runActivity(() => bringBack(pair, step('hadb01'), 'server'));

  expect(pair.nodes.hadb01).toMatchObject(serving);
  expect(pair.nodes.hadb02).toMatchObject({ up: true, role: 'Secondary', mounted: false, server: false });
});

it('a split brain stops for a person: nothing is resolved by itself', async () => {
  const runtime = `bootId=7ea49b58-0948-4754-8981-71b190e1a4d6\nmodule=loaded\ndrbd:\n${events2({ role: 'Secondary', connection: 'StandAlone', peerRole: 'Unknown', peerDisk: 'DUnknown' })}`;
  const { socket } = databaseProfile(specification.database.engine);
  const { sessions, changes } = answeringNodes(() => ({ reads: { [renderRuntimeRead({ socket })]: runtime } }));
  const node = await sessions.open(step('hadb01'), 'hadb01');

  for (const wait of [awaitConnection, awaitSync]) {
    await expect(runActivity(() => wait(node, step('hadb01')))).rejects.toMatchObject({
      code: 'GuardRefused',
      details: { whatNow: expect.stringMatching(/^Nothing is resolved by itself: .*snapshots of both/) as string },
    });
  }
  expect(changes).toEqual([]);
});

describe('the first synchronisation', () => {
  it('declares two virgin disks equal', async () => {
    const pair = createModelPair(virgin);
    const activities = createDrbdActivities(pair);

    const outcome = await runActivity(() => activities.declareDisksEqual(step('hadb01')));

    expect(outcome).toMatchObject({ result: 'changed', verified: expect.stringContaining('UpToDate/UpToDate') });
    expect(pair.moves).toEqual(['hadb01: declare equal']);
  });

  it('refuses when one of the two was used before, whichever it is', async () => {
    for (const used of ['hadb01', 'hadb02'] as const) {
      const pair = createModelPair(virgin);
      pair.nodes[used].gi = createModelPair().nodes[used].gi;
      const activities = createDrbdActivities(pair);

      await expect(runActivity(() => activities.declareDisksEqual(step('hadb01')))).rejects.toMatchObject({
        code: 'GuardRefused',
      });
      expect(pair.moves).toEqual([]);
    }
  });

  it('is not repeated after a reset of both nodes', async () => {
    const pair = createModelPair();
    pair.reset('hadb01');
    pair.reset('hadb02');
    const activities = createDrbdActivities(pair);

    expect(await runActivity(() => activities.declareDisksEqual(step('hadb01')))).toMatchObject({
      result: 'unchanged',
    });
    expect(pair.moves).toEqual([]);
  });

  it('copies every block once', async () => {
    const pair = createModelPair();
    const activities = createDrbdActivities(pair);

    expect(await runActivity(() => activities.startFullSync(step('hadb02')))).toMatchObject({ result: 'changed' });
    expect(await runActivity(() => activities.startFullSync(step('hadb02')))).toMatchObject({
      result: 'changedEarlier',
    });
    expect(pair.moves).toEqual(['hadb02: invalidate']);
  });
});

describe('releasing', () => {
  it('stops, unmounts and demotes at once', async () => {
    const pair = createModelPair();
    Object.assign(pair.nodes.hadb01, serving);
    const activities = createRoleActivities(pair);

    expect(await runActivity(() => activities.release(step('hadb01')))).toMatchObject({ result: 'changed' });
    expect(pair.moves).toEqual(['hadb01: release']);
  });

  it('finds a node released that was reset, once r0 is up again', async () => {
    const pair = createModelPair();
    Object.assign(pair.nodes.hadb01, serving);
    pair.reset('hadb01');
    const activities = createRoleActivities(pair);

    const outcome = await runActivity(() => activities.release(step('hadb01')));

    expect(outcome).toMatchObject({ result: 'unchanged', done: expect.stringContaining('brought back') });
    expect(pair.moves).toEqual(['hadb01: load module', 'hadb01: bring up']);
  });
});

it('reports, and brings nothing back, where it may only observe', async () => {
  const pair = createModelPair();
  pair.reset('hadb01');
  const activities = createDrbdActivities(pair);

  const outcome = await runActivity(() => activities.promote({ ...step('hadb01'), observeOnly: true }));

  expect(outcome.drift).toHaveLength(1);
  expect(pair.moves).toEqual([]);
});
