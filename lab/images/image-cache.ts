import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';

import { withFileLock } from '../../processes/file-lock';
import { writeFileAtomically } from '../../processes/owned-process';
import { LabStateError } from '../state-file';
import { removeBuildDirectory } from './build-directory';
import { IMAGE_KINDS, type ImageContents, type ImageKind } from './contents';
import type { Image } from './image';
import { messageOf } from '../../processes/error-message';

/**
 * The cache of images: `<cacheDirectory>/images/<kind>-<hash>`, complete from the moment it has its name. The time of a
 * directory says when it was used last. Labs of any state directory may share the cache, so each leaves word of itself.
 */
export interface Manifest extends ImageContents {
  kind: ImageKind;
  hash: string;
  umlKernel?: string;
}

/** What an image's directory holds, and nothing else. */
const FILES = ['image.json', 'root.img', 'vmlinuz', 'initrd.img', 'packages.txt'];

const NAME = new RegExp(`^(${IMAGE_KINDS.join('|')})-([0-9a-f]{16})$`);

/** Somebody who has just found an image may not have written yet that a lab uses it. */
const LEAST_UNUSED_MS = 60 * 60_000;

export function imagesDirectory(cacheDirectory: string): string {
  return join(cacheDirectory, 'images');
}

/** Held while an image is built or removed. */
export function imagesLock(images: string): string {
  return join(images, 'lock');
}

export function imageName(kind: ImageKind, hash: string): string {
  return `${kind}-${shortHash(hash)}`;
}

export function readImage(directory: string): Image | undefined {
  const manifest = readManifest(directory);
  if (manifest === undefined) return undefined;
  const { kind, hash, umlKernel } = manifest;
  return {
    kind,
    hash,
    directory,
    rootImage: join(directory, 'root.img'),
    kernel: {
      ...(umlKernel === undefined ? {} : { uml: umlKernel }),
      qemu: { kernel: join(directory, 'vmlinuz'), initrd: join(directory, 'initrd.img') },
    },
  };
}

/** The cached image, marked as used now; the mark comes first, so that nobody removes what has been found. */
export function useCachedImage(directory: string, now = new Date()): Image | undefined {
  try {
    utimesSync(directory, now, now);
  } catch {
    // Gone, or a cache that others have filled: reading tells.
  }
  return readImage(directory);
}

/** Undefined where there is no image. Errors: LabStateError. */
function readManifest(directory: string): Manifest | undefined {
  const file = join(directory, 'image.json');
  if (!existsSync(file)) return undefined;
  try {
    const { kind, hash, ...more } = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    if (typeof kind === 'string' && typeof hash === 'string') return { kind, hash, ...more };
  } catch {
    // Told below, as any other content that is no manifest.
  }
  throw new LabStateError(
    'Damaged',
    `${file} is damaged. Remove the image, and the next start of a lab builds it anew: rm -r ${directory}`,
  );
}

/** Where ext4 keeps its id: byte 0x68 of the superblock, which begins at 1024. The image's hash is the id. */
const EXT4_ID_OFFSET = 1024 + 0x68;

function readHashOfDisk(disk: string): string {
  const id = Buffer.alloc(16);
  const descriptor = openSync(disk, 'r');
  try {
    readSync(descriptor, id, 0, id.length, EXT4_ID_OFFSET);
  } finally {
    closeSync(descriptor);
  }
  return id.toString('hex');
}

/** The image that a root disk was copied from, if the cache still has it: its kernel fits the modules on the disk. */
export function findImageOfDisk(disk: string, images: string): Image | undefined {
  const hash = shortHash(readHashOfDisk(disk));
  const name = readdirSync(images).find((entry) => NAME.exec(entry)?.[2] === hash);
  return name === undefined ? undefined : readImage(join(images, name));
}

function shortHash(hash: string): string {
  return hash.slice(0, 16);
}

/** Leaves word that a lab may use images of this cache; which ones is read from the lab itself when it matters. */
export function recordImageUser(cacheDirectory: string, labDirectory: string): void {
  const name = createHash('sha256').update(labDirectory).digest('hex').slice(0, 16);
  writeFileAtomically(join(imagesDirectory(cacheDirectory), '.users', name), labDirectory);
}

export class ImageUsersError extends Error {
  override readonly name = 'ImageUsersError';
  readonly code = 'ImageUsersUnknown';
}

/**
 * Names of the images that labs run on, each with its lab. Errors: ImageUsersError when a lab cannot be read; then nothing
 * may be removed.
 */
function readUsedImages(images: string): Map<string, string> {
  const used = new Map<string, string>();
  const users = join(images, '.users');
  for (const name of listNames(users).filter((entry) => !entry.endsWith('.tmp'))) {
    const lab = readFileSync(join(users, name), 'utf8');
    if (!existsSync(lab)) {
      rmSync(join(users, name), { force: true });
      continue;
    }
    try {
      for (const image of imagesOfLab(lab, images)) used.set(image, lab);
    } catch (error) {
      throw new ImageUsersError(
        `cannot tell which images the lab in ${lab} runs on (${messageOf(error)}); none is ` +
          `removed. Remove that lab (hadb lab down --purge), or its directory when nothing of it runs.`,
      );
    }
  }
  return used;
}

/** Those that the lab was started with, and those that its root disks were made from. */
function imagesOfLab(lab: string, images: string): string[] {
  const settings = join(lab, 'machine-settings.json');
  const started = existsSync(settings)
    ? (JSON.parse(readFileSync(settings, 'utf8')) as { images: readonly Image[] }).images
    : [];
  const hashes = listNames(join(lab, 'disks'))
    .filter((file) => file.endsWith('-os.img'))
    .map((file) => shortHash(readHashOfDisk(join(lab, 'disks', file))));
  return [
    ...started.map(({ kind, hash }) => imageName(kind, hash)),
    ...listNames(images).filter((name) => hashes.includes(NAME.exec(name)?.[2] ?? '')),
  ];
}

export interface CachedImage {
  name: string;
  kind: ImageKind;
  bytes: number;
  usedAt: Date;
  /** Why it is kept whatever its age. */
  keptFor?: string;
}

/** Images in the cache that look exactly like ours. Others are never touched. */
export function listCachedImages(cacheDirectory: string): CachedImage[] {
  const images = imagesDirectory(cacheDirectory);
  const used = readUsedImages(images);
  const found = listNames(images).flatMap((name) => {
    const directory = join(images, name);
    const kind = ownKind(directory, name);
    if (kind === undefined) return [];
    const builtAt = statSync(join(directory, 'image.json')).mtimeMs;
    return [{ name, kind, bytes: sizeOf(directory), usedAt: statSync(directory).mtime, builtAt }];
  });
  const newest = new Set(
    IMAGE_KINDS.map(
      (kind) => found.filter((image) => image.kind === kind).sort((a, b) => b.builtAt - a.builtAt)[0]?.name,
    ),
  );
  return found.map(({ name, kind, bytes, usedAt }) => {
    const lab = used.get(name);
    const keptFor = lab === undefined ? (newest.has(name) ? `the newest ${kind}` : undefined) : `lab ${lab}`;
    return { name, kind, bytes, usedAt, ...(keptFor === undefined ? {} : { keptFor }) };
  });
}

export interface RemovalOptions {
  cacheDirectory: string;
  /** An image that nobody has used for that long goes, unless it is its kind's newest or a lab runs on it; an hour at least. */
  unusedMs: number;
  now?: Date;
}

/** Waits until nobody builds, then removes; returns what is gone. */
export async function removeUnusedImages(
  options: RemovalOptions & { onProgress: (line: string) => void },
): Promise<CachedImage[]> {
  if (!existsSync(imagesDirectory(options.cacheDirectory))) return [];
  return withFileLock(
    imagesLock(imagesDirectory(options.cacheDirectory)),
    () => options.onProgress('waiting for another process that builds an image'),
    () => removeUnusedImagesLocked(options),
  );
}

/** As `removeUnusedImages`, for who holds the lock. */
export async function removeUnusedImagesLocked(options: RemovalOptions): Promise<CachedImage[]> {
  const images = imagesDirectory(options.cacheDirectory);
  const before = (options.now ?? new Date()).getTime() - Math.max(options.unusedMs, LEAST_UNUSED_MS);
  await removeHidden(images);
  const removed: CachedImage[] = [];
  for (const image of listCachedImages(options.cacheDirectory)) {
    if (image.keptFor !== undefined || image.usedAt.getTime() > before) continue;
    const directory = join(images, image.name);
    const hidden = join(images, `${REMOVED}${image.name}`);
    renameSync(directory, hidden);
    // Somebody found it a moment ago: they mark before they read, and whoever comes later finds nothing and waits for us.
    if (statSync(hidden).mtimeMs > before) {
      renameSync(hidden, directory);
      continue;
    }
    await removeBuildDirectory(hidden);
    removed.push(image);
  }
  return removed;
}

const REMOVED = '.removed-';

/** What a killed remover left. */
async function removeHidden(images: string): Promise<void> {
  for (const name of listNames(images)) {
    if (name.startsWith(REMOVED)) await removeBuildDirectory(join(images, name));
  }
}

/** The kind that name, manifest and content of a directory agree on. */
function ownKind(directory: string, name: string): ImageKind | undefined {
  const [, , hash] = NAME.exec(name) ?? [];
  if (hash === undefined || !lstatSync(directory).isDirectory()) return undefined;
  if (!listNames(directory).every((file) => FILES.includes(file) && lstatSync(join(directory, file)).isFile())) {
    return undefined;
  }
  const manifest = readManifest(directory);
  return manifest !== undefined && imageName(manifest.kind, manifest.hash) === name ? manifest.kind : undefined;
}

/** On disk; root disks have holes. */
function sizeOf(directory: string): number {
  return listNames(directory).reduce((sum, name) => sum + statSync(join(directory, name)).blocks * 512, 0);
}

function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
