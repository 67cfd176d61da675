import type { DatabaseSession, DialOptions } from '../../../activities/drill/database-client';
import { createKeptSession } from '../../../activities/drill/kept-session';
import { eventually } from '../../eventually';

const OPTIONS = { paceMs: 10, mostDials: 3, patienceMs: 40 };

class FakeSession implements DatabaseSession {
  usable = true;
  query = async () => [];
  isUsable = () => this.usable;
  destroy = () => {
    this.usable = false;
  };
}

interface Dial {
  /** As the server's greeting does. */
  greet: () => Promise<void>;
  succeed: () => FakeSession;
  fail: (why: string) => void;
  isGivenUp: boolean;
}

/** Dials that a test answers one by one. */
function fakeServer() {
  const dials: Dial[] = [];
  const dial = async ({ admit }: Pick<DialOptions, 'admit'>): Promise<DatabaseSession> =>
    await new Promise((resolve, reject) => {
      let done = (): void => undefined;
      const end = (): void => {
        one.isGivenUp = true;
        done();
      };
      const one: Dial = {
        isGivenUp: false,
        greet: async () => {
          try {
            done = (await admit?.()) ?? done;
          } catch (error) {
            end();
            reject(error);
          }
        },
        succeed: () => {
          const session = new FakeSession();
          done();
          resolve(session);
          return session;
        },
        fail: (why) => {
          end();
          reject(new Error(why));
        },
      };
      dials.push(one);
    });
  return { dial, dials };
}

const settle = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));
const outcome = (taken: Promise<DatabaseSession>) =>
  taken.then(
    () => 'a session',
    (error: unknown) => error,
  );

async function connected() {
  const server = fakeServer();
  const kept = createKeptSession(server.dial, OPTIONS);
  const taken = kept.take(1000);
  await server.dials[0]?.greet();
  const session = server.dials[0]?.succeed();
  return { ...server, kept, session, taken: await taken };
}

describe('the connection that a client keeps', () => {
  it('is made once, and used for one write at a time', async () => {
    const { kept, dials, session, taken } = await connected();

    const second = kept.take(1000);
    await settle();
    kept.giveBack(taken);

    expect(taken).toBe(session);
    expect(await second).toBe(session);
    expect(dials).toHaveLength(1);
    kept.close();
  });

  it('is not made anew while a write on it hangs: nobody knows yet that it is dead', async () => {
    const { kept, dials } = await connected();

    const answers = await Promise.all([outcome(kept.take(30)), outcome(kept.take(60))]);

    expect(answers).toEqual(Array(2).fill(expect.objectContaining({ name: 'ConnectFailed' })));
    expect(dials).toHaveLength(1);
    kept.close();
  });

  it('that is busy and works turns attempts away without calling that an outage', async () => {
    const { kept, taken } = await connected();

    const waiting = outcome(kept.take(40));
    const newer = kept.take(1000);
    kept.giveBack(taken);
    await newer;

    expect(await waiting).toMatchObject({ name: 'NotTried' });
    kept.close();
  });

  it('goes to the attempt with the most time left', async () => {
    const { kept, taken } = await connected();
    const order: string[] = [];

    const first = kept.take(1000).then((session) => (order.push('first'), session));
    const second = kept.take(1000).then((session) => (order.push('second'), session));
    kept.giveBack(taken);
    kept.giveBack(await second);
    await first;

    expect(order).toEqual(['second', 'first']);
    kept.close();
  });

  it('is dialled again and again while it is broken, a few at a time, and the last failure is told', async () => {
    const { kept, dials, taken } = await connected();
    taken.destroy();
    kept.giveBack(taken);

    const waiting = outcome(kept.take(1000));
    await eventually('three more dials', () => dials.length >= 4);
    await settle();
    expect(dials).toHaveLength(4);
    dials[1]?.fail('refused');
    await eventually('another dial', () => dials.length >= 5);

    expect(await waiting).toMatchObject({ message: 'no connection in time; last: refused' });
    kept.close();
  });

  it('lets one dial log in at a time, and gives up those that come later', async () => {
    const { kept, dials, taken } = await connected();
    taken.destroy();
    kept.giveBack(taken);
    const waiting = kept.take(60_000);
    await eventually('two more dials', () => dials.length >= 3);

    await dials[1]?.greet();
    await dials[2]?.greet();
    const session = dials[1]?.succeed();

    expect(await waiting).toBe(session);
    expect(dials[2]?.isGivenUp).toBe(true);
    kept.close();
  });

  it('does not wait for ever for a login that hangs', async () => {
    const { kept, dials, taken } = await connected();
    taken.destroy();
    kept.giveBack(taken);
    const waiting = kept.take(60_000);
    await eventually('two more dials', () => dials.length >= 3);

    await dials[1]?.greet();
    await settle(OPTIONS.patienceMs + 20);
    await dials[2]?.greet();
    const session = dials[2]?.succeed();

    expect(await waiting).toBe(session);
    expect(dials[1]?.succeed().usable).toBe(true);
    await settle(1);
    kept.close();
  });

  it('that comes too late, when there is one already, is closed', async () => {
    const { kept, dials, taken } = await connected();
    taken.destroy();
    kept.giveBack(taken);
    const waiting = kept.take(60_000);
    await eventually('two more dials', () => dials.length >= 3);
    await dials[1]?.greet();
    await settle(OPTIONS.patienceMs + 20);
    await dials[2]?.greet();
    dials[2]?.succeed();
    await waiting;

    const late = dials[1]?.succeed();
    await settle(1);

    expect(late?.usable).toBe(false);
    kept.close();
  });
});
