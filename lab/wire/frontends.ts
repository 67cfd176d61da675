import { createHash } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { InboundNatRule, LoadBalancingRule } from '../model';
import { parseRemoteAddress } from './addresses';
import { PROTOCOL } from './frame';
import type { Log } from './log';
import type { Problem } from './problem';
import { bindProblem, errorCode } from './problem';
import { relay } from './relay';
import type { Verdict } from './security-group';
import type { Target } from './switch';

/**
 * The public side: load-balancing and inbound NAT rules, each a TCP listener on its public (loopback) address.
 *
 * What a packet forwarder does and a proxy cannot: the host's kernel has accepted a connection before wire sees it, so
 * one that Azure would leave without an answer (no healthy backend, denied by a security group) is reset at once.
 * As in Azure, health decides about new connections only: a flow stays with its backend until it ends.
 */
export interface Frontends {
  apply(rules: readonly LoadBalancingRule[], natRules: readonly InboundNatRule[]): Promise<Problem[]>;
  status(): FrontendStatus[];
  close(): Promise<void>;
}

export interface FrontendStatus {
  kind: 'load-balancing' | 'inbound-nat';
  name: string;
  address: string;
  port: number;
  listening: boolean;
  openConnections: number;
  /** Since wire started. */
  connections: number;
  resetNoBackend: number;
  resetDenied: number;
  /** Flows that the idle time-out has ended. */
  endedIdle: number;
}

export interface FrontendOptions {
  log: Log;
  /** By `address:port` of the frontend. */
  isHealthy: (frontend: string, target: Target) => boolean;
  judge: (
    target: Target,
    client: { protocol: number; source: number; sourcePort: number; destinationPort: number },
  ) => Verdict;
  /** Where to connect for a port of a machine; undefined while the gateway is not there. */
  locate: (target: Target, port: number) => { host: string; port: number } | undefined;
}

interface Wanted {
  kind: FrontendStatus['kind'];
  name: string;
  address: string;
  port: number;
  backendPort: number;
  targets: readonly Target[];
  probed: boolean;
  idleTimeoutMs?: number;
  idleEnd: 'reset' | 'silence';
}

interface Frontend {
  wanted: Wanted;
  server: Server;
  listening: boolean;
  clients: Set<Socket>;
  connections: number;
  resetNoBackend: number;
  resetDenied: number;
  endedIdle: number;
}

export function createFrontends(options: FrontendOptions): Frontends {
  const frontends = new Map<string, Frontend>();

  function accept(frontend: Frontend, client: Socket): void {
    const { wanted } = frontend;
    frontend.connections += 1;
    client.on('error', () => undefined);
    if (client.remoteAddress === undefined || client.remotePort === undefined) {
      client.destroy();
      return;
    }
    const source = parseRemoteAddress(client.remoteAddress);
    const target = choose(wanted, source, client.remotePort);
    if (target === undefined) {
      frontend.resetNoBackend += 1;
      client.resetAndDestroy();
      return;
    }
    const verdict = options.judge(target, {
      protocol: PROTOCOL.tcp,
      source,
      sourcePort: client.remotePort,
      destinationPort: wanted.backendPort,
    });
    if (verdict.access === 'Deny') {
      frontend.resetDenied += 1;
      options.log('connection-denied', { frontend: wanted.name, client: client.remoteAddress, rule: verdict.rule });
      client.resetAndDestroy();
      return;
    }
    const place = options.locate(target, wanted.backendPort);
    if (place === undefined) {
      frontend.resetNoBackend += 1;
      client.resetAndDestroy();
      return;
    }
    frontend.clients.add(client);
    const backend = connect({ ...place, allowHalfOpen: true, noDelay: true });
    relay(client, backend, {
      ...(wanted.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: wanted.idleTimeoutMs }),
      idleEnd: wanted.idleEnd,
      onIdle: () => {
        frontend.endedIdle += 1;
      },
      onClosed: () => frontend.clients.delete(client),
    });
  }

  /** By a hash of the flow's five-tuple over the healthy backends, as Azure distributes by default. */
  function choose(wanted: Wanted, source: number, sourcePort: number): Target | undefined {
    const candidates = wanted.probed
      ? wanted.targets.filter((target) => options.isHealthy(keyOf(wanted), target))
      : wanted.targets;
    if (candidates.length <= 1) return candidates[0];
    const tuple = `${source} ${sourcePort} ${wanted.address} ${wanted.port} tcp`;
    return candidates[createHash('sha256').update(tuple).digest().readUInt32BE(0) % candidates.length];
  }

  async function open(wanted: Wanted): Promise<Problem | undefined> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const frontend: Frontend = {
      wanted,
      server,
      listening: false,
      clients: new Set(),
      connections: 0,
      resetNoBackend: 0,
      resetDenied: 0,
      endedIdle: 0,
    };
    server.on('connection', (client) => accept(frontend, client));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: wanted.address, port: wanted.port, backlog: 511 }, resolve);
      });
    } catch (error) {
      frontends.set(keyOf(wanted), frontend);
      return bindProblem(`frontend of ${wanted.name}`, wanted.address, wanted.port, 'TCP', error);
    }
    server.removeAllListeners('error');
    server.on('error', (error) => options.log('frontend-error', { frontend: wanted.name, code: errorCode(error) }));
    frontend.listening = true;
    frontends.set(keyOf(wanted), frontend);
    options.log('frontend-open', {
      kind: wanted.kind,
      frontend: wanted.name,
      address: wanted.address,
      port: wanted.port,
    });
    return undefined;
  }

  async function remove(key: string, frontend: Frontend): Promise<void> {
    frontends.delete(key);
    for (const client of frontend.clients) client.resetAndDestroy();
    if (frontend.listening) await new Promise((resolve) => frontend.server.close(resolve));
  }

  return {
    async apply(rules, natRules) {
      const problems: Problem[] = [];
      const wanted = new Map<string, Wanted>();
      for (const entry of [...rules.map(fromRule), ...natRules.map(fromNatRule)]) {
        const other = wanted.get(keyOf(entry));
        if (other === undefined) wanted.set(keyOf(entry), entry);
        else {
          problems.push({
            code: 'FrontendConflict',
            subject: `frontend of ${entry.name}`,
            message: `${entry.address}:${entry.port} is wanted by ${other.name} and by ${entry.name}; ${other.name} has it. Give one of them another frontend port.`,
          });
        }
      }
      for (const [key, frontend] of frontends) {
        if (!wanted.has(key) || !frontend.listening) await remove(key, frontend);
      }
      for (const [key, entry] of wanted) {
        const existing = frontends.get(key);
        if (existing !== undefined) existing.wanted = entry;
        else {
          const problem = await open(entry);
          if (problem !== undefined) problems.push(problem);
        }
      }
      return problems;
    },
    status: () =>
      [...frontends.values()].map(({ wanted, ...frontend }) => ({
        kind: wanted.kind,
        name: wanted.name,
        address: wanted.address,
        port: wanted.port,
        listening: frontend.listening,
        openConnections: frontend.clients.size,
        connections: frontend.connections,
        resetNoBackend: frontend.resetNoBackend,
        resetDenied: frontend.resetDenied,
        endedIdle: frontend.endedIdle,
      })),
    async close() {
      for (const [key, frontend] of frontends) await remove(key, frontend);
    },
  };
}

function fromRule(rule: LoadBalancingRule): Wanted {
  return {
    kind: 'load-balancing',
    name: rule.name,
    address: rule.frontendAddress,
    port: rule.frontendPort,
    backendPort: rule.backendPort,
    targets: rule.backends,
    probed: rule.probe !== undefined,
    idleTimeoutMs: rule.idleTimeoutMinutes * 60_000,
    idleEnd: rule.tcpReset ? 'reset' : 'silence',
  };
}

function fromNatRule(rule: InboundNatRule): Wanted {
  return {
    kind: 'inbound-nat',
    name: rule.name,
    address: rule.frontendAddress,
    port: rule.frontendPort,
    backendPort: rule.backendPort,
    targets: [{ address: rule.backendAddress }],
    probed: false,
    idleEnd: 'silence',
  };
}

function keyOf({ address, port }: { address: string; port: number }): string {
  return `${address}:${port}`;
}
