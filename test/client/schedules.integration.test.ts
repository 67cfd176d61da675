import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../client/application';
import { systemClock } from '../../client/clock';
import { guardedClient } from '../../client/schedules';
import { connect } from '../../client/temporal';
import { kindOfNight } from '../../cluster/drill-schedule';
import { drillScheduleId } from '../../cluster/ids';
import type { Verdict } from '../../cluster/step';
import { ROTATION } from '../../workflows/messages';
import { failWith } from '../workflows/fake-activities';
import { createFakeCluster, hangUntilCancelled, type FakeCluster } from '../workflows/fake-cluster';
import { eventually } from '../workflows/runs';
import { SHIPPED, startTemporalForTests, type TemporalForTests } from '../workflows/temporal-for-tests';
import { contextForTests, type ContextForTests } from './client-for-tests';

/** Schedules and the safety switch on a real server, with the real workflows and a cluster that is played. */

let temporal: TemporalForTests;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-schedules-'));
  temporal = await startTemporalForTests(SHIPPED);
}, 240_000);
afterAll(async () => {
  await temporal?.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Night {
  /** Names of the cluster and of its schedule: all tests share one server. */
  name: string;
  file: string;
  cluster: FakeCluster;
  hadb: (...words: string[]) => Promise<ContextForTests>;
  /** The last line of a command with `--json`. */
  result: (...words: string[]) => Promise<Record<string, unknown>>;
  /** `hadb schedule create`, with its one kind a switchover. */
  create: (...words: string[]) => Promise<Record<string, unknown>>;
  describe: () => ReturnType<ReturnType<TemporalForTests['client']['schedule']['getHandle']>['describe']>;
}

let count = 0;

async function inANight<Result>(work: (night: Night) => Promise<Result>): Promise<Result> {
  count += 1;
  const name = `pair${count}`;
  const file = join(directory, `${name}.yaml`);
  writeFileSync(
    file,
    JSON.stringify({ name, network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] }, fencing: 'none' }),
  );
  const cluster = createFakeCluster();
  return temporal.withWorker(cluster.activities, async ({ taskQueue }) => {
    const hadb = async (...words: string[]) => {
      const context = contextForTests({
        environment: { TEMPORAL_ADDRESS: temporal.server.address, HADB_TASK_QUEUE: taskQueue },
        clock: systemClock,
        overrides: { connect: (target) => connect(target) },
      });
      await runCommandLine(words, context);
      return context;
    };
    const result = async (...words: string[]) => {
      const context = await hadb(...words, '--json');
      return { ...context.json().at(-1), told: context.json() };
    };
    return work({
      name,
      file,
      cluster,
      hadb,
      result,
      create: (...words) =>
        result('schedule', 'create', name, file, '--at', '02:30', '--kinds', 'switchover', ...words),
      describe: () => temporal.client.schedule.getHandle(drillScheduleId(name)).describe(),
    });
  });
}

describe('hadb schedule create', () => {
  it('makes a schedule in UTC that skips overlaps, hardly catches up, and pauses on failure', async () => {
    const described = await inANight(async ({ create, describe, name }) => {
      const result = await create('--cluster', name, '--deadline', '90');
      expect(result).toMatchObject({ exitCode: 0, schedules: [{ name, cluster: name, at: '02:30', paused: false }] });
      return { ...(await describe()), name };
    });

    expect(described.spec).toMatchObject({
      timezone: 'UTC',
      calendars: [{ hour: [{ start: 2 }], minute: [{ start: 30 }] }],
    });
    expect(described.policies).toEqual({ overlap: 'SKIP', catchupWindow: 600_000, pauseOnFailure: true });
    expect(described.action).toMatchObject({
      workflowType: 'scheduledDrill',
      workflowId: `scheduled-drill/${described.name}/${described.name}`,
      workflowExecutionTimeout: 150 * 60_000,
      args: [{ schedule: described.name, kinds: ['switchover'], deadlineMinutes: 90 }],
    });
    expect(described.info.nextActionTimes[0]?.toISOString()).toMatch(/T02:30:00\.000Z$/);
  });

  it('once more changes what was asked and keeps the state: paused stays paused, with its reason', async () => {
    const { updated, described } = await inANight(async ({ create, describe, hadb, name, result, file }) => {
      await create();
      await hadb('schedule', 'pause', name, '--reason', 'month end');
      const updated = await result('schedule', 'create', name, file, '--at', '03:15', '--kinds', 'standby,shutdown');
      return { updated, described: await describe() };
    });

    expect(updated).toMatchObject({
      exitCode: 0,
      summary: expect.stringContaining('updated, and paused as it was') as string,
    });
    expect(described.state).toMatchObject({ paused: true, note: 'paused by ada: month end' });
    expect(described.spec.calendars?.[0]).toMatchObject({ hour: [{ start: 3 }], minute: [{ start: 15 }] });
    expect(described.action.args).toMatchObject([{ kinds: ['standby', 'node-shutdown'] }]);
    expect(described.policies.pauseOnFailure).toBe(true);
  });

  it('once more leaves one that is not paused unpaused', async () => {
    const described = await inANight(async ({ create, describe }) => {
      await create();
      await create('--deadline', '60');
      return describe();
    });

    expect(described.state.paused).toBe(false);
    expect(described.action.args).toMatchObject([{ deadlineMinutes: 60 }]);
  });

  it('does not undo a pause that came between its read and its write', async () => {
    const described = await inANight(async ({ create, describe, name }) => {
      await create();
      const handle = temporal.client.schedule.getHandle(drillScheduleId(name));
      const { raw, ...read } = await handle.describe();
      await handle.pause('paused by a failed drill');
      const guarded = guardedClient(temporal.client, raw.conflictToken).getHandle(drillScheduleId(name));
      // Servers differ: this one may pass over it without a word.
      await guarded.update(() => ({ ...read, state: { paused: false } })).catch(() => undefined);
      return describe();
    });

    expect(described.state).toMatchObject({ paused: true, note: 'paused by a failed drill' });
  });

  it('refuses the name of another cluster’s schedule', async () => {
    const other = await inANight(async ({ create, name }) => {
      await create();
      return name;
    });

    const { result, described } = await inANight(async ({ result, file, name }) => ({
      result: await result('schedule', 'create', other, file, '--at', '04:00'),
      described: { name, memo: (await temporal.client.schedule.getHandle(drillScheduleId(other)).describe()).memo },
    }));

    expect(result).toMatchObject({
      exitCode: 64,
      summary: expect.stringContaining(`belongs to cluster ${other}`) as string,
    });
    expect(described.memo).toEqual({ cluster: other });
  });

  it('leaves a watch of the same name alone, and a watch leaves it alone', async () => {
    const { watched, refused, drills, described } = await inANight(async ({ create, result, name, file, describe }) => {
      const watched = await result('schedule', 'watch', name, file, '--every', '7');
      const refused = await create();
      const described = await describe();
      await result('schedule', 'delete', name);
      await create();
      return { watched, refused, described, drills: await result('schedule', 'watch', name, file) };
    });

    expect(watched).toMatchObject({ exitCode: 0, schedules: [{ purpose: 'watch', at: 'every 7 minutes', kinds: [] }] });
    expect(described.policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 60_000, pauseOnFailure: false });
    expect(described.action).toMatchObject({ workflowType: 'watchCluster' });
    expect(refused).toMatchObject({ exitCode: 64, summary: expect.stringContaining('is a watch') as string });
    expect(drills).toMatchObject({ exitCode: 64, summary: expect.stringContaining('a schedule of drills') as string });
  });

  it('a watch once more changes its interval and stays paused; triggered, it looks', async () => {
    const { updated, looked } = await inANight(async ({ result, hadb, name, file }) => {
      await result('schedule', 'watch', name, file);
      await hadb('schedule', 'pause', name);
      const updated = await result('schedule', 'watch', name, file, '--every', '1');
      return { updated, looked: await result('schedule', 'trigger', name, '--wait') };
    });

    expect(updated).toMatchObject({ exitCode: 0, schedules: [{ at: 'every minute', paused: true }] });
    expect(looked).toMatchObject({
      exitCode: 0,
      summary: expect.stringMatching(/^The pair pair\d+ is whole$/) as string,
    });
  });

  it('takes the specification from the newest build when only the cluster is named', async () => {
    const { unknown, known } = await inANight(async ({ hadb, result, name, file }) => {
      const create = () => result('schedule', 'create', name, '--cluster', name, '--at', '02:30');
      const unknown = await create();
      await hadb('build', file, '--wait');
      return { unknown, known: await create() };
    });

    expect(unknown).toMatchObject({ exitCode: 64 });
    expect(known).toMatchObject({
      exitCode: 0,
      schedules: [{ kinds: ['switchover', 'node-power-off', 'standby', 'node-shutdown'] }],
    });
  });
});

describe('a night', () => {
  const trigger = ({ result, name }: Night, ...words: string[]) =>
    result('schedule', 'trigger', name, '--wait', ...words);

  it('that passes leaves its schedule as it is, and the list tells how it ended', async () => {
    const { triggered, described, listed } = await inANight(async (night) => {
      await night.create();
      const triggered = await trigger(night);
      const listed = await eventuallyListed(night, 'completed');
      return { triggered, described: await night.describe(), listed };
    });

    expect(triggered).toMatchObject({ exitCode: 0, verdict: { passed: true } });
    expect(described.state.paused).toBe(false);
    expect(listed).toMatchObject({ outcome: expect.stringContaining('0 lost') as string, open: [] });
  });

  it('makes the kind of the day on which it was due, whenever it is started', async () => {
    const nights = await inANight(async ({ result, describe, name, file }) => {
      await result('schedule', 'create', name, file, '--at', '02:30', '--kinds', 'rotate');
      // Nights that were missed, one after another: the only way to have some in a test.
      await temporal.client.schedule.getHandle(drillScheduleId(name)).backfill({
        start: new Date('2026-11-19T00:00:00Z'),
        end: new Date('2026-11-22T00:00:00Z'),
        overlap: 'BUFFER_ALL',
      });
      await eventually(async () => expect((await describe()).info.numActionsTaken).toBe(3), 120_000);
      const { info } = await describe();
      return Promise.all(
        info.recentActions.map(async ({ scheduledAt, action }) => {
          const handle = temporal.client.workflow.getHandle(action.workflow.workflowId);
          await handle.result();
          return { due: scheduledAt, kind: (await handle.describe()).memo?.['kind'] };
        }),
      );
    });

    expect(nights.map(({ due }) => due.toISOString().slice(0, 16))).toEqual([
      '2026-11-19T02:30',
      '2026-11-20T02:30',
      '2026-11-21T02:30',
    ]);
    expect(nights.map(({ kind }) => kind)).toEqual(nights.map(({ due }) => kindOfNight(ROTATION, due.getTime())));
    expect(new Set(nights.map(({ kind }) => kind)).size).toBe(3);
  });

  const failedVerdict = async () => ({
    result: 'unchanged',
    observed: '',
    verdict: { passed: false, summary: '3 of 900 lost', checks: [] } satisfies Verdict,
  });
  it.each<[string, number, (cluster: FakeCluster) => void]>([
    ['whose drill does not pass', 1, ({ answers }) => (answers['judgeDrill'] = [failedVerdict])],
    [
      'that finds the pair unhealthy',
      3,
      ({ answers }) => (answers['readDrillGate'] = [failWith('GateNotMet', 'hadb02 is offline')]),
    ],
    [
      'whose safety switch cannot be read',
      3,
      ({ answers }) => (answers['readDrillPermission'] = [failWith('AzureUnavailable', 'no answer')]),
    ],
    [
      'that is the third to be skipped',
      1,
      (cluster) => {
        cluster.skippedNights = ['2026-11-20', '2026-11-21'];
        cluster.answers['readDrillPermission'] = [failWith('DrillsForbidden', 'a freeze window is open')];
      },
    ],
  ])('%s pauses its schedule', async (_, exitCode, arrange) => {
    const { triggered, described } = await inANight(async (night) => {
      arrange(night.cluster);
      await night.create();
      const triggered = await trigger(night);
      await eventually(async () => expect((await night.describe()).state.paused).toBe(true));
      return { triggered, described: await night.describe() };
    });

    expect(triggered).toMatchObject({ exitCode });
    expect(described.state.note).toMatch(/fail/i);
  });

  it.each<[string, (night: Night) => Promise<void>, string]>([
    [
      'with the cluster held by another operation',
      async ({ cluster, hadb, file }) => {
        cluster.answers['ensureAvailabilitySet'] = [hangUntilCancelled];
        await hadb('build', file);
        await eventually(async () => expect(cluster.order()).toContain('ensureAvailabilitySet'));
      },
      'is held by build-cluster/',
    ],
    [
      'within a freeze window',
      async ({ cluster }) => {
        cluster.answers['readDrillPermission'] = [failWith('DrillsForbidden', 'a freeze window is open')];
      },
      'a freeze window is open',
    ],
  ])('%s completes as skipped, visibly, and its schedule goes on', async (_, arrange, reason) => {
    const { triggered, described, listed } = await inANight(async (night) => {
      await arrange(night);
      await night.create();
      const triggered = await trigger(night);
      const listed = await eventuallyListed(night, 'completed');
      await night.hadb('cancel', night.name);
      return { triggered, described: await night.describe(), listed };
    });

    expect(triggered).toMatchObject({ exitCode: 3, outcome: 'refused', run: { status: 'COMPLETED' } });
    expect(triggered['skipped']).toContain(reason);
    expect(String(triggered['summary'])).toMatch(/^Skipped: /);
    expect(String(triggered['summary'])).toContain(reason);
    expect(described.state.paused).toBe(false);
    expect(listed['outcome']).toContain('Skipped: ');
  });

  it('is not begun a second time while one is open, by the command nor by Temporal', async () => {
    const { second, described } = await inANight(async (night) => {
      night.cluster.answers['awaitPrimary'] = [hangUntilCancelled];
      await night.create();
      await night.result('schedule', 'trigger', night.name);
      await eventually(async () => expect(night.cluster.order()).toContain('awaitPrimary/hadb02'));
      const second = await night.result('schedule', 'trigger', night.name);
      const direct = await connect({ address: temporal.server.address, namespace: 'default', configured: true });
      await direct.schedules.trigger(night.name);
      await eventually(async () => expect((await night.describe()).info.numActionsSkippedOverlap).toBe(1));
      await direct.close();
      const described = await night.describe();
      await night.hadb('drills', 'stop', night.file);
      return { second, described };
    });

    expect(second).toMatchObject({ exitCode: 3, summary: expect.stringContaining('is open') as string });
    expect(described.info.numActionsTaken).toBe(1);
    expect(described.info.runningActions).toHaveLength(1);
  });
});

describe('hadb schedule', () => {
  it('pauses, goes on and is deleted, each told in its result', async () => {
    const ends = await inANight(async ({ create, result, describe, name }) => {
      await create();
      const paused = await result('schedule', 'pause', name);
      const isPaused = (await describe()).state.paused;
      const unpaused = await result('schedule', 'unpause', name);
      const goesOn = !(await describe()).state.paused;
      const deleted = await result('schedule', 'delete', name);
      const gone = await result('schedule', 'pause', name);
      return { paused, isPaused, unpaused, goesOn, deleted, gone };
    });

    expect(ends).toMatchObject({
      paused: { exitCode: 0 },
      isPaused: true,
      unpaused: { exitCode: 0, schedules: [{ paused: false, next: expect.stringContaining('T02:30:00') as string }] },
      goesOn: true,
      deleted: { exitCode: 0 },
      gone: { exitCode: 1, summary: expect.stringContaining('there is no schedule') as string },
    });
  });
});

describe('hadb drills stop', () => {
  it('cancels what runs, pauses the schedules, sets the tag; allow takes back only what it has paused', async () => {
    const night = await inANight(async (night) => {
      const { create, cluster, result, hadb, name, file, describe } = night;
      const by = `${name}-by-hand`;
      cluster.answers['awaitPrimary'] = [hangUntilCancelled];
      await create();
      await result('schedule', 'create', by, file, '--at', '12:00');
      await hadb('schedule', 'pause', by, '--reason', 'mine');
      await eventually(async () => {
        const { schedules } = (await result('schedule', 'list')) as { schedules: { cluster: string }[] };
        expect(schedules.filter((schedule) => schedule.cluster === name)).toHaveLength(2);
      });
      const { run } = (await result('schedule', 'trigger', name)) as { run: { workflowId: string } };
      await eventually(async () => expect(cluster.order()).toContain('awaitPrimary/hadb02'));

      const stopped = await result('drills', 'stop', file, '--reason', 'incident');
      const ended: unknown = await temporal.client.workflow
        .getHandle(run.workflowId)
        .result()
        .catch((error: unknown) => error);
      const whenStopped = await describe();
      const allowed = await result('drills', 'allow', file);
      const byHand = await temporal.client.schedule.getHandle(drillScheduleId(by)).describe();
      return { stopped, ended, whenStopped, allowed, whenAllowed: await describe(), byHand, cluster };
    });

    expect(night.stopped).toMatchObject({
      exitCode: 0,
      summary: expect.stringContaining('2 drills were asked to stop') as string,
    });
    expect(night.ended).toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(night.cluster.order().filter((call) => call === 'orderDrills')).toHaveLength(2);
    expect(night.cluster.order()).toContain('clearMove/hadb02');
    expect(night.whenStopped.state).toMatchObject({
      paused: true,
      note: 'stopped by hadb drills stop: incident (ada)',
    });
    expect(night.whenAllowed.state.paused).toBe(false);
    expect(night.byHand.state).toMatchObject({ paused: true, note: 'paused by ada: mine' });
  });

  it('leaves the drills and schedules of other clusters alone', async () => {
    const { told, described } = await inANight(async (night) => {
      night.cluster.answers['awaitPrimary'] = [hangUntilCancelled];
      await night.create();
      await night.result('schedule', 'trigger', night.name);
      await eventually(async () => expect(night.cluster.order()).toContain('awaitPrimary/hadb02'));
      const other = await inANight(({ result, file }) => result('drills', 'stop', file));
      const described = await night.describe();
      await night.hadb('drills', 'stop', night.file);
      return { told: other, described };
    });

    expect(told).toMatchObject({ exitCode: 0, summary: expect.stringContaining('no drill was open') as string });
    expect(described.state.paused).toBe(false);
    expect(described.info.runningActions).toHaveLength(1);
  });

  it('that cannot write the tag fails and says so, with the schedules paused; the next one takes its place', async () => {
    const { failed, described, again } = await inANight(async (night) => {
      night.cluster.answers['orderDrills'] = [
        failWith('Denied', 'no permission'),
        async () => ({ result: 'changed', observed: '' }),
      ];
      await night.create();
      await eventuallyListed(night);
      const failed = await night.result('drills', 'stop', night.file);
      return { failed, described: await night.describe(), again: await night.result('drills', 'stop', night.file) };
    });

    expect(failed).toMatchObject({ exitCode: 1 });
    expect(failed['told']).toContainEqual(expect.objectContaining({ code: 'HADB_E4015' }));
    expect(described.state.paused).toBe(true);
    expect(again).toMatchObject({ exitCode: 0 });
  });
});

/** Listing lags behind; so does the outcome of a run that has just ended. */
async function eventuallyListed({ result, name }: Night, outcome = ''): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined;
  await eventually(async () => {
    const { schedules } = (await result('schedule', 'list')) as { schedules: Record<string, unknown>[] };
    found = schedules.find((schedule) => schedule['name'] === name);
    expect(found?.['outcome'] ?? '').toContain(outcome);
    expect(found).toBeDefined();
  });
  return found ?? {};
}
