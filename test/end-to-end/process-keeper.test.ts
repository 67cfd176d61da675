import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGroupRunning, isRunning, startOwnedProcess, stopOwnedProcess } from '../../processes/owned-process';
import type { OwnedProcess } from '../../processes/owned-process';
import { endWithThisProcess } from './process-keeper';

/** A test in a process of its own, with a machine below its directory; it goes on until it is ended. */
const INTERRUPTED_TEST = `
const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { transformFileSync } = require('@swc/core');
const options = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } };
require.extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file);

const [root, subject] = process.argv.slice(1);
let directory;
if (subject === 'hadb') {
  const { createHadb } = require(join(root, 'test', 'end-to-end', 'hadb.ts'));
  ({ directory } = createHadb({ name: 'pair', network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] } }));
} else {
  directory = mkdtempSync(join(tmpdir(), 'hadb-keeper-'));
  require(join(root, 'test', 'end-to-end', 'process-keeper.ts')).endWithThisProcess(directory);
}
// As a machine is: a supervisor with job control, and the kernel in a group of its own.
const machine = require(join(root, 'processes', 'owned-process.ts')).startOwnedProcess({
  recordFile: join(directory, 'lab', 'machines', 'one', 'process.json'),
  logFile: join(directory, 'log'),
  command: 'bash',
  args: ['-c', 'set -m; sleep 600 & sleep 601'],
});
console.log(JSON.stringify({ directory, machine }));
setInterval(() => {}, 1000);
`;

describe('processes of a test', () => {
  it.each([
    ['guest', 'SIGINT'],
    ['guest', 'SIGKILL'],
    ['hadb', 'SIGTERM'],
  ] as const)('of a %s end with a test that %s has ended, and their directory goes', async (subject, signal) => {
    const root = join(__dirname, '..', '..');
    const test = spawn(process.execPath, ['-e', INTERRUPTED_TEST, root, subject], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = await new Promise<string>((resolve) =>
      test.stdout.once('data', (data: Buffer) => resolve(String(data))),
    );
    const { directory, machine } = JSON.parse(said) as { directory: string; machine: OwnedProcess };
    const before = isRunning(machine);

    test.kill(signal);
    while (existsSync(directory)) await new Promise((resolve) => setTimeout(resolve, 20));

    expect(before).toBe(true);
    expect(isGroupRunning(machine)).toBe(false);
  });

  it('are left to a test that ends them itself', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hadb-keeper-'));
    const recordFile = join(directory, 'process.json');
    const logFile = join(directory, 'log');
    const machine = startOwnedProcess({ recordFile, logFile, command: 'sleep', args: ['600'] });

    await endWithThisProcess(directory).release();
    const running = isRunning(machine);
    await stopOwnedProcess(recordFile, { graceMs: 0 });
    rmSync(directory, { recursive: true, force: true });

    expect(running).toBe(true);
  });
});
