import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeFileAtomically } from '../../processes/owned-process';
import { ENGINES, type EngineName } from '../../settings';
import { hasProgram } from '../images/host-programs';
import type { Image } from '../images/image';

export interface EngineFinding {
  engine: EngineName;
  usable: boolean;
  /** Why not, or what was seen. */
  reason: string;
}

export interface EngineChoice {
  engine: EngineName;
  /** What was tried, in order; empty when the engine was given. */
  findings: readonly EngineFinding[];
}

export interface ProbeOptions {
  cacheDirectory: string;
  /** Overrides the probing (setting HADB_LAB_ENGINE). */
  engine?: EngineName;
  onProgress: (line: string) => void;
}

/** A processor that virtualises says its first word in well under a second; `/dev/kvm` may open and yet never run a guest. */
const PROBE_LIMIT_MS = 10_000;

const USERSPACE_MARK = 'hadb-lab-userspace-runs';

/**
 * The first of kvm, uml and tcg that really runs a kernel of this image here. The answer is kept per host and kernel, so
 * that only the first start pays for it.
 */
export async function probeEngines(image: Image, options: ProbeOptions): Promise<EngineChoice> {
  if (options.engine !== undefined) return { engine: options.engine, findings: [] };
  const file = join(options.cacheDirectory, 'engine.json');
  const host = describeHost(image);
  const known = readChoice(file);
  if (known?.host === host) return known.choice;
  const findings: EngineFinding[] = [];
  for (const engine of ENGINES) {
    options.onProgress(`trying the engine ${engine}`);
    const finding = await probeEngine(engine, image);
    findings.push(finding);
    options.onProgress(`${engine}: ${finding.reason}`);
    if (!finding.usable) continue;
    const choice = { engine, findings };
    mkdirSync(options.cacheDirectory, { recursive: true });
    writeFileAtomically(file, JSON.stringify({ host, choice }, undefined, 2), 0o644);
    return choice;
  }
  throw new NoEngineError(findings);
}

export class NoEngineError extends Error {
  override readonly name = 'NoEngineError';
  constructor(findings: readonly EngineFinding[]) {
    const reasons = findings.map(({ engine, reason }) => `${engine}: ${reason}`).join('\n');
    super(
      `no engine can run virtual machines on this computer:\n${reasons}\nOne of them is enough; "hadb doctor" names the packages.`,
    );
  }
}

export async function probeEngine(engine: EngineName, image: Image): Promise<EngineFinding> {
  switch (engine) {
    case 'kvm':
      return { engine, ...(await probeKvm(image)) };
    case 'uml':
      return { engine, ...(await probeUml(image)) };
    case 'tcg':
      return hasProgram('qemu-system-x86_64')
        ? { engine, usable: true, reason: 'QEMU emulates a PC anywhere, slowly' }
        : { engine, usable: false, reason: 'qemu-system-x86_64 is not installed' };
  }
  return assertNever(engine);
}

type Finding = Omit<EngineFinding, 'engine'>;

async function probeKvm(image: Image): Promise<Finding> {
  if (!existsSync('/dev/kvm')) return { usable: false, reason: '/dev/kvm does not exist' };
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { usable: false, reason: '/dev/kvm is not open to this user (group kvm)' };
  }
  const machine =
    '-machine q35 -accel kvm -cpu host -m 256 -nodefaults -no-user-config -display none -no-reboot -serial stdio';
  const kernelArguments = 'console=ttyS0 earlyprintk=ttyS0,115200 panic=-1';
  return runProbe({
    command: 'qemu-system-x86_64',
    args: [...machine.split(' '), '-kernel', image.kernel.qemu.kernel, '-append', kernelArguments],
    expected: 'Linux version',
  });
}

/** Down to a program of the image: what fails in a closed-off container is the user space, not the kernel's first lines. */
async function probeUml(image: Image): Promise<Finding> {
  if (image.kernel.uml === undefined) return { usable: false, reason: 'the image has no user-mode Linux kernel' };
  return runProbe({
    command: image.kernel.uml,
    args: [
      ...'uml_dir=. umid=uml mem=128M seccomp=on noreboot con=null con0=null,fd:1 root=/dev/ubda ro'.split(' '),
      `ubd0dr=${image.rootImage},,os`,
      'init=/bin/echo',
      '--',
      USERSPACE_MARK,
    ],
    // The kernel prints its command line, too, but there the mark does not begin a line.
    expected: new RegExp(`^${USERSPACE_MARK}\\b`, 'm'),
  });
}

/** Runs until the expected text shows, the program ends, or the limit; then kills all of it. */
async function runProbe(probe: { command: string; args: string[]; expected: string | RegExp }): Promise<Finding> {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-probe-'));
  const began = performance.now();
  const child = spawn(probe.command, probe.args, {
    cwd: directory,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let timer: NodeJS.Timeout | undefined;
  const seen = (): boolean =>
    typeof probe.expected === 'string' ? output.includes(probe.expected) : probe.expected.test(output);
  try {
    const end = await new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`nothing within ${PROBE_LIMIT_MS / 1000} s`), PROBE_LIMIT_MS);
      const collect = (chunk: string): void => {
        output += chunk;
        if (seen()) resolve('seen');
      };
      child.stdout.setEncoding('utf8').on('data', collect);
      child.stderr.setEncoding('utf8').on('data', collect);
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(`it ended with ${code ?? signal}`));
    });
    if (seen()) return { usable: true, reason: `a guest kernel ran after ${Math.round(performance.now() - began)} ms` };
    return { usable: false, reason: `no guest kernel ran: ${end}; ${lastLine(output)}` };
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}

/** What the answer depends on: this computer, its kernel, its access to KVM, the guest's kernel. */
function describeHost(image: Image): string {
  const machineId = existsSync('/etc/machine-id') ? readFileSync('/etc/machine-id', 'utf8').trim() : '';
  const kvm = existsSync('/dev/kvm') ? statSync('/dev/kvm').mode : 'none';
  return [machineId, release(), process.getuid?.(), kvm, image.kernel.uml, image.hash].join(' ');
}

function readChoice(file: string): { host: string; choice: EngineChoice } | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { host: string; choice: EngineChoice };
  } catch {
    // Half a file of an older version: probing again costs seconds.
    return undefined;
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown engine ${String(value)}`);
}
