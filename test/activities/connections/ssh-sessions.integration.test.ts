import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CancellationScope } from '../../../activities/connections/activity-scope';
import type { NodeSession, NodeSessions } from '../../../activities/connections/node-session';
import { createRedactor } from '../../../activities/connections/redactor';
import { createSshPrivateKey } from '../../../activities/connections/secret-generators';
import type { SecretStore } from '../../../activities/connections/secret-store';
import type { CommandRecord } from '../../../activities/connections/ssh-sessions';
import { createNodeSessions } from '../../../activities/connections/ssh-sessions';
import { remoteJobUnit, secretNames } from '../../../cluster/ids';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import type { StepContext } from '../../../cluster/step';
import { eventually } from '../../eventually';
import { readProcesses } from '../../process-table';
import type { FakeNode } from './fake-node';
import { startFakeNode } from './fake-node';

const RUN = '11111111-2222-3333-4444-555555555555';
const OTHER_RUN = '99999999-2222-3333-4444-555555555555';

let fake: FakeNode;
let sessions: NodeSessions;
let node: NodeSession;
let secrets: Map<string, string>;
let records: CommandRecord[];
let cancellation: CancellationScope | undefined;
const redactor = createRedactor();

function specificationFor(port: number): ClusterSpecification {
  return ClusterSpecification.parse({
    nodes: [
      { name: 'hadb01', address: '10.10.10.4', sshPort: port },
      { name: 'hadb02', address: '10.10.10.5', sshPort: port === 65535 ? 1024 : port + 1 },
    ],
    network: { clients: ['192.0.2.0/24'], administrators: ['192.0.2.0/24'] },
  });
}

function contextOf(changes: { run?: string; step?: string; generation?: number } = {}): StepContext {
  return {
    specification: specificationFor(fake.port),
    operation: { workflowId: 'build-cluster/hadb', run: changes.run ?? RUN, runbook: 'buildCluster' },
    step: changes.step ?? 'make-things/hadb01',
    generation: changes.generation ?? 1,
  };
}

function storeOf(values: Map<string, string>): SecretStore {
  return {
    read: async (name) => values.get(name),
    ensure: async (name) => values.get(name) ?? '',
    locate: (name) => `/secrets/${name}`,
    remove: async (name) => void values.delete(name),
  };
}

beforeEach(async () => {
  fake = await startFakeNode();
  const names = secretNames('hadb');
  secrets = new Map([
    [names.adminKey, fake.adminPrivateKey],
    [names.hostKey('hadb01'), fake.hostPrivateKey],
  ]);
  records = [];
  cancellation = undefined;
  sessions = createNodeSessions({
    secrets: storeOf(secrets),
    redactor,
    resolve: async () => fake.address,
    paths: fake.sandbox.paths,
    bootIdFile: fake.sandbox.bootIdFile,
    timings: {
      connectMs: 15_000,
      keepaliveMs: 200,
      keepaliveCount: 3,
      lockWaitMs: 3_000,
      jobWaitMs: 1_000,
      jobPatienceMs: 8_000,
    },
    cancellation: () => cancellation,
    onCommand: (record) => records.push(record),
  });
  node = await sessions.open(contextOf(), 'hadb01');
});

afterEach(async () => {
  await sessions.close();
  await fake.stop();
});

const inSandbox = (...parts: string[]) => join(fake.sandbox.directory, ...parts);

describe('a command that reads', () => {
  it('returns exit code, output and error output', async () => {
    const result = await node.read('echo out; echo err >&2; exit 3', { accept: [0, 3] });

    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  it('stops at the first failing line, and says what was written to standard error', async () => {
    const failing = node.read('echo before; false; echo after');

    await expect(failing).rejects.toMatchObject({ code: 'CommandFailed', details: { observed: 'before' } });
    await expect(node.read('echo no such disk >&2; exit 4')).rejects.toThrow(/exit code 4.*no such disk/);
  });

  it('shows neither script nor input on the command line', async () => {
    const { stdout } = await node.read('cat; echo "$0"', { input: 'a secret input' });

    expect(stdout).toBe('a secret inputhadb\n');
    expect(fake.commands.join('\n')).not.toMatch(/a secret|cat;/);
    expect(readdirSync(inSandbox('run'))).toEqual([]);
    const { stdout: commandLines } = await node.read(
      `: a-word-of-the-script; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`,
    );
    expect(commandLines).toContain(' hadb ');
    expect(commandLines).not.toContain('a-word-of-the-script');
  });

  it('carries binary input of any size unchanged', async () => {
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256));

    const { stdout } = await node.read('sha256sum | cut -c1-64; printf x | wc -c', { input });

    expect(stdout).toBe(`${createHash('sha256').update(input).digest('hex')}\n1\n`);
  });

  it('has an empty standard input when it is given none', async () => {
    expect((await node.read('cat; echo end')).stdout).toBe('end\n');
  });

  it('carries a long script with quotes of every kind', async () => {
    const line = `printf '%s\\n' "it's" '"$HOME"' \\\\ >/dev/null\n`;

    expect((await node.read(`${line.repeat(2_000)}echo done`)).stdout).toBe('done\n');
  });

  it('cleans the output of secrets', async () => {
    redactor.register('the-drbd-shared-secret');

    const { stdout } = await node.read('echo shared-secret the-drbd-shared-secret');

    expect(stdout).toBe('shared-secret [redacted]\n');
    await expect(node.read('echo the-drbd-shared-secret >&2; exit 1')).rejects.not.toThrow(/the-drbd-shared-secret/);
  });

  it('ends on the node at its deadline, and its result is unknown', async () => {
    const hanging = node.read('echo begun; sleep 60.0731', { timeoutMs: 1_000 });

    await expect(hanging).rejects.toMatchObject({ code: 'CommandUnknown' });
    const isIt = ({ words }: { words: string[] }) => words.join(' ') === 'sleep 60.0731';
    await eventually('the script has ended', () => !readProcesses().some(isIt));
  });

  it('tells a tool that gives up by itself from its own deadline', async () => {
    await expect(node.read('exit 124')).rejects.toMatchObject({ code: 'CommandFailed' });
  });

  it('says when the shell of root is killed at its start', async () => {
    fake.sandbox.install('sudo', '#!/bin/sh\nkill -KILL $$\n');

    await expect(node.read('true')).rejects.toMatchObject({ code: 'CommandFailed' });
    await expect(node.read('true')).rejects.toThrow('killed by SIGKILL');
  });

  it.each([
    ['is killed', 'kill -KILL $$', 'killed by SIGKILL'],
    ['is refused', 'echo "sudo: a password is required" >&2; exit 1', 'exit code 1: sudo: a password is required'],
  ])('says when the shell of root %s, also when that comes together with the answer', async (_what, end, told) => {
    fake.sandbox.install('sudo', `#!/bin/sh\n${end}\n`);
    fake.tellAtOnce();

    const refused = node.read('true');

    await expect(refused).rejects.toMatchObject({ code: 'CommandFailed' });
    await expect(refused).rejects.toThrow(told);
  });

  it('whose shell is killed under it has an unknown result, and the next one gets a new shell', async () => {
    await node.takeOwnership(contextOf());

    const shellOfRoot = `$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)`;
    await expect(node.change(contextOf(), `kill -KILL ${shellOfRoot}`)).rejects.toMatchObject({
      code: 'CommandUnknown',
    });
    expect((await node.read('echo alive')).stdout).toBe('alive\n');
  });

  it('leaves nothing to the next one in the same shell: no variable, no directory, no output of a daemon', async () => {
    const flag = inSandbox('late');
    await node.read(`cd /; leftover=yes; (sleep 0.2; echo late; echo late >&2; : >'${flag}') & exit 0`);
    await eventually('the daemon has written', () => existsSync(flag));

    const next = await node.read('echo "${leftover-none} ${HADB_SCRIPT-none} $(pwd)"');

    expect(next).toEqual({ code: 0, stdout: `none none ${process.cwd()}\n`, stderr: '' });
    expect(fake.commands).toHaveLength(1);
  });

  it('returns output that looks like a frame as it is', async () => {
    const { stdout } = await node.read(`printf '\\nabc 0\\nno newline at the end'`);

    expect(stdout).toBe('\nabc 0\nno newline at the end');
  });

  it('says when a node lets nobody become root', async () => {
    fake.sandbox.install('sudo', '#!/bin/sh\necho "sudo: a password is required" >&2; exit 1\n');

    await expect(node.read('true')).rejects.toThrow('a password is required');
  });

  it('does not take the complaint of sudo about the host name for an error', async () => {
    fake.sandbox.install(
      'sudo',
      '#!/bin/sh\necho "sudo: unable to resolve host hadb01: Name not known" >&2\nshift\nexec "$@"\n',
    );

    expect((await node.read('echo x >&2')).stderr).toBe('x\n');
  });

  it('returns when the command has ended although a daemon keeps its output open', async () => {
    const { stdout } = await node.read('sleep 30 & echo started');

    expect(stdout).toBe('started\n');
  });

  it('runs many at once on one connection, no more than sshd allows', async () => {
    const results = await Promise.all(Array.from({ length: 30 }, (_, index) => node.read(`echo ${index}`)));

    expect(results.map((result) => result.stdout.trim())).toEqual(Array.from({ length: 30 }, (_, index) => `${index}`));
    expect(fake.connectionCount()).toBe(1);
  });

  it('reports each command with its duration', async () => {
    await node.read('true');

    expect(records).toEqual([{ node: 'hadb01', kind: 'read', code: 0, durationMs: expect.any(Number) as number }]);
  });
});

describe('a connection', () => {
  it('that breaks in the middle of a read is opened again and the read repeated', async () => {
    const flag = inSandbox('first');
    const reading = node.read(`if [ -e '${flag}' ]; then echo second; else : >'${flag}'; sleep 20; fi`);
    await eventually('the script runs', () => existsSync(flag));

    fake.dropConnections();

    expect((await reading).stdout).toBe('second\n');
    expect(fake.connectionCount()).toBe(2);
  });

  it('that broke while nobody used it is opened again, also for a change', async () => {
    await node.takeOwnership(contextOf());
    fake.dropConnections();
    await pause(50);

    await expect(node.change(contextOf(), 'echo done')).resolves.toMatchObject({ stdout: 'done\n' });
  });

  it('to a machine that freezes is given up by keepalive', async () => {
    const flag = inSandbox('begun');
    await node.takeOwnership(contextOf());
    const hanging = node.change(contextOf(), `: >'${flag}'; sleep 3`);
    const failure = rejection(hanging);
    await eventually('the script runs', () => existsSync(flag));

    fake.freeze();

    expect(await failure).toMatchObject({ code: 'CommandUnknown' });
  });

  it('an error on it long after the command does not end this process', async () => {
    await node.read('true');
    fake.dropConnections();
    await pause(50);

    expect((await node.read('echo alive')).stdout).toBe('alive\n');
  });

  it('nobody listens: the node is unreachable, and the message says where', async () => {
    const elsewhere = await sessions.open({ specification: specificationFor(1) }, 'hadb01');

    await expect(elsewhere.read('true')).rejects.toMatchObject({ code: 'NodeUnreachable' });
    await expect(elsewhere.read('true')).rejects.toThrow('127.0.0.1:1');
  });

  it('a name that does not resolve makes the node unreachable', async () => {
    const nameless = createNodeSessions({
      secrets: storeOf(secrets),
      redactor,
      resolve: () => Promise.reject(new Error('NXDOMAIN')),
    });
    const session = await nameless.open(contextOf(), 'hadb01');

    await expect(session.read('true')).rejects.toThrow('hadb.westeurope.cloudapp.azure.com');
    await expect(session.read('true')).rejects.toMatchObject({
      code: 'NodeUnreachable',
      details: { whatNow: expect.stringContaining('DNS label') as string },
    });
  });

  it('another host key than ours is refused with both fingerprints', async () => {
    secrets.set(secretNames('hadb').hostKey('hadb01'), createSshPrivateKey('another'));

    const refused = node.read('true');

    await expect(refused).rejects.toMatchObject({
      code: 'HostKeyMismatch',
      details: {
        subject: 'hadb01',
        whatNow: expect.stringContaining('Find out which machine answers there before anything else') as string,
      },
    });
    await expect(refused).rejects.toThrow(/SHA256:\S+, but SHA256:\S+ was put/);
    expect(fake.commands).toEqual([]);
  });

  it('a key that is not let in leaves the node unreachable, for a machine that starts does so too', async () => {
    fake.refuseKeys(true);

    await expect(node.read('true')).rejects.toMatchObject({ code: 'NodeUnreachable' });
    await expect(node.read('true')).rejects.toThrow('refuses the key of azureuser');

    fake.refuseKeys(false);
    await expect(node.read('echo in')).resolves.toMatchObject({ stdout: 'in\n' });
  });

  it('without the keys in the store the message names the missing secret', async () => {
    secrets.delete(secretNames('hadb').adminKey);

    await expect(node.read('true')).rejects.toThrow('hadb/admin-ssh-key');
  });

  it('a node that the specification does not have is refused', async () => {
    await expect(sessions.open(contextOf(), 'hadb03')).rejects.toMatchObject({ code: 'BadRequest' });
  });
});

describe('a change', () => {
  it('is refused on a node that nobody owns', async () => {
    mkdirSync(fake.sandbox.paths.directory);

    const refused = node.change(contextOf(), `: >'${inSandbox('done')}'`);

    await expect(refused).rejects.toMatchObject({ code: 'NotOwner', details: { observed: 'nobody' } });
    expect(existsSync(inSandbox('done'))).toBe(false);
  });

  it('is refused on a node of another operation, with its name', async () => {
    await node.takeOwnership(contextOf({ run: OTHER_RUN }));

    const refused = node.change(contextOf(), `: >'${inSandbox('done')}'`);

    await expect(refused).rejects.toMatchObject({ code: 'NotOwner' });
    await expect(refused).rejects.toThrow(OTHER_RUN);
    expect(existsSync(inSandbox('done'))).toBe(false);
  });

  it('is remembered once it has succeeded, for this step of this operation only', async () => {
    await node.takeOwnership(contextOf());

    const before = await node.wasDoneBy(contextOf());
    await node.change(contextOf(), 'true');

    expect(before).toBe(false);
    expect(await node.wasDoneBy(contextOf())).toBe(true);
    expect(await node.wasDoneBy(contextOf({ generation: 2 }))).toBe(true);
    expect(await node.wasDoneBy(contextOf({ step: 'another/hadb01' }))).toBe(false);
    expect(await node.wasDoneBy(contextOf({ run: OTHER_RUN }))).toBe(false);
  });

  it('that fails is not remembered', async () => {
    await node.takeOwnership(contextOf());

    await expect(node.change(contextOf(), 'false')).rejects.toMatchObject({ code: 'CommandFailed' });

    expect(await node.wasDoneBy(contextOf())).toBe(false);
  });

  it('a guard that refuses ends it before the move, with what was seen', async () => {
    await node.takeOwnership(contextOf());
    const script = `echo "/dev/sdb1 holds xfs" >&2; exit 75\n: >'${inSandbox('moved')}'`;

    const refused = node.change(contextOf(), script);

    await expect(refused).rejects.toMatchObject({
      code: 'GuardRefused',
      details: {
        observed: '/dev/sdb1 holds xfs',
        whatNow: expect.stringMatching(/^Nothing was changed.* decide "retry"/) as string,
      },
    });
    expect(existsSync(inSandbox('moved'))).toBe(false);
  });

  it('a script cannot pass off its own exit code for a lost ownership', async () => {
    await node.takeOwnership(contextOf());

    await expect(node.change(contextOf(), 'exit 76')).rejects.toMatchObject({ code: 'CommandFailed' });
  });

  it('two of them never run at the same time', async () => {
    await node.takeOwnership(contextOf());
    const script = `[ ! -e '${inSandbox('inside')}' ]; : >'${inSandbox('inside')}'; sleep 0.1; rm '${inSandbox('inside')}'`;

    const both = await Promise.all([node.change(contextOf(), script), node.change(contextOf(), script)]);

    expect(both.map((result) => result.code)).toEqual([0, 0]);
  });

  it('waits for the lock only for a while and then names the holder', async () => {
    await node.takeOwnership(contextOf());
    const [begun, end] = [inSandbox('begun'), inSandbox('end')];
    const script = `: >'${begun}'; while [ ! -e '${end}' ]; do sleep 0.05; done`;
    const holding = node.change(contextOf({ step: 'long-step/hadb01' }), script);
    await eventually('it holds the lock', () => existsSync(begun));

    await expect(node.change(contextOf(), 'true')).rejects.toMatchObject({
      code: 'NotReady',
      details: { observed: 'long-step/hadb01 of build-cluster/hadb' },
    });
    writeFileSync(end, '');
    await holding;
  });

  it('a daemon that it starts does not keep the lock', async () => {
    await node.takeOwnership(contextOf());
    await node.change(contextOf(), 'sleep 20 >/dev/null 2>&1 &');

    await expect(node.change(contextOf(), 'echo free')).resolves.toMatchObject({ stdout: 'free\n' });
  });

  it('whose connection breaks is not sent again; what it did is found afterwards', async () => {
    await node.takeOwnership(contextOf());
    const log = inSandbox('log');
    const changing = node.change(contextOf(), `echo begun >>'${log}'; sleep 0.5; echo ended >>'${log}'`);
    const failure = rejection(changing);
    await eventually('the script runs', () => existsSync(log));

    fake.dropConnections();

    expect(await failure).toMatchObject({ code: 'CommandUnknown' });
    await eventually('the script has ended', () => readFileSync(log, 'utf8') === 'begun\nended\n');
    await eventually('it is remembered', () => node.wasDoneBy(contextOf()));
  });
});

describe('a script that arrives in part', () => {
  it.each([
    ['in the script', 24],
    ['in the input', 50],
    ['before the closing line', 57],
  ])('does not run at all: cut %s', async (_where, length) => {
    await node.read('true');
    const command = fake.commands[0] ?? '';
    const moved = inSandbox('m');
    const script = `: >'m'; cat >>'m'; echo 1234567`;
    const whole = `nonce 10 ${script.length} 10\n${script}0123456789end\n`;
    const run = (input: string) =>
      spawnSync('/bin/sh', ['-c', command], { env: fake.sandbox.environment, cwd: fake.sandbox.directory, input });

    expect(run(whole.slice(0, length)).status).toBe(70);
    expect(existsSync(moved)).toBe(false);
    expect(run(whole).stdout.toString()).toBe('nonce\n1234567\n\nnonce 0\n');
    expect(readFileSync(moved, 'utf8')).toBe('0123456789');
  });
});

describe('writing a file', () => {
  it('replaces it as a whole, with its mode, and makes the directory', async () => {
    await node.takeOwnership(contextOf());
    const path = inSandbox('etc', 'drbd.d', 'r0.res');
    const content = "resource r0 {\n shared-secret 'x$(y)';\n}\n";

    await node.writeFile(contextOf(), { path, content: 'old', mode: 0o644 });
    await node.writeFile(contextOf(), { path, content, mode: 0o600 });

    expect(readFileSync(path, 'utf8')).toBe(content);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(inSandbox('etc', 'drbd.d'))).toEqual(['r0.res']);
    expect(await node.wasDoneBy(contextOf())).toBe(true);
  });

  it('leaves the old file when the new one cannot be written', async () => {
    await node.takeOwnership(contextOf());
    const path = inSandbox('file');
    writeFileSync(path, 'old');
    fake.sandbox.install('sync', '#!/bin/sh\necho "sync: no space left" >&2; exit 1\n');

    await expect(node.writeFile(contextOf(), { path, content: 'new', mode: 0o600 })).rejects.toThrow('no space left');

    expect(readFileSync(path, 'utf8')).toBe('old');
  });
});

describe('ownership of a node', () => {
  it('goes to the first operation, and to the next one when no job of the first runs', async () => {
    const first = await node.takeOwnership(contextOf({ run: OTHER_RUN }));
    const again = await node.takeOwnership(contextOf({ run: OTHER_RUN }));
    const second = await node.takeOwnership(contextOf());

    expect([first, again, second]).toEqual([{}, {}, { previous: `${OTHER_RUN} 1 build-cluster/hadb` }]);
    expect(readFileSync(fake.sandbox.paths.owner, 'utf8')).toBe(`${RUN} 1 build-cluster/hadb\n`);
  });

  it('stays where it is while a job of another operation runs, and the refusal names the job', async () => {
    await node.takeOwnership(contextOf({ run: OTHER_RUN }));
    const flag = inSandbox('go');
    const job = node.runJob(contextOf({ run: OTHER_RUN, step: 'install/hadb01' }), {
      script: `while [ ! -e '${flag}' ]; do sleep 0.05; done`,
      timeoutMs: 60_000,
    });
    await eventually('the job runs', () => fake.sandbox.units().length === 1);

    const refused = node.takeOwnership(contextOf());

    await expect(refused).rejects.toMatchObject({ code: 'NotOwner' });
    await expect(refused).rejects.toThrow(remoteJobUnit(OTHER_RUN, 'install/hadb01', 1));
    writeFileSync(flag, '');
    await job;
    await eventually('the job has ended', () => fake.sandbox.units().length === 0);
    await expect(node.takeOwnership(contextOf())).resolves.toHaveProperty('previous');
  });

  it('does not mind units of hadb that are no jobs', async () => {
    mkdirSync(join(fake.sandbox.directory, 'units', 'hadb-probe-responder.service'));

    await expect(node.takeOwnership(contextOf())).resolves.toEqual({});
  });
});

describe('a remote job', () => {
  const counted = (seconds: number, more = '') =>
    `echo run >>'${inSandbox('runs')}'; sleep ${seconds}; ${more}echo finished`;
  const runs = () => readFileSync(inSandbox('runs'), 'utf8').split('\n').length - 1;

  /** The job runs and its start was reported. */
  const begun = () =>
    eventually('the job runs', () => existsSync(inSandbox('runs')) && records.some(({ step }) => step === JOB));
  const JOB = 'make-things/hadb01';

  beforeEach(async () => {
    await node.takeOwnership(contextOf({ step: 'take-ownership/hadb01' }));
  });

  it('runs to its end, reports its output on the way, and is remembered', async () => {
    const seen: string[] = [];
    const flag = inSandbox('seen');

    const result = await node.runJob(contextOf(), {
      script: `echo first; while [ ! -e '${flag}' ]; do sleep 0.05; done; cat`,
      input: 'its input\n',
      timeoutMs: 30_000,
      onProgress: (tail) => {
        seen.push(tail);
        if (tail !== '') writeFileSync(flag, '');
      },
    });

    expect(result).toEqual({ started: 'now', tail: 'first\nits input\n' });
    expect(seen).toContain('first\n');
    expect(await node.wasDoneBy(contextOf())).toBe(true);
    const unit = remoteJobUnit(RUN, 'make-things/hadb01', 1);
    expect(readdirSync(join(fake.sandbox.paths.jobs, unit)).sort()).toEqual([
      'ended',
      'output',
      'rc',
      'run',
      'running',
      'started',
    ]);
  });

  it('that has ended is not started again by a retry, which gets its result', async () => {
    await node.runJob(contextOf(), { script: counted(0), timeoutMs: 30_000 });

    const again = await node.runJob(contextOf(), { script: counted(0), timeoutMs: 30_000 });

    expect(again).toEqual({ started: 'attached', tail: 'finished\n' });
    expect(runs()).toBe(1);
  });

  it('goes on while the connection is away, and a retry attaches to it', async () => {
    const first = node.runJob(contextOf(), { script: counted(2.5), timeoutMs: 30_000 });
    await begun();
    fake.dropConnections();

    const second = node.runJob(contextOf(), { script: counted(2.5), timeoutMs: 30_000 });

    expect(await Promise.all([first, second])).toEqual([
      { started: 'now', tail: 'finished\n' },
      { started: 'attached', tail: 'finished\n' },
    ]);
    expect(runs()).toBe(1);
  });

  it('whose start is not reported is found again and not started twice', async () => {
    const job = node.runJob(contextOf(), { script: counted(1), timeoutMs: 30_000 });
    await eventually('the job runs', () => existsSync(inSandbox('runs')));
    fake.dropConnections();

    expect((await job).tail).toBe('finished\n');
    expect(runs()).toBe(1);
  });

  it('bears a node that cannot be reached for a while', async () => {
    const job = node.runJob(contextOf(), { script: counted(3), timeoutMs: 30_000 });
    await begun();
    fake.refuseKeys(true);
    fake.dropConnections();
    await pause(1_500);
    fake.refuseKeys(false);

    expect((await job).tail).toBe('finished\n');
    expect(runs()).toBe(1);
  });

  it('that fails shows its exit code and its last lines, and a retry decision starts another one', async () => {
    const failing = { script: counted(0, 'echo "E: Unable to locate package"; exit 100; '), timeoutMs: 30_000 };

    await expect(node.runJob(contextOf(), failing)).rejects.toMatchObject({
      code: 'RemoteJobFailed',
      details: { observed: 'E: Unable to locate package' },
    });
    await expect(node.runJob(contextOf(), failing)).rejects.toThrow('exit code 100');
    expect(runs()).toBe(1);
    expect(await node.wasDoneBy(contextOf())).toBe(false);

    await node.runJob(contextOf({ generation: 2 }), { script: counted(0), timeoutMs: 30_000 });
    expect(runs()).toBe(2);
  });

  it('is ended by the node itself when its time is over', async () => {
    const slow = node.runJob(contextOf(), { script: counted(30), timeoutMs: 1_000 });

    await expect(slow).rejects.toMatchObject({ code: 'RemoteJobFailed' });
    await expect(slow).rejects.toThrow('ended by systemd: timeout');
  });

  it.each(['reset', 'reboot'] as const)(
    'that a %s of the node ended is lost, and the next try starts it anew',
    async (how) => {
      const script = `echo run >>'${inSandbox('runs')}'; [ "$(wc -l <'${inSandbox('runs')}')" -gt 1 ] || sleep 30; echo finished`;
      const job = node.runJob(contextOf(), { script, timeoutMs: 60_000 });
      const failure = rejection(job);
      await begun();

      fake.sandbox[how]();
      fake.dropConnections();

      expect(await failure).toMatchObject({ code: 'RemoteJobLost' });
      expect(await node.runJob(contextOf(), { script, timeoutMs: 60_000 })).toMatchObject({ started: 'now' });
      expect(runs()).toBe(2);
    },
  );

  it('is refused when another operation owns the node', async () => {
    await node.takeOwnership(contextOf({ run: OTHER_RUN }));

    await expect(node.runJob(contextOf(), { script: counted(0), timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'NotOwner',
    });
    expect(existsSync(inSandbox('runs'))).toBe(false);
  });

  it('ends with the run when the run is cancelled', async () => {
    const abort = new AbortController();
    cancellation = { signal: abort.signal, endsRun: () => true };
    const job = node.runJob(contextOf(), { script: counted(60), timeoutMs: 120_000 });
    const failure = rejection(job);
    await begun();

    abort.abort(new Error('cancelled by a person'));

    expect(await failure).toMatchObject({ message: 'cancelled by a person' });
    expect(fake.sandbox.units()).toEqual([]);
  });

  it('goes on when only this worker stops', async () => {
    const abort = new AbortController();
    cancellation = { signal: abort.signal, endsRun: () => false };
    const job = node.runJob(contextOf(), { script: counted(2), timeoutMs: 120_000 });
    const failure = rejection(job);
    await begun();

    abort.abort(new Error('worker shuts down'));

    expect(await failure).toMatchObject({ message: 'worker shuts down' });
    cancellation = undefined;
    await expect(node.runJob(contextOf(), { script: counted(2), timeoutMs: 120_000 })).resolves.toEqual({
      started: 'attached',
      tail: 'finished\n',
    });
    expect(runs()).toBe(1);
  });

  it('keeps its input to itself and removes it at the end', async () => {
    await node.runJob(contextOf(), {
      script: 'read -r password; [ -n "$password" ]',
      input: 'the-password\n',
      timeoutMs: 30_000,
    });

    const found = execFileSync('sh', ['-c', `grep -rl the-password '${fake.sandbox.directory}' || true`]).toString();
    expect(found).toBe('');
  });
});

/** Handles the rejection from the beginning, whenever it is looked at. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const pause = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));
