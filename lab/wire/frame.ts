import { parseMac } from './addresses';

/**
 * What travels between a machine and the switch, as UML (`arch/um/drivers/vector_transports.c`) and QEMU
 * (`net/l2tpv3.c`) write it with `udp=1` and 32-bit cookies and without a counter: 4 bytes 00 03 00 00, session id,
 * cookie (both big endian), then the Ethernet frame. Neither looks at the first four bytes on receipt.
 */
export const ENCAPSULATION = 12;
export const L2TPV3_DATA = 0x00030000;
export const SESSION = 1;

/** Offsets in a datagram, encapsulation included. */
const ETHERNET = ENCAPSULATION;
const PAYLOAD = ETHERNET + 14;
export const OFFSET = {
  cookie: 8,
  destinationMac: ETHERNET,
  sourceMac: ETHERNET + 6,
  etherType: ETHERNET + 12,
  payload: PAYLOAD,
  ip: {
    version: PAYLOAD,
    totalLength: PAYLOAD + 2,
    fragment: PAYLOAD + 6,
    protocol: PAYLOAD + 9,
    checksum: PAYLOAD + 10,
    source: PAYLOAD + 12,
    destination: PAYLOAD + 16,
  },
  arp: {
    operation: PAYLOAD + 6,
    senderMac: PAYLOAD + 8,
    senderAddress: PAYLOAD + 14,
    targetMac: PAYLOAD + 18,
    targetAddress: PAYLOAD + 24,
  },
} as const;

export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806 } as const;
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17 } as const;
export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** The hardware address that Azure's fabric answers every ARP request with, and the sender of every frame a VM gets. */
export const FABRIC_MAC = parseMac('12:34:56:78:9a:bc');

const MINIMUM_ETHERNET_FRAME = 60;
const IPV4_HEADER = 20;
const TCP_HEADER = 20;

export function readUint32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function writeUint32(bytes: Buffer, value: number, at: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function readUint16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function writeUint16(bytes: Buffer, value: number, at: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeEncapsulation(datagram: Buffer, cookie: number): void {
  writeUint32(datagram, L2TPV3_DATA, 0);
  writeUint32(datagram, SESSION, 4);
  writeUint32(datagram, cookie, OFFSET.cookie);
}

/** Internet checksum (RFC 1071) of bytes `from` up to `to`, added to a partial sum. */
export function checksum(bytes: Buffer, from: number, to: number, partial = 0): number {
  let sum = partial;
  for (let at = from; at + 1 < to; at += 2) sum += readUint16(bytes, at);
  if ((to - from) % 2 === 1) sum += bytes[to - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A checksum after one 32-bit field it covers has changed (RFC 1624), without reading the rest of the packet. */
export function adjustChecksum(old: number, before: number, after: number): number {
  let sum = ~old & 0xffff;
  sum += (~(before >>> 16) & 0xffff) + (~before & 0xffff);
  sum += (after >>> 16) + (after & 0xffff);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Offset of the transport header in a datagram that holds an IPv4 packet. */
export function transportOffset(datagram: Buffer): number {
  return OFFSET.payload + (datagram[OFFSET.ip.version]! & 15) * 4;
}

/**
 * Replaces the source or destination address of the IPv4 packet in a datagram, and mends the checksums of the IP and
 * of the TCP or UDP header. A later fragment has no transport header to mend.
 */
export function rewriteAddress(datagram: Buffer, at: number, address: number): void {
  const before = readUint32(datagram, at);
  writeUint32(datagram, address, at);
  mend(datagram, OFFSET.ip.checksum, before, address);
  if ((readUint16(datagram, OFFSET.ip.fragment) & 0x1fff) !== 0) return;
  const transport = transportOffset(datagram);
  const protocol = datagram[OFFSET.ip.protocol];
  if (protocol === PROTOCOL.tcp && transport + 18 <= datagram.length) {
    mend(datagram, transport + 16, before, address);
  }
  // A UDP checksum of zero means that there is none.
  if (protocol === PROTOCOL.udp && transport + 8 <= datagram.length && readUint16(datagram, transport + 6) !== 0) {
    mend(datagram, transport + 6, before, address);
    if (readUint16(datagram, transport + 6) === 0) writeUint16(datagram, 0xffff, transport + 6);
  }
}

function mend(datagram: Buffer, at: number, before: number, after: number): void {
  writeUint16(datagram, adjustChecksum(readUint16(datagram, at), before, after), at);
}

/** The fabric's answer to an ARP request: whoever is asked for is reached through the fabric. */
export function buildArpReply(request: Buffer): Buffer {
  const reply = Buffer.alloc(ENCAPSULATION + MINIMUM_ETHERNET_FRAME);
  request.copy(reply, OFFSET.destinationMac, OFFSET.arp.senderMac, OFFSET.arp.senderMac + 6);
  FABRIC_MAC.copy(reply, OFFSET.sourceMac);
  request.copy(reply, OFFSET.etherType, OFFSET.etherType, OFFSET.arp.operation);
  writeUint16(reply, 2, OFFSET.arp.operation);
  FABRIC_MAC.copy(reply, OFFSET.arp.senderMac);
  request.copy(reply, OFFSET.arp.senderAddress, OFFSET.arp.targetAddress, OFFSET.arp.targetAddress + 4);
  request.copy(reply, OFFSET.arp.targetMac, OFFSET.arp.senderMac, OFFSET.arp.senderMac + 10);
  return reply;
}

export interface TcpSegment {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  window: number;
  payload: Buffer;
}

/** A TCP segment in IPv4 and Ethernet, with room for the encapsulation; a SYN announces Ethernet's segment size. */
export function buildTcpDatagram(source: number, destination: number, segment: TcpSegment): Buffer {
  const options = (segment.flags & TCP_FLAG.syn) === 0 ? 0 : 4;
  const tcpLength = TCP_HEADER + options + segment.payload.length;
  const datagram = Buffer.alloc(
    Math.max(OFFSET.payload + IPV4_HEADER + tcpLength, ENCAPSULATION + MINIMUM_ETHERNET_FRAME),
  );
  FABRIC_MAC.copy(datagram, OFFSET.sourceMac);
  writeUint16(datagram, ETHERTYPE.ipv4, OFFSET.etherType);
  datagram[OFFSET.ip.version] = 0x45;
  writeUint16(datagram, IPV4_HEADER + tcpLength, OFFSET.ip.totalLength);
  writeUint16(datagram, 0x4000, OFFSET.ip.fragment);
  datagram[OFFSET.ip.protocol - 1] = 64;
  datagram[OFFSET.ip.protocol] = PROTOCOL.tcp;
  writeUint32(datagram, source, OFFSET.ip.source);
  writeUint32(datagram, destination, OFFSET.ip.destination);
  writeUint16(datagram, checksum(datagram, OFFSET.payload, OFFSET.payload + IPV4_HEADER), OFFSET.ip.checksum);

  const tcp = OFFSET.payload + IPV4_HEADER;
  writeUint16(datagram, segment.sourcePort, tcp);
  writeUint16(datagram, segment.destinationPort, tcp + 2);
  writeUint32(datagram, segment.sequence, tcp + 4);
  writeUint32(datagram, segment.acknowledgement, tcp + 8);
  datagram[tcp + 12] = ((TCP_HEADER + options) / 4) << 4;
  datagram[tcp + 13] = segment.flags;
  writeUint16(datagram, segment.window, tcp + 14);
  if (options > 0) writeUint32(datagram, 0x02040000 + 1460, tcp + TCP_HEADER);
  segment.payload.copy(datagram, tcp + TCP_HEADER + options);
  writeUint16(datagram, tcpChecksum(datagram, tcp, tcpLength), tcp + 16);
  return datagram;
}

/** The TCP segment in a datagram whose IPv4 header was checked already; undefined when it is cut short or damaged. */
export function parseTcpDatagram(datagram: Buffer): TcpSegment | undefined {
  const tcp = transportOffset(datagram);
  const length = OFFSET.payload + readUint16(datagram, OFFSET.ip.totalLength) - tcp;
  if (length < TCP_HEADER || tcp + length > datagram.length) return undefined;
  const header = (datagram[tcp + 12]! >>> 4) * 4;
  if (header < TCP_HEADER || header > length || tcpChecksum(datagram, tcp, length) !== 0) return undefined;
  return {
    sourcePort: readUint16(datagram, tcp),
    destinationPort: readUint16(datagram, tcp + 2),
    sequence: readUint32(datagram, tcp + 4),
    acknowledgement: readUint32(datagram, tcp + 8),
    flags: datagram[tcp + 13]!,
    window: readUint16(datagram, tcp + 14),
    payload: datagram.subarray(tcp + header, tcp + length),
  };
}

/** Over the pseudo header and the segment; zero when the segment carries the right one. */
function tcpChecksum(datagram: Buffer, tcp: number, length: number): number {
  let pseudo = PROTOCOL.tcp + length;
  for (let at = OFFSET.ip.source; at < OFFSET.ip.source + 8; at += 2) pseudo += readUint16(datagram, at);
  return checksum(datagram, tcp, tcp + length, pseudo);
}
