import { DRILL_FREEZE_TAG, DRILL_SWITCH_TAG, OWNER_TAG, skippedNightsTag } from '../../../cluster/ids';
import { CLUSTER, NEXT_RUN, createAzureWorld, type AzureWorld } from '../azure/azure-fixture';
import { startTestLab, type TestLab } from '../../lab/control/lab-fixture';

/** The safety switch, the freeze windows and the count of skipped nights, on a resource group behind a real ARM endpoint. */

let lab: TestLab;
let world: AzureWorld;
beforeEach(async () => {
  lab = await startTestLab();
  world = createAzureWorld(lab);
});
afterEach(() => lab.close());

const step = () => world.step('allowed');
const stop = { order: 'stop', by: 'ada', reason: 'month end' } as const;
const writes = () => world.requests.filter(({ method }) => method !== 'GET');
const tagsOfGroup = async () => (await world.arm.resources.resourceGroups.get(CLUSTER)).tags;

describe('with a resource group', () => {
  beforeEach(() => world.run('ensureResourceGroup', world.step('resource-group')));

  it('a switch that was never used allows a drill', async () => {
    const { observed } = await world.run('readDrillPermission', step());

    expect(observed).toBe('the safety switch was never used; no freeze window ahead');
  });

  it('an order to stop holds drills off until the one that allows them, and leaves the other tags', async () => {
    const stopped = await world.run('orderDrills', { ...step(), order: stop });
    const refused = world.run('readDrillPermission', step());
    await expect(refused).rejects.toMatchObject({
      type: 'DrillsForbidden',
      message: expect.stringContaining('stopped by ada') as string,
    });
    await world.run('orderDrills', { ...step(), order: { order: 'allow', by: 'bob', reason: 'over' } });
    const allowed = await world.run('readDrillPermission', step());

    expect(stopped).toMatchObject({ result: 'changed', observed: `${DRILL_SWITCH_TAG}: not set` });
    expect(allowed.observed).toMatch(/^allowed by bob at .*: over; no freeze window ahead$/);
    expect(await tagsOfGroup()).toMatchObject({ [OWNER_TAG]: CLUSTER });
  });

  it('a build that comes by does not open the switch', async () => {
    await world.run('orderDrills', { ...step(), order: stop });
    await world.run('ensureResourceGroup', world.step('resource-group', { run: NEXT_RUN }));

    await expect(world.run('readDrillPermission', step())).rejects.toMatchObject({ type: 'DrillsForbidden' });
  });

  it('a freeze window that is open holds drills off, and none takes it back', async () => {
    const day = 86_400_000;
    const instant = (at: number) => `${new Date(at).toISOString().slice(0, 16)}Z`;
    const windows = `${instant(Date.now() - day)}/${instant(Date.now() + day)}`;

    await world.run('orderDrills', { ...step(), order: { order: 'freeze', windows } });
    await expect(world.run('readDrillPermission', step())).rejects.toMatchObject({ type: 'DrillsForbidden' });
    await world.run('orderDrills', { ...step(), order: { order: 'freeze', windows: '' } });

    expect(await world.run('readDrillPermission', step())).toMatchObject({ result: 'unchanged' });
  });

  it('windows that nobody can read are refused, and what somebody typed into the portal closes the gate', async () => {
    await expect(
      world.run('orderDrills', { ...step(), order: { order: 'freeze', windows: 'christmas' } }),
    ).rejects.toMatchObject({ type: 'BadRequest' });
    expect(writes()).toHaveLength(1);
    await world.arm.resources.tagsOperations.updateAtScope(
      `subscriptions/${world.arm.subscriptionId}/resourceGroups/${CLUSTER}`,
      { operation: 'Merge', properties: { tags: { [DRILL_FREEZE_TAG]: 'christmas' } } },
    );

    await expect(world.run('readDrillPermission', step())).rejects.toMatchObject({
      type: 'GateNotMet',
      message: expect.stringContaining('christmas') as string,
    });
  });

  it('skipped nights are counted by schedule and day, and a drill ends the row', async () => {
    const night = (schedule: string, day: string) => world.run('noteSkippedNight', { ...step(), schedule, day });

    await night('nightly', '2026-11-21');
    await night('noon', '2026-11-21');
    await night('nightly', '2026-11-21');
    const { nights } = await night('nightly', '2026-11-22');
    const cleared = await world.run('clearSkippedNights', { ...step(), schedule: 'nightly' });
    const again = await world.run('clearSkippedNights', { ...step(), schedule: 'nightly' });
    const next = await night('nightly', '2026-11-25');

    expect(nights).toEqual(['2026-11-21', '2026-11-22']);
    expect([cleared.result, again.result]).toEqual(['changed', 'unchanged']);
    expect(next.nights).toEqual(['2026-11-25']);
    expect(await tagsOfGroup()).toMatchObject({ [skippedNightsTag('noon')]: '2026-11-21' });
  });
});

it('without a resource group nobody can tell, and nothing is written', async () => {
  await expect(world.run('readDrillPermission', step())).rejects.toMatchObject({ type: 'GateNotMet' });
  await expect(world.run('orderDrills', { ...step(), order: stop })).rejects.toMatchObject({ type: 'GateNotMet' });

  expect(writes()).toEqual([]);
});

it('the group of somebody else is not asked and not written', async () => {
  await world.arm.resources.resourceGroups.createOrUpdate(CLUSTER, { location: 'westeurope' });

  await expect(world.run('readDrillPermission', step())).rejects.toMatchObject({ type: 'NotOurs' });
  await expect(world.run('orderDrills', { ...step(), order: stop })).rejects.toMatchObject({ type: 'NotOurs' });

  expect(writes()).toHaveLength(1);
});

it('a credential that may not read is a failure and no permission', async () => {
  await world.run('ensureResourceGroup', world.step('resource-group'));
  const stranger = createAzureWorld(lab, { clientSecret: 'wrong' });

  await expect(stranger.run('readDrillPermission', step())).rejects.toMatchObject({ type: 'Denied' });
});
