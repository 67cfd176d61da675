import type { Duplex } from 'node:stream';
import type { TcpSegment } from './frame';
import { TCP_FLAG } from './frame';

/**
 * The cloud's end of one TCP connection that a guest has opened, spliced to a stream. Enough of TCP (RFC 9293) to be honest
 * with a real kernel on a link that loses and delays: retransmission with back-off, flow control both ways, ordered close.
 * No options but the segment size, so the windows stay at 64 KiB.
 */
export interface ServiceConnection {
  receive(segment: TcpSegment): void;
  /** Tells the guest that it is over, and ends the stream. */
  abort(): void;
}

export interface ServiceConnectionOptions {
  guestPort: number;
  servicePort: number;
  /** Of the guest's SYN. */
  guestSequence: number;
  guestWindow: number;
  /** Own initial sequence number. */
  sequence: number;
  stream: Duplex;
  send: (segment: TcpSegment) => void;
  /** Called once, when nothing more will be sent or wanted. */
  onClosed: () => void;
}

const WINDOW = 65_535;
const SEGMENT_SIZE = 1460;
/** Bytes from the stream that wait for the guest before the stream has to wait. */
const MOST_QUEUED = 256 * 1024;
const RETRANSMIT_MS = { first: 250, longest: 4000 };
/** The last try is 26 s after the first: a machine that was frozen for so long is told so with a RST. */
const RETRANSMIT_TRIES = 10;
const FAST_RETRANSMIT = 3;
/** Segments kept for after a gap: a window's worth. */
const MOST_EARLY = 64;
/** How long a retransmitted FIN of the guest is still answered. */
const LINGER_MS = 2000;
/** How long a guest may keep its half open after the cloud has closed; Linux's own limit for orphans (tcp_fin_timeout). */
const HALF_CLOSED_MS = 60_000;

export function createServiceConnection(options: ServiceConnectionOptions): ServiceConnection {
  const { stream, send } = options;
  let receiveNext = next(options.guestSequence, 1);
  /** What is not acknowledged, from sequence number `unacknowledged` on: data only. */
  let queue: Buffer = Buffer.alloc(0);
  let unacknowledged = options.sequence;
  /** Segments of the guest that came before one that was lost. */
  let early: TcpSegment[] = [];
  let sendNext = next(options.sequence, 1);
  /** The furthest that was ever sent; `sendNext` goes back when a timer runs out. */
  let sentMost = sendNext;
  let window = options.guestWindow;
  let established = false;
  let streamEnded = false;
  let finSent = false;
  let finAcknowledged = false;
  let guestEnded = false;
  let closed = false;
  let duplicates = 0;
  let tries = 0;
  let timer: NodeJS.Timeout | undefined;
  let ending: NodeJS.Timeout | undefined;
  let advertised = WINDOW;

  function segment(flags: number, sequence: number, payload: Buffer = Buffer.alloc(0)): void {
    advertised = advertisable();
    send({
      sourcePort: options.servicePort,
      destinationPort: options.guestPort,
      sequence,
      acknowledgement: receiveNext,
      flags: flags | TCP_FLAG.ack,
      window: advertised,
      payload,
    });
  }

  /** Room for more from the guest. */
  const advertisable = () => Math.max(0, WINDOW - stream.writableLength);
  const acknowledge = () => segment(0, sendNext);

  /** Sequence number of the first byte in the queue. */
  const queueStart = () => (established ? unacknowledged : next(options.sequence, 1));
  const inFlight = () => distance(unacknowledged, sendNext);

  /** Sends what the guest's window has room for, and the FIN after the last byte. */
  function pump(most = Number.POSITIVE_INFINITY): void {
    if (!established || closed) return;
    let sent = 0;
    for (;;) {
      const offset = distance(queueStart(), sendNext);
      const room = Math.min(window - offset, SEGMENT_SIZE, queue.length - offset);
      if (room <= 0 || sent >= most) break;
      const payload = queue.subarray(offset, offset + room);
      segment(offset + room === queue.length ? TCP_FLAG.psh : 0, sendNext, payload);
      advance(room);
      sent += 1;
    }
    if (streamEnded && !finSent && distance(queueStart(), sendNext) === queue.length && sent < most) {
      segment(TCP_FLAG.fin, sendNext);
      finSent = true;
      advance(1);
    }
    arm();
  }

  function advance(length: number): void {
    sendNext = next(sendNext, length);
    if (distance(sentMost, sendNext) > 0) sentMost = sendNext;
  }

  /** Something is under way, or waits for a window that is shut. */
  function arm(): void {
    const waits = !closed && (inFlight() > 0 || queue.length > 0);
    if (!waits) {
      clearTimeout(timer);
      timer = undefined;
      tries = 0;
      return;
    }
    timer ??= setTimeout(onTimeout, Math.min(RETRANSMIT_MS.first * 2 ** tries, RETRANSMIT_MS.longest));
  }

  function onTimeout(): void {
    timer = undefined;
    tries += 1;
    if (tries > RETRANSMIT_TRIES) return abort();
    if (!established) {
      segment(TCP_FLAG.syn, options.sequence);
    } else {
      rewind();
      // With a shut window one byte finds out whether it is still shut.
      if (window === 0 && queue.length > 0) segment(0, sendNext, queue.subarray(0, 1));
      else pump(1);
    }
    arm();
    return undefined;
  }

  function rewind(): void {
    sendNext = unacknowledged;
    if (!finAcknowledged) finSent = false;
  }

  function receiveAcknowledgement(received: TcpSegment): void {
    const acknowledged = distance(unacknowledged, received.acknowledgement);
    const outstanding = distance(unacknowledged, sentMost);
    if (acknowledged < 0 || acknowledged > outstanding + (window === 0 ? 1 : 0)) return;
    const widened = received.window > window;
    window = received.window;
    if (acknowledged === 0) {
      const pure = received.payload.length === 0 && (received.flags & TCP_FLAG.fin) === 0;
      duplicates = pure && !widened && inFlight() > 0 ? duplicates + 1 : 0;
      if (duplicates === FAST_RETRANSMIT) {
        rewind();
        pump(1);
      } else if (widened) pump();
      return;
    }
    duplicates = 0;
    tries = 0;
    clearTimeout(timer);
    timer = undefined;
    if (!established) {
      established = true;
      unacknowledged = received.acknowledgement;
    } else {
      const bytes = Math.min(acknowledged, queue.length);
      queue = queue.subarray(bytes);
      unacknowledged = received.acknowledgement;
      if (acknowledged > bytes && streamEnded) finAcknowledged = finSent = true;
    }
    if (distance(sendNext, unacknowledged) > 0) sendNext = unacknowledged;
    if (distance(sentMost, sendNext) > 0) sentMost = sendNext;
    if (queue.length < MOST_QUEUED && stream.isPaused()) stream.resume();
    pump();
    finish();
  }

  function receivePayload(received: TcpSegment): void {
    const fin = (received.flags & TCP_FLAG.fin) !== 0;
    if (received.payload.length === 0 && !fin) {
      // A probe of a window or of a connection that is alive: one before the next byte, and it wants an answer.
      if (distance(received.sequence, receiveNext) > 0) acknowledge();
      return;
    }
    const gap = distance(receiveNext, received.sequence);
    if (gap > 0) {
      // The guest fills the gap when it sees the same acknowledgement again and again.
      if (gap < WINDOW && early.length < MOST_EARLY) {
        early.push({ ...received, payload: Buffer.from(received.payload) });
      }
      acknowledge();
      return;
    }
    take(received);
    for (let found = early.find(isNext); found !== undefined; found = early.find(isNext)) take(found);
    early = early.filter(({ sequence }) => distance(receiveNext, sequence) > 0);
    acknowledge();
    finish();
  }

  /** Holds something at the point that everything has come up to. */
  function isNext({ sequence, payload, flags }: TcpSegment): boolean {
    const known = distance(sequence, receiveNext);
    const length = payload.length + ((flags & TCP_FLAG.fin) === 0 ? 0 : 1);
    return known >= 0 && known < length && !guestEnded && (advertisable() > 0 || known === payload.length);
  }

  function take(received: TcpSegment): void {
    if (!isNext(received)) return;
    const fresh = received.payload.subarray(distance(received.sequence, receiveNext));
    const taken = fresh.subarray(0, advertisable());
    if (taken.length > 0) {
      // A datagram's memory is the socket's: the stream may keep it for longer.
      stream.write(Buffer.from(taken), () => {
        // A guest that has stopped for a full window goes on by this alone.
        if (!closed && advertised < SEGMENT_SIZE && advertisable() >= WINDOW / 2) acknowledge();
      });
      receiveNext = next(receiveNext, taken.length);
    }
    if ((received.flags & TCP_FLAG.fin) === 0 || taken.length < fresh.length) return;
    receiveNext = next(receiveNext, 1);
    guestEnded = true;
    stream.end();
  }

  function finish(): void {
    if (!finAcknowledged || closed) return;
    clearTimeout(ending);
    ending = setTimeout(close, guestEnded ? LINGER_MS : HALF_CLOSED_MS).unref();
  }

  function close(): void {
    if (closed) return;
    closed = true;
    clearTimeout(timer);
    clearTimeout(ending);
    stream.destroy();
    options.onClosed();
  }

  function abort(): void {
    if (closed) return;
    segment(TCP_FLAG.rst, sendNext);
    close();
  }

  stream.on('data', (chunk: Buffer) => {
    queue = Buffer.concat([queue, chunk]);
    if (queue.length >= MOST_QUEUED) stream.pause();
    pump();
  });
  // Paused while it was being opened: what came then is still there.
  stream.resume();
  stream.on('end', () => {
    streamEnded = true;
    pump();
  });
  stream.on('error', () => abort());
  stream.on('close', () => {
    if (!streamEnded) abort();
  });
  segment(TCP_FLAG.syn, options.sequence);
  timer = setTimeout(onTimeout, RETRANSMIT_MS.first);

  return {
    receive(received) {
      if (closed) return;
      if ((received.flags & TCP_FLAG.rst) !== 0) {
        const ahead = distance(receiveNext, received.sequence);
        if (ahead >= 0 && ahead <= WINDOW) close();
        return;
      }
      if ((received.flags & TCP_FLAG.syn) !== 0) {
        // The guest has not seen the answer to its first one.
        if (!established) segment(TCP_FLAG.syn, options.sequence);
        else acknowledge();
        return;
      }
      if ((received.flags & TCP_FLAG.ack) === 0) return;
      receiveAcknowledgement(received);
      if (established && !closed) receivePayload(received);
    },
    abort,
  };
}

function next(sequence: number, length: number): number {
  return (sequence + length) >>> 0;
}

/** From one sequence number to another, negative when it lies before: they wrap. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}
