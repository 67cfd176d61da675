import { createSocket } from 'node:dgram';
import type { Wiring } from '../../../lab/model';
import { formatAddress, parseAddress, parseMac } from '../../../lab/wire/addresses';
import type { TcpSegment } from '../../../lab/wire/frame';
import {
  ETHERTYPE,
  FABRIC_MAC,
  OFFSET,
  PROTOCOL,
  TCP_FLAG,
  buildTcpDatagram,
  checksum,
  parseTcpDatagram,
  readUint16,
  readUint32,
  transportOffset,
  writeEncapsulation,
  writeUint16,
  writeUint32,
} from '../../../lab/wire/frame';

/**
 * A machine as the switch sees it: one end of an L2TPv3 pseudo-wire, with just enough of an IP stack to be probed, to
 * serve connections and to exchange datagrams. It never retransmits: on loopback only faults lose frames.
 */
export interface FakeGuest {
  readonly address: string;
  /** Every datagram that arrived with the right cookie, newest last. */
  readonly received: Buffer[];
  /** Serves a TCP port: each payload is answered with what `answer` makes of it; the guest closes when the peer does. */
  listen(port: number, answer?: (payload: Buffer) => Buffer): void;
  unlisten(port: number): void;
  /** Neither answers nor notices anything, like a paused machine. */
  freeze(): void;
  thaw(): void;
  /** Opens a TCP connection and closes it again. */
  connect(
    to: string,
    port: number,
    options?: { timeoutMs?: number; source?: string },
  ): Promise<'open' | 'refused' | 'silence'>;
  /** Sends a request over a TCP connection and resolves with all that comes back until the other side closes. */
  request(to: string, port: number, payload: string, timeoutMs?: number): Promise<string>;
  sendUdp(
    to: string,
    port: number,
    payload: Buffer,
    options?: { sourcePort?: number; source?: string; mac?: string },
  ): void;
  /** Payloads of UDP datagrams that arrived, newest last. */
  udp(): Buffer[];
  /** The hardware address the network answers with; undefined after a while without an answer. */
  resolve(address: string, timeoutMs?: number): Promise<string | undefined>;
  sendRaw(datagram: Buffer): void;
  awaitUdp(count: number, timeoutMs?: number): Promise<Buffer[]>;
  close(): Promise<void>;
}

interface Served {
  state: 'open' | 'closing';
  sendNext: number;
  receiveNext: number;
}

export async function createFakeGuest(options: { address: string; mac: string; wiring: Wiring }): Promise<FakeGuest> {
  const { wiring } = options;
  const own = parseAddress(options.address);
  const mac = parseMac(options.mac);
  const sendCookie = Number.parseInt(wiring.machineCookie, 16);
  const receiveCookie = Number.parseInt(wiring.switchCookie, 16);
  const received: Buffer[] = [];
  const udp: Buffer[] = [];
  const listeners = new Map<number, (payload: Buffer) => Buffer>();
  const served = new Map<string, Served>();
  const awaitedSegments = new Map<number, (segment: TcpSegment) => void>();
  const awaitedArp = new Map<number, (mac: string) => void>();
  const watchers = new Set<() => void>();
  let frozen = false;
  let closed = false;
  let nextPort = 40_000;

  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.bind(wiring.machinePort, '127.0.0.1', resolve));
  socket.on('message', (datagram) => {
    if (frozen || readUint32(datagram, OFFSET.cookie) !== receiveCookie) return;
    received.push(datagram);
    const etherType = readUint16(datagram, OFFSET.etherType);
    if (etherType === ETHERTYPE.arp) receiveArp(datagram);
    if (etherType === ETHERTYPE.ipv4) receiveIpv4(datagram);
    for (const watcher of watchers) watcher();
  });

  function send(datagram: Buffer, from = mac): void {
    from.copy(datagram, OFFSET.sourceMac);
    writeEncapsulation(datagram, sendCookie);
    socket.send(datagram, wiring.switchPort, '127.0.0.1');
  }

  function sendTcp(to: number, segment: TcpSegment, source = own): void {
    const datagram = buildTcpDatagram(source, to, segment);
    FABRIC_MAC.copy(datagram, OFFSET.destinationMac);
    send(datagram);
  }

  function receiveArp(datagram: Buffer): void {
    if (readUint16(datagram, OFFSET.arp.operation) !== 2) return;
    const from = readUint32(datagram, OFFSET.arp.senderAddress);
    const hardware = datagram.subarray(OFFSET.arp.senderMac, OFFSET.arp.senderMac + 6).toString('hex');
    awaitedArp.get(from)?.(hardware.replaceAll(/(..)(?!$)/g, '$1:'));
  }

  function receiveIpv4(datagram: Buffer): void {
    if (checksum(datagram, OFFSET.payload, transportOffset(datagram)) !== 0) throw new Error('bad IP checksum');
    const from = readUint32(datagram, OFFSET.ip.source);
    const protocol = datagram[OFFSET.ip.protocol];
    if (protocol === PROTOCOL.udp) {
      udp.push(
        datagram.subarray(transportOffset(datagram) + 8, OFFSET.payload + readUint16(datagram, OFFSET.ip.totalLength)),
      );
      return;
    }
    if (protocol !== PROTOCOL.tcp) return;
    const segment = parseTcpDatagram(datagram);
    if (segment === undefined) throw new Error(`bad TCP segment from ${formatAddress(from)}`);
    const awaited = awaitedSegments.get(segment.destinationPort);
    if (awaited === undefined) serve(from, segment);
    else awaited(segment);
  }

  function serve(from: number, segment: TcpSegment): void {
    const key = `${from} ${segment.sourcePort} ${segment.destinationPort}`;
    const reply = (flags: number, sequence: number, acknowledgement: number, payload: Buffer = Buffer.alloc(0)) =>
      sendTcp(from, {
        sourcePort: segment.destinationPort,
        destinationPort: segment.sourcePort,
        sequence,
        acknowledgement,
        flags,
        window: 65_535,
        payload,
      });
    const answer = listeners.get(segment.destinationPort);
    if ((segment.flags & TCP_FLAG.rst) !== 0) {
      served.delete(key);
      return;
    }
    if ((segment.flags & TCP_FLAG.syn) !== 0) {
      if (answer === undefined) {
        reply(TCP_FLAG.rst | TCP_FLAG.ack, 0, segment.sequence + 1);
        return;
      }
      served.set(key, { state: 'open', sendNext: 1001, receiveNext: (segment.sequence + 1) >>> 0 });
      reply(TCP_FLAG.syn | TCP_FLAG.ack, 1000, (segment.sequence + 1) >>> 0);
      return;
    }
    const connection = served.get(key);
    if (connection === undefined || answer === undefined) {
      if ((segment.flags & TCP_FLAG.ack) !== 0) reply(TCP_FLAG.rst, segment.acknowledgement, 0);
      return;
    }
    const fin = (segment.flags & TCP_FLAG.fin) !== 0;
    if (segment.payload.length === 0 && !fin) {
      if (connection.state === 'closing' && segment.acknowledgement === connection.sendNext) served.delete(key);
      return;
    }
    if (segment.sequence !== connection.receiveNext) {
      reply(TCP_FLAG.ack, connection.sendNext, connection.receiveNext);
      return;
    }
    connection.receiveNext = (connection.receiveNext + segment.payload.length + (fin ? 1 : 0)) >>> 0;
    const payload = segment.payload.length === 0 ? segment.payload : answer(segment.payload);
    reply(TCP_FLAG.ack | (payload.length > 0 ? TCP_FLAG.psh : 0), connection.sendNext, connection.receiveNext, payload);
    connection.sendNext += payload.length;
    if (!fin) return;
    reply(TCP_FLAG.fin | TCP_FLAG.ack, connection.sendNext, connection.receiveNext);
    connection.sendNext += 1;
    connection.state = 'closing';
  }

  function within<Value>(
    timeoutMs: number,
    otherwise: Value,
    start: (done: (value: Value) => void) => void,
  ): Promise<Value> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(otherwise), timeoutMs);
      start((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  }

  return {
    address: options.address,
    received,
    listen: (port, answer = (payload) => payload) => void listeners.set(port, answer),
    unlisten: (port) => void listeners.delete(port),
    freeze: () => void (frozen = true),
    thaw: () => void (frozen = false),
    async connect(to, port, { timeoutMs = 10_000, source = options.address } = {}) {
      const sourcePort = nextPort++;
      const segment = { sourcePort, destinationPort: port, window: 65_535, payload: Buffer.alloc(0) };
      const answer = await within<TcpSegment | undefined>(timeoutMs, undefined, (done) => {
        awaitedSegments.set(sourcePort, done);
        sendTcp(
          parseAddress(to),
          { ...segment, sequence: 500, acknowledgement: 0, flags: TCP_FLAG.syn },
          parseAddress(source),
        );
      });
      awaitedSegments.delete(sourcePort);
      if (answer === undefined) return 'silence';
      if ((answer.flags & TCP_FLAG.rst) !== 0) return 'refused';
      sendTcp(parseAddress(to), {
        ...segment,
        sequence: 501,
        acknowledgement: (answer.sequence + 1) >>> 0,
        flags: TCP_FLAG.rst | TCP_FLAG.ack,
      });
      return 'open';
    },
    async request(to, port, payload, timeoutMs = 10_000) {
      const sourcePort = nextPort++;
      const address = parseAddress(to);
      let answer = '';
      let receiveNext = 0;
      let sendNext = 501;
      const transmit = (flags: number, sequence: number, bytes: Buffer = Buffer.alloc(0)) =>
        sendTcp(address, {
          sourcePort,
          destinationPort: port,
          sequence,
          acknowledgement: receiveNext,
          flags,
          window: 65_535,
          payload: bytes,
        });
      const closed = await within(timeoutMs, false, (done) => {
        awaitedSegments.set(sourcePort, (segment) => {
          if ((segment.flags & TCP_FLAG.rst) !== 0) return done(true);
          if ((segment.flags & TCP_FLAG.syn) !== 0) {
            receiveNext = (segment.sequence + 1) >>> 0;
            transmit(TCP_FLAG.psh | TCP_FLAG.ack, sendNext, Buffer.from(payload));
            sendNext += payload.length;
            return undefined;
          }
          if (segment.sequence !== receiveNext) return transmit(TCP_FLAG.ack, sendNext);
          answer += segment.payload.toString('latin1');
          const fin = (segment.flags & TCP_FLAG.fin) !== 0;
          receiveNext = (receiveNext + segment.payload.length + (fin ? 1 : 0)) >>> 0;
          if (fin) transmit(TCP_FLAG.fin | TCP_FLAG.ack, sendNext);
          else if (segment.payload.length > 0) transmit(TCP_FLAG.ack, sendNext);
          return fin ? done(true) : undefined;
        });
        transmit(TCP_FLAG.syn, 500);
      });
      awaitedSegments.delete(sourcePort);
      if (!closed) throw new Error(`${to}:${port} has not closed in ${timeoutMs} ms; it said: ${answer}`);
      return answer;
    },
    sendUdp(to, port, payload, { sourcePort = 5405, source = options.address, mac: from } = {}) {
      send(
        buildUdpDatagram(parseAddress(source), parseAddress(to), sourcePort, port, payload),
        from === undefined ? mac : parseMac(from),
      );
    },
    udp: () => udp,
    resolve: (address, timeoutMs = 10_000) =>
      within<string | undefined>(timeoutMs, undefined, (done) => {
        awaitedArp.set(parseAddress(address), done);
        send(buildArpRequest(mac, own, parseAddress(address)));
      }),
    sendRaw: (datagram) => socket.send(datagram, wiring.switchPort, '127.0.0.1'),
    async awaitUdp(count, timeoutMs = 10_000) {
      await within(timeoutMs, undefined, (done) => {
        const check = () => {
          if (udp.length < count) return;
          watchers.delete(check);
          done(undefined);
        };
        watchers.add(check);
        check();
      });
      return udp;
    },
    close: async () => {
      if (closed) return;
      closed = true;
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
}

export function buildUdpDatagram(
  source: number,
  destination: number,
  sourcePort: number,
  port: number,
  payload: Buffer,
): Buffer {
  const datagram = Buffer.alloc(Math.max(OFFSET.payload + 28 + payload.length, 72));
  writeUint16(datagram, ETHERTYPE.ipv4, OFFSET.etherType);
  FABRIC_MAC.copy(datagram, OFFSET.destinationMac);
  datagram[OFFSET.ip.version] = 0x45;
  writeUint16(datagram, 28 + payload.length, OFFSET.ip.totalLength);
  datagram[OFFSET.ip.protocol - 1] = 64;
  datagram[OFFSET.ip.protocol] = PROTOCOL.udp;
  writeUint32(datagram, source, OFFSET.ip.source);
  writeUint32(datagram, destination, OFFSET.ip.destination);
  writeUint16(datagram, checksum(datagram, OFFSET.payload, OFFSET.payload + 20), OFFSET.ip.checksum);
  const udp = OFFSET.payload + 20;
  writeUint16(datagram, sourcePort, udp);
  writeUint16(datagram, port, udp + 2);
  writeUint16(datagram, 8 + payload.length, udp + 4);
  payload.copy(datagram, udp + 8);
  return datagram;
}

export function buildArpRequest(mac: Buffer, sender: number, target: number): Buffer {
  const datagram = Buffer.alloc(72);
  datagram.fill(0xff, OFFSET.destinationMac, OFFSET.destinationMac + 6);
  writeUint16(datagram, ETHERTYPE.arp, OFFSET.etherType);
  writeUint16(datagram, 1, OFFSET.payload);
  writeUint16(datagram, ETHERTYPE.ipv4, OFFSET.payload + 2);
  datagram[OFFSET.payload + 4] = 6;
  datagram[OFFSET.payload + 5] = 4;
  writeUint16(datagram, 1, OFFSET.arp.operation);
  mac.copy(datagram, OFFSET.arp.senderMac);
  writeUint32(datagram, sender, OFFSET.arp.senderAddress);
  writeUint32(datagram, target, OFFSET.arp.targetAddress);
  return datagram;
}
