import { chmodSync, closeSync, existsSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';

import { runProgram } from '../images/host-programs';
import type { Image } from '../images/image';

/** A machine's own copy of the image's root disk: shared blocks where the file system can, holes kept everywhere. */
export async function createOsDisk(image: Image, file: string): Promise<void> {
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  await runProgram('cp', ['--reflink=auto', '--sparse=always', image.rootImage, partial]);
  // The guest will keep keys and passwords on it.
  chmodSync(partial, 0o600);
  renameSync(partial, file);
}

/** An empty disk that takes room only as it is written. An existing file keeps its content: it may hold data. */
export function createSparseDisk(file: string, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes <= 0 || bytes % 512 !== 0) {
    throw new Error(`a disk of ${bytes} bytes is impossible: sizes are positive multiples of 512`);
  }
  if (existsSync(file)) return;
  const partial = `${file}.partial`;
  const descriptor = openSync(partial, 'w', 0o600);
  try {
    ftruncateSync(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
  renameSync(partial, file);
}
