import { createSocket } from 'node:dgram';
import { parseAddress } from '../../../lab/wire/addresses';
import { OFFSET, TCP_FLAG, buildTcpDatagram, parseTcpDatagram, writeEncapsulation } from '../../../lab/wire/frame';
import type { FakeGuest } from './fake-guest';
import { createFakeGuest } from './fake-guest';
import { machinePort } from './network-for-tests';
import { eventually } from '../../eventually';

/** The other end of the guest's wire, bare: what the guest does is seen without a switch. */
const port = machinePort(1);
const platform = parseAddress('168.63.129.16');
const own = parseAddress(port.address);
let guest: FakeGuest;
let peer: ReturnType<typeof createSocket>;
let seen: Buffer[];

beforeEach(async () => {
  guest = await createFakeGuest(port);
  seen = [];
  peer = createSocket('udp4').on('message', (datagram) => seen.push(datagram));
  await new Promise<void>((resolve) => peer.bind(port.wiring.switchPort, '127.0.0.1', resolve));
});

afterEach(async () => {
  await guest.close();
  await new Promise<void>((resolve) => peer.close(resolve));
});

function send(
  flags: number,
  sequence: number,
  acknowledgement: number,
  payload = '',
  cookie = port.wiring.switchCookie,
): void {
  const datagram = buildTcpDatagram(platform, own, {
    sourcePort: 50_000,
    destinationPort: 3306,
    sequence,
    acknowledgement,
    flags,
    window: 65_535,
    payload: Buffer.from(payload),
  });
  writeEncapsulation(datagram, Number.parseInt(cookie, 16));
  peer.send(datagram, port.wiring.machinePort, '127.0.0.1');
}

function replies() {
  return seen.map((datagram) => parseTcpDatagram(datagram));
}

test('accepts, echoes and closes on a port it serves, with its own cookie', async () => {
  guest.listen(3306);
  send(TCP_FLAG.syn, 7, 0);
  await eventually('the handshake', () => seen.length === 1);
  expect(replies()[0]).toMatchObject({ flags: TCP_FLAG.syn | TCP_FLAG.ack, acknowledgement: 8 });
  expect(seen[0]?.subarray(8, 12).toString('hex')).toBe(port.wiring.machineCookie);

  send(TCP_FLAG.ack, 8, 1001);
  send(TCP_FLAG.psh | TCP_FLAG.ack, 8, 1001, 'ping');
  await eventually('the echo', () => seen.length === 2);
  expect(replies()[1]?.payload.toString()).toBe('ping');

  send(TCP_FLAG.fin | TCP_FLAG.ack, 12, 1005);
  await eventually('the end', () => seen.length === 4);
  expect(replies()[3]).toMatchObject({ flags: TCP_FLAG.fin | TCP_FLAG.ack, sequence: 1005, acknowledgement: 13 });
});

test('refuses on a port it does not serve', async () => {
  send(TCP_FLAG.syn, 7, 0);

  await eventually('the refusal', () => seen.length === 1);
  expect(replies()[0]?.flags).toBe(TCP_FLAG.rst | TCP_FLAG.ack);
});

test('neither answers while it is frozen nor to a wrong cookie', async () => {
  guest.listen(3306);
  guest.freeze();
  send(TCP_FLAG.syn, 7, 0);
  send(TCP_FLAG.syn, 7, 0, '', '00000000');
  // A datagram of its own comes after what would have been answers, on the same socket.
  await new Promise((resolve) => setImmediate(resolve));
  guest.sendUdp('10.10.10.5', 1, Buffer.from('after'));
  await eventually('its own datagram', () => seen.length > 0);

  expect(seen).toHaveLength(1);
  expect(seen[0]?.[OFFSET.ip.protocol]).toBe(17);
});
