import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlanner } from '../../../lab/control/planner';
import type { Planner } from '../../../lab/control/planner';
import type { Resource } from '../../../lab/control/resources/resource';
import type { NetworkPlan } from '../../../lab/model';
import { removeDirectory } from './fake-machines';
import { publicAddress } from './resources-for-tests';

describe('the planner', () => {
  let directory: string;
  let planner: Planner | undefined;
  let resources: Resource[];
  let plans: NetworkPlan[];
  let answer: (plan: NetworkPlan) => readonly string[];
  let theirs: number;
  const never = new AbortController().signal;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-planner-'));
    resources = [];
    plans = [];
    theirs = 0;
    answer = () => [];
  });
  afterEach(async () => {
    await planner?.close();
    removeDirectory(directory);
  });

  const start = (): Planner => {
    planner = createPlanner({
      directory,
      resources: () => resources,
      log: () => undefined,
      consumer: {
        putPlan: async (plan) => {
          plans.push(plan);
          return answer(plan);
        },
        generation: async () => theirs,
      },
    });
    return planner;
  };

  it('sends a plan at each change with a growing generation, and nothing when nothing changed', async () => {
    const running = start();
    await running.settled(never, 5000);
    resources = [publicAddress('ip', '127.1.2.1')];
    await running.settled(never, 5000);
    running.changed();
    await running.settled(never, 5000);

    expect(plans.map(({ generation, publicAddresses }) => [generation, publicAddresses.length])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it('sends the plan again after a start, with the generation it had', async () => {
    resources = [publicAddress('ip', '127.1.2.1')];
    const first = start();
    await first.settled(never, 5000);
    await first.close();
    plans = [];

    await start().settled(never, 5000);

    expect(plans.map(({ generation }) => generation)).toEqual([1]);
  });

  it('tries again while the data plane is away, and says after the time what is wrong', async () => {
    answer = () => {
      throw new Error('wire does not run');
    };
    resources = [publicAddress('ip', '127.1.2.1')];
    const running = start();

    await expect(running.settled(never, 50)).rejects.toThrow(
      /did not take the change within 0.05 s: wire does not run/,
    );
    answer = () => [];
    await running.settled(never, 10_000);
    expect(running.status).toEqual({ generation: 1, acknowledged: true, problems: [] });
  });

  it('raises its generation above that of a data plane that is ahead', async () => {
    resources = [publicAddress('ip', '127.1.2.1')];
    theirs = 41;
    answer = ({ generation }) => {
      if (generation <= theirs) throw new Error('outdated');
      return [];
    };

    await start().settled(never, 10_000);

    expect(plans.at(-1)?.generation).toBe(42);
  });

  it('hands problems to who waits for the change, and asks again next time', async () => {
    resources = [publicAddress('ip', '127.1.2.1')];
    answer = () => ['frontend: port in use'];
    const running = start();

    await expect(running.settled(never, 5000)).rejects.toMatchObject({ code: 'InternalServerError' });
    answer = () => [];
    await running.settled(never, 5000);
    expect(running.status.problems).toEqual([]);
  });

  it('lets go of who waits when the operation is given up', async () => {
    answer = () => {
      throw new Error('away');
    };
    const abort = new AbortController();
    const waiting = start().settled(abort.signal, 60_000);
    abort.abort();

    await expect(waiting).rejects.toThrow('aborted');
  });
});
