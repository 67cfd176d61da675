import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWriterProcesses } from '../../activities/drill/writer-process';
import { createDrillWriters } from '../../client/drill-writers';
import {
  findOwnedProcess,
  isRunning,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
} from '../../processes/owned-process';
import type { OwnedProcess } from '../../processes/owned-process';
import { eventually } from '../eventually';

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hadb-drills-'));
  directory = join(root, 'drills');
});
afterEach(async () => {
  await createDrillWriters(directory).stop();
  await stopOwnedProcess(join(root, 'stranger.json'), { graceMs: 0 });
  rmSync(root, { recursive: true, force: true });
});

/** Notes its end as the real one does, in place of writing. */
const PROGRAM = `const { appendFileSync, readFileSync } = require('node:fs');
const { ledgerFile } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
process.on('SIGTERM', () => { appendFileSync(ledgerFile, '{"kind":"end","at":1}\\n'); process.exit(); });
appendFileSync(ledgerFile, '{"kind":"start","at":0}\\n');
setInterval(() => {}, 1000);
`;

async function startWriter(drill: string): Promise<OwnedProcess> {
  const program = join(root, 'program.js');
  writeFileSync(program, PROGRAM);
  const writers = createWriterProcesses({ directory, program });
  await writers.start(drill, { cluster: 'hadb' } as Parameters<typeof writers.start>[1]);
  await eventually('the writer has begun', () => (writers.read(drill) ?? []).length > 0);
  const process = findOwnedProcess(join(directory, drill, 'writer.json'));
  if (process === undefined) throw new Error(`the writer of ${drill} does not run`);
  return process;
}

describe('the writers of drills', () => {
  it('that are left behind are told and ended in order, each with its last note', async () => {
    const left = [await startWriter('one'), await startWriter('two')];
    const subject = createDrillWriters(directory);

    const seen = subject.status();
    const ended = await subject.stop();

    expect(new Map(seen.map(({ name, pid }) => [name, pid]))).toEqual(
      new Map([
        ['writer of drill one', left[0]?.pid],
        ['writer of drill two', left[1]?.pid],
      ]),
    );
    expect(ended).toBe(2);
    expect(left.filter(isRunning)).toEqual([]);
    expect(createWriterProcesses({ directory, program: '' }).read('one')?.at(-1)).toEqual({ kind: 'end', at: 1 });
    expect(subject.status()).toEqual([]);
  });

  it('of drills that have ended leave their records, and a process that has got their number is let alone', async () => {
    const recordFile = join(directory, 'old', 'writer.json');
    const stranger = startOwnedProcess({
      recordFile: join(root, 'stranger.json'),
      logFile: join(root, 'log'),
      command: 'sleep',
      args: ['600'],
    });
    writeFileAtomically(recordFile, JSON.stringify({ ...stranger, startTicks: '1' }));

    const ended = await createDrillWriters(directory).stop();

    expect(ended).toBe(0);
    expect(isRunning(stranger)).toBe(true);
    expect(existsSync(recordFile)).toBe(true);
  });

  it('are looked for in directories alone: hadb trend writes its page beside them', async () => {
    writeFileAtomically(join(directory, 'trend.svg'), '<svg/>');

    expect(createDrillWriters(directory).status()).toEqual([]);
    expect(createWriterProcesses({ directory, program: '' }).running('hadb')).toEqual([]);
  });

  it('of an unknown cluster are no cluster’s, and hinder nobody', () => {
    const { pid } = startOwnedProcess({
      recordFile: join(directory, 'older', 'writer.json'),
      logFile: join(root, 'log'),
      command: 'sleep',
      args: ['600'],
    });

    expect(createWriterProcesses({ directory, program: '' }).running('hadb')).toEqual([]);
    expect(createDrillWriters(directory).status()).toMatchObject([{ name: 'writer of drill older', pid }]);
  });

  it('are none where no drill ever was', async () => {
    const subject = createDrillWriters(join(directory, 'nothing'));

    expect([subject.status(), await subject.stop()]).toEqual([[], 0]);
  });
});
