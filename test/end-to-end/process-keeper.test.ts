import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSessionRunning } from '../../lab/machines/session';
import { isRunning, startOwnedProcess, stopOwnedProcess } from '../../processes/owned-process';
import type { OwnedProcess } from '../../processes/owned-process';
import { eventually } from '../eventually';
import { endWithThisProcess } from './process-keeper';

const HOOK = join(__dirname, '..', 'lab', 'control', 'run-typescript.cjs');

describe('processes of a test', () => {
  it.each([
    ['guest', 'SIGINT'],
    ['guest', 'SIGKILL'],
    ['hadb', 'SIGTERM'],
  ] as const)('of a %s end with a test that %s has ended, and their directory goes', async (subject, signal) => {
    const test = spawn(process.execPath, ['-r', HOOK, join(__dirname, 'interrupted-test.ts'), subject], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = await new Promise<string>((resolve) =>
      test.stdout.once('data', (data: Buffer) => resolve(String(data))),
    );
    const { directory, machine } = JSON.parse(said) as { directory: string; machine: OwnedProcess };
    const copies = mkdtempSync(join(tmpdir(), 'hadb-keeper-copies-'));
    const record = join(copies, 'process.json');
    writeFileSync(record, JSON.stringify(machine));
    const before = isSessionRunning(record);

    test.kill(signal);
    await eventually(`${directory} is gone`, () => !existsSync(directory));

    const after = isSessionRunning(record);
    rmSync(copies, { recursive: true });

    expect({ before, after }).toEqual({ before: true, after: false });
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
