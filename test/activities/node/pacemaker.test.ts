import { createPacemakerActivities } from '../../../activities/node/pacemaker';
import { renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { databaseProfile } from '../../../cluster/database/profile';
import { CIB_FILE, renderBuiltRead, renderCibRead, renderSimulation } from '../../../cluster/node/pacemaker-moves';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { timingOf } from '../../../cluster/timing';
import { events2 } from '../../cluster/node/script-bench';
import { DEBIAN_12 } from '../../cluster/specimens';
import { answeringNodes } from './answering-node';
import { createModelPair, runActivity, specification, step } from './model-pair';

/** Step 20: an operator's cluster is not overwritten, and what runs is not disturbed. */

const { secrets } = createModelPair();
const profile = databaseProfile(specification.database.engine);
const timing = timingOf(specification);
const configured = { ...step('hadb01', 'configuration'), platform: DEBIAN_12 };
const refusal = (work: () => Promise<unknown>) =>
  runActivity(work).then(
    () => 'not refused',
    (error: unknown) => error,
  );

describe('the configuration for the first start', () => {
  const built = renderBuiltRead(`${timing.pacemaker.firstStartDcDeadtimeSeconds}s`);
  const serving = `bootId=7ea49b58-0948-4754-8981-71b190e1a4d6
mountedFrom=/dev/drbd1\nserverPid=4711\nserverAnswers=yes\nprobe=answered\nmodule=loaded\ndrbd:\n${events2()}`;

  it.each(['hadb01', 'hadb02'])('is not written where %s has that of another cluster', async (foreign) => {
    const { sessions, changes } = answeringNodes((node) => ({
      reads: {
        [built]: node === foreign ? 'cib=foreign\n' : '',
        [renderRuntimeRead({ socket: profile.socket })]: serving,
      },
    }));

    const error = await refusal(() =>
      createPacemakerActivities({ sessions, secrets }).writeInitialConfiguration(configured),
    );

    expect(error).toMatchObject({
      code: 'GuardRefused',
      details: {
        observed: expect.stringContaining(`foreign on ${foreign}`) as string,
        whatNow: expect.stringContaining(`move ${CIB_FILE} aside`) as string,
      },
    });
    expect(changes).toEqual([]);
  });
});

describe('the maintenance of the first start', () => {
  const input: CibInput & { preferred: string } = {
    specification,
    platform: DEBIAN_12,
    profile,
    timing,
    mode: 'first-start',
    preferred: 'hadb01',
  };
  const cib = renderCibForSimulation(input);
  const simulation = (...actions: string[]) =>
    `Executing Cluster Transition:\n${actions.map((action) => `  * Resource action: ${action}\n`).join('')}\n`;
  /** The script of the swap holds the lengths of both texts, which `withProperties` makes. */
  const swap = (answer: () => { code: number; stderr?: string }) =>
    new Proxy({}, { get: () => answer, has: () => true }) as Record<string, () => { code: number }>;

  it('is not ended while Pacemaker would stop or demote anything', async () => {
    const { sessions, changes } = answeringNodes(() => ({
      reads: {
        [renderCibRead()]: cib,
        [renderSimulation()]: simulation('mysqld          stop on hadb01', 'drbd_mysql      demote on hadb01'),
      },
    }));

    const error = await refusal(() => createPacemakerActivities({ sessions, secrets }).endMaintenance(configured));

    expect(error).toMatchObject({
      code: 'GuardRefused',
      message: 'Pacemaker would disturb what runs: stop of mysqld on hadb01, demote of drbd_mysql on hadb01',
      details: { whatNow: expect.stringContaining('crm_simulate -L -s') as string },
    });
    expect(changes).toEqual([]);
  });

  it('is planned anew each time that somebody has changed the configuration meanwhile, and given up after ten', async () => {
    const { sessions, reads, changes } = answeringNodes(() => ({
      reads: { [renderCibRead()]: cib, [renderSimulation()]: simulation('mysqld          monitor=10000 on hadb01') },
      changes: swap(() => ({ code: 103, stderr: 'Update was older than existing configuration\n' })),
    }));

    const error = await refusal(() => createPacemakerActivities({ sessions, secrets }).endMaintenance(configured));

    expect(error).toMatchObject({
      code: 'NotReady',
      details: { whatNow: expect.stringContaining('who changes it') as string },
    });
    expect(changes).toHaveLength(10);
    expect(reads.filter((script) => script === renderSimulation())).toHaveLength(10);
  });
});
