import { setTimeout as sleep } from 'node:timers/promises';
import { createClusterStateActivities } from '../../../activities/node/cluster-state';
import { captured, createSeenPair, CUT_OFF, HEALTHY, MOVED, type SeenPair } from '../drill/seen-pair';
import { runActivity, step } from './model-pair';

/** Whether a cluster is there, and who has the database: of machines that may just have booted. */

let pair: SeenPair;
beforeEach(() => {
  pair = createSeenPair();
});
const BOOTING = captured('not-connected');
const look = (limits: { limitMs?: number; restMs?: number } = {}) =>
  runActivity(() =>
    createClusterStateActivities(pair, { limitMs: 5000, restMs: 5000, intervalMs: 10, ...limits }).readBuilt(
      step('hadb01', 'look-for-cluster'),
    ),
  );
const boot = () => {
  for (const node of [pair.hadb01, pair.hadb02]) {
    Object.assign(node, { crmMon: BOOTING, drbd: { role: 'Secondary', ...CUT_OFF }, pid: undefined, serves: false });
  }
};
const form = () => {
  Object.assign(pair.hadb01, { crmMon: MOVED, drbd: { role: 'Secondary', peerRole: 'Primary' } });
  Object.assign(pair.hadb02, { crmMon: MOVED, drbd: {}, pid: 200, serves: true });
};

it('a healthy cluster is built, and told with its primary, at once', async () => {
  const from = Date.now();

  expect(await look()).toMatchObject({ built: true, managed: true, active: 'hadb01' });
  expect(Date.now() - from).toBeLessThan(4000);
});

it('machines that have just booted are given the time to form their cluster', async () => {
  boot();
  const looking = look();
  await sleep(100);
  form();

  expect(await looking).toMatchObject({ built: true, active: 'hadb02' });
});

it('a cluster that rests and is not healthy is not waited for any longer', async () => {
  const standby = HEALTHY.replace(/(<node name="hadb02" id="\d" [^>]*\bstandby=)"false"/, '$1"true"');
  pair.hadb01.crmMon = standby;
  pair.hadb02.crmMon = standby;

  expect(await look({ restMs: 50 })).toMatchObject({ built: true, active: 'hadb01' });
});

it('a cluster that does not come to rest is told as it is', async () => {
  boot();

  const seen = await look({ limitMs: 100 });

  expect(seen).toMatchObject({ built: true, observed: 'built, no primary' });
  expect(seen).not.toHaveProperty('active');
});

it('nothing is waited for where nothing is built', async () => {
  boot();
  pair.hadb01.built = false;
  pair.hadb02.built = false;

  expect(await look({ limitMs: 60_000 })).toMatchObject({ built: false, managed: false });
});
