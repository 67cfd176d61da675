import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GUEST_ACCEPTED, parseIntroduction } from '../../../lab/guest-services';
import type { NetworkPort } from '../../../lab/model';
import { MANAGEMENT_ADDRESS, METADATA_ADDRESS } from '../../../lab/model';
import { silent } from '../../../lab/wire/log';
import type { Wire } from '../../../lab/wire/wire';
import { createWire } from '../../../lab/wire/wire';
import { eventually } from '../../eventually';
import { createFakeGuest } from './fake-guest';
import { DEFAULT_RULES, machinePort, networkPlan, rule } from './network-for-tests';
import { freshPort } from '../../free-port';

/**
 * Wire with control's socket played by this process. Guests are fakes that send single segments, and one with a TCP stack of
 * its own: the user-mode network of a QEMU without a machine, whose forwards lead to the services.
 */

const cleanUp: (() => Promise<void> | void)[] = [];
let directory: string;

beforeAll(() => {
  const { error } = spawnSync('qemu-system-x86_64', ['--version']);
  if (error !== undefined) throw new Error(`this needs qemu-system-x86_64 (qemu-system-x86): ${error.message}`);
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wire-guests-'));
});
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
  rmSync(directory, { recursive: true, force: true });
});

const socketFile = () => join(directory, 'guests.sock');

/** Says who asks, then sends back what comes, and closes when the guest does. */
async function startControl(): Promise<{ introductions: string[]; close(): Promise<void> }> {
  const introductions: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (chunk: Buffer) => {
      const introduction = parseIntroduction(chunk.toString());
      introductions.push(`${introduction?.service} ${introduction?.machine}`);
      socket.write(GUEST_ACCEPTED);
      socket.write(`${introduction?.service} ${introduction?.machine}\n`);
      socket.pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketFile(), resolve));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  cleanUp.push(() => (server.listening ? close() : undefined));
  return { introductions, close };
}

async function startWire(ports: readonly NetworkPort[]): Promise<Wire> {
  const wire = await createWire({ stateDirectory: directory, log: silent, guestSocketFile: socketFile() });
  cleanUp.push(() => wire.close({ gateways: 'stop' }));
  const { problems } = await wire.putPlan(networkPlan({ ports }));
  expect(problems).toEqual([]);
  return wire;
}

async function plug(port: NetworkPort) {
  const guest = await createFakeGuest(port);
  cleanUp.push(() => guest.close());
  return guest;
}

/** A machine with a TCP stack; each forward is a port of this computer that leads to an address the machine connects to. */
async function plugStack(port: NetworkPort, targets: readonly string[]): Promise<number[]> {
  const { wiring } = port;
  const forwards = targets.map((target) => ({ hostPort: freshPort(), target }));
  const options = [
    `user,id=u,net=10.10.10.0/24,host=${port.address},dns=10.10.10.250,dhcpstart=10.10.10.240,ipv6=off`,
    ...forwards.map(({ hostPort, target }) => `hostfwd=tcp:127.0.0.1:${hostPort}-${target}`),
  ];
  const wire = `l2tpv3,id=s,src=127.0.0.1,dst=127.0.0.1,udp=on,srcport=${wiring.machinePort},dstport=${wiring.switchPort}`;
  const cookies = `txcookie=0x${wiring.machineCookie},rxcookie=0x${wiring.switchCookie}`;
  const words = '-machine none -nodefaults -no-user-config -display none -monitor none -serial none -parallel none';
  const qemu = spawn('qemu-system-x86_64', [
    ...words.split(' '),
    ...[
      options.join(','),
      `${wire},txsession=1,rxsession=1,counter=off,${cookies}`,
      'hubport,id=h1,hubid=0,netdev=u',
      'hubport,id=h2,hubid=0,netdev=s',
    ].flatMap((netdev) => ['-netdev', netdev]),
  ]);
  let said = '';
  qemu.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  cleanUp.push(
    () =>
      new Promise<void>((resolve) => {
        if (qemu.exitCode !== null) return resolve();
        qemu.once('exit', () => resolve());
        qemu.kill('SIGKILL');
        return undefined;
      }),
  );
  for (const { hostPort } of forwards) {
    await eventually(`the stack listens: ${said}`, () => isOpen(hostPort));
  }
  return forwards.map(({ hostPort }) => hostPort);
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** Sends and closes its half; all that came back, or the error's code. */
function talk(port: number, payload: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.end(payload);
  });
}

/** For silence: what answers at all does so within milliseconds, and a busy host only makes it more silent. */
const BRIEFLY = { timeoutMs: 1000 };

const digest = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
/** The user-mode network's own hardware address follows from its address. */
const stackPort = () => machinePort(1, { mac: '52:55:0a:0a:0a:04' });

describe('what guests reach of the cloud', () => {
  it('is reached by each machine under its own name, whatever it says', async () => {
    const ports = [machinePort(1), machinePort(2)];
    const control = await startControl();
    await startWire(ports);
    const [one, two] = [await plug(ports[0]!), await plug(ports[1]!)];

    expect(await one.connect(METADATA_ADDRESS, 80)).toBe('open');
    expect(await two.connect(MANAGEMENT_ADDRESS, 443)).toBe('open');
    expect(await two.connect(METADATA_ADDRESS, 80, { source: one.address, ...BRIEFLY })).toBe('silence');

    expect(control.introductions).toEqual([`metadata ${ports[0]!.machine}`, `management ${ports[1]!.machine}`]);
  });

  it('is two ports, and the rest is silence', async () => {
    const port = machinePort(1);
    const control = await startControl();
    await startWire([port]);
    const guest = await plug(port);

    expect(await guest.connect(METADATA_ADDRESS, 443, BRIEFLY)).toBe('silence');
    expect(await guest.connect(MANAGEMENT_ADDRESS, 80, BRIEFLY)).toBe('silence');
    expect(await guest.connect(MANAGEMENT_ADDRESS, 22, BRIEFLY)).toBe('silence');
    expect(await guest.connect('192.0.2.2', 443, BRIEFLY)).toBe('silence');
    expect(control.introductions).toEqual([]);
  });

  it('is refused while control does not run, and there again with it', async () => {
    const port = machinePort(1);
    await startWire([port]);
    const guest = await plug(port);

    expect(await guest.connect(MANAGEMENT_ADDRESS, 443)).toBe('refused');
    await startControl();
    expect(await guest.connect(MANAGEMENT_ADDRESS, 443)).toBe('open');
  });

  it('can be denied by a security group where Azure can: Resource Manager, not the metadata service', async () => {
    const denied = rule({
      name: 'DenyInternet',
      priority: 100,
      access: 'Deny',
      direction: 'Outbound',
      destinations: ['Internet'],
    });
    const port = machinePort(1, { securityGroups: [[denied, ...DEFAULT_RULES]] });
    await startControl();
    await startWire([port]);
    const guest = await plug(port);

    expect(await guest.connect(MANAGEMENT_ADDRESS, 443, BRIEFLY)).toBe('silence');
    expect(await guest.connect(METADATA_ADDRESS, 80)).toBe('open');
  });

  it('can be cut by a fault for one machine, and the machine still reaches its peer', async () => {
    const ports = [machinePort(1), machinePort(2)];
    await startControl();
    const wire = await startWire(ports);
    const [one, two] = [await plug(ports[0]!), await plug(ports[1]!)];
    two.listen(22);

    wire.putFault('no-arm', {
      from: 'hadb01',
      to: 'management',
      bothDirections: true,
      loss: 1,
      delayMs: 0,
    });

    expect(await one.connect(MANAGEMENT_ADDRESS, 443, BRIEFLY)).toBe('silence');
    expect(await one.connect(METADATA_ADDRESS, 80)).toBe('open');
    expect(await one.connect(two.address, 22)).toBe('open');
    expect(await two.connect(MANAGEMENT_ADDRESS, 443)).toBe('open');
  });
});

describe('a machine with a TCP stack of its own', () => {
  it('gets through what it sends, both ways and in order, more than any window holds', async () => {
    const port = stackPort();
    await startControl();
    await startWire([port]);
    const [hostPort = 0] = await plugStack(port, [`${MANAGEMENT_ADDRESS}:443`]);
    const payload = randomBytes(5_000_000);

    const answers = await Promise.all([talk(hostPort, payload), talk(hostPort, payload), talk(hostPort, payload)]);

    const expected = digest(Buffer.concat([Buffer.from(`management ${port.machine}\n`), payload]));
    expect(answers.map(digest)).toEqual([expected, expected, expected]);
  });

  it('gets through on a link that loses and delays', async () => {
    const port = stackPort();
    await startControl();
    const wire = await startWire([port]);
    const [hostPort = 0] = await plugStack(port, [`${METADATA_ADDRESS}:80`]);
    const payload = randomBytes(100_000);
    wire.putFault('lossy', { from: 'hadb01', to: 'metadata', bothDirections: true, loss: 0.05, delayMs: 5 });

    const answer = await talk(hostPort, payload);

    expect(digest(answer)).toBe(digest(Buffer.concat([Buffer.from(`metadata ${port.machine}\n`), payload])));
  });

  it('is told when control dies in the middle of a connection', async () => {
    const port = stackPort();
    const control = await startControl();
    await startWire([port]);
    const [hostPort = 0] = await plugStack(port, [`${MANAGEMENT_ADDRESS}:443`]);
    const socket = connect(hostPort, '127.0.0.1');
    cleanUp.push(() => void socket.destroy());
    await new Promise((resolve) => socket.once('data', resolve));

    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    await control.close();

    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
