import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * Hash of the compiled code that a process has loaded when it was started from this file: the file and whatever it reaches
 * by relative `require`. Times of files would not do, because each build writes all of them anew.
 */
export function readCodeVersion(mainFile: string): string {
  const sources = new Map<string, string>();
  const read = (file: string): void => {
    if (sources.has(file)) return;
    const source = readFileSync(file, 'utf8');
    sources.set(file, source);
    for (const [, request = ''] of source.matchAll(/\brequire\(["'](\.{1,2}\/[^"']+)["']\)/g)) {
      const target = resolve(join(dirname(file), request));
      if (target !== undefined) read(target);
    }
  };
  read(mainFile);
  const hash = createHash('sha256');
  for (const file of [...sources.keys()].sort()) {
    hash.update(`${relative(dirname(mainFile), file)}\0${sources.get(file) ?? ''}\0`);
  }
  return hash.digest('hex').slice(0, 16);
}

function resolve(path: string): string | undefined {
  return [`${path}.js`, path, join(path, 'index.js')].find((file) => file.endsWith('.js') && existsSync(file));
}
