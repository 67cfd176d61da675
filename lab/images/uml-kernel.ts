import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { PUBLIC_ARCHIVE, readConfiguredArchive, renderSource, type DebianArchive } from './debian-archive';
import { requirePrograms, runProgram } from './host-programs';
import { withFileLock } from '../../processes/file-lock';
import { messageOf } from '../../processes/error-message';

export interface UmlKernel {
  /** Ready to execute on this host. */
  executable: string;
  /** Release as `uname -r` says it in the guest. */
  release: string;
  /** Holds `<release>/kernel/…`, pruned to what a server guest can use. */
  modulesDirectory: string;
  packageVersion: string;
}

export interface BuildOptions {
  cacheDirectory: string;
  onProgress: (line: string) => void;
}

/** Bump when what this file puts into the directory changes. */
const FORMAT = 1;

/** seccomp mode (three times faster than ptrace) came with Linux 6.16. */
const OLDEST_RELEASE = [6, 16] as const;

const MODULES_KEPT = [
  'arch',
  'block',
  'crypto',
  'kernel',
  'lib',
  'mm',
  'security',
  'drivers/block',
  'drivers/char',
  'drivers/dax',
  'drivers/md',
  'drivers/net',
  'drivers/watchdog',
  'fs/autofs',
  'fs/fuse',
  'fs/overlayfs',
  'fs/nls',
  'fs/fat',
  'fs/isofs',
  'fs/squashfs',
  'net/802',
  'net/8021q',
  'net/bridge',
  'net/core',
  'net/ipv4',
  'net/ipv6',
  'net/key',
  'net/llc',
  'net/netfilter',
  'net/netlink',
  'net/packet',
  'net/sched',
  'net/tls',
  'net/unix',
  'net/xfrm',
];

/**
 * The user-mode Linux kernel of Debian testing or unstable, fetched through a private apt directory (signatures checked,
 * nothing installed), with the C library it needs when this host's is older. Once cached it needs no network.
 */
export async function ensureUmlKernel(options: BuildOptions): Promise<UmlKernel> {
  const directory = join(options.cacheDirectory, 'uml-kernel');
  return withFileLock(
    join(directory, 'lock'),
    () => options.onProgress('waiting for another process that fetches the user-mode Linux kernel'),
    async () => (await findCached(directory)) ?? (await fetchKernel(directory, options)),
  );
}

async function findCached(directory: string): Promise<UmlKernel | undefined> {
  for (const name of readdirSync(directory).sort().reverse()) {
    const manifest = join(directory, name, 'kernel.json');
    if (name.startsWith('.') || !existsSync(manifest)) continue;
    const kernel = readKernelManifest(manifest);
    // The interpreter's path is written into the executable, so a moved cache directory is no use.
    if (kernel?.format === FORMAT && kernel.executable === join(directory, name, 'linux.uml')) return kernel;
  }
  return undefined;
}

/** Undefined for a damaged one: the kernel is fetched anew, into the same place. */
function readKernelManifest(file: string): (UmlKernel & { format: number }) | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as (UmlKernel & { format: number }) | null) ?? undefined;
  } catch {
    return undefined;
  }
}

async function fetchKernel(directory: string, { onProgress }: BuildOptions): Promise<UmlKernel> {
  requirePrograms(['apt-get', 'dpkg-deb']);
  for (const name of readdirSync(directory)) {
    if (name.startsWith('.')) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const configured = readConfiguredArchive();
  const archives = configured.main === PUBLIC_ARCHIVE.main ? [configured] : [configured, PUBLIC_ARCHIVE];
  const failures: string[] = [];
  for (const archive of archives) {
    for (const suite of ['forky', 'sid']) {
      onProgress(`fetching user-mode-linux from Debian ${suite}`);
      const work = join(directory, `.fetch-${process.pid}`);
      try {
        return await fetchFrom({ archive, suite, work, directory });
      } catch (error) {
        failures.push(`${archive.main} ${suite}: ${messageOf(error)}`);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    }
  }
  throw new Error(`no usable user-mode Linux kernel:\n${failures.join('\n')}`);
}

interface Source {
  archive: DebianArchive;
  suite: string;
  work: string;
}

async function fetchFrom(from: Source & { directory: string }): Promise<UmlKernel> {
  const { work } = from;
  const apt = await prepareApt(from);
  await runProgram('apt-get', [...apt, 'update']);
  const download = join(work, 'download');
  const root = join(work, 'root');
  mkdirSync(download);
  await runProgram('apt-get', [...apt, 'download', 'user-mode-linux'], { cwd: download });
  const packageFile = join(download, onlyName(download));
  await runProgram('dpkg-deb', ['-x', packageFile, root]);
  const packageVersion = (await runProgram('dpkg-deb', ['-f', packageFile, 'Version'])).trim();
  const release = onlyName(join(root, 'usr/lib/uml/modules'));
  refuseOldRelease(release);

  const result = join(work, 'result');
  mkdirSync(result);
  copyFileSync(join(root, 'usr/bin/linux.uml'), join(result, 'linux.uml'));
  await copyModules(join(root, 'usr/lib/uml/modules', release), join(result, 'modules', release));
  const final = join(from.directory, packageVersion);
  if (await needsNewerLibrary(packageFile)) await bringLibrary({ apt, work, result, final });
  const kernel: UmlKernel = {
    executable: join(final, 'linux.uml'),
    release,
    modulesDirectory: join(final, 'modules'),
    packageVersion,
  };
  writeFileSync(join(result, 'kernel.json'), JSON.stringify({ format: FORMAT, ...kernel }, undefined, 2), {
    flush: true,
  });
  rmSync(final, { recursive: true, force: true });
  renameSync(result, final);
  return kernel;
}

/** An apt of its own below `work`; returns the arguments that select it. */
async function prepareApt({ archive: { main, keyrings }, suite, work }: Source): Promise<string[]> {
  const directory = join(work, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, 'status'), '');
  writeFileSync(join(directory, 'sources.list'), renderSource(main, suite, keyrings));
  const options = {
    'Dir::Etc::SourceList': join(directory, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State': directory,
    'Dir::State::Lists': join(directory, 'lists'),
    'Dir::State::Status': join(directory, 'status'),
    'Dir::Cache': join(directory, 'cache'),
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    // A mirror may be a snapshot whose Release files have expired; the signature is checked all the same.
    'Acquire::Check-Valid-Until': 'false',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

function refuseOldRelease(release: string): void {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_RELEASE;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new Error(`its Linux is ${release}, and seccomp mode needs ${OLDEST_RELEASE.join('.')} or newer`);
  }
}

async function copyModules(from: string, to: string): Promise<void> {
  mkdirSync(join(to, 'kernel'), { recursive: true });
  for (const name of MODULES_KEPT) {
    const source = join(from, 'kernel', name);
    if (!existsSync(source)) continue;
    const target = join(to, 'kernel', name, '..');
    mkdirSync(target, { recursive: true });
    await runProgram('cp', ['-r', source, target]);
  }
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    copyFileSync(join(from, name), join(to, name));
  }
}

/** Whether the package wants a C library newer than the host's. */
async function needsNewerLibrary(packageFile: string): Promise<boolean> {
  const depends = await runProgram('dpkg-deb', ['-f', packageFile, 'Depends']);
  const wanted = /libc6 \(>= ([0-9.]+)\)/.exec(depends)?.[1];
  const present = (await runProgram('getconf', ['GNU_LIBC_VERSION'])).trim().split(' ')[1];
  if (wanted === undefined || present === undefined) return true;
  const [a, b] = [wanted, present].map((version) => version.split('.').map(Number));
  return (a?.[0] ?? 0) > (b?.[0] ?? 0) || (a?.[0] === b?.[0] && (a?.[1] ?? 0) > (b?.[1] ?? 0));
}

/** The kernel re-executes itself, so running it through another loader by hand is not enough: the loader is patched in. */
async function bringLibrary(paths: { apt: string[]; work: string; result: string; final: string }): Promise<void> {
  requirePrograms(['patchelf']);
  const download = join(paths.work, 'library');
  const root = join(paths.work, 'library-root');
  mkdirSync(download);
  await runProgram('apt-get', [...paths.apt, 'download', 'libc6'], { cwd: download });
  await runProgram('dpkg-deb', ['-x', join(download, onlyName(download)), root]);
  for (const name of ['ld-linux-x86-64.so.2', 'libc.so.6', 'libm.so.6']) {
    copyFileSync(join(root, 'usr/lib/x86_64-linux-gnu', name), join(paths.result, name));
  }
  const loader = join(paths.final, 'ld-linux-x86-64.so.2');
  const executable = join(paths.result, 'linux.uml');
  await runProgram('patchelf', ['--set-interpreter', loader, '--set-rpath', paths.final, executable]);
}

function onlyName(directory: string): string {
  const [name, ...others] = readdirSync(directory);
  if (name === undefined || others.length > 0) throw new Error(`expected exactly one entry in ${directory}`);
  return name;
}
