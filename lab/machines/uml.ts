import { spawn } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

import type { Machine, MachineDriver } from '../model';
import { findWriteFailures, setWriteFailure } from './failing-disk';
import { createProcessDriver } from './machine-process';
import type { SupervisedCommand } from './supervisor';

/** ubd0 to ubd7: the root disk, the provisioning disk, and at most six data disks. */
const MOST_DATA_DISKS = 6;

const MANAGEMENT_SOCKET = 'uml/mconsole';

/** The request that plugs the interface in, with the cookies of its wire. */
const PLUG = 'interface.request';

/** User-mode Linux in seccomp mode: near native speed without any privilege. Guests are trusted: seccomp mode does not isolate. */
export function createUmlDriver(kernelOf: (machine: Machine) => string): MachineDriver {
  return createProcessDriver({
    name: 'uml',
    firstLineTimeoutMs: 10_000,
    command: (machine) =>
      renderUmlCommand(machine, kernelOf(machine), { cpus: readAllowedCpus(), memory: memoryDirectory(machine) }),
    pressPowerButton,
    possibleDiskFaults: findWriteFailures,
    setDiskFault: setWriteFailure,
  });
}

export function renderUmlCommand(
  machine: Machine,
  kernel: string,
  host: { cpus: readonly number[]; memory: string },
): SupervisedCommand {
  if (machine.dataDisks.length > MOST_DATA_DISKS) {
    throw new Error(`${machine.name}: user-mode Linux takes at most ${MOST_DATA_DISKS} data disks`);
  }
  const disks = [
    { flags: 'd', file: machine.osDisk, serial: 'os' },
    ...machine.dataDisks.map(({ lun, file }) => ({ flags: 'd', file, serial: `lun${lun}` })),
    { flags: 'dr', file: machine.provisioningDisk, serial: 'provision' },
  ];
  return {
    environment: { TMPDIR: host.memory },
    command: [
      'taskset',
      '-c',
      String(chooseCpu(machine.cpu, host.cpus)),
      kernel,
      // Relative, because the path of the management socket below it may have 107 bytes.
      'uml_dir=.',
      'umid=uml',
      `mem=${machine.memoryMiB}M`,
      'seccomp=on',
      'noreboot',
      'root=/dev/ubda',
      'rootflags=noinit_itable',
      'rw',
      ...disks.map(({ flags, file, serial }, index) => `ubd${index}${flags}=${refuseSeparators(file)},,${serial}`),
      'con=null',
      'con0=null,fd:1',
      'net.ifnames=0',
      // 512 devices that each boot would walk through.
      'pty.legacy_count=0',
      `systemd.hostname=${machine.name}`,
    ],
    files: [{ name: PLUG, content: renderManagementRequest(`config ${renderInterface(machine)}`) }],
    greeting: { socket: MANAGEMENT_SOCKET, file: PLUG },
  };
}

function renderInterface({ nic: { mac, wiring } }: Machine): string {
  const options = [
    'transport=l2tpv3',
    'udp=1',
    'src=127.0.0.1',
    'dst=127.0.0.1',
    `srcport=${wiring.machinePort}`,
    `dstport=${wiring.switchPort}`,
    'tx_session=1',
    'rx_session=1',
    `tx_cookie=0x${wiring.machineCookie}`,
    `rx_cookie=0x${wiring.switchCookie}`,
    `mac=${mac}`,
    'depth=128',
  ];
  return `vec0:${options.join(',')}`;
}

/** The command line separates files by `,` and `:`, and words by blanks. */
function refuseSeparators(file: string): string {
  if (/[,:\s]/.test(file)) throw new Error(`user-mode Linux cannot use a disk file with "," ":" or blanks: ${file}`);
  return file;
}

/** The wanted CPU, unless the lab runs in a container now that may not use it. */
function chooseCpu(wanted: number, allowed: readonly number[]): number {
  return allowed.includes(wanted) ? wanted : (allowed[wanted % allowed.length] ?? wanted);
}

/** CPUs this process may use (a container's share begins anywhere). */
export function readAllowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/**
 * Guest memory is a sparse file in TMPDIR. It belongs into shared memory, unless that is small (a container's default is
 * 64 MiB): a guest that touches a page too many is killed. Its free space says nothing of what other guests have yet to
 * touch, hence three times the need.
 */
function memoryDirectory(machine: Machine): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize >= 3 * machine.memoryMiB * 1024 * 1024) return '/dev/shm';
  } catch {
    // No shared memory at all.
  }
  return machine.directory;
}

/** Ctrl-Alt-Del through the management console; the image's systemd takes it for the power button. */
async function pressPowerButton(machine: Machine): Promise<void> {
  const socat = spawn('socat', ['-', `UNIX-SENDTO:${MANAGEMENT_SOCKET}`], {
    cwd: machine.directory,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let complaint = '';
  socat.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    socat.on('error', reject);
    socat.on('close', resolve);
  });
  socat.stdin.end(renderManagementRequest('cad'));
  const code = await ended;
  if (code !== 0) {
    throw new Error(
      `cannot reach ${join(machine.directory, MANAGEMENT_SOCKET)}: socat ended with ${code}: ${complaint.trim()}`,
    );
  }
}

/** struct mconsole_request: magic, version, length, 512 bytes of data. */
function renderManagementRequest(command: string): Buffer {
  const request = Buffer.alloc(12 + 512);
  request.writeUInt32LE(0xcafebabe, 0);
  request.writeUInt32LE(2, 4);
  request.writeUInt32LE(command.length, 8);
  request.write(command, 12, 'latin1');
  return request;
}
