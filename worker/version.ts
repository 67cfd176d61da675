import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Root of this package, seen from `worker/` as well as from `dist/worker/`. */
const PACKAGE_DIRECTORY = __dirname.endsWith(join('dist', 'worker'))
  ? join(__dirname, '..', '..')
  : join(__dirname, '..');

export const VERSION: string = (
  JSON.parse(readFileSync(join(PACKAGE_DIRECTORY, 'package.json'), 'utf8')) as { version: string }
).version;
