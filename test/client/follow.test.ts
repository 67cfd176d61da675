import { follow } from '../../client/follow';
import type { FollowEnd } from '../../client/follow';
import type { RunEvent } from '../../client/run-events';
import { TemporalUnreachable } from '../../client/watched-run';
import type { RunEnding, RunLook, WatchedRun } from '../../client/watched-run';
import type { Progress } from '../../cluster/step';
import { clockForTests } from './client-for-tests';
import { done, progressOf, record } from './progress-for-tests';

/** What one poll of a scripted run finds; the last entry of a script serves all further polls. */
interface Poll {
  look?: Partial<RunLook>;
  unreachable?: true;
  progress?: Progress;
}

function scriptedRun(polls: readonly Poll[], ending: RunEnding = { status: 'COMPLETED' }) {
  let index = -1;
  const present = (): Poll => polls[Math.min(index, polls.length - 1)] ?? {};
  const run: WatchedRun = {
    workflowId: 'build-cluster/hadb',
    async look() {
      index += 1;
      if (present().unreachable) throw new TemporalUnreachable('Temporal at x does not answer: refused');
      return {
        status: 'RUNNING',
        runId: 'r1',
        firstRunId: 'r1',
        workflowTaskAttempt: 1,
        pending: [],
        ...present().look,
      };
    },
    progress: async () => present().progress,
    ending: async () => ending,
    workflowTaskFailure: async () => 'No such function is exported by the workflow bundle',
  };
  return run;
}

async function watch(
  run: WatchedRun,
  stopAfterMs = 600_000,
): Promise<{ events: RunEvent[]; end: FollowEnd; elapsedMs: number }> {
  const clock = clockForTests();
  const begin = clock.now();
  const stop = new AbortController();
  clock.onSleep = (now) => {
    if (now - begin >= stopAfterMs) stop.abort();
  };
  const events: RunEvent[] = [];
  const end = await follow({ run, clock, stop: stop.signal, pollMs: 400, onEvent: (event) => events.push(event) });
  return { events, end, elapsedMs: clock.now() - begin };
}

const codes = (events: readonly RunEvent[]) => events.map(({ code }) => code);
const closed: Poll = { look: { status: 'COMPLETED' } };

describe('watching a run', () => {
  it('tells each step as it goes on, and the last ones from the return value', async () => {
    const final = progressOf([done('first'), done('second')], { state: 'completed' });
    const run = scriptedRun(
      [
        { progress: progressOf([record({ id: 'first' })]) },
        { progress: progressOf([done('first'), record({ id: 'second' })]) },
        closed,
      ],
      { status: 'COMPLETED', progress: final },
    );

    const { events, end } = await watch(run);

    expect(events.map((event) => (event.type === 'step' ? `${event.step} ${event.record.state}` : event.type))).toEqual(
      ['first running', 'first done', 'second running', 'second done'],
    );
    expect(end).toEqual({ kind: 'ended', ending: { status: 'COMPLETED', progress: final } });
  });

  it('tells what a step waits for and how far it is, at most once a second', async () => {
    const waiting = (percent: number): Poll => ({
      progress: progressOf([record({ id: 'initial-sync' })]),
      look: {
        pending: [
          {
            type: 'awaitInSync',
            heartbeat: { step: 'initial-sync', waitingFor: 'the initial sync of r0', percent, remainingSeconds: 9 },
          },
        ],
      },
    });
    const run = scriptedRun([waiting(1), waiting(2), waiting(3), waiting(4), waiting(5), closed]);

    const { events } = await watch(run);

    const percents = events.flatMap((event) => (event.type === 'wait' ? [event.wait.percent] : []));
    expect(percents).toEqual([1, 4]);
  });

  it('says nothing of heartbeats that are not for people', async () => {
    const run = scriptedRun([
      {
        progress: progressOf([]),
        look: { pending: [{ type: 'awaitAzureOperation', heartbeat: 'serialised poller' }] },
      },
      closed,
    ]);

    expect((await watch(run)).events).toEqual([]);
  });

  it('says that no worker answers only after some time, once, and says when one does', async () => {
    const silent: Poll = {};
    const run = scriptedRun([...Array.from({ length: 40 }, () => silent), { progress: progressOf([]) }, closed]);

    expect(codes((await watch(run)).events)).toEqual(['HADB_W3001', 'HADB_I3002']);
  });

  it('takes a short silence of the worker for a restart', async () => {
    const run = scriptedRun([...Array.from({ length: 20 }, () => ({})), { progress: progressOf([]) }, closed]);

    expect((await watch(run)).events).toEqual([]);
  });

  it('names the way out when the workflow task keeps failing, and goes on when it no longer does', async () => {
    const failing: Poll = { look: { workflowTaskAttempt: 7 } };
    const run = scriptedRun([failing, failing, { progress: progressOf([]) }, closed]);

    const { events } = await watch(run);

    expect(codes(events)).toEqual(['HADB_E3005', 'HADB_I3006']);
    expect(events[0]).toMatchObject({ message: expect.stringContaining('No such function is exported') });
    expect(events[0]).toMatchObject({ message: expect.stringContaining('hadb cancel build-cluster/hadb --terminate') });
  });

  it('survives a restart of Temporal with growing pauses of at most five seconds', async () => {
    const down: Poll = { unreachable: true };
    const run = scriptedRun([...Array.from({ length: 10 }, () => down), { progress: progressOf([]) }, closed]);

    const { events, end, elapsedMs } = await watch(run);

    expect(codes(events)).toEqual(['HADB_W3003', 'HADB_I3004']);
    expect(end.kind).toBe('ended');
    expect(elapsedMs).toBeLessThan(10 * 5_000);
    expect(elapsedMs).toBeGreaterThan(20_000);
  });

  it('lets go when asked to, with what it has seen', async () => {
    const progress = progressOf([record({ id: 'first' })]);

    const { end } = await watch(scriptedRun([{ progress }]), 2_000);

    expect(end).toEqual({ kind: 'detached', progress });
  });

  it('follows a run over its reset, and no stranger that takes its id later', async () => {
    const run = scriptedRun([
      { progress: progressOf([record({ id: 'first' })]) },
      { look: { runId: 'r2', firstRunId: 'r1' }, progress: progressOf([record({ id: 'first' })]) },
      { look: { runId: 'other', firstRunId: 'other' } },
    ]);
    const asked: string[] = [];
    run.ending = async (runId) => {
      asked.push(runId);
      return { status: 'COMPLETED' };
    };

    await watch(run);

    expect(asked).toEqual(['r2']);
  });

  it('asks a cancelled run, which returns nothing, for its step table', async () => {
    const progress = progressOf([record({ id: 'first', state: 'cancelled' })], { state: 'cancelled' });
    const run = scriptedRun([{ look: { status: 'CANCELLED' }, progress }], { status: 'CANCELLED' });

    expect((await watch(run)).end).toEqual({ kind: 'ended', ending: { status: 'CANCELLED', progress } });
  });

  it('ends with an error that is not about the connection', async () => {
    const run = scriptedRun([{}]);
    run.look = () => Promise.reject(new Error('no such run'));

    await expect(watch(run)).rejects.toThrow('no such run');
  });
});
