import type { TcpSegment } from './frame';
import { TCP_FLAG } from './frame';

/**
 * The platform's end of one health probe: just enough TCP to open a connection, send one request and close in order.
 * Pure: what to send and what the outcome is follow from the state and the event.
 *
 * A TCP probe succeeds with the handshake; an HTTP probe with status 200, like Azure's. It is over (`phase: 'done'`)
 * when both sides have closed, or with a RST by `abandon`.
 */
export interface ProbeConnection {
  phase: 'connecting' | 'requesting' | 'closing' | 'done';
  localPort: number;
  remotePort: number;
  /** What an HTTP probe sends; undefined for a TCP probe. */
  request: Buffer | undefined;
  /** Next sequence number to send, and the first that is not acknowledged. */
  sendNext: number;
  unacknowledged: number;
  receiveNext: number;
  response: Buffer;
  peerClosed: boolean;
  outcome: ProbeOutcome | undefined;
}

export type ProbeOutcome =
  { healthy: true } | { healthy: false; reason: 'refused' | 'timeout' | 'status' | 'closed'; status?: number };

export interface ProbeStep {
  connection: ProbeConnection;
  send: TcpSegment[];
}

const WINDOW = 65535;
/** Enough bytes to tell a status line from something else: `HTTP/1.1 200 `. */
const STATUS_LINE = 16;

export function startProbe(input: {
  localPort: number;
  remotePort: number;
  initialSequence: number;
  request?: Buffer;
}): ProbeStep {
  const connection: ProbeConnection = {
    phase: 'connecting',
    localPort: input.localPort,
    remotePort: input.remotePort,
    request: input.request,
    sendNext: next(input.initialSequence, 1),
    unacknowledged: input.initialSequence,
    receiveNext: 0,
    response: Buffer.alloc(0),
    peerClosed: false,
    outcome: undefined,
  };
  return { connection, send: [segment(connection, TCP_FLAG.syn, { sequence: input.initialSequence })] };
}

/** An HTTP/1.1 request as Azure's probe makes it: no body, and the connection is not kept. */
export function renderProbeRequest(host: string, port: number, path: string): Buffer {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: Load Balancer Agent\r\nConnection: close\r\n\r\n`,
  );
}

export function receiveSegment(connection: ProbeConnection, received: TcpSegment): ProbeStep {
  switch (connection.phase) {
    case 'connecting':
      return receiveWhileConnecting(connection, received);
    case 'requesting':
    case 'closing':
      return receiveWhileOpen(connection, received);
    case 'done':
      break;
  }
  return { connection, send: [] };
}

/** What was sent and never acknowledged, once more. */
export function retransmit(connection: ProbeConnection): TcpSegment[] {
  switch (connection.phase) {
    case 'connecting':
      return [segment(connection, TCP_FLAG.syn, { sequence: connection.unacknowledged })];
    case 'requesting':
      return connection.request === undefined || connection.unacknowledged === connection.sendNext
        ? []
        : [requestSegment(connection, connection.request)];
    case 'closing':
      return connection.unacknowledged === connection.sendNext
        ? []
        : [segment(connection, TCP_FLAG.fin | TCP_FLAG.ack, { sequence: next(connection.sendNext, -1) })];
    case 'done':
      break;
  }
  return [];
}

/** Ends the probe now: without an outcome it has failed; a connection the other side may still hold is reset. */
export function abandon(connection: ProbeConnection): ProbeStep {
  const outcome: ProbeOutcome = connection.outcome ?? { healthy: false, reason: 'timeout' };
  const open = connection.phase === 'requesting' || connection.phase === 'closing';
  return {
    connection: { ...connection, phase: 'done', outcome },
    send: open ? [segment(connection, TCP_FLAG.rst | TCP_FLAG.ack)] : [],
  };
}

/** The RST that answers a segment nobody here has asked for (RFC 9293, 3.10.7.1); none answers a RST. */
export function rejectSegment(received: TcpSegment): TcpSegment | undefined {
  if (has(received, TCP_FLAG.rst)) return undefined;
  const acknowledged = has(received, TCP_FLAG.ack);
  return {
    sourcePort: received.destinationPort,
    destinationPort: received.sourcePort,
    sequence: acknowledged ? received.acknowledgement : 0,
    acknowledgement: acknowledged ? 0 : next(received.sequence, lengthOf(received)),
    flags: acknowledged ? TCP_FLAG.rst : TCP_FLAG.rst | TCP_FLAG.ack,
    window: 0,
    payload: Buffer.alloc(0),
  };
}

function receiveWhileConnecting(connection: ProbeConnection, received: TcpSegment): ProbeStep {
  const acknowledgesSyn = has(received, TCP_FLAG.ack) && received.acknowledgement === connection.sendNext;
  if (has(received, TCP_FLAG.rst)) {
    if (!acknowledgesSyn) return { connection, send: [] };
    return { connection: { ...connection, phase: 'done', outcome: { healthy: false, reason: 'refused' } }, send: [] };
  }
  // An acknowledgement of something else belongs to an earlier connection of the same ports: it has to go.
  if (!acknowledgesSyn || !has(received, TCP_FLAG.syn)) {
    const reset = rejectSegment(received);
    return { connection, send: reset === undefined ? [] : [reset] };
  }
  const open: ProbeConnection = {
    ...connection,
    unacknowledged: connection.sendNext,
    receiveNext: next(received.sequence, 1),
  };
  if (open.request === undefined) return close({ ...open, outcome: { healthy: true } });
  const requesting: ProbeConnection = {
    ...open,
    phase: 'requesting',
    sendNext: next(open.sendNext, open.request.length),
  };
  return { connection: requesting, send: [requestSegment(requesting, open.request)] };
}

function receiveWhileOpen(before: ProbeConnection, received: TcpSegment): ProbeStep {
  if (has(received, TCP_FLAG.rst)) {
    if (received.sequence !== before.receiveNext) return { connection: before, send: [] };
    return {
      connection: { ...before, phase: 'done', outcome: before.outcome ?? { healthy: false, reason: 'closed' } },
      send: [],
    };
  }
  let connection = before;
  if (has(received, TCP_FLAG.ack) && isBetween(received.acknowledgement, before.unacknowledged, before.sendNext)) {
    connection = { ...connection, unacknowledged: received.acknowledgement };
  }
  const length = lengthOf(received);
  if (length === 0) return finish(connection, []);
  // Out of order: say what is expected, the other side sends it again.
  if (received.sequence !== connection.receiveNext) return { connection, send: [segment(connection, TCP_FLAG.ack)] };
  connection = {
    ...connection,
    receiveNext: next(connection.receiveNext, length),
    peerClosed: connection.peerClosed || has(received, TCP_FLAG.fin),
  };
  if (connection.phase === 'closing') return finish(connection, [segment(connection, TCP_FLAG.ack)]);

  const response = Buffer.concat([connection.response, received.payload]);
  const outcome = judgeResponse(response, { complete: connection.peerClosed });
  return outcome === undefined
    ? { connection: { ...connection, response }, send: [segment(connection, TCP_FLAG.ack)] }
    : close({ ...connection, response, outcome });
}

function finish(connection: ProbeConnection, send: TcpSegment[]): ProbeStep {
  const over =
    connection.phase === 'closing' && connection.peerClosed && connection.unacknowledged === connection.sendNext;
  return { connection: over ? { ...connection, phase: 'done' } : connection, send };
}

function judgeResponse(response: Buffer, { complete }: { complete: boolean }): ProbeOutcome | undefined {
  const line = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(response.subarray(0, STATUS_LINE).toString('latin1'));
  if (line === null) {
    return complete || response.length >= STATUS_LINE ? { healthy: false, reason: 'closed' } : undefined;
  }
  const status = Number(line[1]);
  return status === 200 ? { healthy: true } : { healthy: false, reason: 'status', status };
}

function close(connection: ProbeConnection): ProbeStep {
  const closing: ProbeConnection = { ...connection, phase: 'closing', sendNext: next(connection.sendNext, 1) };
  // The acknowledgement goes first and alone: the listener sees a whole connection before its end.
  return {
    connection: closing,
    send: [segment(connection, TCP_FLAG.ack), segment(connection, TCP_FLAG.fin | TCP_FLAG.ack)],
  };
}

function requestSegment(connection: ProbeConnection, request: Buffer): TcpSegment {
  return segment(connection, TCP_FLAG.psh | TCP_FLAG.ack, {
    sequence: next(connection.sendNext, -request.length),
    payload: request,
  });
}

function segment(
  connection: ProbeConnection,
  flags: number,
  { sequence = connection.sendNext, payload = Buffer.alloc(0) }: { sequence?: number; payload?: Buffer } = {},
): TcpSegment {
  return {
    sourcePort: connection.localPort,
    destinationPort: connection.remotePort,
    sequence,
    acknowledgement: (flags & TCP_FLAG.ack) === 0 ? 0 : connection.receiveNext,
    flags,
    window: WINDOW,
    payload,
  };
}

function has(received: TcpSegment, flag: number): boolean {
  return (received.flags & flag) !== 0;
}

/** Sequence numbers a segment takes: its bytes, and one each for SYN and FIN. */
function lengthOf(received: TcpSegment): number {
  return received.payload.length + (has(received, TCP_FLAG.syn) ? 1 : 0) + (has(received, TCP_FLAG.fin) ? 1 : 0);
}

function next(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}

/** In (from, to], round the corner of 2^32. */
function isBetween(sequence: number, from: number, to: number): boolean {
  const distance = (sequence - from) >>> 0;
  return distance > 0 && distance <= (to - from) >>> 0;
}
