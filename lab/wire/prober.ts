import { randomInt } from 'node:crypto';
import type { BackendHealth, LoadBalancingRule } from '../model';
import { PLATFORM_ADDRESS } from '../model';
import { formatAddress, parseAddress } from './addresses';
import { buildTcpDatagram, parseTcpDatagram } from './frame';
import type { TcpSegment } from './frame';
import type { Log } from './log';
import type { ProbeConnection, ProbeOutcome } from './probe-connection';
import { abandon, receiveSegment, rejectSegment, renderProbeRequest, retransmit, startProbe } from './probe-connection';
import { frontendOf } from './plan';
import type { Target } from './switch';

type Probe = NonNullable<LoadBalancingRule['probe']>;

/**
 * Health probes as Azure makes them: from the platform's address, inside the switch, so that the answer is the guest's
 * own. A backend starts as down and is probed at once; `threshold` results in a row, either way, change its state.
 */
export interface Prober {
  /** Backends that stay, with the same probe, keep their state. */
  apply(rules: readonly LoadBalancingRule[]): void;
  /** `frontend` is `address:port`: see `frontendOf`. */
  isHealthy(frontend: string, target: Target): boolean;
  health(): BackendHealth[];
  /** A frame that a machine has sent to the platform's address. */
  receive(virtualNetwork: string, source: number, datagram: Buffer): void;
  close(): void;
}

export interface ProberOptions {
  log: Log;
  /** Sends a datagram of the platform to a machine; false if there is none. */
  send: (target: Target, datagram: Buffer) => boolean;
  now: () => number;
}

interface Backend {
  readonly rule: string;
  readonly frontend: string;
  readonly target: Target;
  readonly probe: Probe;
  healthy: boolean;
  sinceMs: number;
  /** Results in a row that differ from the state. */
  contrary: number;
  attempt: Attempt | undefined;
  timer: NodeJS.Timeout;
}

interface Attempt {
  backend: Backend;
  connection: ProbeConnection;
  timers: NodeJS.Timeout[];
  reported: boolean;
}

/** When an unanswered segment is sent again, counted from the start of the probe. */
const RETRANSMIT_MS = [500, 1500, 3500];
/** How long the listener may take to close its side, before the connection is reset. */
const LINGER_MS = 2000;
const FIRST_PORT = 49_152;

export function createProber(options: ProberOptions): Prober {
  const platform = parseAddress(PLATFORM_ADDRESS);
  const backends = new Map<string, Backend>();
  const attempts = new Map<string, Attempt>();
  let port = FIRST_PORT + randomInt(16_000);

  function begin(backend: Backend): void {
    // A probe without an answer by the time of the next one has failed.
    if (backend.attempt !== undefined) give(backend.attempt);
    port = port === 65_535 ? FIRST_PORT : port + 1;
    const { probe } = backend;
    const step = startProbe({
      localPort: port,
      remotePort: probe.port,
      initialSequence: randomInt(2 ** 32),
      ...(probe.protocol === 'Http'
        ? { request: renderProbeRequest(backend.target.address, probe.port, probe.requestPath ?? '/') }
        : {}),
    });
    const attempt: Attempt = { backend, connection: step.connection, timers: [], reported: false };
    backend.attempt = attempt;
    attempts.set(attemptKey(backend.target.address, port), attempt);
    attempt.timers = RETRANSMIT_MS.filter((ms) => ms < probe.intervalSeconds * 1000).map((ms) =>
      setTimeout(() => transmit(attempt, retransmit(attempt.connection)), ms),
    );
    transmit(attempt, step.send);
  }

  function transmit(attempt: Attempt, segments: readonly TcpSegment[]): void {
    const { target } = attempt.backend;
    for (const segment of segments) {
      options.send(target, buildTcpDatagram(platform, parseAddress(target.address), segment));
    }
  }

  function advance(attempt: Attempt, step: { connection: ProbeConnection; send: TcpSegment[] }): void {
    const lingering = attempt.connection.phase !== 'closing' && step.connection.phase === 'closing';
    attempt.connection = step.connection;
    transmit(attempt, step.send);
    const { outcome, phase } = step.connection;
    if (outcome !== undefined && !attempt.reported) {
      attempt.reported = true;
      report(attempt.backend, outcome);
    }
    if (phase === 'done') forget(attempt);
    else if (lingering) attempt.timers.push(setTimeout(() => give(attempt), LINGER_MS));
  }

  function give(attempt: Attempt): void {
    advance(attempt, abandon(attempt.connection));
  }

  function forget(attempt: Attempt): void {
    for (const timer of attempt.timers) clearTimeout(timer);
    attempts.delete(attemptKey(attempt.backend.target.address, attempt.connection.localPort));
    if (attempt.backend.attempt === attempt) attempt.backend.attempt = undefined;
  }

  function report(backend: Backend, outcome: ProbeOutcome): void {
    if (outcome.healthy === backend.healthy) {
      backend.contrary = 0;
      return;
    }
    backend.contrary += 1;
    if (backend.contrary < backend.probe.threshold) return;
    backend.contrary = 0;
    backend.healthy = outcome.healthy;
    backend.sinceMs = options.now();
    options.log('backend-health', {
      rule: backend.rule,
      address: backend.target.address,
      healthy: backend.healthy,
      ...(outcome.healthy ? {} : { reason: outcome.reason, status: outcome.status }),
    });
  }

  function add(key: string, rule: LoadBalancingRule, target: Target, probe: Probe): void {
    const backend: Backend = {
      rule: rule.name,
      frontend: frontendOf(rule),
      target,
      probe,
      healthy: false,
      sinceMs: options.now(),
      contrary: 0,
      attempt: undefined,
      timer: setInterval(() => begin(backend), probe.intervalSeconds * 1000),
    };
    backends.set(key, backend);
    begin(backend);
  }

  function remove(key: string, backend: Backend): void {
    clearInterval(backend.timer);
    backends.delete(key);
    if (backend.attempt === undefined) return;
    backend.attempt.reported = true;
    give(backend.attempt);
  }

  return {
    apply(rules) {
      const wanted = new Map<string, () => void>();
      for (const rule of rules) {
        const { probe } = rule;
        if (probe === undefined) continue;
        for (const backend of rule.backends) {
          const key = JSON.stringify([rule.name, frontendOf(rule), backend.virtualNetwork, backend.address, probe]);
          wanted.set(key, () => add(key, rule, backend, probe));
        }
      }
      for (const [key, backend] of backends) if (!wanted.has(key)) remove(key, backend);
      for (const [key, start] of wanted) if (!backends.has(key)) start();
    },
    isHealthy(frontend, target) {
      return [...backends.values()].some(
        (backend) => backend.frontend === frontend && sameTarget(backend.target, target) && backend.healthy,
      );
    },
    health: () =>
      [...backends.values()].map((backend) => ({
        rule: backend.rule,
        frontend: backend.frontend,
        address: backend.target.address,
        healthy: backend.healthy,
        since: new Date(backend.sinceMs).toISOString(),
      })),
    receive(virtualNetwork, source, datagram) {
      const received = parseTcpDatagram(datagram);
      if (received === undefined) return;
      const address = formatAddress(source);
      const attempt = attempts.get(attemptKey(address, received.destinationPort));
      if (attempt !== undefined && received.sourcePort === attempt.connection.remotePort) {
        advance(attempt, receiveSegment(attempt.connection, received));
        return;
      }
      const reset = rejectSegment(received);
      if (reset !== undefined) options.send({ address, virtualNetwork }, buildTcpDatagram(platform, source, reset));
    },
    close() {
      for (const [key, backend] of backends) remove(key, backend);
    },
  };
}

/** Local ports are unique among the attempts under way, so the address and the port name one, whatever its network. */
function attemptKey(address: string, localPort: number): string {
  return `${address} ${localPort}`;
}

function sameTarget(left: Target, right: Target): boolean {
  return left.address === right.address && left.virtualNetwork === right.virtualNetwork;
}
