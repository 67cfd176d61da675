import { createSocket } from 'node:dgram';
import type { LinkFault, NetworkPort } from '../../../lab/model';
import { parseAddress, parseMac } from '../../../lab/wire/addresses';
import {
  OFFSET,
  TCP_FLAG,
  buildTcpDatagram,
  parseTcpDatagram,
  readUint32,
  writeEncapsulation,
  writeUint16,
} from '../../../lab/wire/frame';
import { silent } from '../../../lab/wire/log';
import type { NetworkSegment, Switch } from '../../../lab/wire/switch';
import { createSwitch } from '../../../lab/wire/switch';
import type { FakeGuest } from './fake-guest';
import { buildArpRequest, buildUdpDatagram, createFakeGuest } from './fake-guest';
import { DEFAULT_RULES, freshWiring, machinePort, rule } from './network-for-tests';
import { eventually } from '../../eventually';

const hello = Buffer.from('hello');

/** A switch with its machines; the end of a sentence about silence is a datagram that does arrive afterwards. */
async function scene(
  options: { ports?: NetworkPort[]; random?: () => number; segment?: Partial<NetworkSegment> } = {},
) {
  const ports = options.ports ?? [machinePort(1), machinePort(2)];
  const platform: Buffer[] = [];
  const fabric = createSwitch({
    log: silent,
    random: options.random ?? (() => 0.5),
    now: () => Date.now(),
    onPlatformDatagram: (_network, _source, datagram) => platform.push(Buffer.from(datagram)),
  });
  const segment: NetworkSegment = { name: 'vnet', prefixes: ['10.10.10.0/24'], ports, ...options.segment };
  expect(await fabric.apply({ networks: [segment] })).toEqual([]);
  const guests = await Promise.all(ports.map((port) => createFakeGuest(port)));
  open.push(async () => {
    await fabric.close();
    await Promise.all(guests.map((guest) => guest.close()));
  });
  return { fabric, segment, ports, platform, one: guests[0]!, two: guests[1]!, guests };
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

function fault(changes: Partial<LinkFault>): LinkFault {
  return { id: 'f', from: 'hadb01', to: 'hadb02', bothDirections: false, loss: 1, delayMs: 0, ...changes };
}

function droppedBy(fabric: Switch, name: string) {
  const port = fabric.counters().find((counters) => counters.name === name);
  if (port === undefined) throw new Error(`no port of ${name}`);
  return port.dropped;
}

async function exchanges(from: FakeGuest, to: FakeGuest): Promise<boolean> {
  const before = to.udp().length;
  from.sendUdp(to.address, 5405, hello);
  return (await to.awaitUdp(before + 1, 300)).length > before;
}

describe('machines on the switch', () => {
  test('reach each other, whole and unchanged', async () => {
    const { one, two } = await scene();
    const payload = Buffer.from(Array.from({ length: 1400 }, (_, index) => index % 256));

    one.sendUdp(two.address, 5405, payload);

    expect(await two.awaitUdp(1)).toEqual([payload]);
    expect(await exchanges(two, one)).toBe(true);
  });

  test('find every address of their network at the fabric, whether somebody has it or not', async () => {
    const { one } = await scene();

    expect(await one.resolve('10.10.10.1')).toBe('12:34:56:78:9a:bc');
    expect(await one.resolve('10.10.10.5')).toBe('12:34:56:78:9a:bc');
    expect(await one.resolve('10.10.10.200')).toBe('12:34:56:78:9a:bc');
  });

  test('find no other machine with their own address, and nobody outside their network', async () => {
    const { one } = await scene();

    expect(await one.resolve('10.10.10.4', 100)).toBeUndefined();
    expect(await one.resolve('10.10.11.4', 100)).toBeUndefined();
  });

  test('are told apart when a port refuses and when nobody answers', async () => {
    const { one, two } = await scene();
    two.listen(3306);

    expect(await one.connect(two.address, 3306)).toBe('open');
    expect(await one.connect(two.address, 3307)).toBe('refused');
    expect(await one.connect('10.10.10.99', 3306, { timeoutMs: 100 })).toBe('silence');
  });

  test('reach nothing outside, no broadcast and no multicast address', async () => {
    const { one, fabric } = await scene();
    for (const address of ['9.9.9.9', '127.0.0.1', '10.10.10.255', '255.255.255.255', '224.0.0.1', '10.10.10.4']) {
      one.sendUdp(address, 53, hello);
    }

    await eventually('all are counted', () => droppedBy(fabric, 'hadb01').unroutable === 6);
    expect(one.udp()).toEqual([]);
  });

  test('in two networks with the same addresses do not see each other', async () => {
    const ports = [machinePort(1), machinePort(2)];
    const other = machinePort(3, { address: '10.10.10.5', virtualNetwork: 'other' });
    const { fabric, segment, one, two } = await scene({ ports });
    await fabric.apply({ networks: [segment, { name: 'other', prefixes: ['10.10.10.0/24'], ports: [other] }] });
    const stranger = await createFakeGuest(other);
    open.push(() => stranger.close());

    expect(await exchanges(one, two)).toBe(true);
    expect(stranger.udp()).toEqual([]);
    stranger.sendUdp(one.address, 5405, hello);
    await eventually('it is counted', () =>
      fabric.counters().some((port) => port.virtualNetwork === 'other' && port.dropped.unroutable === 1),
    );
  });
});

describe('frames the switch refuses', () => {
  test.each([
    ['a wrong cookie', (datagram: Buffer) => writeEncapsulation(datagram, 0x01020304)],
    ['a wrong session', (datagram: Buffer) => datagram.writeUInt32BE(2, 4)],
    ['another header', (datagram: Buffer) => datagram.writeUInt32BE(0x0002_0000, 0)],
  ])('with %s are counted and go nowhere', async (_what, spoil) => {
    const { fabric, one, two, ports } = await scene();
    const datagram = buildUdpDatagram(parseAddress(one.address), parseAddress(two.address), 1, 2, hello);
    parseMac('52:54:00:00:00:01').copy(datagram, OFFSET.sourceMac);
    writeEncapsulation(datagram, Number.parseInt(ports[0]!.wiring.machineCookie, 16));
    spoil(datagram);

    one.sendRaw(datagram);

    await eventually('it is counted', () => droppedBy(fabric, 'hadb01').encapsulation === 1);
    expect(two.udp()).toEqual([]);
  });

  test('from another local port do not even reach it', async () => {
    const { fabric, one, two, ports } = await scene();
    const datagram = buildUdpDatagram(parseAddress(one.address), parseAddress(two.address), 1, 2, hello);
    parseMac('52:54:00:00:00:01').copy(datagram, OFFSET.sourceMac);
    writeEncapsulation(datagram, Number.parseInt(ports[0]!.wiring.machineCookie, 16));
    const stranger = createSocket('udp4').on('error', () => undefined);
    await new Promise<void>((resolve) =>
      stranger.send(datagram, ports[0]!.wiring.switchPort, '127.0.0.1', () => resolve()),
    );
    stranger.close();

    expect(await exchanges(one, two)).toBe(true);
    expect(two.udp()).toHaveLength(1);
    expect(fabric.counters().find((port) => port.name === 'hadb01')?.framesIn).toBe(1);
  });

  test.each([
    ['another hardware address', { mac: '52:54:00:00:00:02' }],
    ['another IP address', { source: '10.10.10.5' }],
    ["the gateway's address", { source: '10.10.10.1' }],
    ["the platform's address", { source: '168.63.129.16' }],
  ])('with %s as sender are counted as spoofed', async (_what, pretence) => {
    const { fabric, one, two } = await scene();

    one.sendUdp(two.address, 5405, hello, pretence);

    await eventually('it is counted', () => droppedBy(fabric, 'hadb01').spoofed === 1);
    expect(two.udp()).toEqual([]);
  });

  test('that ask in the name of another machine are counted as spoofed', async () => {
    const { fabric, one, ports } = await scene();
    const request = buildArpRequest(
      parseMac('52:54:00:00:00:01'),
      parseAddress('10.10.10.5'),
      parseAddress('10.10.10.1'),
    );
    writeEncapsulation(request, Number.parseInt(ports[0]!.wiring.machineCookie, 16));

    one.sendRaw(request);

    await eventually('it is counted', () => droppedBy(fabric, 'hadb01').spoofed === 1);
    expect(one.received).toEqual([]);
  });

  test('that are neither ARP nor sound IPv4 are counted', async () => {
    const { fabric, one, two, ports } = await scene();
    const cookie = Number.parseInt(ports[0]!.wiring.machineCookie, 16);
    const make = (spoil: (datagram: Buffer) => void) => {
      const datagram = buildUdpDatagram(parseAddress(one.address), parseAddress('10.10.10.5'), 1, 2, hello);
      writeEncapsulation(datagram, cookie);
      spoil(datagram);
      return datagram;
    };
    one.sendRaw(make((datagram) => writeUint16(datagram, 0x86dd, OFFSET.etherType)));
    one.sendRaw(make((datagram) => (datagram[OFFSET.ip.version] = 0x65)));
    one.sendRaw(make((datagram) => (datagram[OFFSET.ip.version] = 0x44)));
    one.sendRaw(make((datagram) => writeUint16(datagram, 2000, OFFSET.ip.totalLength)));

    await eventually('all are counted', () => droppedBy(fabric, 'hadb01').protocol === 4);
    expect(two.received).toEqual([]);
  });
});

describe('security groups', () => {
  test('keep a machine out and let the answers of an allowed flow back in', async () => {
    const shut = [rule({ name: 'DenyAll', priority: 100, access: 'Deny' }), ...DEFAULT_RULES];
    const { fabric, one, two } = await scene({
      ports: [machinePort(1, { securityGroups: [shut] }), machinePort(2)],
    });
    one.listen(22);
    two.listen(3306);

    expect(await two.connect(one.address, 22, { timeoutMs: 100 })).toBe('silence');
    expect(await one.connect(two.address, 3306)).toBe('open');
    expect(droppedBy(fabric, 'hadb02').denied).toBe(1);
    expect(fabric.recentDenials()).toMatchObject([{ from: '10.10.10.5', to: '10.10.10.4', port: 22, rule: 'DenyAll' }]);
  });

  test('keep a machine in: an outbound rule counts before the inbound ones of the other side', async () => {
    const quiet = [
      rule({ name: 'DenyMySql', priority: 100, access: 'Deny', direction: 'Outbound', destinationPorts: ['3306'] }),
      ...DEFAULT_RULES,
    ];
    const { one, two } = await scene({ ports: [machinePort(1, { securityGroups: [quiet] }), machinePort(2)] });
    two.listen(3306);
    two.listen(3307);

    expect(await one.connect(two.address, 3306, { timeoutMs: 100 })).toBe('silence');
    expect(await one.connect(two.address, 3307)).toBe('open');
  });

  test('that change stop new connections, not the flows that are open', async () => {
    const { fabric, segment, ports, one, two } = await scene();
    one.sendUdp(two.address, 5405, hello, { sourcePort: 1000 });
    await two.awaitUdp(1);

    const shut = [rule({ name: 'DenyAll', priority: 100, access: 'Deny' })];
    await fabric.apply({ networks: [{ ...segment, ports: [ports[0]!, { ...ports[1]!, securityGroups: [shut] }] }] });
    one.sendUdp(two.address, 5405, hello, { sourcePort: 2000 });
    one.sendUdp(two.address, 5405, Buffer.from('old flow'), { sourcePort: 1000 });

    expect((await two.awaitUdp(2)).map(String)).toEqual(['hello', 'old flow']);
    expect(droppedBy(fabric, 'hadb01').denied).toBe(1);
  });

  test('judge the platform by its tag', async () => {
    const { fabric, platform, one } = await scene({
      ports: [
        machinePort(1, {
          securityGroups: [
            [
              rule({
                name: 'NoProbes',
                priority: 100,
                access: 'Deny',
                sources: ['AzureLoadBalancer'],
                destinationPorts: ['61000'],
              }),
              ...DEFAULT_RULES,
            ],
          ],
        }),
      ],
    });
    one.listen(61_000);
    one.listen(61_001);

    for (const port of [61_000, 61_001]) fabric.sendFromPlatform(one, synTo(one.address, port));

    await eventually('an answer', () => platform.length > 0);
    expect(platform.map((datagram) => parseTcpDatagram(datagram)?.sourcePort)).toEqual([61_001]);
    expect(readUint32(platform[0]!, OFFSET.ip.source)).toBe(parseAddress(one.address));
  });

  test('judge a client from outside for the balancer', async () => {
    const ssh = rule({
      name: 'AllowSsh',
      priority: 300,
      access: 'Allow',
      sources: ['127.0.0.0/8'],
      destinationPorts: ['22'],
    });
    const { fabric, one } = await scene({ ports: [machinePort(1, { securityGroups: [[ssh, ...DEFAULT_RULES]] })] });
    const client = { protocol: 6, source: parseAddress('127.0.0.1'), sourcePort: 40_000 };

    expect(fabric.judgeInbound(one, { ...client, destinationPort: 22 }).access).toBe('Allow');
    expect(fabric.judgeInbound(one, { ...client, destinationPort: 3306 })).toEqual({
      access: 'Deny',
      rule: 'DenyAllInBound',
    });
    expect(fabric.judgeInbound({ address: '10.10.10.77' }, { ...client, destinationPort: 22 }).access).toBe('Deny');
  });
});

describe('the gateway', () => {
  async function withGateway() {
    const wiring = freshWiring();
    const gateway = {
      address: '10.10.10.1',
      wiring,
      services: [{ visible: '169.254.169.254', actual: '10.10.10.254' }],
    };
    const shut = [
      rule({ name: 'DenyAllOut', priority: 100, access: 'Deny', direction: 'Outbound', destinations: ['10.10.10.1'] }),
      ...DEFAULT_RULES.filter((entry) => entry.access === 'Deny'),
      rule({
        name: 'Metadata',
        priority: 200,
        access: 'Allow',
        direction: 'Outbound',
        destinations: ['169.254.169.254'],
      }),
    ];
    const built = await scene({
      ports: [machinePort(1, { securityGroups: [shut] }), machinePort(2)],
      segment: { gateway },
    });
    const slirp = await createFakeGuest({ address: '10.10.10.1', mac: '52:55:0a:0a:0a:01', wiring });
    open.push(() => slirp.close());
    return { ...built, slirp };
  }

  test('is let in, because the balancer has judged, and is answered whatever the outbound rules say', async () => {
    const { one, slirp } = await withGateway();
    one.listen(22);

    expect(await slirp.connect(one.address, 22)).toBe('open');
    expect(await one.connect('10.10.10.1', 80, { timeoutMs: 100 })).toBe('silence');
  });

  test('offers services under addresses of their own, translated both ways', async () => {
    const { one, slirp } = await withGateway();
    one.sendUdp('169.254.169.254', 80, Buffer.from('token?'));
    await slirp.awaitUdp(1);
    const request = slirp.received.at(-1)!;
    expect(readUint32(request, OFFSET.ip.destination)).toBe(parseAddress('10.10.10.254'));

    slirp.sendUdp(one.address, 5405, Buffer.from('here'), { source: '10.10.10.254', sourcePort: 80 });
    await one.awaitUdp(1);
    expect(readUint32(one.received.at(-1)!, OFFSET.ip.source)).toBe(parseAddress('169.254.169.254'));
  });
});

describe('faults', () => {
  test('cut one direction only, and heal', async () => {
    const { fabric, one, two } = await scene();
    fabric.applyFaults([fault({})]);

    expect(await exchanges(one, two)).toBe(false);
    expect(await exchanges(two, one)).toBe(true);
    expect(droppedBy(fabric, 'hadb01').fault).toBe(1);

    fabric.applyFaults([]);
    expect(await exchanges(one, two)).toBe(true);
  });

  test('partition two machines that both still answer the platform', async () => {
    const { fabric, platform, one, two } = await scene();
    fabric.applyFaults([fault({ bothDirections: true })]);
    one.listen(61_000);

    expect(await exchanges(one, two)).toBe(false);
    expect(await exchanges(two, one)).toBe(false);
    fabric.sendFromPlatform(one, synTo(one.address, 61_000));
    await eventually('an answer', () => platform.length === 1);
  });

  test('cut a machine off from everything, probes included', async () => {
    const { fabric, platform, one, two } = await scene();
    fabric.applyFaults([fault({ to: '*', bothDirections: true })]);
    one.listen(61_000);
    two.listen(61_000);

    fabric.sendFromPlatform(one, synTo(one.address, 61_000));
    fabric.sendFromPlatform(two, synTo(two.address, 61_000));

    await eventually('the answer of the other one', () => platform.length > 0);
    expect(platform.map((datagram) => readUint32(datagram, OFFSET.ip.source))).toEqual([parseAddress(two.address)]);
  });

  test('lose the frames that chance says, and no others', async () => {
    const chances = [0.1, 0.9, 0.29, 0.31, 0.5];
    let next = 0;
    const { fabric, one, two } = await scene({ random: () => chances[next++]! });
    fabric.applyFaults([fault({ loss: 0.3 })]);

    for (let number = 0; number < chances.length; number += 1) one.sendUdp(two.address, 5405, Buffer.from([number]));
    await two.awaitUdp(3);

    expect(two.udp().map((payload) => payload[0])).toEqual([1, 3, 4]);
  });

  test('hold frames back in order, also those that come after the delay has ended', async () => {
    const { fabric, one, two } = await scene();
    fabric.applyFaults([fault({ loss: 0, delayMs: 80 })]);
    const started = performance.now();
    for (let number = 0; number < 5; number += 1) one.sendUdp(two.address, 5405, Buffer.from([number]));
    await eventually('the frames are with the switch', () =>
      fabric.counters().some((port) => port.name === 'hadb01' && port.framesIn === 5),
    );

    fabric.applyFaults([]);
    one.sendUdp(two.address, 5405, Buffer.from([5]));
    await two.awaitUdp(6);

    expect(two.udp().map((payload) => payload[0])).toEqual([0, 1, 2, 3, 4, 5]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(79);
  });

  test('that delay hold no more frames than fit', async () => {
    const { fabric, one, two } = await scene();
    fabric.applyFaults([fault({ loss: 0, delayMs: 600_000 })]);
    const arrived = (count: number) => () =>
      fabric.counters().some((port) => port.name === 'hadb01' && port.framesIn === count);

    for (let sent = 0; sent < 10_002;) {
      for (let burst = 0; burst < 167; burst += 1) one.sendUdp(two.address, 5405, hello);
      sent += 167;
      await eventually('the burst is with the switch', arrived(sent));
    }

    expect(droppedBy(fabric, 'hadb01').fault).toBe(60 * 167 - 10_000);
  });

  test('hold for a machine that is plugged in while they last', async () => {
    const { fabric, segment, ports, one, two } = await scene();
    fabric.applyFaults([fault({ from: 'hadb03', to: '*', bothDirections: true })]);
    const third = machinePort(3);
    await fabric.apply({ networks: [{ ...segment, ports: [...ports, third] }] });
    const guest = await createFakeGuest(third);
    open.push(() => guest.close());

    expect(await exchanges(guest, one)).toBe(false);
    expect(await exchanges(one, two)).toBe(true);
  });
});

describe('a plan', () => {
  test('whose port is in use names the port, and the other machines work', async () => {
    const ports = [machinePort(1), machinePort(2), machinePort(3)];
    const squatter = createSocket('udp4');
    await new Promise<void>((resolve) => squatter.bind(ports[2]!.wiring.switchPort, '127.0.0.1', resolve));
    const fabric = createSwitch({
      log: silent,
      random: Math.random,
      now: Date.now,
      onPlatformDatagram: () => undefined,
    });
    const segment = { name: 'vnet', prefixes: ['10.10.10.0/24'], ports };
    open.push(() => fabric.close());

    const problems = await fabric.apply({ networks: [segment] });
    expect(problems).toMatchObject([{ code: 'PortInUse', subject: 'port of hadb03' }]);
    expect(problems[0]?.message).toContain(String(ports[2]!.wiring.switchPort));
    const [one, two] = await Promise.all([createFakeGuest(ports[0]!), createFakeGuest(ports[1]!)]);
    open.push(
      () => one.close(),
      () => two.close(),
    );
    expect(await exchanges(one, two)).toBe(true);

    await new Promise<void>((resolve) => squatter.close(resolve));
    expect(await fabric.apply({ networks: [segment] })).toEqual([]);
  });

  test('without a machine unplugs it', async () => {
    const { fabric, segment, ports, one, two } = await scene();

    await fabric.apply({ networks: [{ ...segment, ports: [ports[0]!] }] });

    one.sendUdp(two.address, 5405, hello);
    await eventually('it is counted', () => droppedBy(fabric, 'hadb01').unroutable === 1);
    expect(fabric.hasMachine(two)).toBe(false);
    expect(fabric.ends().map((end) => end[0])).toEqual(['hadb01']);
  });

  test('with other cookies closes the port to the old ones', async () => {
    const { fabric, segment, ports, one, two } = await scene();
    const changed = { ...ports[0]!, wiring: { ...ports[0]!.wiring, machineCookie: '00c0ffee' } };

    await fabric.apply({ networks: [{ ...segment, ports: [changed, ports[1]!] }] });
    one.sendUdp(two.address, 5405, hello);

    await eventually('it is counted', () => droppedBy(fabric, 'hadb01').encapsulation === 1);
    expect(two.udp()).toEqual([]);
  });
});

test('a machine that is off and comes back is reached again', async () => {
  const { fabric, one, two, ports } = await scene();
  await two.close();
  for (let number = 0; number < 5; number += 1) one.sendUdp(two.address, 5405, hello);
  await eventually('they have been sent', () =>
    fabric.counters().some((port) => port.name === 'hadb02' && port.framesOut === 5),
  );

  const again = await createFakeGuest(ports[1]!);
  open.push(() => again.close());
  await eventually('a datagram arrives', () => exchanges(one, again));

  expect(await exchanges(again, one)).toBe(true);
});

function synTo(address: string, port: number): Buffer {
  return buildTcpDatagram(parseAddress('168.63.129.16'), parseAddress(address), {
    sourcePort: 50_000,
    destinationPort: port,
    sequence: 1,
    acknowledgement: 0,
    flags: TCP_FLAG.syn,
    window: 1000,
    payload: Buffer.alloc(0),
  });
}
