import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkPlan } from '../../../lab/model';
import { silent } from '../../../lab/wire/log';
import type { Wire, WireOptions } from '../../../lab/wire/wire';
import { WireRefusal, createWire } from '../../../lab/wire/wire';
import type { FakeGuest } from './fake-guest';
import { createFakeGuest } from './fake-guest';
import { DEFAULT_RULES, machinePort, networkPlan, rule } from './network-for-tests';
import { freshPort } from '../../free-port';
import { eventually } from '../../eventually';

/** Wire as a whole with a real gateway, in this process; the machines are fakes on real pseudo-wires. */

const PUBLIC = '127.77.14.10';
const cleanUp: (() => Promise<void> | void)[] = [];
let directory: string;

beforeAll(() => {
  const { error } = spawnSync('qemu-system-x86_64', ['--version']);
  if (error !== undefined)
    throw new Error(`the gateway needs qemu-system-x86_64 (package qemu-system-x86): ${error.message}`);
});

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wire-'));
});

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
  rmSync(directory, { recursive: true, force: true });
});

async function startWire(options: Partial<WireOptions> = {}): Promise<Wire> {
  const wire = await createWire({ stateDirectory: directory, log: silent, ...options });
  let closed = false;
  const close: Wire['close'] = async (how) => {
    if (closed) return;
    closed = true;
    await wire.close(how);
  };
  cleanUp.push(() => close({ gateways: 'stop' }));
  return { ...wire, close };
}

function pairPlan(changes: Partial<NetworkPlan> = {}) {
  const admin = rule({
    name: 'AllowSsh',
    priority: 300,
    access: 'Allow',
    sources: ['127.0.0.1'],
    destinationPorts: ['22'],
  });
  const clients = rule({
    name: 'AllowMySql',
    priority: 310,
    access: 'Allow',
    sources: ['127.0.0.0/30'],
    destinationPorts: ['3306'],
  });
  const group = [admin, clients, ...DEFAULT_RULES];
  const frontends = { mysql: freshPort(), ssh: freshPort() };
  const ports = [machinePort(1, { securityGroups: [group] }), machinePort(2, { securityGroups: [group] })] as const;
  const plan = networkPlan({
    ports,
    publicAddresses: [{ address: PUBLIC, name: 'hadb.lab.test' }],
    loadBalancingRules: [
      {
        name: 'lb-mysql',
        frontendAddress: PUBLIC,
        frontendPort: frontends.mysql,
        backendPort: 3306,
        backends: ports.map(({ address }) => ({ address })),
        idleTimeoutMinutes: 4,
        tcpReset: false,
        probe: { name: 'probe', protocol: 'Tcp', port: 61_000, intervalSeconds: 0.2, threshold: 2 },
      },
    ],
    inboundNatRules: [
      {
        name: 'ssh-hadb01',
        frontendAddress: PUBLIC,
        frontendPort: frontends.ssh,
        backendAddress: ports[0].address,
        backendPort: 22,
      },
    ],
    ...changes,
  });
  return { plan, frontends, ports };
}

async function plug(port: ReturnType<typeof machinePort>): Promise<FakeGuest> {
  const guest = await createFakeGuest(port);
  cleanUp.push(() => guest.close());
  guest.listen(22, () => Buffer.from(`ssh on ${port.name}`));
  guest.listen(3306, () => Buffer.from(port.name));
  return guest;
}

/** What a server on the public address answers, or how it refuses. */
function ask(port: number, localAddress = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host: PUBLIC, port, localAddress }, () => socket.write('hello'));
    socket.on('data', (data) => {
      resolve(data.toString());
      socket.end();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('closed'));
  });
}

function healthyBackends(wire: Wire): string[] {
  return wire
    .status()
    .backends.filter((backend) => backend.healthy)
    .map((backend) => backend.address);
}

test('clients reach the machine whose probe port listens, through balancer, gateway and switch', async () => {
  const { plan, frontends, ports } = pairPlan();
  const [one, two] = (await Promise.all(ports.map(plug))) as [FakeGuest, FakeGuest];
  one.listen(61_000);
  const wire = await startWire();

  expect(await wire.putPlan(plan)).toEqual({ generation: 1, problems: [] });
  expect(await ask(frontends.mysql)).toBe('ECONNRESET');
  await eventually('hadb01 is up', () => healthyBackends(wire).join() === one.address);
  expect(await ask(frontends.mysql)).toBe('hadb01');
  expect(await ask(frontends.ssh)).toBe('ssh on hadb01');

  one.unlisten(61_000);
  two.listen(61_000);
  await eventually('hadb02 is up alone', () => healthyBackends(wire).join() === two.address);
  expect(await ask(frontends.mysql)).toBe('hadb02');

  two.freeze();
  await eventually('nobody is up', () => healthyBackends(wire).length === 0);
  expect(await ask(frontends.mysql)).toBe('ECONNRESET');
});

test('a security group judges the real address of a client, and probes by their tag', async () => {
  const noProbes = rule({ name: 'NoProbes', priority: 100, access: 'Deny', sources: ['AzureLoadBalancer'] });
  const { plan, frontends, ports } = pairPlan();
  const [one, two] = (await Promise.all(ports.map(plug))) as [FakeGuest, FakeGuest];
  one.listen(61_000);
  two.listen(61_000);
  const wire = await startWire();
  const [first, second] = plan.ports;
  await wire.putPlan({
    ...plan,
    ports: [first, { ...second, securityGroups: [[noProbes], ...second!.securityGroups] }],
  });

  await eventually('hadb01 is up', () => healthyBackends(wire).join() === one.address);
  expect(await ask(frontends.mysql, '127.0.0.2')).toBe('hadb01');
  expect(await ask(frontends.mysql, '127.0.0.9')).toBe('ECONNRESET');
  expect(await ask(frontends.ssh, '127.0.0.2')).toBe('ECONNRESET');
  expect(two.received).toEqual([]);
  expect(wire.status().denials).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ from: '127.0.0.9', to: one.address, port: 3306, rule: 'DenyAllInBound' }),
      expect.objectContaining({ from: '168.63.129.16', to: two.address, port: 61_000, rule: 'NoProbes' }),
    ]),
  );
});

test('a fault cuts a machine off from probes and clients, outlives wire, and removes itself', async () => {
  let now = Date.now();
  const { plan, frontends, ports } = pairPlan();
  const [one] = (await Promise.all(ports.map(plug))) as [FakeGuest, FakeGuest];
  one.listen(61_000);
  const before = await startWire({ now: () => now });
  await before.putPlan(plan);
  await eventually('hadb01 is up', () => healthyBackends(before).length === 1);

  before.putFault('cut', { from: 'hadb01', to: '*', bothDirections: true, loss: 1, delayMs: 0, ttlSeconds: 3600 });
  await eventually('nobody is up', () => healthyBackends(before).length === 0);
  await before.close({ gateways: 'leave' });
  const wire = await startWire({ now: () => now });
  expect(wire.status().faults).toMatchObject([{ id: 'cut', from: 'hadb01' }]);
  expect(await ask(frontends.mysql)).toBe('ECONNRESET');

  now += 3_600_001;
  await eventually('the fault is gone', () => wire.status().faults.length === 0);
  await eventually('hadb01 is up again', () => healthyBackends(wire).length === 1);
  expect(await ask(frontends.mysql)).toBe('hadb01');
});

test('a wire that was killed is followed by one that adopts the gateway and keeps ports, cookies and plan', async () => {
  const { plan, frontends, ports } = pairPlan();
  await Promise.all(ports.map(plug));
  const before = await startWire();
  await before.putPlan(plan);
  const old = before.status();
  // As a kill does it: nothing is told to the gateway.
  await before.close({ gateways: 'leave' });

  const wire = await startWire();

  expect(wire.status().generation).toBe(1);
  expect(wire.status().gateways).toEqual(old.gateways);
  expect(wire.status().nameServer).toBe(old.nameServer);
  expect(await ask(frontends.ssh)).toBe('ssh on hadb01');
});

test('a gateway that dies is replaced', async () => {
  const { plan, frontends, ports } = pairPlan();
  await Promise.all(ports.map(plug));
  const wire = await startWire();
  await wire.putPlan(plan);
  const pid = wire.status().gateways[0]?.pid;
  if (pid === undefined) throw new Error('no gateway');

  process.kill(pid, 'SIGKILL');

  await eventually('another one runs', () =>
    wire.status().gateways.some((gateway) => gateway.state === 'running' && gateway.pid !== pid),
  );
  await eventually('it forwards', async () => (await ask(frontends.ssh)) === 'ssh on hadb01');
  expect(wire.status().problems).toEqual([]);
});

test('a port of the gateway that another program takes is given up for another', async () => {
  const { plan, frontends, ports } = pairPlan();
  await Promise.all(ports.map(plug));
  const before = await startWire();
  await before.putPlan(plan);
  const file = join(before.status().gateways[0]!.logFile, '..', 'gateway.json');
  const { wiring } = JSON.parse(readFileSync(file, 'utf8')) as { wiring: { switchPort: number } };
  await before.close({ gateways: 'leave' });
  const squatter = createSocket('udp4');
  await new Promise<void>((resolve) => squatter.bind(wiring.switchPort, '127.0.0.1', resolve));
  cleanUp.push(() => void squatter.close());

  const wire = await startWire();

  expect(wire.status().problems).toEqual([]);
  expect(await ask(frontends.ssh)).toBe('ssh on hadb01');
});

test('forwards follow the plan', async () => {
  const { plan, ports } = pairPlan();
  await Promise.all(ports.map(plug));
  const wire = await startWire();
  await wire.putPlan(plan);
  const backends = () =>
    wire
      .status()
      .gateways[0]!.forwards.map((forward) => `${forward.address}:${forward.port}`)
      .sort();
  expect(backends()).toEqual(['10.10.10.4:22', '10.10.10.4:3306', '10.10.10.5:3306']);

  const added = {
    name: 'ssh-hadb02',
    frontendAddress: PUBLIC,
    frontendPort: freshPort(),
    backendAddress: '10.10.10.5',
    backendPort: 22,
  };
  await wire.putPlan({ ...plan, generation: 2, loadBalancingRules: [], inboundNatRules: [added] });

  expect(backends()).toEqual(['10.10.10.5:22']);
  expect(await ask(added.frontendPort)).toBe('ssh on hadb02');
});

test('without QEMU the plan is in force as far as it can be, and the problem says what to install', async () => {
  const { plan, ports } = pairPlan();
  const [one, two] = (await Promise.all(ports.map(plug))) as [FakeGuest, FakeGuest];
  const wire = await startWire({ qemu: 'qemu-system-that-is-not-installed' });

  const { problems } = await wire.putPlan(plan);

  expect(problems).toMatchObject([{ code: 'QemuMissing', subject: 'gateway of vnet-hadb' }]);
  expect(problems[0]?.message).toContain('install the package qemu-system-x86');
  expect(await one.connect(two.address, 3306)).toBe('open');
  expect(wire.status().gateways).toMatchObject([{ state: 'failed' }]);
});

test("guests get packages from the host's mirror while the plan says so, and reach nothing else", async () => {
  const mirror = createServer((request, response) => response.end(`file ${request.url}`));
  await new Promise<void>((resolve) => mirror.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => void mirror.close());
  const address = mirror.address();
  const archive = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/debian`;
  const { plan, ports } = pairPlan({ packageMirror: true });
  const [one] = (await Promise.all(ports.map(plug))) as [FakeGuest, FakeGuest];
  const wire = await startWire({ readMirrorBases: () => ({ archive, security: undefined }) });
  await wire.putPlan(plan);
  const get = 'GET /debian/dists/x HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n';

  expect(await one.request('10.10.10.253', 80, get)).toContain('file /debian/dists/x');
  // The mirror itself listens on the host's loopback, which the gateway must not lead to.
  expect(await one.connect('10.10.10.1', Number(new URL(archive).port), { timeoutMs: 500 })).not.toBe('open');

  await wire.putPlan({ ...plan, generation: 2, packageMirror: false });
  expect(await one.connect('10.10.10.253', 80, { timeoutMs: 300 })).toBe('silence');
});

test('a machine under the second prefix of a network is reached like the others', async () => {
  const { plan, ports } = pairPlan();
  const second = { ...ports[1], address: '10.20.0.4', virtualNetwork: 'vnet-hadb' };
  const [one, two] = [await plug(ports[0]), await plug(second)];
  two.listen(61_000);
  const frontends = { ssh: freshPort(), mysql: freshPort() };
  const [balancing] = plan.loadBalancingRules;
  const wire = await startWire();
  await wire.putPlan({
    ...plan,
    virtualNetworks: [...plan.virtualNetworks, { name: 'vnet-hadb', prefix: '10.20.0.0/16' }],
    ports: [ports[0], second],
    loadBalancingRules: [{ ...balancing, frontendPort: frontends.mysql, backends: [{ address: '10.20.0.4' }] }],
    inboundNatRules: [
      { name: 's', frontendAddress: PUBLIC, frontendPort: frontends.ssh, backendAddress: '10.20.0.4', backendPort: 22 },
    ],
  });

  expect(await one.connect('10.20.0.4', 3306)).toBe('open');
  expect(await ask(frontends.ssh)).toBe('ssh on hadb02');
  await eventually('it is up', () => healthyBackends(wire).length === 1);
});

test('the mirror has the same address for a guest of another network', async () => {
  const { plan } = pairPlan({ packageMirror: true });
  const elsewhere = machinePort(3, { address: '172.16.5.4' });
  const guest = await plug(elsewhere);
  const wire = await startWire({
    readMirrorBases: () => ({ archive: 'http://127.0.0.1:1/debian', security: undefined }),
  });
  await wire.putPlan({
    ...plan,
    virtualNetworks: [{ name: 'elsewhere', prefix: '172.16.0.0/16' }],
    ports: [elsewhere],
    loadBalancingRules: [],
    inboundNatRules: [],
  });

  expect(
    await guest.request('10.10.10.253', 80, 'GET /secret HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n'),
  ).toContain('403');
});

describe('a plan', () => {
  test('older than the one in force is refused and changes nothing', async () => {
    const wire = await startWire();
    await wire.putPlan(networkPlan({ generation: 7 }));

    await expect(wire.putPlan(networkPlan({ generation: 6 }))).rejects.toMatchObject({
      code: 'PlanOutdated',
      status: 409,
    });
    await expect(wire.putPlan(networkPlan({ generation: 7 }))).resolves.toMatchObject({ generation: 7 });
    expect(wire.status().generation).toBe(7);
  });

  test('that is not valid is refused with every problem', async () => {
    const wire = await startWire();

    await expect(wire.putPlan({ generation: 1 })).rejects.toBeInstanceOf(WireRefusal);
    await expect(wire.putPlan({ generation: 1 })).rejects.toMatchObject({
      code: 'InvalidPlan',
      problems: expect.arrayContaining([
        expect.stringContaining('ports'),
        expect.stringContaining('virtualNetworks'),
      ]) as unknown,
    });
    expect(wire.status().generation).toBeUndefined();
  });

  test('leads to a machine that is not plugged in: it is in force, and says so', async () => {
    const { plan, ports } = pairPlan();
    const wire = await startWire();

    const { problems } = await wire.putPlan({ ...plan, ports: [ports[0]] });

    expect(problems).toMatchObject([{ code: 'UnknownBackend', subject: 'lb-mysql' }]);
    expect(problems[0]?.message).toContain('10.10.10.5');
  });

  test('whose frontend another program has works by itself once that program ends', async () => {
    const { plan, frontends, ports } = pairPlan();
    await plug(ports[0]);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(frontends.ssh, PUBLIC, resolve));
    const wire = await startWire();

    const { problems } = await wire.putPlan(plan);
    expect(problems).toMatchObject([{ code: 'PortInUse', subject: 'frontend of ssh-hadb01' }]);
    await new Promise((resolve) => squatter.close(resolve));

    await eventually('it is tried again', () => wire.status().problems.length === 0);
    expect(await ask(frontends.ssh)).toBe('ssh on hadb01');
  });

  test('is kept where only this user can read the cookies', async () => {
    const { plan } = pairPlan();
    const wire = await startWire();
    await wire.putPlan(plan);

    expect(statSync(join(directory, 'plan.json')).mode & 0o077).toBe(0);
    expect(JSON.stringify(wire.status())).not.toContain(plan.ports[0]!.wiring.machineCookie);
    const commandLine = readFileSync(`/proc/${wire.status().gateways[0]?.pid}/cmdline`, 'utf8');
    const { wiring } = JSON.parse(
      readFileSync(join(wire.status().gateways[0]!.logFile, '..', 'gateway.json'), 'utf8'),
    ) as { wiring: { machineCookie: string } };
    expect(commandLine).not.toContain(wiring.machineCookie);
  });

  test('that lies damaged on disk is told by the name of its file', async () => {
    writeFileSync(join(directory, 'plan.json'), '{"generation": "x"}');

    await expect(startWire()).rejects.toThrow(/plan\.json is damaged: .*generation/);
  });
});

test('a fault that names nobody or nonsense is refused', async () => {
  const { plan } = pairPlan();
  const wire = await startWire();
  await wire.putPlan(plan);
  const fault = { from: 'hadb01', to: '*', bothDirections: true, loss: 1, delayMs: 0 };

  expect(() => wire.putFault('a', { ...fault, to: 'hadb03' })).toThrow('no machine on the switch is called hadb03');
  expect(() => wire.putFault('a', { ...fault, loss: 2 })).toThrow(WireRefusal);
  expect(() => wire.putFault('a', undefined)).toThrow(WireRefusal);
  expect(wire.deleteFault('a')).toBe(false);
  expect(wire.status().faults).toEqual([]);
});
