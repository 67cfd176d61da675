import { readdirSync, rmSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { killSession } from '../../lab/machines/session';

/**
 * Waits until its standard input closes, as it does when the process at the other end is gone, whatever ended it. Then ends
 * the processes whose records lie below the directory, and removes that: `process-keeper-main.ts DIRECTORY [--keep]`.
 */
async function endAll(directory: string): Promise<void> {
  // Whoever starts others has its record above theirs.
  const depth = (file: string) => file.split(sep).length;
  const records = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(?:process|\w+-process|writer)\.json$/.test(basename(file)))
    .sort((a, b) => depth(a) - depth(b));
  for (const record of records) await killSession(join(directory, record));
}

const [directory = '', keep] = process.argv.slice(2);
process.stdin.resume().once('close', () => {
  void endAll(directory).finally(() => {
    if (keep !== '--keep') rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
});
