import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The program as a person starts it; `npm test` builds it first. */

const ROOT = join(__dirname, '..', '..');
const HADB = join(ROOT, 'bin', 'hadb.js');

let directory: string;
beforeAll(() => {
  if (!existsSync(join(ROOT, 'dist', 'client', 'main.js'))) throw new Error('run npm run build first');
  directory = mkdtempSync(join(tmpdir(), 'hadb-main-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Settings stand in front of the program, as in a shell; nothing of this computer's own state is touched. */
const settings = (...more: string[]) => [`HADB_STATE_DIR=${directory}/state`, `HOME=${directory}`, ...more];

function run(words: readonly string[], ...more: string[]) {
  const { status, stdout, stderr } = spawnSync('env', [...settings(...more), process.execPath, HADB, ...words], {
    encoding: 'utf8',
    cwd: directory,
  });
  return { status, stdout, stderr };
}

it('hadb prints its help and its version', () => {
  expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('hadb switchover') });
  expect(run(['--version']).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
});

it('hadb keeps its exit code, and shows no stack, when nobody reads what it prints', () => {
  // The reader has gone before the first word is written.
  const ended = (...words: string[]) =>
    spawnSync('bash', ['-c', `exec 3>&1; { { "$@" 2>&3; echo "exit $?" >&3; } | true; } `, 'bash', ...words], {
      encoding: 'utf8',
      cwd: directory,
    }).stdout;

  expect(ended('env', ...settings(), process.execPath, HADB, '--help')).toBe('exit 0\n');
  expect(ended('env', ...settings(), process.execPath, HADB, 'status', '--json')).toBe('exit 69\n');
});

it('hadb exits with 64 for a command that there is not, and names a near one', () => {
  expect(run(['biuld'])).toMatchObject({ status: 64, stderr: expect.stringContaining('did you mean') });
});

it('hadb status without anything says how to begin, and exits with 69', () => {
  const { status, stdout } = run(['status', '--json']);

  expect(status).toBe(69);
  expect(JSON.parse(stdout)).toEqual({
    schema: '1.0',
    pieces: [
      { name: 'temporal', state: 'stopped' },
      { name: 'worker', state: 'stopped', logFile: `${directory}/state/worker/worker.log` },
    ],
    temporal: null,
    clusters: [],
  });
});

it.each([
  ['cut in half', '{"format": 1, "armEnd'],
  ['empty', ''],
  ['of another shape', '[1]'],
])('no command shows a stack for a lab.json that is %s, and purging the lab mends it', (_what, content) => {
  const lab = join(directory, 'state', 'lab');
  mkdirSync(lab, { recursive: true });
  writeFileSync(join(lab, 'lab.json'), content);

  const told = [['status'], ['lab', 'status'], ['doctor'], ['plan'], ['lab', 'up']].map((words) => ({
    words,
    ...run(words),
  }));
  const down = run(['down']);
  const purge = run(['lab', 'down', '--purge']);

  for (const { words, status, stdout, stderr } of told) {
    expect({ words, status }).toEqual({ words, status: 1 });
    expect(stdout + stderr).toMatch(/lab\.json.*hadb lab down --purge/s);
    expect(stdout + stderr).not.toMatch(/^ +at /m);
  }
  expect(down.status).toBe(0);
  expect(purge).toMatchObject({ status: 0, stdout: 'the lab is gone\n' });
  expect(run(['lab', 'status'])).toMatchObject({ status: 0, stdout: expect.stringContaining('lab absent') });
});

it('hadb lab hands its words on to the command line of the lab', () => {
  expect(run(['lab', '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('hadb lab') });
  expect(run(['lab', 'dance'])).toMatchObject({ status: 64 });
});

it('hadb does not wait for ever for a Temporal that accepts and says nothing', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const status = await new Promise((resolve) => {
    const child = spawn('env', [
      ...settings(`TEMPORAL_ADDRESS=127.0.0.1:${port}`),
      process.execPath,
      HADB,
      'watch',
      'any',
      '--json',
    ]);
    child.once('close', resolve);
  });
  server.close();

  expect(status).toBe(69);
});
