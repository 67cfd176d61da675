import type { TcpSegment } from '../../../lab/wire/frame';
import { TCP_FLAG } from '../../../lab/wire/frame';
import type { ProbeConnection, ProbeStep } from '../../../lab/wire/probe-connection';
import {
  abandon,
  receiveSegment,
  rejectSegment,
  renderProbeRequest,
  retransmit,
  startProbe,
} from '../../../lab/wire/probe-connection';

const { syn, ack, fin, rst, psh } = TCP_FLAG;
const request = renderProbeRequest('10.10.10.4', 80, '/health');

/** Sequence numbers close to their end, so that every test goes round the corner. */
const OWN = 0xffffffff;
const PEER = 0xfffffffe;

function start(withRequest = false): ProbeStep {
  return startProbe({
    localPort: 50_000,
    remotePort: 61_000,
    initialSequence: OWN,
    ...(withRequest ? { request } : {}),
  });
}

function fromGuest(flags: number, sequence: number, acknowledgement: number, payload = ''): TcpSegment {
  return {
    sourcePort: 61_000,
    destinationPort: 50_000,
    flags,
    sequence: sequence >>> 0,
    acknowledgement: acknowledgement >>> 0,
    window: 65_535,
    payload: Buffer.from(payload),
  };
}

function opened(withRequest = false): ProbeStep {
  return receiveSegment(start(withRequest).connection, fromGuest(syn | ack, PEER, OWN + 1));
}

function flagsOf(segments: readonly TcpSegment[]): number[] {
  return segments.map((segment) => segment.flags);
}

describe('a TCP probe', () => {
  test('opens with a SYN', () => {
    const { send, connection } = start();

    expect(send).toMatchObject([{ flags: syn, sequence: OWN, sourcePort: 50_000, destinationPort: 61_000 }]);
    expect(connection.outcome).toBeUndefined();
  });

  test('succeeds with the handshake and closes in order', () => {
    const { send, connection } = opened();

    expect(connection.outcome).toEqual({ healthy: true });
    expect(flagsOf(send)).toEqual([ack, fin | ack]);
    expect(send[0]).toMatchObject({ sequence: 0, acknowledgement: (PEER + 1) >>> 0 });

    const closed = receiveSegment(connection, fromGuest(fin | ack, PEER + 1, 1));
    expect(flagsOf(closed.send)).toEqual([ack]);
    expect(closed.connection.phase).toBe('done');
  });

  test('waits for the acknowledgement of its FIN when the guest closes first', () => {
    const early = receiveSegment(opened().connection, fromGuest(fin | ack, PEER + 1, 0));
    expect(early.connection.phase).toBe('closing');

    expect(receiveSegment(early.connection, fromGuest(ack, PEER + 2, 1)).connection.phase).toBe('done');
  });

  test('takes what a talkative server says first, and acknowledges it', () => {
    const greeted = receiveSegment(opened().connection, fromGuest(psh | ack, PEER + 1, 0, 'greeting'));

    expect(greeted.send).toMatchObject([{ flags: ack, acknowledgement: (PEER + 9) >>> 0 }]);
    expect(greeted.connection.outcome).toEqual({ healthy: true });
  });

  test('fails when the port refuses', () => {
    const { connection, send } = receiveSegment(start().connection, fromGuest(rst | ack, 0, OWN + 1));

    expect(connection).toMatchObject({ phase: 'done', outcome: { healthy: false, reason: 'refused' } });
    expect(send).toEqual([]);
  });

  test('ignores a refusal of something it never sent', () => {
    const { connection } = receiveSegment(start().connection, fromGuest(rst | ack, 0, 12_345));

    expect(connection.phase).toBe('connecting');
  });

  test('resets an old connection of the same ports and goes on waiting', () => {
    const { connection, send } = receiveSegment(start().connection, fromGuest(ack, 777, 12_345));

    expect(connection.phase).toBe('connecting');
    expect(send).toMatchObject([{ flags: rst, sequence: 12_345 }]);
  });

  test('without any answer it has failed, and leaves nothing to reset', () => {
    const { connection, send } = abandon(start().connection);

    expect(connection.outcome).toEqual({ healthy: false, reason: 'timeout' });
    expect(send).toEqual([]);
  });

  test('resets a guest that never closes, and stays successful', () => {
    const { connection, send } = abandon(opened().connection);

    expect(connection).toMatchObject({ phase: 'done', outcome: { healthy: true } });
    expect(flagsOf(send)).toEqual([rst | ack]);
  });

  test('sends again what was not acknowledged: the SYN, later the FIN', () => {
    const begun = start();
    expect(retransmit(begun.connection)).toEqual(begun.send);

    const { connection, send } = opened();
    expect(retransmit(connection)).toEqual([send[1]]);

    const acknowledged = receiveSegment(connection, fromGuest(ack, PEER + 1, 1)).connection;
    expect(retransmit(acknowledged)).toEqual([]);
  });

  test('answers a repeated SYN and ACK, whose answer was lost, with an acknowledgement', () => {
    const { send } = receiveSegment(opened().connection, fromGuest(syn | ack, PEER, OWN + 1));

    expect(flagsOf(send)).toEqual([ack]);
  });
});

describe('an HTTP probe', () => {
  const respond = (connection: ProbeConnection, text: string, flags: number = psh | ack) =>
    receiveSegment(connection, fromGuest(flags, PEER + 1, request.length, text));

  test('asks as soon as the connection is open', () => {
    const { send, connection } = opened(true);

    expect(send).toMatchObject([{ flags: psh | ack, sequence: 0, payload: request }]);
    expect(connection.outcome).toBeUndefined();
    expect(request.toString()).toContain('GET /health HTTP/1.1\r\nHost: 10.10.10.4:80\r\n');
  });

  it.each([
    ['200', 'HTTP/1.1 200 OK\r\n\r\n', { healthy: true }],
    ['200 in HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n', { healthy: true }],
    ['503', 'HTTP/1.1 503 Service Unavailable\r\n\r\n', { healthy: false, reason: 'status', status: 503 }],
    ['a redirection', 'HTTP/1.1 302 Found\r\n\r\n', { healthy: false, reason: 'status', status: 302 }],
    ['something else than HTTP', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', { healthy: false, reason: 'closed' }],
  ])('judges %s', (_what, text, outcome) => {
    const { connection, send } = respond(opened(true).connection, text);

    expect(connection).toMatchObject({ phase: 'closing', outcome });
    expect(flagsOf(send)).toEqual([ack, fin | ack]);
  });

  test('puts a status together that arrives in pieces', () => {
    const first = respond(opened(true).connection, 'HTTP/1.1');
    expect(first.connection.outcome).toBeUndefined();
    expect(flagsOf(first.send)).toEqual([ack]);

    const second = receiveSegment(first.connection, fromGuest(psh | ack, PEER + 9, request.length, ' 200 OK\r\n'));
    expect(second.connection.outcome).toEqual({ healthy: true });
  });

  test('asks for what it missed when a piece is lost', () => {
    const { connection, send } = receiveSegment(
      opened(true).connection,
      fromGuest(psh | ack, PEER + 9, request.length, ' 200 OK\r\n'),
    );

    expect(connection.outcome).toBeUndefined();
    expect(send).toMatchObject([{ flags: ack, acknowledgement: (PEER + 1) >>> 0 }]);
  });

  test('fails when the guest closes without an answer', () => {
    const { connection } = respond(opened(true).connection, '', fin | ack);

    expect(connection.outcome).toEqual({ healthy: false, reason: 'closed' });
  });

  test('fails when the guest resets', () => {
    const { connection } = respond(opened(true).connection, '', rst);

    expect(connection).toMatchObject({ phase: 'done', outcome: { healthy: false, reason: 'closed' } });
  });

  test('ends at once when answer and FIN come together', () => {
    const { connection } = respond(opened(true).connection, 'HTTP/1.1 200 OK\r\n\r\n', psh | ack | fin);
    const { phase, receiveNext } = connection;
    expect(phase).toBe('closing');

    const done = receiveSegment(connection, fromGuest(ack, receiveNext, request.length + 1));
    expect(done.connection.phase).toBe('done');
  });

  test('sends its request again while it is not acknowledged', () => {
    const { connection, send } = opened(true);

    expect(retransmit(connection)).toEqual(send);
    const acknowledged = receiveSegment(connection, fromGuest(ack, PEER + 1, request.length)).connection;
    expect(retransmit(acknowledged)).toEqual([]);
  });
});

describe('a segment nobody has asked for', () => {
  test('is reset at the number the guest expects', () => {
    expect(rejectSegment(fromGuest(ack, 7, 4711))).toMatchObject({
      flags: rst,
      sequence: 4711,
      destinationPort: 61_000,
    });
  });

  test('that opens a connection is refused', () => {
    expect(rejectSegment(fromGuest(syn, 7, 0))).toMatchObject({ flags: rst | ack, sequence: 0, acknowledgement: 8 });
  });

  test('that is a reset is left alone', () => {
    expect(rejectSegment(fromGuest(rst, 7, 0))).toBeUndefined();
  });
});
