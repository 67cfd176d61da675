import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Runs `work` while holding an exclusive lock on a file. The lock is the kernel's (flock, in a child that lives as long as
 * its standard input), so that a holder that is killed leaves nothing to clean up.
 */
export async function withFileLock<T>(file: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo locked; cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = setTimeout(onWait, 500);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.on('error', reject);
      holder.on('exit', () => reject(new Error(`flock could not lock ${file}`)));
      holder.stdout.once('data', () => resolve());
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await work();
  } finally {
    const ended = new Promise((resolve) => holder.once('close', resolve));
    holder.stdin.end();
    await ended;
  }
}
