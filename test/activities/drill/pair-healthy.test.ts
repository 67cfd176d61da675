import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClusterMoveActivities } from '../../../activities/drill/cluster-moves';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import { HadbError } from '../../../cluster/errors';
import { renderCleanUp, renderConstraintsRead } from '../../../cluster/node/drill-moves';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { events2 } from '../../cluster/node/script-bench';
import { answeringNodes } from '../node/answering-node';
import { runActivity, specification, step } from '../node/model-pair';

/** The end of a drill: what may be wiped away before the pair counts as whole, and what may not. */

const captured = (name: string): string =>
  readFileSync(join(__dirname, '..', '..', 'cluster', 'cib', 'captured', `crm_mon-2.1.5-${name}.xml`), 'utf8');
const HEALTHY = captured('healthy');
const MONITOR_FAILED = captured('monitor-failed');
const STOP_FAILED = MONITOR_FAILED.replace(
  /(<failure [^>]*)mysqld_monitor_10000("[^>]*)task="monitor"/,
  '$1mysqld_stop_0$2task="stop"',
);
const RECOVERING = MONITOR_FAILED.replace(
  /(<resource id="mysqld"[^>]*)nodes_running_on/,
  '$1pending="Starting" nodes_running_on',
);
const WHAT = 'monitor of mysqld failed on hadb01: error (Simulated action result), at 2026-11-22 18:23:53Z';
const CLEAN_UP = renderCleanUp({ resource: 'mysqld', node: 'hadb01', reason: WHAT });

/** `looks`: what crm_mon says, look by look, the last one for good; `after`: what it says once it was cleaned up. */
function pairThatShows(
  looks: string[],
  after: string[] = [HEALTHY],
  { refusal, cleanedMs = 600 }: { refusal?: HadbError; cleanedMs?: number } = {},
) {
  const { socket } = databaseProfile(specification.database.engine);
  const shown = { now: looks };
  let count = 0;
  const nodes = answeringNodes(() => ({
    reads: {
      [readCrmMon()]: () => {
        const look = shown.now[Math.min(count, shown.now.length - 1)];
        count += 1;
        return { stdout: look ?? '' };
      },
      [renderConstraintsRead()]: '',
      [renderRuntimeRead({ socket })]:
        `bootId=b\nmodule=loaded\ndrbd:\n${events2({ role: 'Secondary', peerRole: 'Primary' })}`,
    },
    changes: {
      [CLEAN_UP]: () => {
        if (refusal !== undefined) throw refusal;
        [shown.now, count] = [after, 0];
        return {};
      },
    },
  }));
  const activities = createClusterMoveActivities({
    sessions: nodes.sessions,
    settling: { failuresMs: 0, cleanedMs },
  });
  const wait = step('hadb02', 'healthy');
  return {
    nodes,
    awaited: (withinSeconds = 20) => runActivity(() => activities.awaitPairHealthy({ ...wait, withinSeconds })),
  };
}

describe('a pair after a drill', () => {
  it('that is healthy is left alone', async () => {
    const pair = pairThatShows([HEALTHY]);

    expect(await pair.awaited()).toEqual({
      result: 'unchanged',
      observed: expect.stringContaining('healthy') as string,
      primary: 'hadb01',
    });
    expect(pair.nodes.changes).toEqual([]);
  });

  it('with nothing but a monitor that failed once is cleaned up, and that is told with its reason and its time', async () => {
    const pair = pairThatShows([RECOVERING, MONITOR_FAILED]);

    expect(await pair.awaited()).toMatchObject({
      result: 'changed',
      observed: WHAT,
      done: expect.stringContaining(WHAT) as string,
      verified: expect.stringContaining('healthy') as string,
      cleanedUp: [WHAT],
    });
    expect(pair.nodes.changes).toEqual([CLEAN_UP]);
  });

  it('is not cleaned up while it recovers', async () => {
    const pair = pairThatShows([RECOVERING]);

    await expect(pair.awaited(2)).rejects.toMatchObject({ code: 'NotReady' });
    expect(pair.nodes.changes).toEqual([]);
  });

  it('whose stop failed fails at once, with the evidence, and nothing is wiped away', async () => {
    const pair = pairThatShows([STOP_FAILED]);

    await expect(pair.awaited()).rejects.toMatchObject({
      code: 'AssertionFailed',
      message: expect.stringContaining('stop of mysqld failed on hadb01') as string,
      details: { observed: expect.stringContaining('promoted hadb01') as string },
    });
    expect(pair.nodes.changes).toEqual([]);
    expect(pair.nodes.reads.filter((script) => script === readCrmMon())).toHaveLength(1);
  });

  it('whose stop failed fails at once, also while other things are on their way', async () => {
    const blocked = STOP_FAILED.replace(/(<resource id="lb_mysql"[^>]*)active="true"/, '$1active="false"');
    const pair = pairThatShows([blocked]);

    await expect(pair.awaited()).rejects.toMatchObject({
      code: 'AssertionFailed',
      details: { whatNow: expect.stringContaining('on hadb01') as string },
    });
  });

  it('is waited for while a failed stop stands in the past of a node that is still away', async () => {
    const away = STOP_FAILED.replaceAll(
      '<node name="hadb01" id="1" online="true"',
      '<node name="hadb01" id="1" online="false"',
    );
    const pair = pairThatShows([away, HEALTHY]);

    expect(await pair.awaited()).toMatchObject({ result: 'unchanged' });
  });

  it('whose monitor fails again after the clean-up fails, and is not cleaned up a second time', async () => {
    const pair = pairThatShows([MONITOR_FAILED], [HEALTHY, MONITOR_FAILED], { cleanedMs: 60_000 });

    await expect(pair.awaited()).rejects.toMatchObject({
      code: 'AssertionFailed',
      message: expect.stringContaining('failed again') as string,
    });
    expect(pair.nodes.changes).toEqual([CLEAN_UP]);
  });

  it('that the guard on the node does not let be cleaned up stays as it is', async () => {
    const pair = pairThatShows([MONITOR_FAILED], [], {
      refusal: new HadbError('GuardRefused', 'a fencing has not succeeded'),
    });

    await expect(pair.awaited()).rejects.toMatchObject({ code: 'GuardRefused' });
  });

  it('that was cleaned up by a try whose report was lost is told so', async () => {
    const pair = pairThatShows([HEALTHY]);
    const { sessions } = pair.nodes;
    const open = sessions.open.bind(sessions);
    pair.nodes.sessions.open = async (context, node) => ({
      ...(await open(context, node)),
      wasDoneBy: async () => true,
    });

    expect(await pair.awaited()).toMatchObject({
      result: 'changedEarlier',
      cleanedUp: [expect.stringContaining('journalctl -t hadb') as string],
    });
  });
});
