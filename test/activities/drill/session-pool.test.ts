import type { DatabaseAccess, DatabaseSession } from '../../../activities/drill/database-client';
import { createSessionPool } from '../../../activities/drill/session-pool';

const ACCESS = { host: 'a-host', address: '127.0.0.1', port: 3306, user: '', password: '', authority: '', purpose: '' };
const OPTIONS = { most: 3, mostDials: 2, pauseMs: 1 };

/** Dials that a test answers one by one. */
function fakeServer() {
  const open: { succeed: () => FakeSession; fail: (why: string) => void }[] = [];
  let dials = 0;
  const dial = async (_access: DatabaseAccess): Promise<DatabaseSession> => {
    dials += 1;
    return await new Promise((resolve, reject) => {
      open.push({
        succeed: () => {
          const session = new FakeSession();
          resolve(session);
          return session;
        },
        fail: (why) => reject(new Error(why)),
      });
    });
  };
  return { dial, open, dials: () => dials };
}

class FakeSession implements DatabaseSession {
  usable = true;
  query = async () => [];
  isUsable = () => this.usable;
  destroy = () => {
    this.usable = false;
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 10));

describe('the connections of the writer', () => {
  it('are made once and used again', async () => {
    const server = fakeServer();
    const pool = createSessionPool(ACCESS, OPTIONS, server.dial);

    const taken = pool.take(1000);
    const session = server.open.shift()?.succeed();
    expect(await taken).toBe(session);
    pool.giveBack(await taken);

    expect(await pool.take(1000)).toBe(session);
    expect(server.dials()).toBe(1);
  });

  it('are dialled two at a time, however many attempts wait', async () => {
    const server = fakeServer();
    const pool = createSessionPool(ACCESS, OPTIONS, server.dial);

    const waiting = Array.from({ length: 20 }, () => pool.take(30).catch((error: unknown) => error));
    expect(server.dials()).toBe(2);
    const answers = await Promise.all(waiting);

    expect(server.dials()).toBe(2);
    expect(answers).toEqual(Array(20).fill(expect.objectContaining({ name: 'ConnectFailed' })));
  });

  it('go to the attempts with the most time left, when they come', async () => {
    const server = fakeServer();
    const pool = createSessionPool(ACCESS, OPTIONS, server.dial);
    const order: string[] = [];

    const first = pool.take(1000).then((session) => (order.push('first'), session));
    const second = pool.take(1000).then((session) => (order.push('second'), session));
    server.open[0]?.succeed();
    await second;
    server.open[1]?.succeed();
    await first;

    expect(order).toEqual(['second', 'first']);
  });

  it('are never more than the most', async () => {
    const server = fakeServer();
    const pool = createSessionPool(ACCESS, OPTIONS, server.dial);

    for (let taken = 0; taken < 3; taken += 1) {
      const session = pool.take(1000);
      server.open.shift()?.succeed();
      await session;
    }
    await expect(pool.take(20)).rejects.toMatchObject({ name: 'ConnectFailed' });

    expect(server.dials()).toBe(3);
  });

  it('that have broken are replaced, and the last failure is told', async () => {
    const server = fakeServer();
    const pool = createSessionPool(ACCESS, OPTIONS, server.dial);
    const first = pool.take(1000);
    server.open.shift()?.succeed();
    const broken = await first;
    broken.destroy();
    pool.giveBack(broken);

    const second = pool.take(100);
    server.open.shift()?.fail('refused');
    await settle();
    server.open.shift()?.fail('refused');

    await expect(second).rejects.toMatchObject({ message: 'no connection in time; last: refused' });
    pool.close();
  });
});
