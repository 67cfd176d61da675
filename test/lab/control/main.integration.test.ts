import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createLabDocument, writeLabDocument } from '../../../lab/lab-document';
import { writeMachineSettings } from '../../../lab/machine-settings';
import { freePort } from '../../free-port';
import { useTemporaryDirectory } from '../../temporary-directory';

/** Control as the process it is in the lab: what it says when it cannot start is all that anybody learns of why. */

const MAIN = join(__dirname, '../../../lab/control/main.ts');
const HOOK = join(__dirname, 'run-typescript.cjs');

let stateDirectory: string;
useTemporaryDirectory((made) => {
  stateDirectory = made;
});

/** The log's lines without their times, once it has ended. */
function run(...args: string[]): Promise<{ code: number | null; log: string }> {
  const control = spawn(process.execPath, ['-r', HOOK, MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  control.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) =>
    control.once('close', (code) => resolve({ code, log: text.replaceAll(/^\S+Z /gm, '') })),
  );
}

async function writeLab(): Promise<number> {
  const port = await freePort();
  writeLabDocument(stateDirectory, createLabDocument(stateDirectory, port));
  writeMachineSettings(stateDirectory, { engine: 'uml', images: [] });
  return port;
}

it('says what it was to be started with', async () => {
  expect(await run()).toEqual({
    code: 1,
    log: 'control failed: usage: main.js --state DIRECTORY [--pacing quick|realistic]\n',
  });
});

it('says that there is no lab, and how to make one', async () => {
  expect(await run('--state', stateDirectory)).toEqual({
    code: 1,
    log: `control failed: ${stateDirectory} holds no lab; make one with: hadb lab up\n`,
  });
});

it('says that its port is taken', async () => {
  const port = await writeLab();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));

  try {
    expect(await run('--state', stateDirectory)).toEqual({
      code: 1,
      log: expect.stringMatching(new RegExp(`^control failed: .*\\b${port}\\b.* is in use by another program`, 'm')),
    });
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});

it.each(['faults.json', 'disk-faults.json'])('says that %s is damaged, and what to do', async (name) => {
  await writeLab();
  mkdirSync(join(stateDirectory, 'control'), { recursive: true });
  const file = join(stateDirectory, 'control', name);
  writeFileSync(file, '{"arm": [{"co');

  const { code, log } = await run('--state', stateDirectory);

  expect(code).toBe(1);
  expect(log).toContain(`control failed: ${file} is damaged. Remove it, and bring the lab up again: `);
});
