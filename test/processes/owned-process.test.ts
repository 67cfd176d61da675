import childProcess from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  findOwnedProcess,
  isGroupRunning,
  readRecord,
  startOwnedProcess,
  stopOwnedProcess,
} from '../../processes/owned-process';
import { eventually } from '../eventually';

describe('an owned process', () => {
  let directory: string;
  let recordFile: string;
  const start = (script: string) =>
    startOwnedProcess({ recordFile, logFile: join(directory, 'log'), command: '/bin/sh', args: ['-c', script] });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-owned-'));
    recordFile = join(directory, 'process.json');
  });

  afterEach(async () => {
    await stopOwnedProcess(recordFile, { graceMs: 0 });
    rmSync(directory, { recursive: true });
  });

  it('is found again by its record and ended with its whole group', async () => {
    const started = start('sleep 60 & sleep 60');

    const found = findOwnedProcess(recordFile);
    await stopOwnedProcess(recordFile, { graceMs: 1000 });

    expect(found).toEqual(started);
    expect(isGroupRunning(started)).toBe(false);
    expect(readRecord(recordFile)).toBeUndefined();
  });

  it('that has ended before it is looked at is recorded, and found gone', () => {
    const { spawn } = childProcess;
    const spawnAndFallAsleep = (...args: Parameters<typeof spawn>) => {
      const child = spawn(...args);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      return child;
    };
    jest.spyOn(childProcess, 'spawn').mockImplementationOnce(spawnAndFallAsleep as typeof spawn);

    const started = start('echo no such disk; exit 1');

    expect(readRecord(recordFile)).toEqual(started);
    expect(findOwnedProcess(recordFile)).toBeUndefined();
    expect(readFileSync(started.logFile, 'utf8')).toBe('no such disk\n');
  });

  it('is ended although it ignores the polite signal', async () => {
    const started = start('trap "" TERM; echo ready; while :; do sleep 1; done');
    await eventually('its trap is set', () => readFileSync(started.logFile, 'utf8').includes('ready'));

    await stopOwnedProcess(recordFile, { graceMs: 100 });

    expect(isGroupRunning(started)).toBe(false);
  });

  it('leaves alone a process that was given the same id since', async () => {
    const started = start('sleep 60');
    writeFileSync(recordFile, JSON.stringify({ ...started, startTicks: '1', pid: process.pid }));

    const found = findOwnedProcess(recordFile);

    expect(found).toBeUndefined();
    writeFileSync(recordFile, JSON.stringify(started));
  });

  it('does not end a stranger that leads a group under the same id', async () => {
    const started = start('sleep 60');
    writeFileSync(recordFile, JSON.stringify({ ...started, startTicks: '1' }));

    await stopOwnedProcess(recordFile, { graceMs: 0 });

    expect(isGroupRunning(started)).toBe(true);
    writeFileSync(recordFile, JSON.stringify(started));
  });

  it('of an earlier boot of the host names no process', () => {
    const started = start('sleep 60');
    writeFileSync(recordFile, JSON.stringify({ ...started, bootId: 'another boot' }));

    expect(findOwnedProcess(recordFile)).toBeUndefined();
    writeFileSync(recordFile, JSON.stringify(started));
  });

  it.each([
    ['cut in half', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['of another shape', () => '[]'],
    ['without a process id', () => '{"startTicks":"1","bootId":"b","command":"c","logFile":"l"}'],
    ['of every process there is', (text: string) => text.replace(/"pid": \d+/, '"pid": -1')],
  ])('is found and ended although its record is %s', async (_what, damage) => {
    const started = start('sleep 60 & sleep 60');
    writeFileSync(recordFile, damage(readFileSync(recordFile, 'utf8')));

    const found = findOwnedProcess(recordFile);
    await stopOwnedProcess(recordFile, { graceMs: 0 });

    expect(found).toEqual({ ...started, command: expect.stringContaining('sleep 60') });
    expect(isGroupRunning(started)).toBe(false);
    expect(existsSync(recordFile)).toBe(false);
  });

  it('that has ended and whose record is damaged is none', async () => {
    writeFileSync(recordFile, '{"pid": 1');

    expect(readRecord(recordFile)).toBeUndefined();
    await stopOwnedProcess(recordFile, { graceMs: 0 });
    expect(existsSync(recordFile)).toBe(false);
  });

  it('that cannot be started says so', () => {
    expect(() =>
      startOwnedProcess({ recordFile, logFile: join(directory, 'log'), command: join(directory, 'none'), args: [] }),
    ).toThrow(/cannot start .*none: is it installed/);
  });
});
