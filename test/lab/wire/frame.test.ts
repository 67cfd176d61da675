import fc from 'fast-check';
import { parseAddress, parseMac } from '../../../lab/wire/addresses';
import {
  ENCAPSULATION,
  FABRIC_MAC,
  OFFSET,
  TCP_FLAG,
  buildArpReply,
  buildTcpDatagram,
  checksum,
  parseTcpDatagram,
  readUint16,
  readUint32,
  rewriteAddress,
  transportOffset,
  writeEncapsulation,
} from '../../../lab/wire/frame';
import { buildArpRequest, buildUdpDatagram } from './fake-guest';

const guest = parseAddress('10.10.10.4');
const platform = parseAddress('168.63.129.16');
const segment = fc.record({
  sourcePort: fc.nat({ max: 65_535 }),
  destinationPort: fc.nat({ max: 65_535 }),
  sequence: fc.nat({ max: 0xffffffff }),
  acknowledgement: fc.nat({ max: 0xffffffff }),
  flags: fc.constantFrom(TCP_FLAG.syn, TCP_FLAG.ack, TCP_FLAG.fin | TCP_FLAG.ack, TCP_FLAG.rst),
  window: fc.nat({ max: 65_535 }),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

test('the checksum of the example in RFC 1071 is the one printed there', () => {
  const bytes = Buffer.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);

  expect(checksum(bytes, 0, 8)).toBe(~0xddf2 & 0xffff);
});

test('a header with its checksum sums up to zero', () => {
  const header = Buffer.from('4500003c1c4640004006b1e6ac100a63ac100a0c', 'hex');

  expect(checksum(header, 0, header.length)).toBe(0);
});

test('the encapsulation is what UML and QEMU put on the wire: data header, session 1, cookie', () => {
  const datagram = Buffer.alloc(ENCAPSULATION);

  writeEncapsulation(datagram, 0xdeadbeef);

  expect(datagram.toString('hex')).toBe('0003000000000001deadbeef');
});

test('a TCP segment that is built and parsed again is the same, with valid checksums', () => {
  fc.assert(
    fc.property(segment, (input) => {
      const datagram = buildTcpDatagram(platform, guest, input);

      expect(parseTcpDatagram(datagram)).toEqual(input);
      expect(checksum(datagram, OFFSET.payload, transportOffset(datagram))).toBe(0);
    }),
  );
});

test('a segment with a damaged byte is not taken for one', () => {
  fc.assert(
    fc.property(segment, fc.nat({ max: 10_000 }), fc.integer({ min: 1, max: 255 }), (input, place, change) => {
      const datagram = buildTcpDatagram(platform, guest, input);
      const start = transportOffset(datagram);
      const length = OFFSET.payload + readUint16(datagram, OFFSET.ip.totalLength) - start;
      const at = start + (place % length);
      datagram[at] = datagram[at]! ^ change;

      expect(parseTcpDatagram(datagram)).toBeUndefined();
    }),
  );
});

test('a segment that is cut short is not taken for one', () => {
  const datagram = buildTcpDatagram(platform, guest, {
    sourcePort: 1,
    destinationPort: 2,
    sequence: 3,
    acknowledgement: 4,
    flags: TCP_FLAG.ack,
    window: 5,
    payload: Buffer.alloc(100),
  });

  expect(parseTcpDatagram(datagram.subarray(0, 100))).toBeUndefined();
});

test('a rewritten address leaves IP and TCP checksums valid', () => {
  fc.assert(
    fc.property(segment, fc.nat({ max: 0xffffffff }), (input, address) => {
      const datagram = buildTcpDatagram(platform, guest, input);

      rewriteAddress(datagram, OFFSET.ip.source, address);

      expect(readUint32(datagram, OFFSET.ip.source)).toBe(address);
      expect(checksum(datagram, OFFSET.payload, transportOffset(datagram))).toBe(0);
      expect(parseTcpDatagram(datagram)).toEqual(input);
    }),
  );
});

test('a UDP datagram without a checksum gets none when its address is rewritten', () => {
  const datagram = buildUdpDatagram(guest, platform, 5405, 5405, Buffer.from('hello'));

  rewriteAddress(datagram, OFFSET.ip.destination, parseAddress('10.10.10.253'));

  expect(readUint16(datagram, transportOffset(datagram) + 6)).toBe(0);
});

test('a later fragment keeps its bytes when its address is rewritten', () => {
  const datagram = buildUdpDatagram(guest, platform, 5405, 5405, Buffer.alloc(40, 7));
  datagram[OFFSET.ip.fragment + 1] = 0x10;
  const before = Buffer.from(datagram.subarray(transportOffset(datagram)));

  rewriteAddress(datagram, OFFSET.ip.destination, parseAddress('10.10.10.253'));

  expect(datagram.subarray(transportOffset(datagram))).toEqual(before);
});

test('an ARP request is answered with the hardware address of the fabric', () => {
  const mac = parseMac('52:54:00:00:00:01');
  const target = parseAddress('10.10.10.5');

  const reply = buildArpReply(buildArpRequest(mac, guest, target));

  expect(readUint16(reply, OFFSET.arp.operation)).toBe(2);
  expect(reply.subarray(OFFSET.arp.senderMac, OFFSET.arp.senderMac + 6)).toEqual(FABRIC_MAC);
  expect(readUint32(reply, OFFSET.arp.senderAddress)).toBe(target);
  expect(reply.subarray(OFFSET.arp.targetMac, OFFSET.arp.targetMac + 6)).toEqual(mac);
  expect(readUint32(reply, OFFSET.arp.targetAddress)).toBe(guest);
  expect(reply.subarray(OFFSET.destinationMac, OFFSET.destinationMac + 6)).toEqual(mac);
});
