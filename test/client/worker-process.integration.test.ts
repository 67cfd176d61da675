import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWorkerProcess, fingerprint } from '../../client/worker-process';
import { isRunning } from '../../processes/owned-process';
import { eventually } from '../eventually';

/** A worker that stays, in place of the real one: what is tested is how its process is kept. */
const STAYING = "console.log('setting', process.env.HADB_FOR_TEST); setInterval(() => {}, 1000);\n";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-worker-'));
  mkdirSync(join(directory, 'code', 'worker'), { recursive: true });
  mkdirSync(join(directory, 'code', 'cluster'));
  writeCode('worker/main.js', STAYING);
});
afterEach(async () => {
  await subject().stop();
  rmSync(directory, { recursive: true, force: true });
});

const writeCode = (file: string, text: string) => writeFileSync(join(directory, 'code', file), text);
const subject = () =>
  createWorkerProcess({ stateDirectory: join(directory, 'state'), codeDirectory: join(directory, 'code') });

describe('the embedded worker', () => {
  it('is found again by the next command, and kept while code and settings are the same', async () => {
    const first = await subject().ensure({ HADB_FOR_TEST: 'a' });

    const second = await subject().ensure({ HADB_FOR_TEST: 'a' });

    expect([first.done, second.done]).toEqual(['started', 'kept']);
    expect(second.process.pid).toBe(first.process.pid);
    expect(subject().status()).toMatchObject({ name: 'worker', state: 'running', pid: first.process.pid });
    expect(readFileSync(first.process.logFile, 'utf8')).toBe('setting a\n');
  });

  it.each([
    ['its code', () => writeCode('cluster/new.js', 'exports.a = 1;'), { HADB_FOR_TEST: 'a' }],
    ['its settings', () => undefined, { HADB_FOR_TEST: 'b' }],
    ['what it was told and is told no more', () => undefined, {}],
  ])('is started anew when %s has changed', async (_what, change, environment) => {
    const first = await subject().ensure({ HADB_FOR_TEST: 'a' });
    change();

    const second = await subject().ensure(environment);

    expect(second.done).toBe('restarted');
    expect(isRunning(first.process)).toBe(false);
    expect(isRunning(second.process)).toBe(true);
  });

  it('is started again after it was killed, and counts as dead until then', async () => {
    const first = await subject().ensure({});
    process.kill(first.process.pid, 'SIGKILL');
    await eventually('it is dead', () => !isRunning(first.process));

    expect(subject().status()).toMatchObject({ state: 'dead', logFile: first.process.logFile });
    expect((await subject().ensure({})).done).toBe('started');
  });

  it('that ends at once is told with the end of its log', async () => {
    writeCode('worker/main.js', "throw new Error('bad settings');");

    await expect(subject().ensure({})).rejects.toMatchObject({
      code: 'HADB_E4010',
      message: expect.stringContaining('bad settings'),
    });
  });

  it('that was never built is told with the command that builds it', async () => {
    rmSync(join(directory, 'code', 'worker', 'main.js'));

    await expect(subject().ensure({})).rejects.toThrow('npm run build');
    expect(subject().status()).toMatchObject({ state: 'stopped' });
  });
});

it('the fingerprint of the code ignores what no worker loads', () => {
  const before = fingerprint(join(directory, 'code'), {});
  mkdirSync(join(directory, 'code', 'client'));
  writeCode('client/main.js', '1');
  const after = fingerprint(join(directory, 'code'), {});
  writeCode('worker/main.js', '2');

  expect(after).toBe(before);
  expect(fingerprint(join(directory, 'code'), {})).not.toBe(after);
});
