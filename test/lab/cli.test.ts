import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runLabCommand } from '../../lab/cli';
import { createLabDocument, writeLabDocument } from '../../lab/lab-document';
import { labDirectory } from '../../lab/lab';
import { openStore } from '../../lab/control/store';
import { isRunning, startOwnedProcess } from '../../processes/owned-process';
import { writeMachineSettings } from '../../lab/machine-settings';
import { eventually } from '../eventually';
import { useTemporaryDirectory } from '../temporary-directory';
import { virtualMachine } from './control/resources-for-tests';

describe('hadb lab', () => {
  let stateDirectory: string;
  useTemporaryDirectory((made) => {
    stateDirectory = made;
  });

  const run = async (...words: string[]) => {
    let out = '';
    let err = '';
    const code = await runLabCommand(words, {
      process: { stdout: { write: (text) => (out += text) }, stderr: { write: (text) => (err += text) } },
      settings: { temporalEnvironment: { HADB_STATE_DIR: stateDirectory } },
    });
    return { code, out, err };
  };

  it('explains itself', async () => {
    expect(await run('--help')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^usage: hadb lab <command>/),
      err: '',
    });
  });

  it.each([
    [['nope'], /there is no command nope/],
    [['up', '--image', 'windows'], /--image is windows; use one of golden, clean, debian-sid/],
    [['up', '--pacing', 'slow'], /--pacing is slow/],
    [['status', '--verbose'], /Unknown option '--verbose'/],
    [['console'], /console needs the name of one machine/],
    [['logs', 'temporal'], /there is no log temporal/],
    [['logs', '--follow'], /--follow needs one log/],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await run(...words);

    expect(code).toBe(64);
    expect(err).toMatch(message);
    expect(err).toContain('usage: hadb lab');
  });

  it('refuses an engine that there is not, as the other commands do', async () => {
    let err = '';
    const code = await runLabCommand(['status'], {
      process: { stdout: { write: () => undefined }, stderr: { write: (text) => (err += text) } },
      settings: { temporalEnvironment: { HADB_STATE_DIR: stateDirectory, HADB_LAB_ENGINE: 'xen' } },
    });

    expect(code).toBe(64);
    expect(err).toMatch(/HADB_LAB_ENGINE is "xen"; use one of kvm, uml, tcg/);
  });

  it('says that there is no lab, and what makes one', async () => {
    expect(await run('status')).toMatchObject({ code: 0, out: expect.stringContaining('lab absent') });
    expect(await run('env')).toMatchObject({ code: 1, err: expect.stringContaining('hadb lab up') });
    expect(await run('faults')).toMatchObject({ code: 1, err: expect.stringContaining('hadb lab up') });
    expect(await run('console', 'hadb01')).toMatchObject({
      code: 1,
      err: expect.stringContaining('has no machine hadb01'),
    });
    expect(await run('down')).toMatchObject({ code: 0 });
  });

  it('shows the end of a log, and what is added to it until the interrupt, also after a rotation', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    const log = join(directory, 'control.log');
    writeLabDocument(directory, createLabDocument(directory, 1));
    writeFileSync(log, 'one\ntwo\nthree\n');
    const interrupt = new AbortController();
    let out = '';
    const shows = (text: string) => eventually(`it shows ${text}`, () => out.includes(text));

    const ended = runLabCommand(['logs', 'control', '--lines', '2', '--follow'], {
      process: { stdout: { write: (text) => (out += text) }, stderr: { write: () => undefined } },
      interrupt: interrupt.signal,
      settings: { temporalEnvironment: { HADB_STATE_DIR: stateDirectory } },
    });
    await shows('three');
    appendFileSync(log, 'four\n');
    await shows('four');
    writeFileSync(log, 'new\n');
    await shows('new');
    interrupt.abort();

    expect(await ended).toBe(0);
    expect(out).toBe('two\nthree\nfour\nnew\n');
  });

  it('follows a log no longer than somebody reads', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    writeLabDocument(directory, createLabDocument(directory, 1));
    writeFileSync(join(directory, 'control.log'), 'one\n');
    const stdout = { writable: true, write: () => (stdout.writable = false) };

    const ended = runLabCommand(['logs', 'control', '--follow'], {
      process: { stdout, stderr: { write: () => undefined } },
      settings: { temporalEnvironment: { HADB_STATE_DIR: stateDirectory } },
    });

    expect(await ended).toBe(0);
  });

  it('shows the console of a machine by its name or its id', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    const vm = virtualMachine('hadb01', '/nic');
    const consoleFile = join(directory, 'machines', vm.guid, 'console.log');
    mkdirSync(dirname(consoleFile), { recursive: true });
    writeMachineSettings(directory, { engine: 'uml', images: [] });
    writeFileSync(consoleFile, 'Linux version 7\nhadb01 login:\n');
    openStore(join(directory, 'control')).put({
      ...vm,
      hidden: { image: 'golden', provisioned: false, deallocated: false },
    });

    expect(await run('console', 'HADB01', '--lines', '1')).toEqual({ code: 0, out: 'hadb01 login:\n', err: '' });
    expect(await run('console', vm.guid)).toMatchObject({ out: 'Linux version 7\nhadb01 login:\n' });
    expect(await run('console', 'hadb02')).toMatchObject({ code: 1, err: expect.stringContaining('it has: hadb01') });
  });

  it('knows the states of a disk', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    writeLabDocument(directory, createLabDocument(directory, 1));

    expect(await run('faults', 'disk', 'hadb01', 'melted')).toMatchObject({
      code: 64,
      err: expect.stringMatching(/no state melted; use read-errors, write-errors, slow or sound/),
    });
    expect(await run('faults', 'disk', 'hadb01')).toMatchObject({ code: 64 });
  });

  it('gives the environment of a client, and a status without secrets', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    const document = createLabDocument(directory, 1);
    writeLabDocument(directory, document);

    const environment = await run('env');
    const status = await run('status', '--json');

    expect(environment.out).toContain(`export HADB_ARM_ENDPOINT='${document.armEndpoint}'\n`);
    expect(environment.out).toContain(`export AZURE_CLIENT_SECRET='${document.clientSecret}'\n`);
    expect(JSON.parse(status.out)).toMatchObject({
      state: 'down',
      processes: [
        { name: 'control', state: 'stopped' },
        { name: 'wire', state: 'stopped' },
      ],
      machines: [],
    });
    expect(status.out).not.toContain(document.clientSecret);
    expect(status.out).not.toContain(document.faultsToken);
  });

  it('says which state it cannot read', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    writeLabDocument(directory, { ...createLabDocument(directory, 1), format: 2 as never });

    expect(await run('status')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/problem +HADB_E4012 .*is of format 2.*hadb lab down --purge/),
    });
    expect(await run('down', '--purge')).toMatchObject({ code: 0 });
    expect(await run('status')).toMatchObject({ code: 0, out: expect.stringContaining('lab absent') });
  });

  it('says that it lacks the image of one of its machines, and ends and removes everything when told', async () => {
    const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
    writeLabDocument(directory, createLabDocument(directory, 1));
    writeMachineSettings(directory, { engine: 'uml', images: [] });
    const resources = join(directory, 'control', 'resources');
    mkdirSync(resources, { recursive: true });
    const machine = { id: 'guid-hadb01', directory: join(directory, 'machines', 'guid-hadb01') };
    const vm = { ...virtualMachine('hadb01', '/nic'), hidden: { image: 'clean', deallocated: false, machine } };
    writeFileSync(join(resources, 'hadb01.json'), JSON.stringify(vm));

    expect(await run('status')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/problem +HADB_E4012 .*image clean.*hadb lab up --image clean/),
    });
    expect(await run('down', '--purge')).toMatchObject({ code: 0 });
    expect(existsSync(directory)).toBe(false);
  });

  describe.each([
    ['lab.json', ['env', 'faults']],
    ['machine-settings.json', ['console hadb01']],
    ['control/resources/hadb01.json', ['console hadb01']],
  ])('with a damaged %s', (name, refused) => {
    const damages: [string, (text: string) => string][] = [
      ['cut in half', (text) => text.slice(0, text.length / 2)],
      ['empty', () => ''],
    ];
    if (!name.startsWith('control')) damages.push(['of another shape', () => '["a"]'], ['null', () => 'null']);

    it.each(damages)('(%s) says so, and ends and removes everything when told', async (_what, damage) => {
      const directory = labDirectory({ stateDirectory, cacheDirectory: '' });
      writeLabDocument(directory, createLabDocument(directory, 1));
      writeMachineSettings(directory, { engine: 'uml', images: [] });
      const resources = join(directory, 'control', 'resources');
      mkdirSync(resources, { recursive: true });
      const vm = { ...virtualMachine('hadb01', '/nic'), hidden: { image: 'golden', deallocated: false } };
      writeFileSync(join(resources, 'hadb01.json'), JSON.stringify(vm));
      const file = join(directory, name);
      writeFileSync(file, damage(readFileSync(file, 'utf8')));
      const start = (recordFile: string) =>
        startOwnedProcess({ recordFile, logFile: join(directory, 'log'), command: 'sleep', args: ['60'] });
      const control = start(join(directory, 'control-process.json'));
      const machineRecord = join(directory, 'machines', 'guid-hadb01', 'process.json');
      const machine = start(machineRecord);
      writeFileSync(machineRecord, '{"pid');

      const status = await run('status', '--json');
      const answers = await Promise.all(refused.map((words) => run(...words.split(' '))));
      const down = await run('down', '--purge');

      const problem = expect.stringMatching(new RegExp(`${name}.*hadb lab down --purge`, 's'));
      expect(status.code).toBe(1);
      expect(JSON.parse(status.out)).toMatchObject({
        problem,
        processes: [
          { name: 'control', state: 'running', pid: control.pid },
          { name: 'wire', state: 'stopped' },
        ],
      });
      for (const { code, err } of answers) {
        expect(code).toBe(1);
        expect(err).toMatch(/^hadb lab: HADB_E4012 /);
        expect(err).toEqual(problem);
      }
      expect(down.code).toBe(0);
      expect([isRunning(control), isRunning(machine)]).toEqual([false, false]);
      expect(existsSync(directory)).toBe(false);
    });
  });
});
