import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** A path in `sun_path` has at most 107 bytes and the end mark (unix(7)). */
const MAXIMUM = 107;

/** A path of a Unix socket that the kernel takes, however deep the directory lies; `close` when it is no longer used. */
export interface SocketPath {
  path: string;
  close: () => void;
}

/** A directory too deep is reached through a descriptor of this process, which Linux shows as a short path. */
export function openSocketPath(directory: string, name: string): SocketPath {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= MAXIMUM) return { path, close: () => undefined };
  const descriptor = openSync(directory, 'r');
  return { path: `/proc/self/fd/${descriptor}/${name}`, close: () => closeSync(descriptor) };
}

/** A directory only this user can enter: its sockets are closed to others. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}
