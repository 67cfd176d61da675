import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../processes/error-message';
import { writeFileAtomically } from '../../processes/owned-process';
import { GUEST_SERVICES } from '../guest-services';
import type { LinkFault, NetworkPlan } from '../model';
import type { ActiveFault } from './faults';
import { activate, isExpired, unknownEnds } from './faults';
import { createFrontends } from './frontends';
import type { Forward, Gateway } from './gateway';
import { createGateway, gatewayDirectory, stopOtherGateways } from './gateway';
import { createGuestServices } from './guest-services';
import type { Log } from './log';
import { createNameServer } from './names';
import type { MirrorBases } from './package-mirror';
import { createPackageMirror, readMirrorBases } from './package-mirror';
import { networkOf, parseFault, parsePlan, prefixesOf } from './plan';
import { createProber } from './prober';
import type { Problem } from './problem';
import { bindProblem } from './problem';
import { makePrivateDirectory } from './socket-path';
import { readRemovableFile } from '../state-file';
import type { PlanResult, WireStatus } from './status';
import type { NetworkSegment, Target } from './switch';
import { createSwitch, gatewaySubject } from './switch';

/**
 * The lab's data plane in one object: switch, gateways, probes, balancers, names, faults. Plan and faults are on disk
 * before they are in force, and a new wire on the same directory goes on from there.
 */
export interface Wire {
  status(): WireStatus;
  /** Brings the plan about; a problem with one part does not keep the others from working. Rejects with WireRefusal. */
  putPlan(input: unknown): Promise<PlanResult>;
  /** Adds or replaces a fault. Throws WireRefusal. */
  putFault(id: string, input: unknown): ActiveFault;
  /** True if there was one. */
  deleteFault(id: string): boolean;
  clearFaults(): void;
  /** Resolves when the plan in force has been tried once more. */
  reconcile(): Promise<void>;
  close(how: { gateways: 'stop' | 'leave' }): Promise<void>;
}

export interface WireOptions {
  stateDirectory: string;
  log: Log;
  /** QEMU's command, for the gateways. */
  qemu?: string;
  /** Uniform in [0, 1): which frames a lossy link loses. */
  random?: () => number;
  now?: () => number;
  /** Control's socket for what guests ask of the cloud; without it they reach nothing of it. */
  guestSocketFile?: string;
  /** Where guests' packages come from; by default this host's apt sources. */
  readMirrorBases?: () => MirrorBases;
}

/** A request that is wrong: `status` is the HTTP status it is answered with. */
export class WireRefusal extends Error {
  override readonly name = 'WireRefusal';
  constructor(
    readonly status: 400 | 409,
    readonly code: 'InvalidPlan' | 'PlanOutdated' | 'InvalidFault' | 'UnknownMachine',
    message: string,
    readonly problems: readonly string[] = [],
  ) {
    super(message);
  }
}

const NAME_SERVER_ADDRESS = '127.0.0.1';
const MIRROR_SOCKET = 'mirror.sock';
/** Between tries to bring about what failed: at first quickly, as a port may be free in a moment. */
const RETRY_MS = { first: 2000, longest: 30_000 };
/** Problems that may go away by themselves; the others need another plan. */
const RETRIED: ReadonlySet<Problem['code']> = new Set([
  'PortInUse',
  'AddressNotAvailable',
  'GatewayFailed',
  'QemuMissing',
  'NameServerFailed',
  'PackageMirrorFailed',
  'SocketFailed',
]);
const FAULT_TICK_MS = 250;

export async function createWire(options: WireOptions): Promise<Wire> {
  const { stateDirectory, log } = options;
  const now = options.now ?? Date.now;
  makePrivateDirectory(stateDirectory);
  const planFile = join(stateDirectory, 'plan.json');
  const faultsFile = join(stateDirectory, 'faults.json');
  const nameServerFile = join(stateDirectory, 'name-server.json');
  const startedAt = new Date(now()).toISOString();

  let plan: NetworkPlan | undefined;
  let faults: ActiveFault[] = [];
  let problems: Problem[] = [];
  let nameServerPort: number | undefined;
  let closed = false;
  const gateways = new Map<string, Gateway>();
  /** The prefix each gateway was made for: the first of its network. */
  const gatewayPrefixes = new Map<string, string>();

  const fabric = createSwitch({
    log,
    random: options.random ?? Math.random,
    now,
    onPlatformDatagram: (network, source, datagram) => prober.receive(network, source, datagram),
    onServiceDatagram: (network, service, source, datagram) =>
      guestServices?.receive(network, service, source, datagram),
  });
  const guestServices =
    options.guestSocketFile === undefined
      ? undefined
      : createGuestServices({
          socketFile: options.guestSocketFile,
          machineAt: (network, address) =>
            plan?.ports.find(
              (port) => port.address === address && plan !== undefined && networkOf(plan, port) === network,
            )?.machine,
          send: (network, service, datagram) => fabric.sendFromService(network, service, datagram),
          log,
        });
  const prober = createProber({ log, now, send: (target, datagram) => fabric.sendFromPlatform(target, datagram) });
  const frontends = createFrontends({
    log,
    isHealthy: (frontend, target) => prober.isHealthy(frontend, target),
    judge: (target, client) => fabric.judgeInbound(target, client),
    locate: (target, port) => gatewayOf(target)?.lookup({ address: target.address, port }),
  });
  const names = createNameServer();
  const mirror = createPackageMirror({
    directory: stateDirectory,
    socketName: MIRROR_SOCKET,
    readBases: options.readMirrorBases ?? (() => readMirrorBases()),
    log,
  });

  function gatewayOf(target: Target): Gateway | undefined {
    const network = plan === undefined ? undefined : networkOf(plan, target);
    return network === undefined ? undefined : gateways.get(network);
  }

  // One change at a time; each sees the state the one before it has left.
  let tail: Promise<unknown> = Promise.resolve();
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = tail.then(work);
    tail = result.catch(() => undefined);
    return result;
  }

  async function applyPlan(wanted: NetworkPlan): Promise<void> {
    const found: Problem[] = [];
    await arrangeGateways(wanted, found);
    // First of all the machines: a gateway may take seconds to start.
    await applySwitch(wanted);
    fabric.applyFaults(faults);
    found.push(...(await mirror.setOpen(wanted.packageMirror === true)));
    found.push(...(await startGateways(wanted)));
    // Once more, for a gateway that had to draw new ports while it started; the problems are those that are left.
    found.push(...(await applySwitch(wanted)));
    prober.apply(wanted.loadBalancingRules);
    found.push(...(await frontends.apply(wanted.loadBalancingRules, wanted.inboundNatRules)));
    names.setRecords(
      wanted.publicAddresses.flatMap(({ address, name }) => (name === undefined ? [] : [{ address, name }])),
    );
    found.push(...(await openNameServer()));
    found.push(...unknownBackends(wanted));
    for (const problem of found) {
      if (!problems.some((known) => known.message === problem.message)) log('problem', { ...problem });
    }
    problems = found;
  }

  /** Gateways for the virtual networks that have machines, and no others; a machine is what there is to reach. */
  async function arrangeGateways(wanted: NetworkPlan, found: Problem[]): Promise<void> {
    const used = networkNames(wanted).filter((name) => wanted.ports.some((port) => networkOf(wanted, port) === name));
    for (const [name, gateway] of gateways) {
      if (used.includes(name) && prefixesOf(wanted, name)[0] === gatewayPrefixes.get(name)) continue;
      gateways.delete(name);
      await gateway.stop();
    }
    try {
      await stopOtherGateways(stateDirectory, used);
    } catch (error) {
      found.push({ code: 'GatewayFailed', subject: 'an old gateway', message: messageOf(error) });
    }
    for (const name of used) {
      const [prefix] = prefixesOf(wanted, name);
      if (prefix === undefined || gateways.has(name)) continue;
      gatewayPrefixes.set(name, prefix);
      gateways.set(
        name,
        createGateway({
          directory: gatewayDirectory(stateDirectory, name),
          virtualNetwork: name,
          prefix,
          qemu: options.qemu ?? 'qemu-system-x86_64',
          packageMirrorSocket: join('..', '..', MIRROR_SOCKET),
          log,
          onLost: () => void reconcile(),
        }),
      );
    }
  }

  async function applySwitch(wanted: NetworkPlan): Promise<Problem[]> {
    const found = await fabric.apply({ networks: await segments(wanted) });
    const blocked = [...gateways].filter(([name]) =>
      found.some((problem) => problem.code === 'PortInUse' && problem.subject === gatewaySubject(name)),
    );
    if (blocked.length === 0) return found;
    // The gateway's ports are ours to choose: nobody has to end a program for them.
    for (const [, gateway] of blocked) await gateway.rewire();
    return fabric.apply({ networks: await segments(wanted) });
  }

  async function segments(wanted: NetworkPlan): Promise<NetworkSegment[]> {
    return Promise.all(
      networkNames(wanted).map(async (name): Promise<NetworkSegment> => {
        const segment = {
          name,
          prefixes: prefixesOf(wanted, name),
          ports: wanted.ports.filter((port) => networkOf(wanted, port) === name),
          services: guestServices === undefined ? [] : GUEST_SERVICES,
        };
        const port = await gateways.get(name)?.port();
        if (port === undefined) return segment;
        return { ...segment, gateway: wanted.packageMirror === true ? port : { ...port, services: [] } };
      }),
    );
  }

  async function startGateways(wanted: NetworkPlan): Promise<Problem[]> {
    const found = await Promise.all(
      [...gateways].map(async ([name, gateway]) => {
        const problem = await gateway.ensureRunning();
        if (problem !== undefined) return [problem];
        return gateway.setForwards(forwardsInto(wanted, name));
      }),
    );
    return found.flat();
  }

  async function openNameServer(): Promise<Problem[]> {
    if (nameServerPort !== undefined) return [];
    const preferred = readRemovableFile(nameServerFile, z.object({ port: z.int() }))?.port;
    try {
      nameServerPort = await names.listen(NAME_SERVER_ADDRESS, preferred);
    } catch (error) {
      return [bindProblem('name server', NAME_SERVER_ADDRESS, preferred ?? 0, 'UDP', error)];
    }
    writeFileAtomically(nameServerFile, JSON.stringify({ port: nameServerPort }));
    return [];
  }

  function unknownBackends(wanted: NetworkPlan): Problem[] {
    const targets = [
      ...wanted.loadBalancingRules.flatMap((rule) => rule.backends.map((target) => ({ owner: rule.name, target }))),
      ...wanted.inboundNatRules.map((rule) => ({ owner: rule.name, target: { address: rule.backendAddress } })),
    ];
    return targets
      .filter(({ target }) => !fabric.hasMachine(target))
      .map(({ owner, target }) => ({
        code: 'UnknownBackend' as const,
        subject: owner,
        message: `${owner} leads to ${target.address}, where no machine is plugged in; its connections are reset until one is.`,
      }));
  }

  function reconcile(): Promise<void> {
    return inTurn(async () => {
      if (!closed && plan !== undefined) await applyPlan(plan);
    }).catch((error: unknown) => log('reconcile-failed', { reason: messageOf(error) }));
  }

  function setFaults(next: ActiveFault[]): void {
    writeFileAtomically(faultsFile, JSON.stringify(next, undefined, 2));
    faults = next;
    fabric.applyFaults(faults);
  }

  function dropExpiredFaults(): void {
    const expired = faults.filter((fault) => isExpired(fault, now()));
    if (expired.length === 0) return;
    for (const fault of expired) log('fault-expired', { id: fault.id });
    setFaults(faults.filter((fault) => !expired.includes(fault)));
  }

  const storedFaults =
    readRemovableFile(faultsFile, z.array(z.looseObject({ id: z.string(), expiresAt: z.string().exactOptional() }))) ??
    [];
  for (const { expiresAt, ...stored } of storedFaults) {
    const parsed = parseFault(stored);
    if ('problems' in parsed) throw new Error(`${faultsFile} is damaged: ${parsed.problems.join('; ')}`);
    faults.push({ ...parsed.value, ...(expiresAt === undefined ? {} : { expiresAt }) });
  }
  faults = faults.filter((fault) => !isExpired(fault, now()));
  const storedPlan = readRemovableFile(planFile, z.unknown());
  if (storedPlan !== undefined) {
    const parsed = parsePlan(storedPlan);
    if ('problems' in parsed) throw new Error(`${planFile} is damaged: ${parsed.problems.join('; ')}`);
    plan = parsed.value;
    await reconcile();
  } else {
    problems = await openNameServer();
  }

  let retryMs = RETRY_MS.first;
  let retry = setTimeout(retryFailed, retryMs).unref();
  function retryFailed(): void {
    const pending = problems.some((problem) => RETRIED.has(problem.code));
    retryMs = pending ? Math.min(retryMs * 2, RETRY_MS.longest) : RETRY_MS.first;
    void (pending ? reconcile() : Promise.resolve()).then(() => {
      if (!closed) retry = setTimeout(retryFailed, retryMs).unref();
    });
  }
  const faultTick = setInterval(dropExpiredFaults, FAULT_TICK_MS);
  faultTick.unref();

  return {
    status: () => ({
      pid: process.pid,
      startedAt,
      ...(plan === undefined ? {} : { generation: plan.generation }),
      ports: fabric.counters(),
      gateways: [...gateways.values()].map((gateway) => gateway.status()),
      frontends: frontends.status(),
      backends: prober.health(),
      ...(nameServerPort === undefined ? {} : { nameServer: `${NAME_SERVER_ADDRESS}:${nameServerPort}` }),
      packageMirror: plan?.packageMirror === true,
      faults,
      denials: fabric.recentDenials(),
      problems,
    }),
    async putPlan(input) {
      const parsed = parsePlan(input);
      if ('problems' in parsed) {
        throw new WireRefusal(
          400,
          'InvalidPlan',
          `the plan is not valid: ${parsed.problems.join('; ')}`,
          parsed.problems,
        );
      }
      const wanted = parsed.value;
      return inTurn(async () => {
        if (plan !== undefined && wanted.generation < plan.generation) {
          throw new WireRefusal(
            409,
            'PlanOutdated',
            `generation ${wanted.generation} is older than ${plan.generation}, which is in force; read the state again and send a newer plan`,
          );
        }
        writeFileAtomically(planFile, JSON.stringify(wanted, undefined, 2));
        plan = wanted;
        await applyPlan(wanted);
        log('plan-applied', { generation: wanted.generation, ports: wanted.ports.length, problems: problems.length });
        return { generation: wanted.generation, problems };
      });
    },
    putFault(id, input) {
      const parsed = parseFault({ ...(typeof input === 'object' ? input : undefined), id });
      if ('problems' in parsed) {
        throw new WireRefusal(
          400,
          'InvalidFault',
          `the fault is not valid: ${parsed.problems.join('; ')}`,
          parsed.problems,
        );
      }
      const fault: LinkFault = parsed.value;
      const unknown = unknownEnds(fault, fabric.ends());
      if (unknown.length > 0) {
        throw new WireRefusal(
          400,
          'UnknownMachine',
          `no machine on the switch is called ${unknown.join(' or ')}; there are ${
            fabric
              .ends()
              .map((end) => end[0])
              .join(', ') || 'none'
          }, gateway and *`,
          unknown,
        );
      }
      const active = activate(fault, now());
      setFaults([...faults.filter((other) => other.id !== id), active]);
      log('fault-set', { ...active });
      return active;
    },
    deleteFault(id) {
      if (!faults.some((fault) => fault.id === id)) return false;
      setFaults(faults.filter((fault) => fault.id !== id));
      log('fault-removed', { id });
      return true;
    },
    clearFaults() {
      if (faults.length > 0) log('faults-cleared', { ids: faults.map((fault) => fault.id) });
      setFaults([]);
    },
    reconcile,
    async close({ gateways: how }) {
      closed = true;
      clearTimeout(retry);
      clearInterval(faultTick);
      await tail;
      guestServices?.close();
      prober.close();
      await frontends.close();
      for (const gateway of gateways.values()) {
        if (how === 'stop') await gateway.stop();
        else gateway.release();
      }
      await mirror.close();
      await names.close();
      await fabric.close();
      rmSync(join(stateDirectory, MIRROR_SOCKET), { force: true });
    },
  };
}

function networkNames(plan: NetworkPlan): string[] {
  return [...new Set(plan.virtualNetworks.map(({ name }) => name))];
}

/** The forwards that balancers and NAT rules need into one virtual network, each once. */
function forwardsInto(plan: NetworkPlan, network: string): Forward[] {
  const wanted: (Target & Forward)[] = [
    ...plan.loadBalancingRules.flatMap((rule) =>
      rule.backends.map((target) => ({ ...target, port: rule.backendPort })),
    ),
    ...plan.inboundNatRules.map((rule) => ({ address: rule.backendAddress, port: rule.backendPort })),
  ];
  const unique = new Map<string, Forward>();
  for (const { port, ...target } of wanted) {
    if (networkOf(plan, target) === network) unique.set(`${target.address}:${port}`, { address: target.address, port });
  }
  return [...unique.values()];
}
