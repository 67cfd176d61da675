import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPacemakerActivities } from '../../../activities/node/pacemaker';
import { renderCibForSimulation } from '../../../cluster/cib/cib';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import {
  CIB_FILE,
  renderBuiltRead,
  renderCibRead,
  renderPacemakerStart,
  renderRefresh,
  renderSimulation,
} from '../../../cluster/node/pacemaker-moves';
import { renderCorosyncStart, renderMembershipRead } from '../../../cluster/node/corosync-moves';
import { renderStartServer } from '../../../cluster/node/roles';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { timingOf } from '../../../cluster/timing';
import { events2 } from '../../cluster/node/script-bench';
import { DEBIAN_12, managedCib } from '../../cluster/specimens';
import { answeringNodes } from './answering-node';
import { createModelPair, runActivity, specification, step } from './model-pair';

/** Step 20: an operator's cluster is not overwritten, and what runs is not disturbed. */

const { secrets } = createModelPair();
const profile = databaseProfile(specification.database.engine);
const timing = timingOf(specification);
const configured = { ...step('hadb01', 'configuration'), platform: DEBIAN_12 };
const builtRead = renderBuiltRead(`${timing.pacemaker.firstStartDcDeadtimeSeconds}s`);
const HEALTHY = readFileSync(
  join(__dirname, '..', '..', 'cluster', 'cib', 'captured', 'crm_mon-2.1.5-healthy.xml'),
  'utf8',
);
const QUORUM = `Node ID:          1
Quorate:          Yes
Expected votes:   2
Total votes:      2

Membership information
----------------------
    Nodeid      Votes Name
         1          1 hadb01 (local)
         2          1 hadb02
`;
const FIRST_START = 'cib=ours\nseeded=yes\npacemaker=active\n';
const refusal = (work: () => Promise<unknown>) =>
  runActivity(work).then(
    () => 'not refused',
    (error: unknown) => error,
  );

describe('the configuration for the first start', () => {
  const serving = `bootId=7ea49b58-0948-4754-8981-71b190e1a4d6
mountedFrom=/dev/drbd1\nserverPid=4711\nserverAnswers=yes\nprobe=answered\nmodule=loaded\ndrbd:\n${events2()}`;

  it.each(['hadb01', 'hadb02'])('is not written where %s has that of another cluster', async (foreign) => {
    const { sessions, changes } = answeringNodes((node) => ({
      reads: {
        [builtRead]: node === foreign ? 'cib=foreign\n' : '',
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
  const input = { ...managedCib(DEBIAN_12, specification), mode: 'first-start' as const };
  const cib = renderCibForSimulation(input);
  const simulation = (...actions: string[]) =>
    `Executing Cluster Transition:\n${actions.map((action) => `  * Resource action: ${action}\n`).join('')}\n`;
  /** The script of the swap holds the lengths of both texts, which `withProperties` makes. */
  const swap = (answer: () => { code: number; stderr?: string }) =>
    new Proxy({}, { get: () => answer, has: () => true }) as Record<string, () => { code: number }>;

  describe('with a node that was reset before it was told to start Pacemaker at boot', () => {
    const managed = renderCibForSimulation({ ...input, mode: 'managed' });
    function pairWithoutPeer(start: string, seeded: string) {
      const now = { peerRuns: false, cib: start };
      const handOver = () => {
        now.cib = managed;
        return { code: 0 };
      };
      const startPeer = () => {
        now.peerRuns = true;
        return { code: 0 };
      };
      const known: Record<string, () => { code: number }> = {
        [renderCorosyncStart()]: () => ({ code: 0 }),
        [renderPacemakerStart()]: startPeer,
      };
      const nodes = answeringNodes((node) => ({
        reads: {
          [builtRead]: () => ({
            stdout: `cib=ours\n${seeded}${node === 'hadb01' || now.peerRuns ? 'pacemaker=active\n' : ''}`,
          }),
          [renderMembershipRead()]: QUORUM,
          [readCrmMon()]: HEALTHY,
          [renderCibRead()]: () => ({ stdout: now.cib }),
          [renderSimulation()]: simulation('mysqld          monitor=10000 on hadb01'),
        },
        changes: new Proxy(known, { get: (all, script: string) => all[script] ?? handOver }),
      }));
      return {
        nodes,
        end: () => createPacemakerActivities({ sessions: nodes.sessions, secrets }).endMaintenance(configured),
      };
    }

    it('is ended once that one is a member again', async () => {
      const { nodes, end } = pairWithoutPeer(cib, 'seeded=yes\n');

      const outcome = await runActivity(end);

      expect(outcome).toMatchObject({
        result: 'changed',
        done: 'started Pacemaker on hadb02; handed the resources over to Pacemaker',
      });
      expect(nodes.changes.slice(0, -1)).toEqual([renderCorosyncStart(), renderPacemakerStart()]);
      expect(nodes.changes).toHaveLength(3);
    });

    it('is left as it is where it has ended already: then somebody has stopped Pacemaker there', async () => {
      const { nodes, end } = pairWithoutPeer(managed, '');

      expect(await runActivity(end)).toMatchObject({ result: 'unchanged' });
      expect(nodes.changes).toEqual([]);
    });
  });

  it('is not ended while Pacemaker would stop or demote anything', async () => {
    const { sessions, changes } = answeringNodes(() => ({
      reads: {
        [builtRead]: FIRST_START,
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
      reads: {
        [builtRead]: FIRST_START,
        [renderCibRead()]: cib,
        [renderSimulation()]: simulation('mysqld          monitor=10000 on hadb01'),
      },
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

describe('between the first start and the end of maintenance', () => {
  const runtimeRead = renderRuntimeRead({ socket: profile.socket });
  const adoption = step('hadb01', 'await-members-online');
  const startServer = renderStartServer(profile);

  /** The database on hadb01, which may have died; Pacemaker of hadb02, which may not run; the configuration of the first start, or not. */
  function pairWith({ server, peerRuns, seeded }: { server: boolean; peerRuns: boolean; seeded: boolean }) {
    const now = { server, peerRuns };
    const nodes = answeringNodes((node) => ({
      reads: {
        [builtRead]: () => {
          const active = node === 'hadb01' || now.peerRuns ? 'pacemaker=active\n' : '';
          return { stdout: `cib=ours\n${seeded ? 'seeded=yes\n' : ''}${active}` };
        },
        [runtimeRead]: () => ({
          stdout: `bootId=b\nmountedFrom=/dev/drbd1\n${now.server ? 'serverPid=4711\nserverAnswers=yes\n' : ''}probe=answered\nmodule=loaded\ndrbd:\n${events2()}`,
        }),
        [renderMembershipRead()]: QUORUM,
        [readCrmMon()]: HEALTHY,
      },
      changes: {
        [startServer]: () => {
          now.server = true;
          return {};
        },
        [renderCorosyncStart()]: () => ({}),
        [renderPacemakerStart()]: () => {
          now.peerRuns = true;
          return {};
        },
        [renderRefresh()]: () => ({}),
      },
    }));
    return {
      nodes,
      await: () => createPacemakerActivities({ sessions: nodes.sessions, secrets }).awaitAdopted(adoption),
    };
  }

  it('a server that has died is started, and Pacemaker looks again', async () => {
    const pair = pairWith({ server: false, peerRuns: true, seeded: true });

    const outcome = await runActivity(pair.await);

    expect(pair.nodes.changes).toEqual([startServer, renderRefresh()]);
    expect(outcome.done).toBe('brought back: server');
  });

  it('a peer that was reset joins again', async () => {
    const pair = pairWith({ server: true, peerRuns: false, seeded: true });

    const outcome = await runActivity(pair.await);

    expect(pair.nodes.changes).toEqual([renderCorosyncStart(), renderPacemakerStart(), renderRefresh()]);
    expect(outcome.done).toBe('brought back: Pacemaker on hadb02');
  });

  it('nothing is done where all is there', async () => {
    const pair = pairWith({ server: true, peerRuns: true, seeded: true });

    expect(await runActivity(pair.await)).not.toHaveProperty('done');
    expect(pair.nodes.changes).toEqual([]);
  });

  it('nothing is done by hand once Pacemaker manages the resources', async () => {
    const pair = pairWith({ server: false, peerRuns: false, seeded: false });

    await runActivity(pair.await);

    expect(pair.nodes.changes).toEqual([]);
  });
});
