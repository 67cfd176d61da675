import { existsSync, readFileSync, realpathSync } from 'node:fs';

import { runProgram } from './host-programs';

export class MountedBuildError extends Error {
  override readonly name = 'MountedBuildError';
  readonly code = 'LabBuildDirectoryMounted';
}

/**
 * Removes a build directory, and nothing beyond it. A builder that was killed may have left the host's own /proc, /sys and
 * /dev/shm mounted inside: deleting through such a mount would empty them on the host. Mounts below the directory are
 * therefore taken off first, and while one remains nothing is deleted.
 */
export async function removeBuildDirectory(path: string): Promise<void> {
  if (!existsSync(path)) return;
  // The kernel names mounts by their real path.
  const directory = realpathSync(path);
  for (const mount of mountsBelow(directory, readMounts()).reverse()) {
    // Refused below, if it stays.
    await runProgram('umount', [mount]).catch(() => undefined);
  }
  const remaining = mountsBelow(directory, readMounts());
  if (remaining.length > 0) {
    throw new MountedBuildError(
      `${directory} is left over from an image build and still holds mounts; unmount them, then try again: umount ${remaining.toReversed().join(' ')}`,
    );
  }
  await runProgram('rm', ['-rf', '--one-file-system', '--', directory]);
}

/** Mount points at or below the directory, in the order of mounting. */
export function mountsBelow(directory: string, mounts: readonly string[]): string[] {
  return mounts.filter((mount) => mount === directory || mount.startsWith(`${directory}/`));
}

function readMounts(): string[] {
  return parseMountPoints(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Field 5 of each line of proc_pid_mountinfo(5); blanks and backslashes in it are written in octal. */
export function parseMountPoints(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((point) =>
      point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
}
