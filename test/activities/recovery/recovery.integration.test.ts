import { noopMetricMeter } from '@temporalio/common';
import { createRecoveryActivities } from '../../../activities/recovery';
import { readFindings } from '../../../activities/recovery/findings';
import { HadbError } from '../../../cluster/errors';
import { OWNER_TAG } from '../../../cluster/ids';
import { CLUSTER, NEXT_RUN, buildAll, createAzureWorld, type AzureWorld } from '../azure/azure-fixture';
import { startTestLab, type TestLab } from '../../lab/control/lab-fixture';
import { runActivity } from '../node/model-pair';

/** A recovery's look at Azure, and its note of what it starts, behind a real ARM endpoint. */

let lab: TestLab;
let world: AzureWorld;
beforeAll(async () => {
  lab = await startTestLab();
  world = createAzureWorld(lab);
  await buildAll(world);
}, 240_000);
afterAll(() => lab?.close());

const dependencies = () => ({
  arm: world.arm,
  secrets: world.secrets,
  alerts: { getMeter: () => noopMetricMeter, redact: (text: string) => text },
  sessions: {
    open: () => Promise.reject(new HadbError('NodeUnreachable', 'nobody is there')),
    close: async () => undefined,
  },
});
const recovery = () => createRecoveryActivities(dependencies());
const find = async () => (await runActivity(() => readFindings(dependencies(), world.step('look')))).nodes;
const note = (run?: string) =>
  runActivity(() => recovery().noteStart({ ...world.step('start', run === undefined ? {} : { run }), node: 'hadb02' }));

it('machines that run and do not answer, and one that was powered off, are told apart', async () => {
  const step = { ...world.step('power-off'), node: 'hadb02', skipShutdown: true };
  await world.operate(step, world.run('submitPowerOff', step));

  expect(await find()).toMatchObject([
    { node: 'hadb01', power: 'running', silence: { code: 'NodeUnreachable' } },
    { node: 'hadb02', power: 'stopped', starts: [] },
  ]);
});

it('the start of a machine is noted once for each run, beside the other tags', async () => {
  expect(await note()).toMatchObject({ result: 'changed', observed: 'hadb-starts-hadb02: not set' });
  expect(await note()).toMatchObject({ result: 'unchanged' });
  expect(await note(NEXT_RUN)).toMatchObject({ result: 'changed' });

  const [, { starts }] = await find();
  expect(starts).toHaveLength(2);
  expect((await world.arm.resources.resourceGroups.get(CLUSTER)).tags).toMatchObject({ [OWNER_TAG]: CLUSTER });
});
