import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { decode, encode } from 'dns-packet';
import { createNameResolver } from '../../../activities/connections/name-resolver';

const NAME = 'hadb.westeurope.cloudapp.azure.com';
const REFUSED = 5;
const NO_SUCH_NAME = 3;
let server: Socket;
let address: string;
let asked: string[];

/** A name server that knows one name, denies its neighbours and refuses everybody else's. */
beforeEach(async () => {
  asked = [];
  server = createSocket('udp4');
  server.on('message', (message, { port, address: from }) => {
    const { id, questions } = decode(message);
    const name = questions?.[0]?.name ?? '';
    asked.push(name);
    const known = name === NAME;
    const code = known ? 0 : name.endsWith('.azure.com') ? NO_SUCH_NAME : REFUSED;
    server.send(
      encode({
        type: 'response',
        id: id ?? 0,
        flags: code,
        questions: questions ?? [],
        answers: known ? [{ type: 'A', name, ttl: 1, data: '127.150.1.1' }] : [],
      }),
      port,
      from,
    );
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

describe('the resolver of public names', () => {
  it('asks the named server first', async () => {
    expect(await createNameResolver(address)(NAME)).toBe('127.150.1.1');
    expect(asked).toEqual([NAME]);
  });

  it('takes a denial for an answer', async () => {
    await expect(createNameResolver(address)('other.westeurope.cloudapp.azure.com')).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
  });

  it('asks the system for what the server is not responsible for', async () => {
    expect(await createNameResolver(address)('localhost')).toBe('127.0.0.1');
    expect(asked).toEqual(['localhost']);
  });

  it('asks nobody for an address', async () => {
    expect(await createNameResolver(address)('127.0.0.9')).toBe('127.0.0.9');
    expect(asked).toEqual([]);
  });

  it('works without a server of its own', async () => {
    expect(await createNameResolver()('localhost')).toBe('127.0.0.1');
  });
});
