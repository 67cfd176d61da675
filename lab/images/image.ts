import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { removeBuildDirectory } from './build-directory';
import { imageContents, type ImageContents, type ImageKind } from './contents';
import { PUBLIC_ARCHIVE, readConfiguredArchive, renderSources } from './debian-archive';
import {
  imageName,
  imagesDirectory,
  imagesLock,
  readImage,
  removeUnusedImagesLocked,
  useCachedImage,
  type Manifest,
} from './image-cache';
import { requirePrograms, runProgram, type HostProgram } from './host-programs';
import { withFileLock } from '../../processes/file-lock';
import { renderTar, type TarEntry } from './tar';
import { ensureUmlKernel, type BuildOptions, type UmlKernel } from './uml-kernel';
import { messageOf } from '../../processes/error-message';

export interface Image {
  kind: ImageKind;
  hash: string;
  directory: string;
  /** Sparse raw ext4 file; each machine gets a copy. */
  rootImage: string;
  kernel: {
    /** Patched user-mode Linux, ready to execute; absent when none could be fetched at build time. */
    uml?: string;
    /** Debian's cloud kernel for QEMU's direct boot. */
    qemu: { kernel: string; initrd: string };
  };
}

/** Virtual size of the root disk; the file is sparse and starts with below 1 GiB. */
const ROOT_SIZE_GIB = 6;

/** Bump when the building itself changes in a way that the other inputs do not show. */
const FORMAT = 1;

const BUILD_PROGRAMS: readonly HostProgram[] = ['mmdebstrap', 'mke2fs', 'umount', 'flock', 'setpriv', 'unshare'];

/**
 * The image of that kind, built from the Debian archive unless the cache has it: the name of its directory is the hash of
 * all inputs, and the directory appears complete by one rename.
 */
export async function ensureImage(kind: ImageKind, options: BuildOptions): Promise<Image> {
  const kernel = await ensureUmlKernel(options).catch((error: unknown) => {
    options.onProgress(`without user-mode Linux: ${messageOf(error)}`);
    return undefined;
  });
  const overlay = readOverlay();
  const hash = hashInputs(kind, overlay, kernel);
  const images = imagesDirectory(options.cacheDirectory);
  const directory = join(images, imageName(kind, hash));
  const cached = useCachedImage(directory);
  if (cached !== undefined) return cached;
  return withFileLock(
    imagesLock(images),
    () => options.onProgress('waiting for another process that builds an image'),
    async () => {
      const builtMeanwhile = useCachedImage(directory);
      if (builtMeanwhile !== undefined) return builtMeanwhile;
      await removeUnfinished(images);
      const work = join(images, `.build-${kind}-${process.pid}`);
      try {
        await buildImage({ kind, hash, work, overlay, kernel, onProgress: options.onProgress });
        renameSync(join(work, 'result'), directory);
      } finally {
        await removeBuildDirectory(work);
      }
      const built = readImage(directory);
      if (built === undefined) throw new Error(`the image built in ${directory} is not complete`);
      await tidy(options);
      return built;
    },
  );
}

/** An image of a week ago that no lab runs on is only in the way, and one is a gigabyte. */
export const UNUSED_IMAGE_DAYS = 7;

/** After a build, which may have made an older image useless; that it fails is no reason to fail a build. */
async function tidy({ cacheDirectory, onProgress }: BuildOptions): Promise<void> {
  try {
    for (const { name } of await removeUnusedImagesLocked({
      cacheDirectory,
      unusedMs: UNUSED_IMAGE_DAYS * 86_400_000,
    })) {
      onProgress(`removed the old image ${name}`);
    }
  } catch (error) {
    onProgress(`old images are not removed: ${messageOf(error)}`);
  }
}

/** Programs of the host that building an image takes, beyond those of the engines. */
export function buildPrograms(): readonly HostProgram[] {
  return isRoot() ? BUILD_PROGRAMS : [...BUILD_PROGRAMS, 'fakeroot', 'newuidmap'];
}

/** Key of the image in the cache: a hash of everything that goes into it. */
export function hashInputs(kind: ImageKind, overlay: readonly TarEntry[], kernel: UmlKernel | undefined): string {
  return createHash('sha256')
    .update(
      JSON.stringify([FORMAT, ROOT_SIZE_GIB, kind, imageContents(kind), kernel?.executable, kernel?.packageVersion]),
    )
    .update(renderTar(overlay))
    .update(readFileSync(join(sourceDirectory(), 'customize.sh')))
    .update(readFileSync(join(sourceDirectory(), 'py3compile')))
    .update(JSON.stringify([PACK_SCRIPT, DPKG_RULES, REMOVE_SOURCES_OF_BUILD, guestSources(imageContents(kind).suite)]))
    .digest('hex')
    .slice(0, 32);
}

/** The file system carries the image's hash as its id, so that any copy of the root disk tells where it comes from. */
function fileSystemId(hash: string): string {
  return hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

interface Build {
  kind: ImageKind;
  hash: string;
  work: string;
  overlay: readonly TarEntry[];
  kernel: UmlKernel | undefined;
  onProgress: (line: string) => void;
}

async function buildImage(build: Build): Promise<void> {
  requirePrograms(buildPrograms());
  const { work, kind, onProgress } = build;
  const contents = imageContents(kind);
  const result = join(work, 'result');
  mkdirSync(result, { recursive: true });
  const tree = join(work, 'root.tar');
  await installPackages(build, contents, tree);

  onProgress('writing the file system');
  const script = join(work, 'pack.sh');
  writeFileSync(script, PACK_SCRIPT);
  const pack = ['sh', script, tree, join(work, 'root'), result, `${ROOT_SIZE_GIB}G`, fileSystemId(build.hash)];
  // An ordinary user cannot give files to root; fakeroot pretends to both tar and mke2fs.
  await (isRoot() ? runProgram('sh', pack.slice(1)) : runProgram('fakeroot', pack));
  const manifest: Manifest = {
    kind,
    hash: build.hash,
    ...contents,
    ...(build.kernel === undefined ? {} : { umlKernel: build.kernel.executable }),
  };
  writeFileSync(join(result, 'image.json'), `${JSON.stringify(manifest, undefined, 2)}\n`, { flush: true });
}

const PACK_SCRIPT = `set -eu
PATH="$PATH:/usr/sbin:/sbin"
tree=$1 root=$2 result=$3 size=$4 id=$5
mkdir "$root"
tar -C "$root" -xf "$tree" --exclude='./dev/*'
rm "$tree"
: >"$root/etc/resolv.conf"
dpkg-query --admindir="$root/var/lib/dpkg" -W >"$result/packages.txt"
cp "$root"/boot/vmlinuz-* "$result/vmlinuz"
cp "$root"/boot/initrd.img-* "$result/initrd.img"
rm -f "$root"/boot/initrd.img-*
chmod 0644 "$result/vmlinuz" "$result/initrd.img"
truncate -s "$size" "$result/root.img"
mke2fs -q -t ext4 -L root -U "$id" -m 0 -J size=32 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard -d "$root" "$result/root.img"
`;

async function installPackages(build: Build, contents: ImageContents, tree: string): Promise<void> {
  const { work, kernel } = build;
  const overlay = join(work, 'overlay.tar');
  writeFileSync(
    overlay,
    renderTar([...build.overlay, { path: 'etc/apt/sources.list', mode: 0o644, content: guestSources(contents.suite) }]),
  );
  const sources = join(work, 'sources.list');
  writeFileSync(sources, renderSources(readConfiguredArchive(), contents.suite));
  const hooks = [REMOVE_SOURCES_OF_BUILD, `tar-in ${overlay} /`];
  if (kernel !== undefined) {
    const modules = join(work, 'modules.tar');
    await runProgram('tar', [
      '-cf',
      modules,
      '--owner=0',
      '--group=0',
      '--mode=u=rwX,go=rX',
      '--sort=name',
      '--transform=s,^\\./,usr/lib/modules/,',
      '-C',
      kernel.modulesDirectory,
      `./${kernel.release}`,
    ]);
    hooks.push(`tar-in ${modules} /`);
  }
  hooks.push(
    `upload ${join(sourceDirectory(), 'customize.sh')} /customize.sh`,
    `chroot "$1" sh /customize.sh ${kernel?.release ?? ''}`,
    'rm "$1/customize.sh"',
  );
  const [program, ...prefix] = isRoot() ? OWN_MOUNTS : ['mmdebstrap'];
  await runProgram(
    program,
    [
      ...prefix,
      '--variant=minbase',
      '--mode=auto',
      '--format=tar',
      '--architectures=amd64',
      `--include=${contents.packages.join(',')}`,
      '--aptopt=Acquire::Check-Valid-Until "false"',
      '--aptopt=Acquire::Languages "none"',
      ...(await proxyOptions()),
      ...DPKG_RULES.map((rule) => `--dpkgopt=${rule}`),
      '--dpkgopt=force-unsafe-io',
      ...tolerateLeftOut().map((hook) => `--essential-hook=${hook}`),
      ...hooks.map((hook) => `--customize-hook=${hook}`),
      contents.suite,
      tree,
      sources,
    ],
    {
      onLine: (line) => reportLine(line, build.onProgress),
      // What a killed builder leaves goes with its directory. An ordinary user's name space could not enter that one.
      ...(isRoot() ? { env: { TMPDIR: work } } : {}),
    },
  );
}

/** mmdebstrap leaves the sources that it built from in a file of its own; guests find one list, and not the builder's beside it. */
export const REMOVE_SOURCES_OF_BUILD = 'rm -f "$1"/etc/apt/sources.list.d/*.list "$1/etc/apt/sources.list"';

/**
 * As root, mmdebstrap mounts the host's /proc, /sys and /dev/shm into the new root where everybody sees them, and leaves
 * them, and its children, when it is killed. In name spaces of its own all of that ends with the builder.
 */
const OWN_MOUNTS = [
  'setpriv',
  '--pdeathsig=KILL',
  'unshare',
  '--mount-proc',
  '--pid',
  '--fork',
  '--kill-child',
  '--propagation=private',
  'mmdebstrap',
] as const;

const AZURE = '/usr/lib/python3/dist-packages/azure';

/**
 * What dpkg does not unpack, in the image and later in the guest; the last rule that fits decides. The clients of all of Azure take 530 MB, and as much
 * again once they are compiled; the fence agent uses those of two services, in their newest versions.
 */
const DPKG_RULES = [
  ...['man', 'info', 'locale', 'doc'].map((name) => `path-exclude=/usr/share/${name}/*`),
  'path-include=/usr/share/doc/*/copyright',
  `path-exclude=${AZURE}/*`,
  ...['__init__.py', 'common/*', 'core/*', 'identity/*', 'profiles/*', 'mgmt', 'mgmt/__init__.py'].map(
    (path) => `path-include=${AZURE}/${path}`,
  ),
  ...['core', 'compute', 'network'].map((name) => `path-include=${AZURE}/mgmt/${name}/*`),
  ...['compute/v201*', 'compute/v2020*', 'network/v201[5678]*'].map((path) => `path-exclude=${AZURE}/mgmt/${path}`),
];

/** Before any package with Python is configured. */
const tolerateLeftOut = (): string[] => [
  'chroot "$1" dpkg-divert --quiet --local --rename --add --divert /usr/bin/py3compile.distrib /usr/bin/py3compile',
  `upload ${join(sourceDirectory(), 'py3compile')} /usr/bin/py3compile`,
  'chmod 0755 "$1/usr/bin/py3compile"',
];

function reportLine(line: string, onProgress: (line: string) => void): void {
  const message = /^[IW]: (.*)/.exec(line)?.[1];
  if (message !== undefined) onProgress(message);
}

/** mmdebstrap's apt reads none of the host's configuration; a proxy is the one part of it that it may need. */
async function proxyOptions(): Promise<string[]> {
  const dump = await runProgram('apt-config', ['dump']);
  return dump
    .split('\n')
    .filter((line) => /^Acquire::https?::Proxy(::\S+)? "/.test(line))
    .map((line) => `--aptopt=${line.replace(/;$/, '')}`);
}

/** In the guest stand the public addresses, as on any Debian machine; where they lead is the package proxy's business. */
function guestSources(suite: string): string {
  return renderSources(PUBLIC_ARCHIVE, suite);
}

/** What a killed builder left; only ever called under the lock. */
async function removeUnfinished(images: string): Promise<void> {
  for (const name of readdirSync(images)) {
    if (name.startsWith('.build-')) await removeBuildDirectory(join(images, name));
  }
}

/** Our own files of every image. */
export function readOverlay(): TarEntry[] {
  const root = join(sourceDirectory(), 'overlay');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((file) => !lstatSync(file).isDirectory())
    .sort()
    .map((file) => {
      const path = relative(root, file);
      const status = lstatSync(file);
      if (status.isSymbolicLink()) return { path, linkTarget: readlinkSync(file) };
      // git keeps nothing of a mode but whether a file is executable; sudo refuses drop-ins that others may write.
      return { path, mode: (status.mode & 0o100) === 0 ? 0o644 : 0o755, content: readFileSync(file) };
    });
}

/** Overlay and customize.sh are no TypeScript: they stay in the source tree when the code runs from dist/. */
function sourceDirectory(): string {
  for (let directory = __dirname; directory !== dirname(directory); directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return join(directory, 'lab', 'images');
  }
  throw new Error(`no package.json above ${__dirname}`);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
