import { createFencingChangeActivities } from '../../../activities/node/fencing-change';
import { RESOURCE_FILE_READ } from '../../../activities/node/drbd';
import type { Configured } from '../../../activities/node/cib-input';
import { sha256 } from '../../../activities/node/wanted-files';
import { withFencing } from '../../../cluster/cib/change-fencing';
import { renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import { FENCE_PEER_HANDLER, renderFencePeerHandler } from '../../../cluster/drbd/fence-peer-handler';
import { renderResourceFile, RESOURCE_FILE } from '../../../cluster/drbd/resource-file';
import { NOT_READY } from '../../../cluster/node/guards';
import { renderChecksums } from '../../../cluster/node/files';
import { renderCibRead, renderSimulation } from '../../../cluster/node/pacemaker-moves';
import type { Platform } from '../../../cluster/platform';
import { timingOf } from '../../../cluster/timing';
import { FENCE_EVENTS } from '../../cluster/cib/fence-events';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../../cluster/specimens';
import { answeringNodes, type Answers } from './answering-node';
import { createModelPair, runActivity, step } from './model-pair';

/** Fencing put into force on a built cluster: in which order, and what stops it. */

const SECRET = 'k3JtZ9vXw2LqRb7NcY5TfA';
const secrets = { ...createModelPair().secrets, ensure: async () => SECRET };
const specifications = { none: specificationOf(), azure: specificationOf({ fencing: 'azure' }) };
const inputOf = (fencing: 'none' | 'azure'): CibInput => ({
  specification: specifications[fencing],
  platform: DEBIAN_12,
  profile: databaseProfile('mariadb'),
  timing: timingOf(specifications[fencing]),
  mode: 'managed',
  ...(fencing === 'azure' ? { fencing: AZURE_FENCING } : {}),
});
const configured = (fencing: 'none' | 'azure', platform: Platform = DEBIAN_12): Configured => ({
  ...step('hadb01', 'fencing'),
  specification: specifications[fencing],
  platform,
  ...(fencing === 'azure' ? { fencing: AZURE_FENCING } : {}),
});
/** Any change is answered so: its script holds lengths and contents. */
const always = (answer: () => { code: number; stderr?: string }) =>
  new Proxy({}, { get: () => answer, has: () => true }) as Answers;
const refusal = (work: () => Promise<unknown>) =>
  runActivity(work).then(
    () => 'not refused',
    (error: unknown) => error,
  );

describe('the fencing of the cluster', () => {
  const built = renderCibForSimulation(inputOf('none'));
  const fenced = withFencing(built, inputOf('azure'));
  const CALM = 'Executing Cluster Transition:\n  * Resource action: st-azure        start on hadb02\n\n';
  function cluster({ policy = 'resource-and-stonith', simulated = CALM, code = 0, start = built } = {}) {
    const now = { cib: start };
    const nodes = answeringNodes(() => ({
      reads: {
        [renderCibRead()]: () => ({ stdout: now.cib }),
        [renderSimulation()]: simulated,
        [RESOURCE_FILE_READ]: `fencing=${policy}\n`,
      },
      changes: always(() => {
        if (code === 0) now.cib = fenced;
        return { code, stderr: 'the copies are not both current' };
      }),
    }));
    return { nodes, activities: createFencingChangeActivities({ sessions: nodes.sessions, secrets }) };
  }

  it('is put into force once, and seen afterwards', async () => {
    const { nodes, activities } = cluster();

    const outcome = await runActivity(() => activities.changeClusterFencing(configured('azure')));

    expect(outcome).toMatchObject({
      result: 'changed',
      done: 'put fencing azure into force',
      verified: 'fencing azure is configured',
    });
    expect(nodes.changes).toHaveLength(1);
    expect(nodes.changes[0]).toContain('--action=status');
  });

  it('is left alone where it is as wanted', async () => {
    const { nodes, activities } = cluster({ start: fenced });

    expect(await runActivity(() => activities.changeClusterFencing(configured('azure')))).toMatchObject({
      result: 'unchanged',
    });
    expect(nodes.changes).toEqual([]);
  });

  it('is left as somebody has set it, once the cluster fences: that is drift, told by the steps that compare', async () => {
    const { nodes, activities } = cluster({
      start: fenced.replace('name="power_timeout" value="110"', 'name="power_timeout" value="77"'),
    });

    const outcome = await runActivity(() => activities.changeClusterFencing(configured('azure')));

    expect(outcome).toMatchObject({
      result: 'unchanged',
      observed: expect.stringContaining('power_timeout') as string,
    });
    expect(nodes.changes).toEqual([]);
  });

  it('is only looked at when that is all that was asked for', async () => {
    const { nodes, activities } = cluster();

    const outcome = await runActivity(() =>
      activities.changeClusterFencing({ ...configured('azure'), observeOnly: true }),
    );

    expect(outcome.drift).toEqual([expect.stringContaining('hadb-fencing is none, wanted is azure')]);
    expect(nodes.changes).toEqual([]);
  });

  it.each([
    ['DRBD on the peer does not hold writing up', { policy: 'resource-only' }, 'azure' as const, 'hadb02'],
    [
      'Pacemaker would stop what runs',
      { simulated: 'Executing Cluster Transition:\n  * Resource action: mysqld          stop on hadb01\n\n' },
      'azure' as const,
      'stop of mysqld on hadb01',
    ],
    ['it is there and the specification has none', { start: fenced }, 'none' as const, 'never taken away'],
  ])('is not changed when %s', async (_, start, fencing, reason) => {
    const { nodes, activities } = cluster(start);

    const error = await refusal(() => activities.changeClusterFencing(configured(fencing)));

    expect(error).toMatchObject({ code: 'GuardRefused', message: expect.stringContaining(reason) as string });
    expect(nodes.changes).toEqual([]);
  });

  it('waits for a resync instead of failing for good', async () => {
    const { activities } = cluster({ code: NOT_READY });

    expect(await refusal(() => activities.changeClusterFencing(configured('azure')))).toMatchObject({
      code: 'NotReady',
      details: { observed: 'the copies are not both current' },
    });
  });
});

describe('the fencing of DRBD', () => {
  const fileOf = (fencing: 'none' | 'azure', platform: Platform) =>
    renderResourceFile({
      specification: specifications[fencing],
      platform,
      form: 'cluster',
      secret: SECRET,
      timing: timingOf(specifications[fencing]),
    });
  function node(fencing: 'none' | 'azure', platform: Platform, { code = 0, edited = '' } = {}) {
    const own = platform === DEBIAN_SID;
    const paths = [...(own ? [FENCE_PEER_HANDLER.path] : []), RESOURCE_FILE];
    const now = { fencing };
    const nodes = answeringNodes(() => ({
      reads: Object.fromEntries(
        [paths, [RESOURCE_FILE]].map((list) => [
          `${renderChecksums(list)}${RESOURCE_FILE_READ}`,
          () => ({
            stdout: [
              `${sha256(fileOf(now.fencing, platform) + edited)}  ${RESOURCE_FILE}`,
              ...(own && now.fencing === 'azure'
                ? [`${sha256(renderFencePeerHandler())}  ${FENCE_PEER_HANDLER.path}`]
                : []),
              `fencing=${now.fencing === 'azure' ? 'resource-and-stonith' : 'resource-only'}`,
            ].join('\n'),
          }),
        ]),
      ),
      changes: always(() => {
        if (code === 0) now.fencing = 'azure';
        return { code, stderr: 'the peer is not connected' };
      }),
    }));
    return { nodes, activities: createFencingChangeActivities({ sessions: nodes.sessions, secrets }) };
  }

  it.each([
    ['with DRBD’s own handler', DEBIAN_12, false],
    ['with ours, where the stock one is deaf', DEBIAN_SID, true],
  ])('is put into force %s', async (_, platform, isOwn) => {
    const { nodes, activities } = node('none', platform);

    const outcome = await runActivity(() => activities.changeDrbdFencing(configured('azure', platform)));

    expect(outcome).toMatchObject({ result: 'changed', done: 'put resource-and-stonith into force' });
    expect(nodes.changes).toHaveLength(1);
    expect(nodes.changes[0]?.includes("mv -f '/usr/lib/hadb/.crm-fence-peer.sh.hadb-new'")).toBe(isOwn);
    expect(nodes.changes[0]).not.toContain(SECRET);
  });

  it('is left alone where it is in force', async () => {
    const { nodes, activities } = node('azure', DEBIAN_SID);

    expect(await runActivity(() => activities.changeDrbdFencing(configured('azure', DEBIAN_SID)))).toMatchObject({
      result: 'unchanged',
    });
    expect(nodes.changes).toEqual([]);
  });

  it('is left in force where somebody has edited the file since', async () => {
    const { nodes, activities } = node('azure', DEBIAN_12, { edited: '# by hand' });

    expect(await runActivity(() => activities.changeDrbdFencing(configured('azure')))).toMatchObject({
      result: 'unchanged',
      observed: expect.stringContaining(`not as wanted: ${RESOURCE_FILE}`) as string,
    });
    expect(nodes.changes).toEqual([]);
  });

  it('is not taken away', async () => {
    const { nodes, activities } = node('azure', DEBIAN_12);

    expect(await refusal(() => activities.changeDrbdFencing(configured('none')))).toMatchObject({
      code: 'GuardRefused',
      message: expect.stringContaining('never taken away') as string,
    });
    expect(nodes.changes).toEqual([]);
  });

  it('waits for the peer instead of failing for good', async () => {
    const { activities } = node('none', DEBIAN_12, { code: NOT_READY });

    expect(await refusal(() => activities.changeDrbdFencing(configured('azure')))).toMatchObject({ code: 'NotReady' });
  });
});

it('the last shot at a node is read in one sentence', async () => {
  const mon = `<pacemaker-result api-version="2.25"><summary/><fence_history status="0">${FENCE_EVENTS.confirmed}</fence_history><status code="0" message="OK"/></pacemaker-result>`;
  const { sessions } = answeringNodes(() => ({ reads: { [readCrmMon()]: mon } }));
  const activities = createFencingChangeActivities({ sessions, secrets });

  const found = await runActivity(() => activities.readFence({ ...step('hadb02', 'fence'), target: 'hadb01' }));
  const later = await runActivity(() =>
    activities.readFence({ ...step('hadb02', 'fence'), target: 'hadb01', since: '2026-11-22T19:00:00Z' }),
  );

  expect(found).toMatchObject({
    observed: 'hadb01 was fenced (off) at 2026-11-22T18:23:53.000Z by hadb02: confirmed',
    fence: { outcome: 'confirmed' },
  });
  expect(later).toEqual({ result: 'unchanged', observed: 'hadb01 was not fenced' });
});
