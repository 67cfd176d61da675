import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../processes/error-message';
import {
  findOwnedProcess,
  readRecord,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
} from '../../processes/owned-process';
import type { Wiring } from '../model';
import { PACKAGE_MIRROR_ADDRESS } from '../model';
import { addressAt, formatAddress, parsePrefix } from './addresses';
import type { Log } from './log';
import type { Problem } from './problem';
import { errorCode } from './problem';
import type { Qmp } from './qmp';
import { connectQmp } from './qmp';
import { makePrivateDirectory } from './socket-path';
import { readRemovableFile } from '../state-file';
import type { GatewayPort } from './switch';
import { gatewaySubject } from './switch';

/**
 * The way into a virtual network from outside: a QEMU process without a machine, whose user-mode TCP (slirp) sits at
 * a port of the switch. Connections to its forwards on loopback become connections in the network, from the network's
 * first address. It lets nothing out (`restrict=on`) but the package mirror, and it outlives wire: a restarted wire
 * finds it by its record and goes on with its forwards.
 *
 * A forward accepts before the guest does: whether somebody listens there is for the probes to find out.
 */
export interface Gateway {
  /** Runs afterwards, unless there is a problem; safe to repeat. */
  ensureRunning(): Promise<Problem | undefined>;
  /** Other ports and cookies, when a program of somebody else sits on the old ones; the process starts anew. */
  rewire(): Promise<void>;
  port(): Promise<GatewayPort>;
  /** The forwards to have from now on; connections through a removed one are left alone. */
  setForwards(wanted: readonly Forward[]): Promise<Problem[]>;
  /** Where to connect for a backend; undefined while there is no forward. */
  lookup(forward: Forward): { host: string; port: number } | undefined;
  status(): GatewayStatus;
  /** Lets go of the process without ending it. */
  release(): void;
  stop(): Promise<void>;
}

export interface Forward {
  address: string;
  port: number;
}

export interface GatewayStatus {
  virtualNetwork: string;
  state: 'running' | 'stopped' | 'failed';
  pid?: number;
  logFile: string;
  forwards: { address: string; port: number; hostPort: number }[];
  error?: string;
}

export interface GatewayOptions {
  /** Directory of this gateway: configuration, process record, log, monitor socket. */
  directory: string;
  virtualNetwork: string;
  prefix: string;
  /** QEMU's command; found in PATH when it is a name. */
  qemu: string;
  /** Path of the package mirror's socket, relative to `directory`. */
  packageMirrorSocket: string;
  log: Log;
  /** Called when the process has ended by itself. */
  onLost: () => void;
}

const Configuration = z.object({
  prefix: z.string(),
  wiring: z.object({
    switchPort: z.int(),
    machinePort: z.int(),
    machineCookie: z.string().regex(/^[0-9a-f]{8}$/),
    switchCookie: z.string().regex(/^[0-9a-f]{8}$/),
  }),
});
type Configuration = z.infer<typeof Configuration>;

const QMP_SOCKET = 'qmp.sock';
const RECORD = 'process.json';
const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 15_000;
const START_TRIES = 3;
const FORWARD_TRIES = 5;

/** The directory of a virtual network's gateway: its name may be a resource id, with slashes. */
export function gatewayDirectory(stateDirectory: string, virtualNetwork: string): string {
  const hash = createHash('sha256').update(virtualNetwork).digest('hex').slice(0, 12);
  return join(stateDirectory, 'gateways', hash);
}

/** Ends every gateway that a wire of this state directory has left behind; for a lab whose wire was killed. */
export async function stopGateways(stateDirectory: string): Promise<void> {
  const parent = join(stateDirectory, 'gateways');
  for (const name of listDirectory(parent)) {
    await stopOwnedProcess(join(parent, name, RECORD), { graceMs: 1000 });
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Gateways of virtual networks that the plan no longer has. */
export async function stopOtherGateways(stateDirectory: string, virtualNetworks: readonly string[]): Promise<void> {
  const parent = join(stateDirectory, 'gateways');
  const kept = new Set(virtualNetworks.map((name) => gatewayDirectory(stateDirectory, name)));
  for (const name of listDirectory(parent)) {
    const directory = join(parent, name);
    if (kept.has(directory)) continue;
    await stopOwnedProcess(join(directory, RECORD), { graceMs: 1000 });
    rmSync(directory, { recursive: true, force: true });
  }
}

export function createGateway(options: GatewayOptions): Gateway {
  const { directory, log, virtualNetwork } = options;
  const recordFile = join(directory, RECORD);
  const logFile = join(directory, 'gateway.log');
  const configurationFile = join(directory, 'gateway.json');
  const prefix = parsePrefix(options.prefix);
  const address = formatAddress(addressAt(prefix, 1));
  const mirrorAddress = formatAddress(addressAt(prefix, -3));
  const forwards = new Map<string, number>();
  let qmp: Qmp | undefined;
  let failure: string | undefined;

  async function configuration(): Promise<Configuration> {
    const known = readRemovableFile(configurationFile, Configuration);
    if (known?.prefix === options.prefix) return known;
    return rewriteConfiguration();
  }

  async function rewriteConfiguration(): Promise<Configuration> {
    const fresh: Configuration = { prefix: options.prefix, wiring: await drawWiring() };
    makePrivateDirectory(directory);
    writeFileAtomically(configurationFile, JSON.stringify(fresh, undefined, 2));
    return fresh;
  }

  async function ensureRunning(): Promise<Problem | undefined> {
    if (qmp !== undefined) return undefined;
    makePrivateDirectory(directory);
    try {
      const connection = (await adopt()) ?? (await start());
      await attach(connection);
      failure = undefined;
      return undefined;
    } catch (error) {
      await stopOwnedProcess(recordFile, { graceMs: 0 });
      return problem(isMissing(options.qemu) ? 'QemuMissing' : 'GatewayFailed', messageOf(error));
    }
  }

  function problem(code: 'GatewayFailed' | 'QemuMissing', reason: string): Problem {
    failure =
      code === 'QemuMissing'
        ? `${options.qemu} is not installed; the lab's gateway needs it: install the package qemu-system-x86.`
        : `the gateway does not start: ${reason} (log: ${logFile})`;
    return { code, subject: gatewaySubject(virtualNetwork), message: failure };
  }

  /** The process a former wire has started, if it is whole and was started as this one would be. */
  async function adopt(): Promise<Qmp | undefined> {
    if (findOwnedProcess(recordFile) === undefined) return undefined;
    const same = readRecord(recordFile)?.command === [options.qemu, ...qemuArguments()].join(' ');
    const connection = same ? await connectQmp(directory, QMP_SOCKET).catch(() => undefined) : undefined;
    const whole = connection !== undefined && (await connection.command('info network')).includes('type=l2tpv3');
    if (connection === undefined || !whole) {
      connection?.close();
      await stopOwnedProcess(recordFile, { graceMs: 0 });
      return undefined;
    }
    log('gateway-adopted', { virtualNetwork, pid: findOwnedProcess(recordFile)?.pid });
    return connection;
  }

  async function start(): Promise<Qmp> {
    rmSync(join(directory, QMP_SOCKET), { force: true });
    const owned = startOwnedProcess({
      recordFile,
      logFile,
      command: options.qemu,
      args: qemuArguments(),
      cwd: directory,
    });
    const connection = await awaitMonitor();
    await plugIn(connection);
    log('gateway-started', { virtualNetwork, pid: owned.pid, address });
    return connection;
  }

  async function awaitMonitor(): Promise<Qmp> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (findOwnedProcess(recordFile) !== undefined) {
      const connection = await connectQmp(directory, QMP_SOCKET).catch(() => undefined);
      if (connection !== undefined) return connection;
      if (performance.now() > deadline) throw new Error(`QEMU has not opened its monitor in ${START_TIMEOUT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`QEMU ends at once; it says: ${lastLine(logFile)}`);
  }

  /** Joins slirp and the pseudo-wire. Over the monitor: a command line, and the cookies on it, any user could read. */
  async function plugIn(connection: Qmp): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { wiring } = await configuration();
      try {
        await connection.execute('netdev_add', {
          type: 'l2tpv3',
          id: 's',
          src: HOST,
          dst: HOST,
          udp: true,
          srcport: String(wiring.machinePort),
          dstport: String(wiring.switchPort),
          txsession: 1,
          rxsession: 1,
          // No `cookie64`: QEMU takes even a false one for a yes.
          txcookie: Number.parseInt(wiring.machineCookie, 16),
          rxcookie: Number.parseInt(wiring.switchCookie, 16),
          counter: false,
        });
        break;
      } catch (error) {
        if (attempt === START_TRIES) throw error;
        // Somebody else has taken the port meanwhile.
        await rewriteConfiguration();
      }
    }
    await connection.execute('netdev_add', { type: 'hubport', id: 'h1', hubid: 0, netdev: 'u' });
    await connection.execute('netdev_add', { type: 'hubport', id: 'h2', hubid: 0, netdev: 's' });
  }

  async function attach(connection: Qmp): Promise<void> {
    const known = parseForwards(await connection.command('info usernet'));
    forwards.clear();
    for (const { address: to, port, hostPort } of known) forwards.set(forwardKey({ address: to, port }), hostPort);
    qmp = connection;
    void connection.closed.then(() => {
      if (qmp !== connection) return;
      qmp = undefined;
      forwards.clear();
      failure = `the gateway has ended (log: ${logFile})`;
      log('gateway-lost', { virtualNetwork });
      options.onLost();
    });
  }

  function qemuArguments(): string[] {
    const relay = `process.stdin.pipe(require('net').connect('${options.packageMirrorSocket}')).pipe(process.stdout)`;
    const user = [
      'user',
      'id=u',
      `net=${options.prefix}`,
      `host=${address}`,
      `dns=${formatAddress(addressAt(prefix, 2))}`,
      `dhcpstart=${formatAddress(addressAt(prefix, 3))}`,
      'ipv6=off',
      'restrict=on',
      // One process per connection: slirp has no other way out under restrict=on, and a package step opens only a few.
      `guestfwd=tcp:${mirrorAddress}:80-cmd:${escapeCommas(`'${process.execPath}' -e "${relay}"`)}`,
    ];
    return [
      ...'-name hadb-gateway -machine none -nodefaults -no-user-config'.split(' '),
      ...['-display', '-monitor', '-serial', '-parallel'].flatMap((option) => [option, 'none']),
      '-qmp',
      `unix:${QMP_SOCKET},server=on,wait=off`,
      '-netdev',
      user.join(','),
    ];
  }

  async function addForward(connection: Qmp, forward: Forward): Promise<Problem | undefined> {
    let answer = '';
    for (let attempt = 0; attempt < FORWARD_TRIES; attempt += 1) {
      const hostPort = await freeTcpPort();
      answer = await connection.command(`hostfwd_add u tcp:${HOST}:${hostPort}-${forward.address}:${forward.port}`);
      if (answer === '') {
        forwards.set(forwardKey(forward), hostPort);
        return undefined;
      }
    }
    return problem('GatewayFailed', `no forward to ${forward.address}:${forward.port}: ${answer}`);
  }

  return {
    ensureRunning,
    async rewire() {
      await this.stop();
      await rewriteConfiguration();
    },
    async port() {
      const { wiring } = await configuration();
      return { address, wiring, services: [{ visible: PACKAGE_MIRROR_ADDRESS, actual: mirrorAddress }] };
    },
    async setForwards(wanted) {
      const connection = qmp;
      if (connection === undefined) return [];
      const problems: Problem[] = [];
      const keys = new Set(wanted.map(forwardKey));
      try {
        for (const [key, hostPort] of forwards) {
          if (keys.has(key)) continue;
          await connection.command(`hostfwd_remove u tcp:${HOST}:${hostPort}`);
          forwards.delete(key);
        }
        for (const forward of wanted) {
          if (forwards.has(forwardKey(forward))) continue;
          const failed = await addForward(connection, forward);
          if (failed !== undefined) problems.push(failed);
        }
      } catch (error) {
        problems.push(problem('GatewayFailed', messageOf(error)));
      }
      return problems;
    },
    lookup(forward) {
      const hostPort = forwards.get(forwardKey(forward));
      return hostPort === undefined ? undefined : { host: HOST, port: hostPort };
    },
    status() {
      const pid = findOwnedProcess(recordFile)?.pid;
      return {
        virtualNetwork,
        state: qmp !== undefined ? 'running' : failure === undefined ? 'stopped' : 'failed',
        ...(pid === undefined ? {} : { pid }),
        logFile,
        forwards: [...forwards]
          .sort(([left], [right]) => left.localeCompare(right))
          .map(([key, hostPort]) => ({ ...parseForwardKey(key), hostPort })),
        ...(failure === undefined ? {} : { error: failure }),
      };
    },
    release() {
      const connection = qmp;
      qmp = undefined;
      connection?.close();
    },
    async stop() {
      this.release();
      forwards.clear();
      await stopOwnedProcess(recordFile, { graceMs: 1000 });
    },
  };
}

/** The forwards in what QEMU's `info usernet` prints; connections through them have another state. */
export function parseForwards(text: string): { address: string; port: number; hostPort: number }[] {
  return [...text.matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+(\S+)\s+(\d+)/g)].map((match) => ({
    address: match[2] ?? '',
    port: Number(match[3]),
    hostPort: Number(match[1]),
  }));
}

function forwardKey({ address, port }: Forward): string {
  return `${address}:${port}`;
}

function parseForwardKey(key: string): Forward {
  const [address = '', port] = key.split(':');
  return { address, port: Number(port) };
}

function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}

function isMissing(command: string): boolean {
  return errorCode(spawnSync(command, ['--version'], { stdio: 'ignore' }).error) === 'ENOENT';
}

function lastLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
  } catch {
    return 'nothing';
  }
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Two free UDP ports and two random cookies. */
async function drawWiring(): Promise<Wiring> {
  const [switchPort, machinePort] = await freeUdpPorts();
  return { switchPort, machinePort, machineCookie: drawCookie(), switchCookie: drawCookie() };
}

function drawCookie(): string {
  return randomBytes(4).toString('hex');
}

async function freeUdpPorts(): Promise<[number, number]> {
  // Both are held at once, so that they differ.
  const sockets = [createSocket('udp4'), createSocket('udp4')];
  const ports = await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<number>((resolve, reject) => {
          socket.once('error', reject);
          socket.bind(0, HOST, () => resolve(socket.address().port));
        }),
    ),
  );
  for (const socket of sockets) socket.close();
  return [ports[0]!, ports[1]!];
}

async function freeTcpPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
