import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnedProcess } from '../../processes/owned-process';
import { createHadb } from './hadb';
import { endWithThisProcess } from './process-keeper';

/** A test in a process of its own, with a machine that is none, to be ended: `interrupted-test.ts guest|hadb`. */
function prepareDirectory(): string {
  if (process.argv[2] === 'hadb') {
    return createHadb({ name: 'pair', network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] } })
      .directory;
  }
  const directory = mkdtempSync(join(tmpdir(), 'hadb-keeper-'));
  endWithThisProcess(directory);
  return directory;
}

const directory = prepareDirectory();
const machine = startOwnedProcess({
  recordFile: join(directory, 'lab', 'machines', 'one', 'process.json'),
  logFile: join(directory, 'log'),
  command: 'bash',
  // As a machine is: a supervisor with job control, and the kernel in a group of its own.
  args: ['-c', 'set -m; sleep 600 & wait -f'],
});
process.stdout.write(`${JSON.stringify({ directory, machine })}\n`);
setInterval(() => undefined, 1000);
