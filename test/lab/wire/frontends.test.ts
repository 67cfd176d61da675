import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import type { InboundNatRule, LoadBalancingRule } from '../../../lab/model';
import { createFrontends } from '../../../lab/wire/frontends';
import { silent } from '../../../lab/wire/log';
import { freshPort } from '../../free-port';
import { eventually } from '../../eventually';

const FRONTEND = '127.77.13.10';
const NODES = ['10.10.10.4', '10.10.10.5'];

/** Two servers that say who they are and echo, and a balancer before them whose probes the test answers. */
async function scene() {
  const sockets: Socket[] = [];
  const servers = await Promise.all(
    NODES.map(async (node) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined);
        socket.write(`${node}\n`);
        socket.on('data', (data) => socket.write(data));
        socket.on('end', () => socket.end('bye'));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const healthy = new Set(NODES);
  const denied = new Set<string>();
  const seen: { address: string; source: number; destinationPort: number }[] = [];
  let gateway = true;
  const frontends = createFrontends({
    log: silent,
    isHealthy: (_rule, target) => healthy.has(target.address),
    judge: (target, client) => {
      seen.push({ address: target.address, source: client.source, destinationPort: client.destinationPort });
      return denied.has(target.address) ? { access: 'Deny', rule: 'DenyAllInBound' } : { access: 'Allow', rule: 'x' };
    },
    locate: (target) => {
      const index = NODES.indexOf(target.address);
      return gateway && index >= 0 ? { host: '127.0.0.1', port: portOf(servers[index]!) } : undefined;
    },
  });
  const clients: Socket[] = [];
  open.push(async () => {
    for (const client of clients) client.destroy();
    await frontends.close();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  });
  return {
    frontends,
    healthy,
    denied,
    seen,
    sockets,
    withoutGateway: () => (gateway = false),
    client: (port: number, localAddress = '127.0.0.1') => {
      const client = new Client(connect({ host: FRONTEND, port, localAddress, allowHalfOpen: true }));
      clients.push(client.socket);
      return client;
    },
  };
}

/** A client that remembers what it got and how it ended. */
class Client {
  received = '';
  ended: 'open' | 'end' | 'reset' = 'open';

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    socket.on('end', () => (this.ended = 'end'));
    socket.on(
      'error',
      (error: NodeJS.ErrnoException) => (this.ended = error.code === 'ECONNRESET' ? 'reset' : this.ended),
    );
  }

  async node(): Promise<string> {
    await eventually('the server says who it is', () => this.received.includes('\n'));
    return this.received.split('\n')[0]!;
  }

  async says(text: string): Promise<void> {
    this.socket.write(text);
    await eventually(`the echo of ${text}`, () => this.received.endsWith(text));
  }

  async isReset(): Promise<boolean> {
    await eventually('an end', () => this.ended !== 'open');
    return this.ended === 'reset';
  }
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

function mysqlRule(changes: Partial<LoadBalancingRule> = {}): LoadBalancingRule {
  return {
    name: 'lb-mysql',
    frontendAddress: FRONTEND,
    frontendPort: freshPort(),
    backendPort: 3306,
    backends: NODES.map((address) => ({ address })),
    idleTimeoutMinutes: 4,
    tcpReset: true,
    probe: { name: 'p', protocol: 'Tcp', port: 61_000, intervalSeconds: 5, threshold: 2 },
    ...changes,
  };
}

function sshRule(changes: Partial<InboundNatRule> = {}): InboundNatRule {
  return {
    name: 'ssh-1',
    frontendAddress: FRONTEND,
    frontendPort: freshPort(),
    backendAddress: NODES[1]!,
    backendPort: 22,
    ...changes,
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return address.port;
}

describe('a load-balancing rule', () => {
  test('spreads new connections over the healthy backends', async () => {
    const { frontends, client } = await scene();
    const rule = mysqlRule();
    await frontends.apply([rule], []);

    const nodes = await Promise.all(Array.from({ length: 24 }, () => client(rule.frontendPort).node()));

    expect(new Set(nodes)).toEqual(new Set(NODES));
  });

  test('sends new connections to the healthy backend only, and keeps the flows that are open', async () => {
    const { frontends, healthy, client } = await scene();
    const rule = mysqlRule();
    await frontends.apply([rule], []);
    healthy.delete(NODES[1]!);
    const old = client(rule.frontendPort);
    expect(await old.node()).toBe(NODES[0]);

    healthy.delete(NODES[0]!);
    healthy.add(NODES[1]!);

    for (let count = 0; count < 8; count += 1) expect(await client(rule.frontendPort).node()).toBe(NODES[1]);
    await old.says('still here');
  });

  test('resets new connections while no backend is healthy, and keeps the flows that are open', async () => {
    const { frontends, healthy, client } = await scene();
    const rule = mysqlRule();
    await frontends.apply([rule], []);
    const old = client(rule.frontendPort);
    await old.node();

    healthy.clear();

    expect(await client(rule.frontendPort).isReset()).toBe(true);
    await old.says('still here');
    expect(frontends.status()).toMatchObject([{ resetNoBackend: 1, openConnections: 1, connections: 2 }]);
  });

  test('without a probe takes every backend for healthy', async () => {
    const { frontends, healthy, client } = await scene();
    const { probe: _probe, ...rule } = mysqlRule();
    await frontends.apply([rule], []);
    healthy.clear();

    expect(NODES).toContain(await client(rule.frontendPort).node());
  });

  test('resets what the security groups of the backend deny, judged by the real address of the client', async () => {
    const { frontends, denied, seen, client } = await scene();
    const rule = mysqlRule({ backends: [{ address: NODES[0]! }] });
    await frontends.apply([rule], []);
    denied.add(NODES[0]!);

    expect(await client(rule.frontendPort, '127.0.0.77').isReset()).toBe(true);

    expect(seen).toEqual([{ address: NODES[0], source: 0x7f00004d, destinationPort: 3306 }]);
    expect(frontends.status()).toMatchObject([{ resetDenied: 1 }]);
  });

  test('resets while the gateway is away', async () => {
    const { frontends, withoutGateway, client } = await scene();
    const rule = mysqlRule();
    await frontends.apply([rule], []);
    withoutGateway();

    expect(await client(rule.frontendPort).isReset()).toBe(true);
  });
});

describe('a flow', () => {
  async function flow(changes: Partial<LoadBalancingRule> = {}) {
    const built = await scene();
    const rule = mysqlRule({ backends: [{ address: NODES[0]! }], ...changes });
    await built.frontends.apply([rule], []);
    const client = built.client(rule.frontendPort);
    await client.node();
    return { ...built, client, server: built.sockets[0]!, connectAgain: () => built.client(rule.frontendPort) };
  }

  test('closes one half at a time', async () => {
    const { client, frontends } = await flow();

    client.socket.end('last words');
    await eventually('the answer to the end', () => client.received.endsWith('last wordsbye'));

    await eventually('the other half is closed, too', () => client.ended === 'end');
    await eventually('the flow is gone', () => frontends.status()[0]?.openConnections === 0);
    expect(client.ended).toBe('end');
  });

  test('that the server resets is reset for the client', async () => {
    const { client, server } = await flow();

    server.resetAndDestroy();

    expect(await client.isReset()).toBe(true);
  });

  test('that the client resets is reset for the server', async () => {
    const { client, server } = await flow();

    client.socket.resetAndDestroy();

    await eventually('the server sees it', () => server.closed);
    expect(server.errored).toMatchObject({ code: 'ECONNRESET' });
  });

  test('carries megabytes past a reader that is slow at first', async () => {
    const { client, server } = await flow();
    const amount = 8 * 1024 * 1024;
    client.socket.pause();
    const before = client.received.length;

    server.write(Buffer.alloc(amount, 'x'));
    client.socket.resume();
    await eventually('all of it arrives', () => client.received.length === before + amount);

    expect(client.ended).toBe('open');
  });

  test('that is idle too long is reset on both sides when the rule says so', async () => {
    const { client, server } = await flow({ idleTimeoutMinutes: 0.005 });

    expect(await client.isReset()).toBe(true);
    await eventually('the server sees it', () => server.closed);
    expect(server.errored).toMatchObject({ code: 'ECONNRESET' });
  });

  test('that is idle too long falls silent when the rule does not say so', async () => {
    const { client, server, frontends, connectAgain } = await flow({ idleTimeoutMinutes: 0.005, tcpReset: false });
    let heard = '';
    server.on('data', (data) => (heard += data.toString()));
    await eventually('it is idle', () => frontends.status()[0]?.endedIdle === 1);

    client.socket.write('anybody?');
    // A flow that is made and answered afterwards shows that the first one is not just slow.
    await connectAgain().node();

    expect(heard).toBe('');
    expect(client.ended).toBe('open');
  });
});

describe('an inbound NAT rule', () => {
  test('leads to its machine, whatever the probes say', async () => {
    const { frontends, healthy, client } = await scene();
    const rule = sshRule();
    healthy.clear();
    await frontends.apply([], [rule]);

    expect(await client(rule.frontendPort).node()).toBe(NODES[1]);
  });
});

describe('a plan', () => {
  test('whose frontend is in use names address and port; the other frontends work', async () => {
    const { frontends, client } = await scene();
    const [taken, free] = [sshRule(), sshRule({ name: 'ssh-2' })];
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(taken.frontendPort, FRONTEND, resolve));

    const problems = await frontends.apply([], [taken, free]);

    expect(problems).toMatchObject([{ code: 'PortInUse', subject: 'frontend of ssh-1' }]);
    expect(problems[0]?.message).toContain(`TCP port ${taken.frontendPort} on ${FRONTEND}`);
    expect(await client(free.frontendPort).node()).toBe(NODES[1]);

    await new Promise((resolve) => squatter.close(resolve));
    expect(await frontends.apply([], [taken, free])).toEqual([]);
    expect(await client(taken.frontendPort).node()).toBe(NODES[1]);
  });

  test('that wants a frontend twice gives it to the first and says so', async () => {
    const { frontends, client } = await scene();
    const rule = mysqlRule({ backends: [{ address: NODES[0]! }] });

    const problems = await frontends.apply([rule], [sshRule({ frontendPort: rule.frontendPort })]);

    expect(problems).toMatchObject([{ code: 'FrontendConflict', subject: 'frontend of ssh-1' }]);
    expect(await client(rule.frontendPort).node()).toBe(NODES[0]);
  });

  test('that changes a rule keeps its flows and its listener', async () => {
    const { frontends, client } = await scene();
    const rule = mysqlRule({ backends: [{ address: NODES[0]! }] });
    await frontends.apply([rule], []);
    const old = client(rule.frontendPort);
    await old.node();

    await frontends.apply([{ ...rule, backends: [{ address: NODES[1]! }] }], []);

    expect(await client(rule.frontendPort).node()).toBe(NODES[1]);
    await old.says('still here');
  });

  test('without the rule closes the frontend and resets its flows', async () => {
    const { frontends, client } = await scene();
    const rule = mysqlRule();
    await frontends.apply([rule], []);
    const old = client(rule.frontendPort);
    await old.node();

    await frontends.apply([], []);

    expect(await old.isReset()).toBe(true);
    const [error] = (await once(client(rule.frontendPort).socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });
});
