import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import type { NetworkPort, Wiring } from '../model';
import { PLATFORM_ADDRESS } from '../model';
import type { Prefix } from './addresses';
import { contains, formatAddress, parseAddress, parseMac, parsePrefix } from './addresses';
import type { ActiveFault, Effect, EndNames } from './faults';
import { GATEWAY_NAME, effectOf } from './faults';
import type { FlowTable } from './flows';
import { belongsToFlow, createFlowTable, flowKey, forgetIdleFlows, rememberFlow } from './flows';
import {
  ETHERTYPE,
  FABRIC_MAC,
  L2TPV3_DATA,
  OFFSET,
  PROTOCOL,
  SESSION,
  buildArpReply,
  readUint16,
  readUint32,
  rewriteAddress,
  transportOffset,
  writeEncapsulation,
} from './frame';
import type { Log } from './log';
import type { Problem } from './problem';
import { bindProblem } from './problem';
import type { Packet, SecurityGroup, Verdict } from './security-group';
import { compileSecurityGroup, findDenial } from './security-group';

/**
 * The fabric of the virtual networks. Like Azure's it works by IP address: it answers every ARP request itself, with one
 * hardware address for everybody, carries unicast IPv4 only, and passes on no frame whose sender is not the port's own.
 * A machine that is down or cut off is therefore silence, never "no route to host".
 *
 * Each port is a UDP socket, connected to the machine's end: the kernel refuses what comes from any other port, the
 * cookie refuses the rest.
 */
export interface Switch {
  apply(plan: SwitchPlan): Promise<Problem[]>;
  applyFaults(faults: readonly ActiveFault[]): void;
  /** Sends a packet of the platform (a probe) to a machine, through security groups and faults; false if nobody has the address. */
  sendFromPlatform(target: Target, datagram: Buffer): boolean;
  /** Sends a packet of a service to the machine of that address in the network. */
  sendFromService(virtualNetwork: string, service: string, datagram: Buffer): void;
  /** Whether the target's security groups let a packet from outside in; the balancer knows the client's real address. */
  judgeInbound(target: Target, packet: Omit<Packet, 'direction' | 'destination'>): Verdict;
  hasMachine(target: Target): boolean;
  ends(): EndNames[];
  counters(): PortCounters[];
  recentDenials(): readonly Denial[];
  close(): Promise<void>;
}

/** A machine's address; the name of the virtual network is only needed where two of them use the same addresses. */
export interface Target {
  address: string;
  virtualNetwork?: string;
}

export interface SwitchPlan {
  networks: readonly NetworkSegment[];
}

export interface NetworkSegment {
  name: string;
  prefixes: readonly string[];
  ports: readonly NetworkPort[];
  gateway?: GatewayPort;
  /** What machines, and nobody else, may ask of the cloud itself. */
  services?: readonly ServicePort[];
}

export interface ServicePort {
  /** What faults call it by. */
  name: string;
  address: string;
  /** Whether security groups judge what goes there. */
  judged: boolean;
}

/** The end of the gateway: what connects from outside, and services that guests may ask. */
export interface GatewayPort {
  address: string;
  wiring: Wiring;
  /** Addresses guests ask, and where the gateway listens for them; the switch translates when they differ. */
  services: readonly { visible: string; actual: string }[];
}

export interface PortCounters {
  machine: string;
  name: string;
  address: string;
  virtualNetwork: string;
  /** False while the port's socket could not be opened. */
  open: boolean;
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Frames from this machine that went no further, by reason. */
  dropped: Dropped;
}

export interface Dropped {
  /** Not L2TPv3, wrong session or wrong cookie. */
  encapsulation: number;
  /** Sender's hardware or IP address is not the port's. */
  spoofed: number;
  /** Neither ARP nor well-formed IPv4. */
  protocol: number;
  /** Nobody has the destination address; broadcast and multicast. */
  unroutable: number;
  /** A security group denied. */
  denied: number;
  /** Lost by an injected fault. */
  fault: number;
}

export interface Denial {
  at: string;
  from: string;
  to: string;
  protocol: number;
  port?: number;
  rule: string;
}

export interface SwitchOptions {
  log: Log;
  /** Uniform in [0, 1); decides which frames a lossy link loses. */
  random: () => number;
  /** A frame for the platform's address, from the machine with that address. */
  onPlatformDatagram: (virtualNetwork: string, source: number, datagram: Buffer) => void;
  /** A frame for a service, from the machine with that address: it has been checked that the port has it. */
  onServiceDatagram?: (virtualNetwork: string, service: string, source: number, datagram: Buffer) => void;
  now: () => number;
}

interface End {
  readonly kind: 'machine' | 'gateway' | 'platform' | 'service';
  /** False for what the security groups of Azure do not see. */
  readonly judged: boolean;
  /** Whatever makes it another end when it changes. */
  readonly identity: string;
  readonly index: number;
  readonly network: Network;
  readonly address: number;
  readonly mac: Buffer;
  readonly names: EndNames;
  readonly cookies: { receive: number; send: number };
  /** Ways to the other ends, by their index. */
  readonly ways: (Way | undefined)[];
  readonly counters: Omit<PortCounters, 'open'>;
  groups: readonly SecurityGroup[];
  socket: Socket | undefined;
  open: boolean;
}

interface Network {
  readonly name: string;
  prefixes: readonly Prefix[];
  /** Every address that leads somewhere, the platform's and services' included. */
  readonly ends: Map<number, End>;
  services: readonly { visible: number; actual: number }[];
}

/** One direction between two ends. */
interface Way {
  /** Shared by both directions. */
  readonly table: FlowTable;
  /** True in the direction whose source port comes first in the flow's key. */
  readonly first: boolean;
  effect: Effect | undefined;
  /** Frames held back, in order; also those that arrive while earlier ones still wait. */
  readonly held: { dueMs: number; datagram: Buffer }[];
  timer: NodeJS.Timeout | undefined;
}

const SOCKET_BUFFER = 4 * 1024 * 1024;
const HOUSEKEEPING_MS = 10_000;
const DENIALS_KEPT = 20;
/** Frames that wait on one delayed way: 15 MB at full size. */
const MOST_HELD = 10_000;
const MINIMUM_IPV4 = 20;
const DEAD_MAC = Buffer.alloc(6);

export function createSwitch(options: SwitchOptions): Switch {
  const networks = new Map<string, Network>();
  const ends = new Map<string, End>();
  const tables = new Map<number, FlowTable>();
  const denials: Denial[] = [];
  let faults: readonly ActiveFault[] = [];
  let nextIndex = 0;
  // The time of the flows; a clock read per frame would cost more than it tells.
  let clockMs = options.now();
  let ticks = 0;
  const clock = setInterval(() => {
    clockMs = options.now();
    ticks += 1;
    if (ticks % (HOUSEKEEPING_MS / 1000) === 0) for (const table of tables.values()) forgetIdleFlows(table, clockMs);
  }, 1000);
  clock.unref();

  function receive(source: End, datagram: Buffer): void {
    const { counters } = source;
    counters.framesIn += 1;
    counters.bytesIn += datagram.length;
    if (
      datagram.length < OFFSET.payload ||
      readUint32(datagram, 0) !== L2TPV3_DATA ||
      readUint32(datagram, 4) !== SESSION ||
      readUint32(datagram, OFFSET.cookie) !== source.cookies.receive
    ) {
      counters.dropped.encapsulation += 1;
      return;
    }
    const etherType = readUint16(datagram, OFFSET.etherType);
    if (etherType === ETHERTYPE.ipv4) receiveIpv4(source, datagram);
    else if (etherType === ETHERTYPE.arp) receiveArp(source, datagram);
    else counters.dropped.protocol += 1;
  }

  function receiveArp(source: End, datagram: Buffer): void {
    if (datagram.length < OFFSET.arp.targetAddress + 4 || readUint16(datagram, OFFSET.arp.operation) !== 1) return;
    const sender = readUint32(datagram, OFFSET.arp.senderAddress);
    if (!sameMac(datagram, OFFSET.arp.senderMac, source) || (sender !== source.address && sender !== 0)) {
      source.counters.dropped.spoofed += 1;
      return;
    }
    const target = readUint32(datagram, OFFSET.arp.targetAddress);
    // Asking for the own address is how a machine looks for another one that has it: there is none.
    if (target === source.address) return;
    if (!source.network.prefixes.some((prefix) => contains(prefix, target)) && !source.network.ends.has(target)) return;
    transmit(source, buildArpReply(datagram));
  }

  function receiveIpv4(source: End, datagram: Buffer): void {
    const { counters, network } = source;
    const version = datagram[OFFSET.ip.version]!;
    const available = datagram.length - OFFSET.payload;
    if (
      version >>> 4 !== 4 ||
      (version & 15) < 5 ||
      available < MINIMUM_IPV4 ||
      readUint16(datagram, OFFSET.ip.totalLength) > available
    ) {
      counters.dropped.protocol += 1;
      return;
    }
    if (source.kind === 'gateway') {
      for (const service of network.services) {
        if (readUint32(datagram, OFFSET.ip.source) === service.actual && service.actual !== service.visible) {
          rewriteAddress(datagram, OFFSET.ip.source, service.visible);
        }
      }
    } else if (
      !sameMac(datagram, OFFSET.sourceMac, source) ||
      readUint32(datagram, OFFSET.ip.source) !== source.address
    ) {
      counters.dropped.spoofed += 1;
      return;
    }
    forward(source, datagram);
  }

  function forward(source: End, datagram: Buffer): void {
    const address = readUint32(datagram, OFFSET.ip.destination);
    const destination = source.network.ends.get(address);
    const barred = destination?.kind === 'service' && source.kind !== 'machine';
    if (destination === undefined || destination === source || barred) {
      source.counters.dropped.unroutable += 1;
      return;
    }
    const way = source.ways[destination.index] ?? connect(source, destination);
    if (!admit(source, destination, way, datagram)) return;
    if (destination.kind === 'gateway' && address !== destination.address) {
      const service = source.network.services.find((candidate) => candidate.visible === address);
      if (service !== undefined && service.actual !== service.visible) {
        rewriteAddress(datagram, OFFSET.ip.destination, service.actual);
      }
    }
    if (way.effect === undefined && way.held.length === 0) transmit(destination, datagram);
    else suffer(source, destination, way, datagram);
  }

  function admit(source: End, destination: End, way: Way, datagram: Buffer): boolean {
    const protocol = datagram[OFFSET.ip.protocol]!;
    const transport = transportOffset(datagram);
    const fragment = readUint16(datagram, OFFSET.ip.fragment) & 0x1fff;
    const ported =
      (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp) && fragment === 0 && transport + 4 <= datagram.length;
    const sourcePort = ported ? readUint16(datagram, transport) : 0;
    const destinationPort = ported ? readUint16(datagram, transport + 2) : 0;
    const flags = protocol === PROTOCOL.tcp && fragment === 0 ? (datagram[transport + 13] ?? 0) : 0;
    const key = way.first
      ? flowKey(protocol, sourcePort, destinationPort)
      : flowKey(protocol, destinationPort, sourcePort);
    if (belongsToFlow(way.table, key, flags, clockMs)) return true;

    const packet = {
      protocol,
      source: readUint32(datagram, OFFSET.ip.source),
      sourcePort: ported ? sourcePort : undefined,
      destination: readUint32(datagram, OFFSET.ip.destination),
      destinationPort: ported ? destinationPort : undefined,
    };
    const denial = !destination.judged
      ? undefined
      : (findDenial(source.groups, { direction: 'Outbound', ...packet }) ??
        // What comes out of the gateway was judged already, by the balancer, with the client's real address.
        (source.kind === 'gateway' ? undefined : findDenial(destination.groups, { direction: 'Inbound', ...packet })));
    if (denial !== undefined) {
      source.counters.dropped.denied += 1;
      recordDenial(packet, denial);
      return false;
    }
    rememberFlow(way.table, key, protocol, clockMs);
    return true;
  }

  function recordDenial(packet: Omit<Packet, 'direction'>, verdict: Verdict): void {
    denials.unshift({
      at: new Date(options.now()).toISOString(),
      from: formatAddress(packet.source),
      to: formatAddress(packet.destination),
      protocol: packet.protocol,
      ...(packet.destinationPort === undefined ? {} : { port: packet.destinationPort }),
      rule: verdict.rule,
    });
    denials.length = Math.min(denials.length, DENIALS_KEPT);
  }

  function suffer(source: End, destination: End, way: Way, datagram: Buffer): void {
    const effect = way.effect ?? { loss: 0, delayMs: 0 };
    if (effect.loss >= 1 || (effect.loss > 0 && options.random() < effect.loss)) {
      source.counters.dropped.fault += 1;
      return;
    }
    if (effect.delayMs === 0 && way.held.length === 0) {
      transmit(destination, datagram);
      return;
    }
    // A queue has an end, as a real one has: a delay must not fill the memory of the host.
    if (way.held.length >= MOST_HELD) {
      source.counters.dropped.fault += 1;
      return;
    }
    // Never before a frame that was sent earlier, whatever the delay is by now.
    const dueMs = Math.max(options.now() + effect.delayMs, way.held.at(-1)?.dueMs ?? 0);
    way.held.push({ dueMs, datagram });
    way.timer ??= setTimeout(() => release(destination, way), Math.max(0, way.held[0]!.dueMs - options.now()));
  }

  function release(destination: End, way: Way): void {
    way.timer = undefined;
    let count = 0;
    while (count < way.held.length && way.held[count]!.dueMs <= options.now()) {
      transmit(destination, way.held[count]!.datagram);
      count += 1;
    }
    way.held.splice(0, count);
    const next = way.held[0];
    if (next !== undefined) {
      way.timer = setTimeout(() => release(destination, way), Math.max(1, next.dueMs - options.now()));
    }
  }

  function transmit(destination: End, datagram: Buffer): void {
    destination.counters.framesOut += 1;
    destination.counters.bytesOut += datagram.length;
    if (destination.kind === 'platform') {
      options.onPlatformDatagram(destination.network.name, readUint32(datagram, OFFSET.ip.source), datagram);
      return;
    }
    if (destination.kind === 'service') {
      const source = readUint32(datagram, OFFSET.ip.source);
      options.onServiceDatagram?.(destination.network.name, destination.names[0] ?? '', source, datagram);
      return;
    }
    if (!destination.open || destination.socket === undefined) return;
    destination.mac.copy(datagram, OFFSET.destinationMac);
    FABRIC_MAC.copy(datagram, OFFSET.sourceMac);
    writeEncapsulation(datagram, destination.cookies.send);
    destination.socket.send(datagram);
  }

  function connect(source: End, destination: End): Way {
    const first = source.index < destination.index;
    const pair = first ? pairKey(source, destination) : pairKey(destination, source);
    let table = tables.get(pair);
    if (table === undefined) {
      table = createFlowTable();
      tables.set(pair, table);
    }
    const way: Way = {
      table,
      first,
      effect: effectOf(faults, source.names, destination.names),
      held: [],
      timer: undefined,
    };
    source.ways[destination.index] = way;
    return way;
  }

  function createEnd(
    input: Pick<End, 'kind' | 'identity' | 'network' | 'address' | 'mac' | 'names'> & {
      port?: NetworkPort;
      wiring?: Wiring;
      judged?: boolean;
    },
  ): End {
    const { kind, identity, network, address, mac, names, wiring } = input;
    return {
      kind,
      judged: input.judged ?? true,
      identity,
      index: nextIndex++,
      network,
      address,
      mac,
      names,
      cookies: {
        receive: wiring === undefined ? 0 : Number.parseInt(wiring.machineCookie, 16),
        send: wiring === undefined ? 0 : Number.parseInt(wiring.switchCookie, 16),
      },
      ways: [],
      counters: {
        machine: input.port?.machine ?? kind,
        name: names[0] ?? kind,
        address: formatAddress(address),
        virtualNetwork: network.name,
        framesIn: 0,
        framesOut: 0,
        bytesIn: 0,
        bytesOut: 0,
        dropped: { encapsulation: 0, spoofed: 0, protocol: 0, unroutable: 0, denied: 0, fault: 0 },
      },
      groups: [],
      socket: undefined,
      open: false,
    };
  }

  async function openSocket(end: End, wiring: Wiring): Promise<Problem | undefined> {
    if (end.open) return undefined;
    const socket = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BUFFER, sendBufferSize: SOCKET_BUFFER });
    end.socket = socket;
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind({ port: wiring.switchPort, address: '127.0.0.1', exclusive: true }, () =>
          socket.connect(wiring.machinePort, '127.0.0.1', (error?: Error) =>
            error === undefined ? resolve() : reject(error),
          ),
        );
      });
    } catch (error) {
      socket.close();
      end.socket = undefined;
      return bindProblem(portSubject(end), '127.0.0.1', wiring.switchPort, 'UDP', error);
    }
    socket.removeAllListeners('error');
    // A machine that is off refuses datagrams, which a connected socket reports as an error: silence, as on a dead link.
    socket.on('error', () => undefined);
    socket.on('message', (datagram) => receive(end, datagram));
    end.open = true;
    return undefined;
  }

  function removeEnd(end: End): void {
    ends.delete(end.identity);
    for (const other of ends.values()) {
      stopWay(other.ways[end.index]);
      other.ways[end.index] = undefined;
      tables.delete(pairKey(other, end));
      tables.delete(pairKey(end, other));
    }
    for (const way of end.ways) stopWay(way);
    end.open = false;
    end.socket?.close();
    end.socket = undefined;
  }

  function wantedEnds(
    segment: NetworkSegment,
    network: Network,
  ): { identity: string; wiring?: Wiring; groups: readonly SecurityGroup[]; create: () => End }[] {
    const { prefixes } = network;
    const machines = segment.ports.map((port) => {
      const identity = [
        'machine',
        segment.name,
        port.machine,
        port.name,
        port.mac,
        port.address,
        ...wiringKey(port.wiring),
      ].join(' ');
      return {
        identity,
        wiring: port.wiring,
        groups: port.securityGroups.map((rules) => compileSecurityGroup(rules, prefixes)),
        create: () =>
          createEnd({
            kind: 'machine',
            identity,
            network,
            address: parseAddress(port.address),
            mac: parseMac(port.mac),
            names: [port.name, port.machine],
            port,
            wiring: port.wiring,
          }),
      };
    });
    const platform = {
      identity: `platform ${segment.name}`,
      groups: [],
      create: () =>
        createEnd({
          kind: 'platform',
          identity: `platform ${segment.name}`,
          network,
          address: parseAddress(PLATFORM_ADDRESS),
          mac: DEAD_MAC,
          names: [GATEWAY_NAME, 'platform'],
        }),
    };
    const services = (segment.services ?? []).map((service) => {
      const serviceIdentity = serviceIdentityOf(segment.name, service.name);
      return {
        identity: serviceIdentity,
        groups: [],
        create: () =>
          createEnd({
            kind: 'service',
            identity: serviceIdentity,
            network,
            address: parseAddress(service.address),
            mac: DEAD_MAC,
            names: [service.name],
            judged: service.judged,
          }),
      };
    });
    const { gateway } = segment;
    if (gateway === undefined) return [...machines, platform, ...services];
    const identity = ['gateway', segment.name, gateway.address, ...wiringKey(gateway.wiring)].join(' ');
    const address = parseAddress(gateway.address);
    return [
      ...machines,
      platform,
      ...services,
      {
        identity,
        wiring: gateway.wiring,
        groups: [],
        create: () =>
          createEnd({
            kind: 'gateway',
            identity,
            network,
            address,
            mac: slirpMac(address),
            names: [GATEWAY_NAME],
            wiring: gateway.wiring,
          }),
      },
    ];
  }

  async function apply(plan: SwitchPlan): Promise<Problem[]> {
    const wanted = plan.networks.flatMap((segment) => {
      const network: Network = networks.get(segment.name) ?? {
        name: segment.name,
        prefixes: [],
        ends: new Map(),
        services: [],
      };
      networks.set(segment.name, network);
      network.prefixes = segment.prefixes.map(parsePrefix);
      network.services = (segment.gateway?.services ?? []).map((service) => ({
        visible: parseAddress(service.visible),
        actual: parseAddress(service.actual),
      }));
      return wantedEnds(segment, network);
    });
    const identities = new Set(wanted.map((want) => want.identity));
    for (const end of ends.values()) if (!identities.has(end.identity)) removeEnd(end);
    for (const name of networks.keys())
      if (!plan.networks.some((segment) => segment.name === name)) networks.delete(name);

    const problems: Problem[] = [];
    for (const want of wanted) {
      const end = ends.get(want.identity) ?? want.create();
      ends.set(end.identity, end);
      end.groups = want.groups;
      const problem = want.wiring === undefined ? undefined : await openSocket(end, want.wiring);
      if (problem !== undefined) problems.push(problem);
    }
    for (const network of networks.values()) network.ends.clear();
    for (const end of ends.values()) {
      end.network.ends.set(end.address, end);
      if (end.kind === 'gateway')
        for (const service of end.network.services) end.network.ends.set(service.visible, end);
    }
    return problems;
  }

  function applyFaults(next: readonly ActiveFault[]): void {
    faults = next;
    const byIndex = new Map([...ends.values()].map((end) => [end.index, end]));
    for (const source of ends.values()) {
      source.ways.forEach((way, index) => {
        const destination = byIndex.get(index);
        if (way !== undefined && destination !== undefined)
          way.effect = effectOf(faults, source.names, destination.names);
      });
    }
  }

  function find(target: Target): End | undefined {
    const address = parseAddress(target.address);
    return [...ends.values()].find(
      (end) =>
        end.kind === 'machine' &&
        end.address === address &&
        (target.virtualNetwork === undefined || target.virtualNetwork === end.network.name),
    );
  }

  return {
    apply,
    applyFaults,
    sendFromPlatform(target, datagram) {
      const end = find(target);
      const platform = end === undefined ? undefined : ends.get(`platform ${end.network.name}`);
      if (platform === undefined) return false;
      platform.counters.framesIn += 1;
      platform.counters.bytesIn += datagram.length;
      forward(platform, datagram);
      return true;
    },
    sendFromService(virtualNetwork, service, datagram) {
      const end = ends.get(serviceIdentityOf(virtualNetwork, service));
      if (end === undefined) return;
      end.counters.framesIn += 1;
      end.counters.bytesIn += datagram.length;
      forward(end, datagram);
    },
    judgeInbound(target, packet) {
      const end = find(target);
      if (end === undefined) return { access: 'Deny', rule: '(no machine has this address)' };
      const denial = findDenial(end.groups, { direction: 'Inbound', destination: end.address, ...packet });
      if (denial === undefined) return { access: 'Allow', rule: '(allowed)' };
      recordDenial({ destination: end.address, ...packet }, denial);
      return denial;
    },
    hasMachine: (target) => find(target) !== undefined,
    ends: () => {
      const named = [...ends.values()].filter(({ kind }) => kind === 'machine' || kind === 'service');
      const seen = new Set<string>();
      return named.flatMap(({ kind, names }) => {
        const name = names[0] ?? '';
        // Each virtual network has the same services.
        if (kind === 'service' && seen.has(name)) return [];
        seen.add(name);
        return [names];
      });
    },
    counters: () =>
      [...ends.values()].map((end) => ({
        ...end.counters,
        dropped: { ...end.counters.dropped },
        open: end.open || end.kind === 'platform' || end.kind === 'service',
      })),
    recentDenials: () => denials,
    async close() {
      clearInterval(clock);
      for (const end of ends.values()) removeEnd(end);
      await Promise.resolve();
    },
  };
}

function serviceIdentityOf(virtualNetwork: string, service: string): string {
  return `service ${virtualNetwork} ${service}`;
}

function pairKey(first: End, second: End): number {
  return first.index * 0x1_0000_0000 + second.index;
}

function wiringKey(wiring: Wiring): string[] {
  return [String(wiring.switchPort), String(wiring.machinePort), wiring.machineCookie, wiring.switchCookie];
}

function sameMac(datagram: Buffer, at: number, end: End): boolean {
  const { mac } = end;
  // The gateway (slirp) has a MAC for each of its addresses; its port and cookie are its identity.
  if (end.kind === 'gateway') return true;
  for (let i = 0; i < 6; i += 1) if (datagram[at + i] !== mac[i]) return false;
  return true;
}

function portSubject(end: End): string {
  return end.kind === 'gateway' ? gatewaySubject(end.network.name) : `port of ${end.counters.name}`;
}

/** What a problem with a gateway is about. */
export function gatewaySubject(virtualNetwork: string): string {
  return `gateway of ${virtualNetwork}`;
}

function stopWay(way: Way | undefined): void {
  if (way === undefined) return;
  clearTimeout(way.timer);
  way.held.length = 0;
}

/** The MAC that slirp gives to its own address. */
function slirpMac(address: number): Buffer {
  return Buffer.from([0x52, 0x55, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]);
}
