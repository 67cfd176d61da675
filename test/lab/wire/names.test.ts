import { Resolver } from 'node:dns/promises';
import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import type { Question } from 'dns-packet';
import { answerQuery, createNameServer } from '../../../lab/wire/names';

const records = [{ name: 'hadb-lab.westeurope.cloudapp.test', address: '127.77.0.10' }];

function ask(name: string, type: Question['type'] = 'A') {
  const answer = answerQuery(records, encode({ type: 'query', id: 4711, flags: 0x100, questions: [{ name, type }] }));
  if (answer === undefined) throw new Error('no answer');
  return decode(answer);
}

test('a known name has its address, briefly valid', () => {
  const answer = ask('hadb-lab.westeurope.cloudapp.test');

  expect(answer).toMatchObject({ id: 4711, rcode: 'NOERROR', flag_aa: true, flag_rd: true });
  expect(answer.answers).toMatchObject([{ type: 'A', data: '127.77.0.10', ttl: 1 }]);
});

test('a name is the same in any case', () => {
  expect(ask('HADB-Lab.WestEurope.cloudapp.test').answers).toHaveLength(1);
});

test.each([
  ['a known name asked for another type', 'hadb-lab.westeurope.cloudapp.test', 'AAAA', 'NOERROR'],
  ['another name beside it', 'other.westeurope.cloudapp.test', 'A', 'NXDOMAIN'],
  ['a name below it', 'www.hadb-lab.westeurope.cloudapp.test', 'A', 'NXDOMAIN'],
  ['a name elsewhere', 'example.org', 'A', 'REFUSED'],
  ['a name that only ends alike', 'xwesteurope.cloudapp.test', 'A', 'REFUSED'],
] as const)('%s has no address', (_what, name, type, rcode) => {
  const answer = ask(name, type);

  expect(answer.answers).toEqual([]);
  expect(answer).toMatchObject({ rcode });
});

test('without any name everything is refused', () => {
  const query = encode({ type: 'query', id: 1, questions: [{ name: 'a.b', type: 'A' }] });

  expect(decode(answerQuery([], query) ?? Buffer.alloc(0))).toMatchObject({ rcode: 'REFUSED' });
});

test('noise is answered with a format error or not at all', () => {
  expect(answerQuery(records, Buffer.from([1, 2, 3]))).toBeUndefined();
  const broken = encode({ type: 'query', id: 7, questions: [{ name: 'a.b', type: 'A' }] }).subarray(0, 14);
  expect(decode(answerQuery(records, broken) ?? Buffer.alloc(0))).toMatchObject({ id: 7, rcode: 'FORMERR' });
});

test('the resolver of Node finds a name through the server, and finds it moved at once', async () => {
  const server = createNameServer();
  const port = await server.listen('127.0.0.1', undefined);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${port}`]);
  try {
    server.setRecords(records);
    await expect(resolver.resolve4('hadb-lab.westeurope.cloudapp.test')).resolves.toEqual(['127.77.0.10']);
    await expect(resolver.resolve4('nobody.westeurope.cloudapp.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });

    server.setRecords([{ ...records[0]!, address: '127.77.0.11' }]);
    await expect(resolver.resolve4('hadb-lab.westeurope.cloudapp.test')).resolves.toEqual(['127.77.0.11']);
  } finally {
    await server.close();
  }
});

test('a preferred port that is taken is given up for another', async () => {
  const squatter = createSocket('udp4');
  await new Promise<void>((resolve) => squatter.bind(0, '127.0.0.1', resolve));
  const server = createNameServer();
  try {
    const port = await server.listen('127.0.0.1', squatter.address().port);

    expect(port).not.toBe(squatter.address().port);
  } finally {
    await server.close();
    squatter.close();
  }
});
