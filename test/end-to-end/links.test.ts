import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ensureImage } from '../../lab/images/image';
import { createMachineDriver } from '../../lab/machines/driver';
import type { Machine, MachineDriver, SecurityRule } from '../../lab/model';
import { silent } from '../../lab/wire/log';
import { createWire, type Wire } from '../../lab/wire/wire';
import { freePort } from '../free-port';
import { DEFAULT_RULES, rule } from '../lab/wire/network-for-tests';
import { createGuest, type Guest, type Plug } from './guest';
import { readEndToEndOptions } from './options';
import { endWithThisProcess, type ProcessKeeper } from './process-keeper';

const { lab, engines } = readEndToEndOptions();

jest.setTimeout(900_000);

const BOOT_LIMIT_MS = 300_000;
const PUBLIC = '127.77.15.10';
const PROBE = { name: 'probe', protocol: 'Tcp', port: 61_000, intervalSeconds: 1, threshold: 2 } as const;

/** A real machine on the lab's own data plane: switch, security group, inbound NAT, probe, faults. */
describe.each(engines)('the link of a machine under %s', (engine) => {
  let directory: string;
  let keeper: ProcessKeeper;
  let wire: Wire;
  let driver: MachineDriver;
  let guest: Guest;
  let generation = 0;
  let ports: { ssh: number; mysql: number };

  const plan = (machine: Machine, securityGroup: readonly SecurityRule[]) => ({
    generation: ++generation,
    virtualNetworks: [{ name: 'vnet-hadb', prefix: '10.10.10.0/24' }],
    ports: [
      {
        machine: machine.id,
        name: machine.name,
        mac: machine.nic.mac,
        address: '10.10.10.4',
        wiring: machine.nic.wiring,
        securityGroups: [securityGroup],
      },
    ],
    publicAddresses: [{ address: PUBLIC }],
    loadBalancingRules: [
      {
        name: 'lb-mysql',
        frontendAddress: PUBLIC,
        frontendPort: ports.mysql,
        backendPort: 3306,
        backends: [{ address: '10.10.10.4' }],
        idleTimeoutMinutes: 4,
        tcpReset: false,
        probe: PROBE,
      },
    ],
    inboundNatRules: [
      {
        name: 'ssh-1',
        frontendAddress: PUBLIC,
        frontendPort: ports.ssh,
        backendAddress: '10.10.10.4',
        backendPort: 22,
      },
    ],
  });
  const sshFrom = (source: string): readonly SecurityRule[] => [
    rule({ name: 'ssh', priority: 300, access: 'Allow', sources: [source], destinationPorts: ['22'] }),
    ...DEFAULT_RULES,
  ];
  const plugIn = async (machine: Machine): Promise<Plug> => {
    ports = { ssh: await freePort(), mysql: await freePort() };
    wire = await createWire({ stateDirectory: directory, log: silent });
    await wire.putPlan(plan(machine, sshFrom('127.0.0.0/8')));
    return { host: PUBLIC, sshPort: ports.ssh, close: () => wire.close({ gateways: 'stop' }) };
  };
  const isHealthy = (): boolean => wire.status().backends[0]?.healthy === true;
  const awaitHealth = async (healthy: boolean): Promise<boolean> => {
    const deadline = performance.now() + 60_000;
    while (isHealthy() !== healthy && performance.now() < deadline) await sleep(100);
    return isHealthy();
  };
  const answers = async (): Promise<string> =>
    guest.run('uname -n', { timeoutMs: 1 }).then(
      ({ output }) => output,
      (error: Error) => error.message,
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-links-'));
    keeper = endWithThisProcess(directory);
    const image = await ensureImage('golden', { cacheDirectory: lab.cacheDirectory, onProgress: () => undefined });
    driver = createMachineDriver(engine, image);
    guest = await createGuest(image, { name: 'hadb01', memoryMiB: 768, plugIn });
    await driver.start(guest.machine);
    await driver.awaitProvisioned(guest.machine, BOOT_LIMIT_MS);
    await guest.run('true', { timeoutMs: BOOT_LIMIT_MS });
  });

  afterAll(async () => {
    await driver.stop(guest.machine, 'hard', 0);
    await guest.close();
    await keeper.release();
    rmSync(directory, { recursive: true, force: true });
  });

  it('is healthy while something listens in the guest, and only then', async () => {
    const before = isHealthy();

    await guest.run('sudo systemd-run --quiet --unit probe-answer socat TCP-LISTEN:61000,fork,reuseaddr /dev/null');
    const during = await awaitHealth(true);
    await guest.run('sudo systemctl stop probe-answer');

    expect(before).toBe(false);
    expect(during).toBe(true);
    expect(await awaitHealth(false)).toBe(false);
  });

  it('leads nowhere while it is cut, and to the same boot afterwards', async () => {
    const { output: boot } = await guest.run('cat /proc/sys/kernel/random/boot_id');

    wire.putFault('cut', { from: 'hadb01', to: '*', bothDirections: true, loss: 1, delayMs: 0 });
    const during = await answers();
    wire.deleteFault('cut');

    expect(during).toMatch(/no SSH connection/);
    expect((await guest.run('cat /proc/sys/kernel/random/boot_id')).output).toBe(boot);
  });

  it('is late by as much as it is told to be', async () => {
    /** The shortest of this connection's round trips, ms, as the guest's kernel has measured it. */
    const roundTrip = async (): Promise<number> => {
      const { output } = await guest.run(
        'set -- $SSH_CONNECTION; ss -tinH "( dport = :$2 )" | grep -o "minrtt:[0-9.]*" | cut -d: -f2',
      );
      return Number(output);
    };
    const before = await roundTrip();

    wire.putFault('slow', { from: 'hadb01', to: '*', bothDirections: true, loss: 0, delayMs: 200 });
    const during = await roundTrip();
    wire.deleteFault('slow');

    // Later on the way out, and later on the way in.
    expect(during).toBeGreaterThan(before);
    expect(during).toBeGreaterThanOrEqual(398);
    expect(before).toBeGreaterThan(0);
  });

  it("is open to whom the security group allows, judged by the client's own address", async () => {
    await wire.putPlan(plan(guest.machine, sshFrom('127.0.0.2/32')));
    const refused = await answers();
    await wire.putPlan(plan(guest.machine, sshFrom('127.0.0.1/32')));

    expect(refused).toMatch(/no SSH connection/);
    expect((await guest.run('uname -n')).output).toBe('hadb01');
  });
});
