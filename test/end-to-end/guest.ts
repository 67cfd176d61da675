import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client, utils, type ParsedKey } from 'ssh2';

import type { Image } from '../../lab/images/image';
import { createOsDisk, createSparseDisk } from '../../lab/machines/disks';
import { writeProvisioningDisk } from '../../lab/machines/provisioning-disk';
import type { Machine } from '../../lab/model';
import { startOwnedProcess, stopOwnedProcess } from '../../processes/owned-process';
import { freePort, freeUdpPort } from '../free-port';
import { endWithThisProcess } from './process-keeper';

export const DATA_DISK_BYTES = 5 * 1024 * 1024 * 1024;

const ADMIN = 'azureuser';
const ADDRESS = '10.10.10.4';

export interface CommandResult {
  code: number | undefined;
  output: string;
}

/** A machine with a gateway of its own plugged straight into its wire: what a driver test needs, and no lab. */
export interface Guest {
  machine: Machine;
  /** Type and base64 of the host key that the custom data asked for. */
  hostKey: string;
  /** Runs a command over a fresh connection; tries to connect until the deadline. */
  run(command: string, options?: { timeoutMs?: number }): Promise<CommandResult>;
  /** Host key that the guest serves. */
  readServedHostKey(timeoutMs: number): Promise<string>;
  close(): Promise<void>;
}

/** What the other end of the machine's wire is plugged into, and where SSH of the machine is reached through it. */
export interface Plug {
  host: string;
  sshPort: number;
  close(): Promise<void>;
}

export async function createGuest(
  image: Image,
  options: { name: string; memoryMiB: number; plugIn?: (machine: Machine) => Promise<Plug> },
): Promise<Guest> {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-machine-'));
  const keeper = endWithThisProcess(directory);
  const [switchPort, machinePort] = [await freeUdpPort(), await freeUdpPort()];
  const adminKey = utils.generateKeyPairSync('ed25519');
  const hostKeys = utils.generateKeyPairSync('ed25519');
  const machine: Machine = {
    id: '5f3cd5f2-7c34-4a1b-9c39-0123456789ab',
    name: options.name,
    directory: join(directory, 'machine'),
    memoryMiB: options.memoryMiB,
    cpu: 0,
    osDisk: join(directory, 'os.img'),
    dataDisks: [{ lun: 0, file: join(directory, 'lun0.img') }],
    provisioningDisk: join(directory, 'provisioning.tar'),
    nic: {
      mac: '00:0d:3a:00:00:01',
      // The highest digits prove that cookies are unsigned on both sides.
      wiring: { switchPort, machinePort, machineCookie: 'fedcba98', switchCookie: '89abcdef' },
    },
  };
  mkdirSync(machine.directory);
  await createOsDisk(image, machine.osDisk);
  createSparseDisk(machine.dataDisks[0]?.file ?? '', DATA_DISK_BYTES);
  writeProvisioningDisk(machine.provisioningDisk, {
    vmId: machine.id,
    hostName: machine.name,
    adminUser: ADMIN,
    authorizedKeys: [adminKey.public],
    customData: Buffer.from(renderCustomData(hostKeys)).toString('base64'),
    address: ADDRESS,
    prefixLength: 24,
    gateway: '10.10.10.1',
  });
  const plug = await (options.plugIn ?? startGateway)(machine);
  const connection = { host: plug.host, port: plug.sshPort, privateKey: adminKey.private };
  return {
    machine,
    hostKey: hostKeys.public.split(' ').slice(0, 2).join(' '),
    run: (command, { timeoutMs = 60_000 } = {}) => runUntil(connection, command, timeoutMs),
    readServedHostKey: (timeoutMs) => readHostKey(connection, timeoutMs),
    close: async () => {
      await plug.close();
      await keeper.release();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function renderCustomData(hostKeys: { private: string; public: string }): string {
  const indented = hostKeys.private.trim().replaceAll(/^/gm, '    ');
  return `#cloud-config
ssh_keys:
  ed25519_private: |
${indented}
  ed25519_public: ${hostKeys.public}
write_files:
  - path: /etc/motd-of-the-test
    content: "it's written"
    permissions: '0640'
runcmd:
  - [sh, -c, 'echo ran >>/var/log/times-custom-data-ran']
`;
}

/** The lab's gateway in small: QEMU without a machine, slirp on one side and the guest's wire on the other. */
async function startGateway({ directory, nic: { wiring } }: Machine): Promise<Plug> {
  const sshPort = await freePort();
  const wire = [
    'l2tpv3,id=wire,src=127.0.0.1,dst=127.0.0.1,udp=on,txsession=1,rxsession=1,counter=off',
    `srcport=${wiring.switchPort},dstport=${wiring.machinePort}`,
    `txcookie=0x${wiring.switchCookie},rxcookie=0x${wiring.machineCookie}`,
  ];
  const slirp = [
    'user,id=slirp,net=10.10.10.0/24,host=10.10.10.1,restrict=on',
    `hostfwd=tcp:127.0.0.1:${sshPort}-${ADDRESS}:22`,
  ];
  const gatewayDirectory = join(dirname(directory), 'gateway');
  const recordFile = join(gatewayDirectory, 'process.json');
  startOwnedProcess({
    recordFile,
    logFile: join(gatewayDirectory, 'gateway.log'),
    command: 'qemu-system-x86_64',
    args: [
      ...'-machine none -nodefaults -nographic -monitor none -serial none'.split(' '),
      '-netdev',
      slirp.join(','),
      '-netdev',
      wire.join(','),
      ...'-netdev hubport,id=one,hubid=0,netdev=slirp -netdev hubport,id=two,hubid=0,netdev=wire'.split(' '),
    ],
  });
  return {
    host: '127.0.0.1',
    sshPort,
    close: () => stopOwnedProcess(recordFile, { graceMs: 0 }),
  };
}

interface Connection {
  host: string;
  port: number;
  privateKey: string;
}

/** Connects anew until it succeeds, runs the command once; a connection that breaks meanwhile has no exit code. */
async function runUntil(connection: Connection, command: string, timeoutMs: number): Promise<CommandResult> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const client = await connect(connection).catch(() => undefined);
    if (client !== undefined) {
      try {
        return await execute(client, command);
      } finally {
        client.destroy();
      }
    }
    if (performance.now() > deadline) throw new Error(`no SSH connection to the guest within ${timeoutMs} ms`);
    await sleep(100);
  }
}

function connect({ host, port, privateKey }: Connection): Promise<Client> {
  const client = new Client();
  return new Promise((resolve, reject) => {
    client.once('ready', () => resolve(client));
    client.on('error', (error) => {
      client.destroy();
      reject(error);
    });
    client.once('close', () => reject(new Error('the connection was closed')));
    client.connect({ host, port, username: ADMIN, privateKey, readyTimeout: 20_000 });
  });
}

function execute(client: Client, command: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    let output = '';
    let code: number | undefined;
    client.once('close', () => resolve({ code, output }));
    client.exec(command, (error, channel) => {
      if (error !== undefined) return reject(error);
      channel.on('data', (chunk: Buffer) => (output += chunk.toString()));
      channel.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      channel.on('exit', (status: number | null) => (code = status ?? undefined));
      channel.on('close', () => resolve({ code, output: output.trim() }));
      return undefined;
    });
  });
}

async function readHostKey(connection: Connection, timeoutMs: number): Promise<string> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const key = await new Promise<string | undefined>((resolve) => {
      const client = new Client();
      client.on('error', () => resolve(undefined));
      client.on('close', () => resolve(undefined));
      client.connect({
        host: connection.host,
        port: connection.port,
        username: ADMIN,
        privateKey: connection.privateKey,
        hostVerifier: (served: Buffer) => {
          const parsed = utils.parseKey(served) as ParsedKey;
          resolve(`${parsed.type} ${parsed.getPublicSSH().toString('base64')}`);
          return false;
        },
      });
    });
    if (key !== undefined) return key;
    if (performance.now() > deadline) throw new Error(`no SSH server answered within ${timeoutMs} ms`);
    await sleep(100);
  }
}
