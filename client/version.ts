import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Root of this package, seen from `client/` as well as from `dist/client/`. */
export const PACKAGE_DIRECTORY = findPackage(__dirname);

export const VERSION: string = (
  JSON.parse(readFileSync(join(PACKAGE_DIRECTORY, 'package.json'), 'utf8')) as { version: string }
).version;

function findPackage(directory: string): string {
  const parent = join(directory, '..');
  return directory.endsWith(join('dist', 'client')) ? join(parent, '..') : parent;
}
