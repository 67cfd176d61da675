import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WireClient } from '../../../lab/wire/client';
import { createWireClient } from '../../../lab/wire/client';
import { stopGateways } from '../../../lab/wire/gateway';
import { createFakeGuest } from './fake-guest';
import { machinePort, networkPlan } from './network-for-tests';
import { eventually } from '../../eventually';

/** Wire as the process it is in the lab, with its client. */

const MAIN = join(__dirname, '../../../lab/wire/main.ts');
const HOOK = join(__dirname, '../control/run-typescript.cjs');
let directory: string;
let wires: ChildProcess[];
let states: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wire-'));
  wires = [];
  states = [];
});

afterEach(async () => {
  for (const wire of wires) await end(wire, 'SIGKILL');
  // Only now: a wire that runs starts a lost gateway again.
  for (const state of states) await stopGateways(state);
  rmSync(directory, { recursive: true, force: true });
});

function launch(state: string): { wire: ChildProcess; output: () => string } {
  const wire = spawn(process.execPath, ['-r', HOOK, MAIN, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  wire.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  wire.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  wires.push(wire);
  states.push(state);
  return { wire, output: () => text };
}

async function start(state = directory): Promise<{ wire: ChildProcess; client: WireClient; output: () => string }> {
  const { wire, output } = launch(state);
  const client = createWireClient(state);
  await eventually('wire answers', async () => (await client.health().catch(() => undefined))?.pid === wire.pid);
  return { wire, client, output };
}

async function end(wire: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (wire.exitCode !== null || wire.signalCode !== null) return;
  const ended = new Promise((resolve) => wire.once('exit', resolve));
  wire.kill(signal);
  await ended;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

test('after a kill the next one adopts gateway and plan, and the machines talk again; TERM leaves no process', async () => {
  const ports = [machinePort(1), machinePort(2)];
  const [one, two] = [await createFakeGuest(ports[0]!), await createFakeGuest(ports[1]!)];
  two.listen(7789);
  try {
    const before = await start();
    expect(await before.client.putPlan(networkPlan({ ports }))).toEqual({ generation: 1, problems: [] });
    expect(await one.connect(two.address, 7789)).toBe('open');
    const gateway = (await before.client.status()).gateways[0]!.pid!;

    await end(before.wire, 'SIGKILL');
    expect(await one.connect(two.address, 7789, { timeoutMs: 100 })).toBe('silence');
    await expect(before.client.status()).rejects.toMatchObject({ code: 'WireNotRunning' });
    expect(isAlive(gateway)).toBe(true);

    const after = await start();
    expect((await after.client.status()).gateways[0]).toMatchObject({ pid: gateway, state: 'running' });
    const talks = async () => (await one.connect(two.address, 7789, { timeoutMs: 300 })) === 'open';
    await eventually('they talk again', talks);

    await end(after.wire, 'SIGTERM');
    expect(after.wire.exitCode).toBe(0);
    expect(isAlive(gateway)).toBe(false);
  } finally {
    await one.close();
    await two.close();
  }
});

test('gateways of a wire that was killed are ended without it', async () => {
  const { wire, client } = await start();
  await client.putPlan(networkPlan({ ports: [machinePort(1)] }));
  const gateway = (await client.status()).gateways[0]!.pid!;
  await end(wire, 'SIGKILL');

  await stopGateways(directory);

  expect(isAlive(gateway)).toBe(false);
  expect(existsSync(join(directory, 'gateways', 'anything'))).toBe(false);
});

test('a second wire on the same directory is refused and leaves the first alone', async () => {
  const first = await start();

  const second = launch(directory);
  await new Promise((resolve) => second.wire.once('exit', resolve));

  expect(second.wire.exitCode).toBe(1);
  expect(second.output()).toContain(`wire runs here already (process ${first.wire.pid}`);
  await expect(first.client.health()).resolves.toMatchObject({ pid: first.wire.pid });
});

test('a state directory too deep for a socket path works, and is closed to others', async () => {
  const deep = join(directory, 'd'.repeat(120), 'wire');
  mkdirSync(join(deep, '..'), { recursive: true });

  const { client } = await start(deep);
  await client.putPlan(networkPlan({ ports: [machinePort(1)] }));

  expect((await client.status()).gateways).toMatchObject([{ state: 'running' }]);
  expect(statSync(deep).mode & 0o077).toBe(0);
  expect(statSync(join(deep, 'wire.sock')).mode & 0o077).toBe(0);
});

test('the client brings back what wire refuses, by its code', async () => {
  const { client } = await start();
  await client.putPlan(networkPlan({ generation: 5, ports: [machinePort(1)] }));
  const fault = { id: 'cut', from: 'hadb01', to: '*', bothDirections: true, loss: 1, delayMs: 0, ttlSeconds: 60 };

  await expect(client.putPlan(networkPlan({ generation: 4 }))).rejects.toMatchObject({ code: 'PlanOutdated' });
  await expect(client.putFault({ ...fault, from: 'nobody' })).rejects.toMatchObject({ code: 'UnknownMachine' });
  await expect(client.putFault(fault)).resolves.toMatchObject({ id: 'cut', expiresAt: expect.any(String) as unknown });
  expect((await client.status()).faults).toHaveLength(1);
  await client.deleteFault('cut');
  await client.deleteFault('cut');
  await client.putFault(fault);
  await client.clearFaults();
  expect((await client.status()).faults).toEqual([]);
});

test('what it says is one JSON object a line', async () => {
  const { wire, output } = await start();
  await end(wire, 'SIGTERM');

  const events = output()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event);

  expect(events).toEqual(['wire-ready', 'wire-ending']);
});

test('without a state directory it says how it is called', async () => {
  const wire = spawn(process.execPath, ['-r', HOOK, MAIN], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  wire.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));

  const code = await new Promise((resolve) => wire.once('exit', resolve));

  expect(code).toBe(1);
  expect(output).toContain('usage: main.js --state DIRECTORY');
});
