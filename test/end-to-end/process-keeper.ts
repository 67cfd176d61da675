import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';

export interface ProcessKeeper {
  /** From here on the test ends its processes itself. */
  release(): Promise<void>;
}

/**
 * A test that is interrupted ends nothing, and machines outlive whoever started them. This ends all that have their records
 * below the directory, and removes it (unless `keep`), as soon as this process is gone: also by Ctrl-C, also by SIGKILL.
 */
export function endWithThisProcess(directory: string, { keep = false }: { keep?: boolean } = {}): ProcessKeeper {
  const program = [
    join(__dirname, '..', 'lab', 'control', 'run-typescript.cjs'),
    join(__dirname, 'process-keeper-main.ts'),
  ];
  // Detached: Ctrl-C is for the test alone.
  const keeper = spawn(process.execPath, ['-r', ...program, directory, ...(keep ? ['--keep'] : [])], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  keeper.unref();
  (keeper.stdin as Socket).unref();
  const ended = new Promise<void>((resolve) => keeper.once('exit', () => resolve()));
  return {
    async release() {
      keeper.ref();
      keeper.kill('SIGKILL');
      await ended;
    },
  };
}
