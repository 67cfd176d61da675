import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { startFaultProxy, type FaultProxy, type ProxyMode } from './fault-proxy';

/** Answers with what it is sent. */
let echo: Server;
let proxy: FaultProxy;
const clients: Socket[] = [];
beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const address = echo.address();
  proxy = await startFaultProxy(typeof address === 'object' && address !== null ? address.port : 0);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  await new Promise((resolve) => echo.close(resolve));
});

async function dial(): Promise<Socket> {
  const client = connect(proxy.port, '127.0.0.1');
  clients.push(client);
  client.on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

/** What comes first. */
async function fateOf(client: Socket, withinMs = 60_000): Promise<string> {
  return await new Promise((resolve) => {
    setTimeout(() => resolve('nothing'), withinMs).unref();
    client.once('data', (data: Buffer) => resolve(data.toString()));
    client.once('end', () => resolve('FIN'));
    client.once('error', (error: Error & { code?: string }) => resolve(String(error.code)));
    if (client.writable) client.write('hello');
  });
}

describe('the proxy', () => {
  it.each<[ProxyMode, string]>([
    ['black hole', 'nothing'],
    ['reset', 'ECONNRESET'],
    ['half-close', 'FIN'],
  ])(
    'as a %s touches the connections that are there and those that come, and lets new ones through afterwards',
    async (mode, fate) => {
      const old = await dial();
      expect(await fateOf(old)).toBe('hello');

      const limit = fate === 'nothing' ? 200 : 60_000;
      const seen = fateOf(old, limit);
      const from = proxy.become(mode);
      const come = connect(proxy.port, '127.0.0.1');
      clients.push(come);
      expect([await seen, await fateOf(come, limit)]).toEqual([fate, fate]);
      const to = proxy.become('open');

      expect(await fateOf(await dial())).toBe('hello');
      expect(to).toBeGreaterThan(from);
      expect(await fateOf(old, 100)).not.toBe('hello');
      expect(proxy.connections).toBe(3);
    },
  );

  it('lets everything through later when it is slow', async () => {
    proxy.become('slow');
    const client = await dial();
    const from = performance.now();

    expect(await fateOf(client)).toBe('hello');

    expect(performance.now() - from).toBeGreaterThanOrEqual(58);
  });
});
