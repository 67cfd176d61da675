import type { LoadBalancingRule } from '../../../lab/model';
import { parseAddress } from '../../../lab/wire/addresses';
import type { TcpSegment } from '../../../lab/wire/frame';
import { TCP_FLAG, buildTcpDatagram, parseTcpDatagram } from '../../../lab/wire/frame';
import { silent } from '../../../lab/wire/log';
import { createProber } from '../../../lab/wire/prober';

const guest = '10.10.10.4';
const target = { address: guest };

function loadBalancingRule(probe: Partial<NonNullable<LoadBalancingRule['probe']>> = {}): LoadBalancingRule {
  return {
    name: 'lb-mysql',
    frontendAddress: '127.77.0.10',
    frontendPort: 3306,
    backendPort: 3306,
    backends: [target],
    idleTimeoutMinutes: 4,
    tcpReset: false,
    probe: { name: 'probe', protocol: 'Tcp', port: 61_000, intervalSeconds: 5, threshold: 2, ...probe },
  };
}

/** A prober before one guest that answers as the test says, on the test's own clock. */
function scene() {
  jest.useFakeTimers();
  let mode: 'listening' | 'refusing' | 'silent' = 'silent';
  let probes = 0;
  const resets: TcpSegment[] = [];
  const prober = createProber({
    log: silent,
    now: () => Date.now(),
    send: (_target, datagram) => {
      const segment = parseTcpDatagram(datagram);
      if (segment === undefined) throw new Error('the prober has sent a bad segment');
      if ((segment.flags & TCP_FLAG.rst) !== 0) resets.push(segment);
      if (segment.flags !== TCP_FLAG.syn) return true;
      probes += 1;
      if (mode === 'silent') return true;
      answer(segment, mode === 'listening' ? TCP_FLAG.syn | TCP_FLAG.ack : TCP_FLAG.rst | TCP_FLAG.ack);
      return true;
    },
  });
  function answer(segment: TcpSegment, flags: number): void {
    queueMicrotask(() =>
      prober.receive(
        'vnet',
        parseAddress(guest),
        buildTcpDatagram(parseAddress(guest), parseAddress('168.63.129.16'), {
          sourcePort: segment.destinationPort,
          destinationPort: segment.sourcePort,
          sequence: 100,
          acknowledgement: (segment.sequence + 1) >>> 0,
          flags,
          window: 1000,
          payload: Buffer.alloc(0),
        }),
      ),
    );
  }
  return {
    prober,
    resets,
    probes: () => probes,
    be: (next: typeof mode) => (mode = next),
    pass: (seconds: number) => jest.advanceTimersByTimeAsync(seconds * 1000),
    healthy: () => prober.isHealthy('127.77.0.10:3306', target),
    [Symbol.dispose]: () => {
      prober.close();
      jest.useRealTimers();
    },
  };
}

let current: ReturnType<typeof scene>;
beforeEach(() => (current = scene()));
afterEach(() => current[Symbol.dispose]());

test('a backend is down at first, is probed at once, and is up after as many good results as the threshold says', async () => {
  const { prober, be, pass, healthy, probes } = current;
  be('listening');

  prober.apply([loadBalancingRule()]);
  await pass(0);
  expect(probes()).toBe(1);
  expect(healthy()).toBe(false);

  await pass(5);
  expect(healthy()).toBe(true);
});

test.each(['refusing', 'silent'] as const)(
  'a backend that is %s goes down after the threshold and no sooner',
  async (mode) => {
    const { prober, be, pass, healthy } = current;
    be('listening');
    prober.apply([loadBalancingRule()]);
    await pass(5);

    be(mode);
    // A probe that is refused fails at once, one without an answer when the next one is due.
    await pass(mode === 'refusing' ? 9 : 14);
    expect(healthy()).toBe(true);
    await pass(1);
    expect(healthy()).toBe(false);
  },
);

test('a good result in between starts the count anew', async () => {
  const { prober, be, pass, healthy } = current;
  be('listening');
  prober.apply([loadBalancingRule({ threshold: 3 })]);
  await pass(10);
  expect(healthy()).toBe(true);

  be('refusing');
  await pass(10);
  be('listening');
  await pass(5);
  be('refusing');
  await pass(10);

  expect(healthy()).toBe(true);
});

test('a guest that answers late within the interval is up', async () => {
  const { prober, be, pass, healthy } = current;
  prober.apply([loadBalancingRule({ threshold: 1 })]);
  await pass(0.4);
  expect(healthy()).toBe(false);

  be('listening');
  await pass(0.2);

  expect(healthy()).toBe(true);
});

test('a guest that does not close its side is reset', async () => {
  const { prober, be, pass, resets } = current;
  be('listening');

  prober.apply([loadBalancingRule()]);
  await pass(2.1);

  expect(resets).toHaveLength(1);
});

test('a plan that leaves a backend and its probe alone leaves its state alone', async () => {
  const { prober, be, pass, healthy } = current;
  be('listening');
  prober.apply([loadBalancingRule()]);
  await pass(5);
  const before = prober.health();

  prober.apply([{ ...loadBalancingRule(), idleTimeoutMinutes: 30 }]);

  expect(healthy()).toBe(true);
  expect(prober.health()).toEqual(before);
});

test('another probe begins from down', async () => {
  const { prober, be, pass, healthy } = current;
  be('listening');
  prober.apply([loadBalancingRule()]);
  await pass(5);

  prober.apply([loadBalancingRule({ port: 61_001 })]);

  expect(healthy()).toBe(false);
});

test('a backend that leaves the rule is probed no more', async () => {
  const { prober, pass, probes } = current;
  prober.apply([loadBalancingRule()]);
  prober.apply([]);
  const before = probes();

  await pass(30);

  expect(probes()).toBe(before);
  expect(prober.health()).toEqual([]);
});
