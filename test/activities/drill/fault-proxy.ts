import { connect, createServer, type Socket } from 'node:net';

/**
 * A TCP forwarder in place of the load balancer, with the faults that clients fear. A connection that a fault has touched stays dead after it, as one to a
 * server that is gone does; new ones work at once.
 */
export interface FaultProxy {
  port: number;
  /** Port of the server on loopback. */
  target: number;
  /** Connections that it has accepted. */
  connections: number;
  /** The most that were open at the same time. */
  mostOpen: number;
  /** From now on; returns when that was, in ms since the epoch by a monotonic clock. */
  become(mode: ProxyMode): number;
  close(): Promise<void>;
}

/**
 * `black hole`: connections are accepted and everything is swallowed. `reset`: RST to those that are there and to those that come. `half-close`: FIN to them,
 * and what they still send is swallowed. `slow`: everything arrives 30 ms later, in both directions.
 */
export type ProxyMode = 'open' | 'black hole' | 'reset' | 'half-close' | 'slow';

const SLOW_MS = 30;

interface Pair {
  client: Socket;
  upstream?: Socket;
  isDead: boolean;
}

export async function startFaultProxy(target = 0): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let mode: ProxyMode = 'open';

  const kill = (pair: Pair): void => {
    if (pair.isDead) return;
    pair.isDead = true;
    pair.upstream?.destroy();
    // Swallows what still comes, and notices when the other side closes.
    pair.client.resume();
    if (mode === 'reset') pair.client.resetAndDestroy();
    if (mode === 'half-close') pair.client.end();
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const pair: Pair = { client, isDead: false };
    pairs.add(pair);
    proxy.connections += 1;
    proxy.mostOpen = Math.max(proxy.mostOpen, pairs.size);
    client.on('error', () => client.destroy());
    client.on('close', () => {
      pairs.delete(pair);
      pair.upstream?.destroy();
    });
    client.on('data', (data) => pass(pair, data, pair.upstream));
    client.on('end', () => {
      if (pair.isDead) client.destroy();
      else pair.upstream?.end();
    });
    if (mode === 'open' || mode === 'slow') forward(pair);
    else kill(pair);
  });

  const forward = (pair: Pair): void => {
    const upstream = connect({ port: proxy.target, host: '127.0.0.1', noDelay: true });
    pair.upstream = upstream;
    upstream.on('error', () => upstream.destroy());
    upstream.on('data', (data) => pass(pair, data, pair.client));
    upstream.on('close', () => {
      if (!pair.isDead) pair.client.destroy();
    });
  };

  const pass = (pair: Pair, data: Buffer, to: Socket | undefined): void => {
    const write = (): void => {
      if (!pair.isDead && to?.destroyed === false) to.write(data);
    };
    if (mode === 'slow') setTimeout(write, SLOW_MS);
    else write();
  };

  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const proxy: FaultProxy = {
    port,
    target,
    connections: 0,
    mostOpen: 0,
    become(next) {
      mode = next;
      if (next !== 'open' && next !== 'slow') for (const pair of pairs) kill(pair);
      return performance.timeOrigin + performance.now();
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream?.destroy();
      }
      await closed;
    },
  };
  return proxy;
}
