import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { MetricMeter } from '@temporalio/common';
import { XMLParser } from 'fast-xml-parser';
import { createNodeLogActivities } from '../../../activities/drill/node-logs';
import { createReportActivities, type DrillReportStep } from '../../../activities/drill/report';
import { createWriterProcesses } from '../../../activities/drill/writer-process';
import type { NodeSessions } from '../../../activities/connections/node-session';
import { ledgerTable, parseDrillRows, renderDrillRowsSql, renderSchemaSql } from '../../../cluster/database/statements';
import { publicHostName } from '../../../cluster/ids';
import { renderClockRead } from '../../../cluster/logs/clock';
import { renderStateRead, renderVersionsRead } from '../../../cluster/node/drill-evidence';
import { Journal, parseJournal } from '../../../cluster/report/journal-schema';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import type { StepContext } from '../../../cluster/step';
import { judgeWrites } from '../../../cluster/verdict/judge-writes';
import { ZERO, specimenDrill } from '../../cluster/report/specimen-drill';
import { eventually } from '../../eventually';
import { runActivity } from '../node/model-pair';
import { createRealDatabase, type RealDatabase } from './real-database';

/** A drill's directory as the real writer leaves it beside a real server that dies, and the report written into it. */

const PROGRAM = join(__dirname, '../../../dist/activities/drill/writer-main.js');
const DRILL = '0190a0a0-0000-7000-8000-000000000001-node-power-off';
const PASSWORD = 'a-password-of-the-test';

let directory: string;
let database: RealDatabase;
/** `longestMs`: from the order of the fault until the writer was answered again, which no outage outlasts by more than the write before it. */
let reported: { directory: string; step: DrillReportStep; longestMs: number };
const specification = ClusterSpecification.parse({
  network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] },
});
const context: StepContext = {
  specification,
  operation: { workflowId: 'drill/hadb', run: 'a-run', runbook: 'failoverDrill' },
  step: 'node-power-off-report',
  generation: 1,
};

/** The clock of hadb02, and how long after the fault its server came up again. */
const AHEAD_MS = 60_000;
const UP_MS = 3000;
let faultAt: number;
const nodeLog = (): string =>
  `bootedAt=1795423223\n${((faultAt + UP_MS + AHEAD_MS) / 1000).toFixed(6)} mariadbd[7]: /usr/sbin/mariadbd: ready for connections.\n\n=== end of the log, exit code 0\n`;

/** hadb01 is off. */
const sessions = {
  close: async () => undefined,
  open: async (_context: unknown, node: string) => {
    if (node === 'hadb01') throw new Error('connect ETIMEDOUT');
    return {
      node,
      read: async (script: string) => {
        const answers = {
          [renderStateRead()]: '\n# crm_mon -1 -r -f\nOnline: [ hadb02 ]\nOFFLINE: [ hadb01 ]\n',
          [renderVersionsRead()]: 'kernel 6.1.0-40-amd64\npacemaker 2.1.5-1+deb12u1\n',
          [renderClockRead()]: `${((Date.now() + AHEAD_MS) / 1000).toFixed(9)}\n`,
        };
        if (script.includes('journalctl')) return { code: 0, stdout: nodeLog(), stderr: '' };
        return { code: 0, stdout: answers[script] ?? '', stderr: '' };
      },
    };
  },
} as unknown as NodeSessions;

const gauges = new Map<string, number>();
/** Keeps the last value of each gauge, under its name and labels. */
const meter = {
  createGauge: (name: string) => ({
    set: (value: number, labels: object) => gauges.set(`${name} ${JSON.stringify(labels)}`, value),
  }),
} as unknown as MetricMeter;

const writers = () => createWriterProcesses({ directory, program: PROGRAM });
const activities = () =>
  createReportActivities({
    writers: writers(),
    sessions,
    reports: { version: '0.1.0', temporalUi: 'http://127.0.0.1:8233/', getMeter: () => meter },
  });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves once so many attempts that began after `since` (ms since the epoch) were answered. */
async function acknowledged(least: number, since = 0): Promise<void> {
  await eventually(
    `${least} writes are acknowledged`,
    () => {
      const entries = writers().read(DRILL) ?? [];
      const begun = new Set(
        entries.flatMap((entry) => (entry.kind === 'intent' && entry.at > since ? [entry.seq] : [])),
      );
      return entries.filter((entry) => entry.kind === 'ack' && begun.has(entry.seq)).length >= least;
    },
    90_000,
  );
}

beforeAll(async () => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`);
  directory = mkdtempSync(join(tmpdir(), 'hadb-report-'));
  const host = publicHostName(specification);
  database = await createRealDatabase(host);
  await database.start();
  database.run(renderSchemaSql({ specification, clientPassword: PASSWORD }));
  await writers().start(DRILL, {
    cluster: specification.name,
    access: {
      host,
      address: '127.0.0.1',
      port: database.port,
      user: 'hadb',
      password: PASSWORD,
      authority: database.authority,
      purpose: DRILL,
    },
    insert: `INSERT INTO ${ledgerTable(specification)} (drill, writer, seq) VALUES (?, ?, ?)`,
    options: {
      drill: DRILL,
      writers: ['kept', 'fresh'],
      intervalMs: 100,
      deadlineMs: 1000,
      mostInFlight: 20,
      lifetimeMs: 600_000,
    },
  });
  await acknowledged(40);
  faultAt = Date.now();
  database.signal('SIGSTOP');
  await pause(2000);
  await database.kill();
  await pause(1500);
  await database.start();
  await acknowledged(40, faultAt);
  const servedBy = Date.now();
  await writers().stop(DRILL, 60_000);
  const rows = parseDrillRows(database.run(renderDrillRowsSql(specification, DRILL)));
  const entries = writers().read(DRILL) ?? [];
  const judged = { entries, finalRead: rows, primaryRead: rows, limitSeconds: 300, faultAt };
  const { verdict, ...writes } = judgeWrites(judged);
  // The steps of the specimen, in the time of this drill.
  const shift = faultAt - (ZERO + 10_000);
  const moved = (at: string | undefined) => new Date(Date.parse(at ?? '') + shift).toISOString();
  const steps = specimenDrill().steps.map((step) => ({
    ...step,
    startedAt: moved(step.startedAt),
    endedAt: moved(step.endedAt),
  }));
  const step: DrillReportStep = {
    ...context,
    drill: DRILL,
    kind: 'node-power-off',
    steps,
    verdict,
    writes,
    faultAt,
    limitSeconds: 300,
  };
  for (const when of ['before', 'during', 'after'] as const) {
    await runActivity(() => activities().recordClusterState({ ...context, drill: DRILL, when }));
  }
  const nodeLogs = createNodeLogActivities({ sessions, writers: writers() });
  await runActivity(() => nodeLogs.recordNodeLogs({ ...context, drill: DRILL, since: faultAt }));
  const { directory: own } = await runActivity(() => activities().writeDrillReport(step));
  reported = { directory: own, step, longestMs: servedBy - faultAt };
}, 300_000);
afterAll(async () => {
  await writers().stop(DRILL, 0);
  await database?.remove();
  rmSync(directory, { recursive: true, force: true });
});

const file = (name: string) => readFileSync(join(reported.directory, name), 'utf8');
const journalOf = (text: string): Journal => Journal.parse(JSON.parse(text));

it('the report stands in the directory of the ledger, and measures the real outage', () => {
  const journal = journalOf(file('journal.json'));

  expect(reported.directory).toBe(join(directory, DRILL));
  expect(journal).toMatchObject({
    status: 'completed',
    deviated: false,
    hadb: { outcome: 'passed', kind: 'node-power-off' },
  });
  expect(journal.hadb.writes).toMatchObject({ lost: [], unexpected: [], duplicates: [] });
  expect(journal.hadb.writes?.outageSeconds).toBeGreaterThan(3.2);
  expect(journal.hadb.writes?.outageSeconds).toBeLessThan(reported.longestMs / 1000 + 2);
  expect(parseJournal(file('journal.json'))?.hadb.drill).toBe(DRILL);
});

it('the page tells the verdict, needs nothing from elsewhere, and holds no secret', () => {
  const page = file('report.html');

  expect(page.includes('✓ Passed')).toBe(true);
  expect(page.match(/<svg[^>]* class="chart (?:wide|narrow)"/g)).toHaveLength(6);
  expect(page.match(/\ssrc=|@import|url\((?!#)/g)).toBeNull();
  expect(page.includes(PASSWORD)).toBe(false);
  expect(page.includes('href="http://127.0.0.1:8233/namespaces/')).toBe(true);
});

it('the moments of the nodes are told by our clock, and stand in the phases; what no log tells is not seen', () => {
  const { milestones = [], phases, files } = journalOf(file('journal.json')).hadb;
  const of = (wanted: string) => milestones.find(({ name }) => name === wanted);

  const up = of('databaseUp');
  expect(up).toMatchObject({ node: 'hadb02', line: expect.stringContaining('ready for connections') as string });
  expect(Math.abs(Date.parse(up?.at ?? '') - faultAt - UP_MS)).toBeLessThan(1000);
  expect(of('firstWrite')?.at).not.toBeNull();
  expect(of('fenced')).toEqual({ name: 'fenced', at: null, errorSeconds: null, node: null, line: null });
  expect(phases.map(({ name }) => name)).toContain('until the database is up');
  expect(files.logs).toEqual(['logs/hadb01.log.gz', 'logs/hadb02.log.gz']);
});

it('the gauges of the worker show what the drill measured', () => {
  const journal = parseJournal(file('journal.json'));
  const of = (name: string) => gauges.get(`${name} {"cluster":"hadb","kind":"node-power-off"}`);

  expect(of('hadb_drill_rto_seconds')).toBe(journal?.hadb.writes?.outageSeconds);
  expect(of('hadb_drill_lost_writes')).toBe(journal?.hadb.writes?.lost?.length);
  expect(of('hadb_drill_last_end_timestamp_seconds')).toBe(Date.parse(journal?.end ?? '') / 1000);
});

it('the packed ledger is the ledger, and the journal names its digest', () => {
  const packed = readFileSync(join(reported.directory, 'ledger.jsonl.gz'));

  const { ledger } = journalOf(file('journal.json')).hadb.files;

  expect(gunzipSync(packed).toString('utf8')).toBe(file('ledger.jsonl'));
  expect(ledger).toEqual({
    file: 'ledger.jsonl.gz',
    bytes: packed.length,
    sha256: createHash('sha256').update(packed).digest('hex'),
  });
});

it('JUnit has a case for each check, and the figures', () => {
  const parsed = new XMLParser({ ignoreAttributes: false }).parse(file('junit.xml')) as {
    testsuites: { testsuite: { testcase: { '@_name': string; failure?: unknown }[] } };
  };

  const cases = parsed.testsuites.testsuite.testcase;
  const checks = reported.step.verdict?.checks.map(({ name }) => name) ?? [];
  expect(cases.map((one) => one['@_name'])).toEqual(['the drill came to its end', ...checks]);
  expect(cases.filter(({ failure }) => failure !== undefined)).toEqual([]);
  expect(file('junit.xml')).toContain('<property name="lost" value="0"/>');
});

it('a node that is off is told in its file, and the other one is read', () => {
  expect(file('state/during.hadb01.txt')).toContain('not read: connect ETIMEDOUT');
  expect(file('state/during.hadb02.txt')).toContain('OFFLINE: [ hadb01 ]');
  expect(file('report.html')).toContain('during the fault: hadb02');
  expect(journalOf(file('journal.json')).hadb.versions).toEqual(
    expect.arrayContaining([
      { name: 'hadb01', value: 'not read: connect ETIMEDOUT' },
      { name: 'pacemaker (hadb02)', value: '2.1.5-1+deb12u1' },
    ]),
  );
});

it('a node that never answers does not hold up a drill while its fault lasts', async () => {
  const silent = {
    close: async () => undefined,
    open: async (_: unknown, node: string) =>
      node === 'hadb01' ? new Promise(() => undefined) : sessions.open(context, node),
  } as unknown as NodeSessions;
  const own = createReportActivities({
    writers: writers(),
    sessions: silent,
    reports: { version: '0.1.0', getMeter: () => meter },
  });

  const told = await runActivity(() => own.recordClusterState({ ...context, drill: 'silent', when: 'during' }));

  expect(told.observed).toBe('hadb01 did not answer (no answer within 6 s); hadb02');
}, 15_000);

it('a drill that was refused has a report without a ledger', async () => {
  const { verdict: _, writes: __, faultAt: ___, ...rest } = reported.step;
  const step = { ...rest, drill: 'refused', failure: { code: 'GateNotMet', message: 'hadb02 is offline' } };

  const { directory: own } = await runActivity(() => activities().writeDrillReport(step));

  const journal = journalOf(readFileSync(join(own, 'journal.json'), 'utf8'));
  expect(journal).toMatchObject({
    status: 'failed',
    hadb: { outcome: 'refused', writes: null, files: { ledger: null } },
  });
  expect(readFileSync(join(own, 'report.html'), 'utf8')).toContain('hadb02 is offline');
  expect(readFileSync(join(own, 'junit.xml'), 'utf8')).toContain('<skipped');
});

it('a directory that cannot be written to is an error, not a silent loss', async () => {
  const blocked = join(directory, 'blocked');
  mkdirSync(blocked);
  // A file where a directory is wanted: this stops the administrator, too.
  writeFileSync(join(blocked, 'state'), '');
  chmodSync(join(blocked, 'state'), 0o400);

  const refused = runActivity(() => activities().recordClusterState({ ...context, drill: 'blocked', when: 'before' }));

  await expect(refused).rejects.toThrow(/EEXIST|ENOTDIR/);
});
