import { Duplex } from 'node:stream';
import type { TcpSegment } from '../../../lab/wire/frame';
import { TCP_FLAG } from '../../../lab/wire/frame';
import type { ServiceConnection } from '../../../lab/wire/service-connection';
import { createServiceConnection } from '../../../lab/wire/service-connection';

const { syn, ack, fin, rst, psh } = TCP_FLAG;
/** Close to the end of the numbers, so that they wrap in every test. */
const GUEST = 0xffff_fff0;
const CLOUD = 0xffff_fff8;

class Upstream extends Duplex {
  readonly written: Buffer[] = [];
  held: (() => void)[] | undefined;
  ended = false;
  override _read(): void {
    // What the test pushes is there.
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    if (this.held === undefined) done();
    else this.held.push(done);
  }
  override _final(done: () => void): void {
    this.ended = true;
    done();
  }
}

function scene(guestWindow = 65_535) {
  const upstream = new Upstream({ allowHalfOpen: true });
  const sent: TcpSegment[] = [];
  let closed = 0;
  const connection: ServiceConnection = createServiceConnection({
    guestPort: 40_000,
    servicePort: 443,
    guestSequence: GUEST,
    guestWindow,
    sequence: CLOUD,
    stream: upstream,
    send: (segment) => sent.push({ ...segment, payload: Buffer.from(segment.payload) }),
    onClosed: () => (closed += 1),
  });
  const say = (flags: number, offset: number, acknowledged: number, text = '', window = guestWindow) =>
    connection.receive({
      sourcePort: 40_000,
      destinationPort: 443,
      sequence: (GUEST + offset) >>> 0,
      acknowledgement: (CLOUD + acknowledged) >>> 0,
      flags,
      window,
      payload: Buffer.from(text),
    });
  return {
    upstream,
    connection,
    say,
    closed: () => closed,
    /** What was sent since the last look, numbers from the beginning of the connection. */
    look: () =>
      sent.splice(0).map(({ flags, sequence, acknowledgement, payload, window }) => ({
        flags,
        sequence: (sequence - CLOUD) >>> 0,
        acknowledgement: (acknowledgement - GUEST) >>> 0,
        text: payload.toString(),
        window,
      })),
    /** Past the handshake. */
    establish: () => {
      say(ack, 1, 1);
      sent.splice(0);
    },
  };
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('answers a SYN, and again when nobody says that the answer has arrived', () => {
  const { look, say } = scene();

  const first = look();
  jest.advanceTimersByTime(250);
  const second = look();
  say(syn, 0, 0);
  const third = look();

  expect(first).toEqual([{ flags: syn | ack, sequence: 0, acknowledgement: 1, text: '', window: 65_535 }]);
  expect(second).toEqual(first);
  expect(third).toEqual(first);
});

it('passes on what comes in order once, keeps what comes early, and asks for what is missing', () => {
  const { establish, say, upstream, look } = scene();
  establish();

  say(ack | psh, 1, 1, 'one ');
  say(ack | psh, 9, 1, 'three');
  say(ack | psh, 1, 1, 'one ');
  const asked = look().map(({ acknowledgement }) => acknowledgement);
  say(ack | psh, 5, 1, 'two ');

  expect(Buffer.concat(upstream.written).toString()).toBe('one two three');
  expect(asked).toEqual([5, 5, 5]);
  expect(look().at(-1)?.acknowledgement).toBe(14);
});

it('sends again what was not acknowledged, with growing patience, and gives up with a reset', async () => {
  const { establish, upstream, look, closed } = scene();
  establish();
  upstream.push('hello');
  await turn();
  const first = look();

  const times: number[] = [];
  for (let ms = 0; ms < 60_000; ms += 50) {
    jest.advanceTimersByTime(50);
    if (look().some(({ text }) => text === 'hello')) times.push(ms + 50);
  }

  expect(first.map(({ text, sequence }) => [text, sequence])).toEqual([['hello', 1]]);
  expect(times.slice(0, 4)).toEqual([250, 750, 1750, 3750]);
  expect(times).toHaveLength(10);
  expect(closed()).toBe(1);
  expect(upstream.destroyed).toBe(true);
});

it('sends no more than the guest has room for, and finds out when it has room again', async () => {
  const { establish, upstream, look, say } = scene(4);
  establish();
  upstream.push('abcdefgh');
  await turn();

  expect(look().map(({ text }) => text)).toEqual(['abcd']);
  say(ack, 1, 5, '', 0);
  expect(look()).toEqual([]);
  jest.advanceTimersByTime(250);
  expect(look().map(({ text }) => text)).toEqual(['e']);
  say(ack, 1, 5, '', 10);
  expect(look().map(({ text, sequence }) => [text, sequence])).toEqual([['efgh', 5]]);
});

it('tells the guest to wait while control does not read, and when it may go on', async () => {
  const { establish, upstream, look, say } = scene();
  establish();
  upstream.held = [];
  const most = 'x'.repeat(1460);

  for (let offset = 0; offset < 65_000; offset += 1460) say(ack, 1 + offset, 1, most);
  const full = look().at(-1)?.window;
  const held = upstream.held;
  upstream.held = undefined;
  for (const done of held) done();
  await turn();

  expect(full).toBeLessThan(1460);
  expect(look().at(-1)?.window).toBeGreaterThan(32_000);
});

it('closes when both sides have, each in its own time', async () => {
  const { establish, upstream, look, say, closed } = scene();
  establish();

  say(ack | fin, 1, 1, 'bye');
  await turn();
  const heard = look();
  upstream.push('ok');
  upstream.push(null);
  await turn();
  const answered = look();
  say(ack, 5, 4);
  jest.advanceTimersByTime(2000);

  expect(upstream.ended).toBe(true);
  expect(heard.at(-1)?.acknowledgement).toBe(5);
  expect(answered.map(({ text, flags }) => [text, flags & fin])).toEqual([
    ['ok', 0],
    ['', fin],
  ]);
  expect(closed()).toBe(1);
});

it('ends at once with a reset of the guest, unless it is one for another time', () => {
  const { establish, say, upstream, closed } = scene();
  establish();

  say(rst, 200_000, 0);
  const ignored = closed();
  say(rst, 1, 0);

  expect(ignored).toBe(0);
  expect(closed()).toBe(1);
  expect(upstream.destroyed).toBe(true);
});

it('resets the guest when control breaks off', async () => {
  const { establish, upstream, look, closed } = scene();
  establish();

  upstream.destroy(new Error('killed'));
  await turn();

  expect(look().at(-1)?.flags).toBe(rst | ack);
  expect(closed()).toBe(1);
});
