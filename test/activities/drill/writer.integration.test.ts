import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createRemoteQueryActivities } from '../../../activities/drill/remote-query';
import { createWriterActivities } from '../../../activities/drill/writer-activities';
import { createWriterProcesses } from '../../../activities/drill/writer-process';
import type { CommandOptions, NodeSessions } from '../../../activities/connections/node-session';
import type { SecretStore } from '../../../activities/connections/secret-store';
import { databaseProfile, renderClient } from '../../../cluster/database/profile';
import { ledgerTable, renderSchemaSql } from '../../../cluster/database/statements';
import { publicHostName, secretNames } from '../../../cluster/ids';
import { WRITER_RECORD } from '../../../cluster/report/drill-record';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import type { StepContext, Verdict } from '../../../cluster/step';
import { countEntries, startOf, type LedgerEntry } from '../../../cluster/verdict/write-ledger';
import { findOwnedProcess, signalGroup } from '../../../processes/owned-process';
import { eventually } from '../../eventually';
import { events2 } from '../../cluster/node/script-bench';
import { startFaultProxy, type FaultProxy } from './fault-proxy';
import { createRealDatabase, type RealDatabase } from './real-database';

const PROGRAM = join(__dirname, '../../../dist/activities/drill/writer-main.js');
const PASSWORD = 'a-password-of-the-test';

let database: RealDatabase;
let directory: string;
let balancer: FaultProxy;
let specification: ClusterSpecification;

beforeEach(() => {
  balancer.become('open');
  pair.roles = { hadb01: 'Secondary', hadb02: 'Primary' };
  pair.local = (sql) => database.run(sql);
});
beforeAll(async () => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`);
  directory = mkdtempSync(join(tmpdir(), 'hadb-writer-'));
  balancer = await startFaultProxy();
  specification = ClusterSpecification.parse({
    network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] },
    database: { port: balancer.port },
  });
  database = await createRealDatabase(publicHostName(specification));
  balancer.target = database.port;
  await database.start();
  database.run(renderSchemaSql({ specification, clientPassword: PASSWORD }));
}, 300_000);
afterAll(async () => {
  for (const drill of [
    'kill',
    'slow',
    'black-hole',
    'loss',
    'two-views',
    'gone',
    'killed-at-once',
    'killed',
    'killed-early',
    'killed-worker',
    'read-only',
    'held-up',
    'left',
    'of-another-cluster',
  ])
    await dependencies().writers.stop(drill, 0);
  await database?.remove();
  await balancer?.close();
  rmSync(directory, { recursive: true, force: true });
});

function dependencies() {
  const names = secretNames(specification.name);
  const secrets: SecretStore = {
    ensure: async (name) => {
      if (name === names.clientPassword) return PASSWORD;
      if (name === names.certificateAuthority) {
        return `${database.authority}-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n`;
      }
      if (name === names.clientAuthority) return database.authority;
      throw new Error(`no secret ${name}`);
    },
    read: async () => undefined,
    locate: (name) => name,
    remove: async () => undefined,
  };
  return {
    secrets,
    resolve: async () => '127.0.0.1',
    writers: createWriterProcesses({ directory, program: PROGRAM }),
    sessions: pairSessions(),
  };
}

/** What the nodes say of themselves, and who answers the SQL that comes by SSH: the real server, where a test does not say otherwise. */
const pair = {
  roles: { hadb01: 'Secondary', hadb02: 'Primary' } as Record<string, string>,
  local: (sql: string): string => database.run(sql),
};

function pairSessions(): NodeSessions {
  const { socket } = databaseProfile(specification.database.engine);
  const answer = (node: string, script: string, input: CommandOptions['input']): string => {
    if (script === renderRuntimeRead({ socket })) {
      return `bootId=b\nmodule=loaded\ndrbd:\n${events2({ role: pair.roles[node] ?? 'Secondary' })}`;
    }
    if (script === renderClient(databaseProfile(specification.database.engine))) return pair.local(String(input));
    throw new Error(`no such script: ${script.slice(0, 100)}`);
  };
  const open = async (_context: unknown, node: string) => ({
    node,
    read: async (script: string, { input }: CommandOptions = {}) => ({
      code: 0,
      stdout: answer(node, script, input),
      stderr: '',
    }),
  });
  return { open: open as unknown as NodeSessions['open'], close: async () => undefined };
}

function stepFor(step: string): StepContext {
  const operation = { workflowId: `drill/${specification.name}`, run: 'a-run', runbook: 'failoverDrill' as const };
  return { specification, operation, step, generation: 1 };
}

const inActivity = <Result>(work: () => Promise<Result>): Promise<Result> =>
  new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') }).run(work);

describe('the remote query', () => {
  it('is answered by name, by TLS, through the balancer', async () => {
    const queries = createRemoteQueryActivities(dependencies());

    const outcome = await inActivity(() => queries.remoteQuery(stepFor('query')));

    expect(outcome).toMatchObject({ result: 'unchanged', rows: 1 });
    expect(outcome.observed).toContain('Yet another entity');
    expect(outcome.observed).toContain(publicHostName(specification));
    expect(outcome.server).toBe(hostname());
    expect(await inActivity(() => queries.remoteQuery({ ...stepFor('query'), primary: hostname() }))).toMatchObject({
      server: hostname(),
    });
  });

  it('is not answered by another server than the primary', async () => {
    const queries = createRemoteQueryActivities(dependencies());

    const asked = inActivity(() => queries.remoteQuery({ ...stepFor('query'), primary: 'another', withinSeconds: 1 }));

    await expect(asked).rejects.toMatchObject({
      code: 'NotReady',
      message: expect.stringContaining('the answer to the remote query from another'),
      details: { observed: `${hostname()} answers, not the primary another` },
    });
  });

  it('lets no drill begin when the wrong server answers, or none, and says which', async () => {
    const queries = createRemoteQueryActivities(dependencies());
    const gate = (primary?: string) =>
      inActivity(() =>
        queries.readQueryGate({ ...stepFor('gate'), withinSeconds: 1, ...(primary !== undefined && { primary }) }),
      );

    expect(await gate(hostname())).toMatchObject({ result: 'unchanged' });
    await expect(gate('another')).rejects.toMatchObject({
      code: 'GateNotMet',
      message: expect.stringContaining(`${hostname()} answers, not the primary another`),
    });
    balancer.become('reset');
    await expect(gate()).rejects.toMatchObject({ code: 'GateNotMet' });
  });

  it('refuses a server whose certificate carries another name', async () => {
    const queries = createRemoteQueryActivities(dependencies());
    const other = { ...stepFor('query'), specification: { ...specification, dnsLabel: 'another' } };

    const refused = inActivity(() => queries.remoteQuery({ ...other, withinSeconds: 1 }));

    await expect(refused).rejects.toMatchObject({
      code: 'NotReady',
      details: { observed: expect.stringContaining('altnames') },
    });
  });

  it('waits through an outage and says what it saw when that does not end', async () => {
    const queries = createRemoteQueryActivities(dependencies());
    balancer.become('reset');

    const early = inActivity(() => queries.remoteQuery({ ...stepFor('query'), withinSeconds: 1 }));
    await expect(early).rejects.toMatchObject({ code: 'NotReady', message: expect.stringContaining('remote query') });
    const patient = inActivity(() => queries.remoteQuery({ ...stepFor('query'), withinSeconds: 30 }));
    balancer.become('open');

    expect((await patient).rows).toBe(1);
  });
});

describe('the writer', () => {
  it('of a drill that was terminated is ended, and no other one', async () => {
    const activities = createWriterActivities(dependencies());
    await inActivity(() => activities.startWriter({ ...stepFor('writer'), drill: 'left' }));
    const { drill, ...order } = orderOf('of-another-cluster');
    await dependencies().writers.start(drill, { ...order, cluster: 'other' });

    const ended = await inActivity(() => activities.endLeftWriters(stepFor('gate')));
    const again = await inActivity(() => activities.endLeftWriters(stepFor('gate')));

    expect(ended).toMatchObject({ result: 'changed', done: 'ended the clients of left' });
    expect(again.result).toBe('unchanged');
    const { writers } = dependencies();
    expect([writers.isRunning('left'), writers.isRunning('of-another-cluster')]).toEqual([false, true]);
    expect(writers.read('left')?.at(-1)).toMatchObject({ kind: 'end' });
  });

  it('goes on through a server that is killed, and no acknowledged row is lost', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'kill' };

    const started = await inActivity(() => activities.startWriter(drill));
    const again = await inActivity(() => activities.startWriter(drill));
    const faultAt = Date.now();
    await database.kill();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await database.start();
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    const stoppedTwice = await inActivity(() => activities.stopWriter(drill));
    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    expect(started.result).toBe('changed');
    expect(again.result).toBe('changedEarlier');
    expect(stoppedTwice.result).toBe('unchanged');
    expect(verdict).toMatchObject({ passed: true });
    expect(report.lost).toEqual([]);
    // The writer may note the last answer before the fault late, if it is held up itself.
    expect(report.longestOutageSeconds).toBeGreaterThan(1);
    // Twenty in a row are waited for before the fault, and twenty after it.
    expect(report.acknowledged).toBeGreaterThanOrEqual(40);
  });

  it('gets through to a server that needs long for each handshake, and does not overrun it with connections', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'slow' };
    balancer.become('slow');
    balancer.mostOpen = 0;

    const started = await inActivity(() => activities.startWriter(drill));
    await inActivity(() => activities.stopWriter(drill));

    expect(started.verified).toMatch(/acknowledged/);
    // For each of the three that are kept at most four dials, and of the fresh ones those that are due within one deadline. Without limits it is every row of a second or more.
    expect(balancer.mostOpen).toBeLessThanOrEqual(3 * 4 + 11);
  });

  it('goes on through a path that swallows everything', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'black-hole' };

    await inActivity(() => activities.startWriter(drill));
    const faultAt = Date.now();
    balancer.become('black hole');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    balancer.become('open');
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    expect(verdict.passed).toBe(true);
    expect(report.longestOutageSeconds).toBeGreaterThan(2);
  });

  it('knows of rows that a read-only server refuses that they are not there', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'read-only' };
    await inActivity(() => activities.startWriter(drill));
    const faultAt = Date.now();

    database.run('SET GLOBAL read_only = 1');
    await eventually('rows are refused', () => countEntries(writers.read('read-only') ?? []).failed >= 20);
    database.run('SET GLOBAL read_only = 0');
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    const refused = (writers.read('read-only') ?? []).filter(
      (entry) => entry.kind === 'fail' && entry.why.includes('read-only'),
    );
    expect(refused.length).toBeGreaterThanOrEqual(10);
    expect(verdict).toMatchObject({ passed: true });
    expect(report).toMatchObject({ unexpected: [], newConnections: { outages: [{ ended: true }] } });
  });

  it('that was held up itself says so, and takes it for no outage', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'held-up' };
    await inActivity(() => activities.startWriter(drill));
    const { pid = 0 } = findOwnedProcess(join(writers.directory('held-up'), 'writer.json')) ?? {};

    const from = Date.now();
    process.kill(pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    process.kill(pid, 'SIGCONT');
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: Date.now(), withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    const judge = async (limitSeconds: number) =>
      await inActivity(() => activities.judgeDrill({ ...drill, faultAt: from, limitSeconds }));
    const [generous, strict] = [await judge(60), await judge(1)];

    expect(generous.verdict).toMatchObject({ passed: true });
    expect(generous.report.outages).toEqual([]);
    expect(generous.report.voidSeconds).toBeGreaterThan(1.3);
    // An outage of 1.4 s could have hidden there.
    expect(strict.verdict).toMatchObject({ passed: false, unknown: true });
  });

  it('finds rows that were acknowledged and are gone', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'loss' };
    await inActivity(() => activities.startWriter(drill));
    await inActivity(() => activities.stopWriter(drill));
    database.run(`DELETE FROM azureha.hadb_writes WHERE drill = 'loss' AND seq BETWEEN 3 AND 5`);

    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, limitSeconds: 60 }));

    expect(verdict.passed).toBe(false);
    expect(report.lost).toEqual([3, 4, 5]);
    expect(verdict.checks.find(({ name }) => name === 'no acknowledged row lost')?.detail).toContain('3..5');
  });

  it('counts all that is lost, however few of it a result names', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'great-loss' };
    await inActivity(() => activities.startWriter(drill));
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: Date.now(), withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    database.run(`DELETE FROM azureha.hadb_writes WHERE drill = 'great-loss'`);

    const { report } = await inActivity(() => activities.judgeDrill({ ...drill, limitSeconds: 60 }));

    expect(report.lost).toHaveLength(100);
    expect(report.acknowledged).toBeGreaterThan(150);
    expect(report.counts.lost).toBe(report.acknowledged);
  });

  it('has its rows read at the primary itself as well, and a difference that stays fails the verdict', async () => {
    const activities = createWriterActivities(dependencies());
    const drill = { ...stepFor('writer'), drill: 'two-views' };
    const judge = async () => (await inActivity(() => activities.judgeDrill({ ...drill, limitSeconds: 60 }))).verdict;
    const checkOf = (verdict: Verdict) => verdict.checks.find(({ name }) => name.includes('at the primary itself'));
    await inActivity(() => activities.startWriter(drill));
    await inActivity(() => activities.stopWriter(drill));

    const same = await judge();
    let reads = 0;
    pair.local = (sql) => ((reads += 1) === 1 ? '1\t1\n' : database.run(sql));
    const late = await judge();
    pair.local = () => '1\t1\n2\t2\n';
    const different = await judge();
    pair.roles = { hadb01: 'Primary', hadb02: 'Primary' };
    const torn = await judge();

    expect(checkOf(same)).toMatchObject({ passed: true, detail: expect.stringContaining('the same') as string });
    expect([checkOf(late)?.passed, reads]).toEqual([true, 2]);
    expect(checkOf(different)).toMatchObject({
      passed: false,
      detail: expect.stringContaining('missing: 3..') as string,
    });
    expect([different.passed, torn.passed]).toEqual([false, false]);
  });

  it('that was killed makes the drill prove nothing, and is not started a second time', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'gone' };
    await inActivity(() => activities.startWriter(drill));
    await writers.stop('gone', 0);
    const noted = writers.read('gone');

    const again = await inActivity(() => activities.startWriter(drill));
    const seen = await inActivity(() => activities.readWriter(drill));

    expect(again).toMatchObject({
      result: 'unchanged',
      observed: expect.stringMatching(/^the client has ended/) as string,
    });
    expect(seen.running).toBe(false);
    expect(writers.read('gone')).toEqual(noted);
  });

  it('that is killed while it is started is not waited for, and leaves no password behind', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'killed-at-once' };
    const directory = writers.directory('killed-at-once');

    const started = inActivity(() => activities.startWriter(drill));
    await eventually('it is started', () => findOwnedProcess(join(directory, WRITER_RECORD)) !== undefined);
    const writer = findOwnedProcess(join(directory, WRITER_RECORD));
    if (writer !== undefined) signalGroup(writer, 'SIGKILL');
    const outcome = await started;
    const seen = await inActivity(() => activities.readWriter(drill));
    await inActivity(() => activities.stopWriter(drill));

    expect(outcome).toMatchObject({
      result: 'unchanged',
      observed: expect.stringMatching(/^the client has ended/) as string,
    });
    expect(seen.running).toBe(false);
    expect(readdirSync(directory)).not.toContain('order.json');
  });

  it('that was killed right after the fault is not waited for: the pair is put right, and the verdict unknown', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'killed-early' };
    await inActivity(() => activities.startWriter(drill));
    const writer = findOwnedProcess(join(writers.directory('killed-early'), WRITER_RECORD));
    if (writer !== undefined) signalGroup(writer, 'SIGKILL');
    const faultAt = Date.now();

    const waited = await inActivity(() =>
      activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }),
    );
    const inUse = writers.isInUse('killed-early');
    await inActivity(() => activities.stopWriter(drill));
    const { verdict } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    expect(waited.observed).toMatch(/^the client has ended before it was answered steadily/);
    expect([inUse, writers.isInUse('killed-early')]).toEqual([true, false]);
    expect(verdict).toMatchObject({ passed: false, unknown: true });
  });

  it('that was killed in the middle makes the verdict unknown, however well everything else looks', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'killed' };
    await inActivity(() => activities.startWriter(drill));
    const faultAt = Date.now();
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }));
    await writers.stop('killed', 0);

    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    expect(verdict).toMatchObject({ passed: false, unknown: true });
    expect(verdict.summary).toContain('not known: the client wrote to its end');
    expect(report.lost).toEqual([]);
  });

  it('goes on without a gap when the worker that started it is killed during the outage, and the next one finds it', async () => {
    const { writers, ...rest } = dependencies();
    const activities = createWriterActivities({ writers, ...rest });
    const drill = { ...stepFor('writer'), drill: 'killed-worker' };
    const read = () => writers.read('killed-worker') ?? [];
    const worker = spawn(
      process.execPath,
      ['-e', WORKER, directory, PROGRAM, JSON.stringify(orderOf('killed-worker'))],
      {
        stdio: 'inherit',
      },
    );
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    await eventually('rows are acknowledged', () => read().filter(({ kind }) => kind === 'ack').length >= 40);

    const faultAt = balancer.become('black hole');
    await new Promise((resolve) => setTimeout(resolve, 500));
    worker.kill('SIGKILL');
    await gone;
    setTimeout(() => balancer.become('open'), 1000);
    const again = await inActivity(() => activities.startWriter(drill));
    await inActivity(() => activities.awaitWriterSteady({ ...drill, since: faultAt, withinSeconds: 60 }));
    await inActivity(() => activities.stopWriter(drill));
    const { verdict, report } = await inActivity(() => activities.judgeDrill({ ...drill, faultAt, limitSeconds: 60 }));

    expect(again.result).toBe('changedEarlier');
    expect(missingNumbers(read())).toEqual([]);
    expect(verdict).toMatchObject({ passed: true });
    expect(report.newConnections.outages).toHaveLength(1);
  });
});

/** A worker that starts a probe and does nothing else. */
const WORKER = `const [directory, program, order] = process.argv.slice(1);
const { createWriterProcesses } = require(program.replace('writer-main', 'writer-process'));
const { drill, ...rest } = JSON.parse(order);
void createWriterProcesses({ directory, program }).start(drill, rest);
setInterval(() => {}, 1000);
`;

function orderOf(drill: string) {
  return {
    cluster: specification.name,
    drill,
    access: {
      host: publicHostName(specification),
      address: '127.0.0.1',
      port: balancer.port,
      user: 'hadb',
      password: PASSWORD,
      authority: database.authority,
      purpose: drill,
    },
    insert: `INSERT INTO ${ledgerTable(specification)} (drill, writer, seq) VALUES (?, ?, ?)`,
    options: {
      drill,
      writers: ['kept', 'kept', 'kept', 'fresh'] as const,
      intervalMs: 100,
      deadlineMs: 1000,
      mostInFlight: 20,
      lifetimeMs: 600_000,
    },
  };
}

/** Of all that were due until the probe ended, those of which its ledger says nothing. */
function missingNumbers(entries: readonly LedgerEntry[]): number[] {
  const noted = new Set(entries.flatMap((entry) => ('seq' in entry && entry.kind !== 'intent' ? [entry.seq] : [])));
  const last = Math.max(...noted);
  expect(last % (startOf(entries)?.writers.length ?? 0)).toBe(0);
  return Array.from({ length: last }, (_, index) => index + 1).filter((seq) => !noted.has(seq));
}
