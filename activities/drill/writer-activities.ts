import { CancelledFailure, sleep } from '@temporalio/activity';
import { databaseProfile, renderClient } from '../../cluster/database/profile';
import { ledgerTable, parseDrillRows, renderDrillRowsSql } from '../../cluster/database/statements';
import { WRITER_GRACE_MS } from '../../cluster/drill-limits';
import { HadbError } from '../../cluster/errors';
import { publicHostName } from '../../cluster/ids';
import type { StepContext, StepOutcome, Verdict } from '../../cluster/step';
import { areSameRows, judgeWrites, type Row, type WritesReport } from '../../cluster/verdict/judge-writes';
import type { ClassTimes, Outage } from '../../cluster/verdict/service-times';
import { countEntries, describeCounts, type LedgerCounts } from '../../cluster/verdict/write-ledger';
import type { NodeSessions } from '../connections/node-session';
import { readRuntime } from '../node/runtime';
import { waitUntil } from '../node/waiting';
import { databaseAccess, queryOnce, type DatabaseAccessDependencies } from './remote-query';
import type { WriterProcesses } from './writer-process';
import { messageOf } from '../../processes/error-message';

export interface WriterDependencies extends DatabaseAccessDependencies {
  writers: WriterProcesses;
  sessions: NodeSessions;
}

/** What names the rows and the ledger of one drill: at most 64 characters. */
export type DrillStep = StepContext & { drill: string };

/** Each writer ten times a second, each attempt with a second in all: an outage is known to about a second. */
const PACE = {
  writers: ['kept', 'kept', 'kept', 'fresh'],
  intervalMs: 100,
  deadlineMs: 1000,
  mostInFlight: 20,
} as const;
/** Nobody may be left to end it. */
const LIFETIME_MS = 2 * 3_600_000;
/** Acknowledged writes in a row, of all writers, that count as a working database: two seconds of them, for promotions flap. */
const STEADY = 20 * PACE.writers.length;
/** What a list in a result is cut to, beside its count: all of it is in the ledger. */
const MOST_LISTED = 100;

interface SeenWriter {
  all: LedgerCounts;
  isSteady: boolean;
  /** It has ended without having been answered steadily. */
  isGone: boolean;
}

export function createWriterActivities(dependencies: WriterDependencies) {
  const { writers } = dependencies;
  const counts = (drill: string): LedgerCounts => countEntries(writers.read(drill) ?? []);

  const awaitSteady = (step: DrillStep, since: number, limitSeconds: number): Promise<SeenWriter> =>
    waitUntil(
      { ...step, node: 'the writer' },
      {
        waitingFor: `${STEADY} acknowledged writes in a row`,
        limitMs: limitSeconds * 1000,
        observe: async () => {
          const isRunning = writers.isRunning(step.drill);
          const entries = writers.read(step.drill) ?? [];
          // A fault that no client has noticed interrupts no row: only what came after it counts.
          const isSteady = countEntries(entries.filter(({ at }) => at >= since)).consecutive >= STEADY;
          return { all: countEntries(entries), isSteady, isGone: !isRunning && !isSteady };
        },
        isDone: ({ isSteady, isGone }) => isSteady || isGone,
        describe: ({ all: seen }) => describeCounts(seen),
        whatNow: 'Look whether the database answers through the load balancer, and at what the writer noted.',
      },
    );

  return {
    /** Starts the writer or finds it again, and waits until it writes steadily; one that has ended is not waited for. Errors: NotReady. */
    async startWriter(step: DrillStep): Promise<StepOutcome> {
      const access = await databaseAccess(dependencies, step.specification, step.drill);
      const started = await writers.start(step.drill, {
        cluster: step.specification.name,
        access,
        insert: `INSERT INTO ${ledgerTable(step.specification)} (drill, writer, seq) VALUES (?, ?, ?)`,
        options: { drill: step.drill, lifetimeMs: LIFETIME_MS, ...PACE },
      });
      const { all: seen, isGone } = await awaitSteady(step, 0, 60);
      if (started === 'gone' || isGone) return { result: 'unchanged', observed: gone(seen) };
      return {
        result: started === 'now' ? 'changed' : 'changedEarlier',
        observed: started === 'now' ? 'no writer ran' : 'the writer runs already',
        done: `${PACE.writers.length} clients write ${1000 / PACE.intervalMs} rows a second each to ${access.host}`,
        verified: describeCounts(seen),
      };
    },

    /**
     * Ends the writers of drills that were terminated. The operation that asks has the cluster to itself, so that no other drill is under way; left alone they
     * would go on until their lifetime is over, and a small server has enough to do with the clients of one drill.
     */
    async endLeftWriters(step: StepContext): Promise<StepOutcome> {
      const left = writers.running(step.specification.name);
      if (left.length === 0) return { result: 'unchanged', observed: 'no client of an earlier drill runs' };
      await Promise.all(left.map((drill) => writers.stop(drill, WRITER_GRACE_MS)));
      return {
        result: 'changed',
        observed: `clients of drills that have ended: ${left.join(', ')}`,
        done: `ended the clients of ${left.join(', ')}`,
      };
    },

    /**
     * Waits until the writer is answered steadily again, all of it after `since` (ms since the epoch). One that was killed is not waited for: the pair is
     * to be put right all the same, and the verdict cannot be better than unknown. Errors: NotReady.
     */
    async awaitWriterSteady(step: DrillStep & { since: number; withinSeconds: number }): Promise<StepOutcome> {
      const { all, isGone } = await awaitSteady(step, step.since, step.withinSeconds);
      return { result: 'unchanged', observed: isGone ? gone(all) : describeCounts(all) };
    },

    /** `at` is now, by the clock that the ledger is kept with. */
    async readWriter(step: DrillStep): Promise<StepOutcome & { counts: LedgerCounts; running: boolean; at: number }> {
      const seen = counts(step.drill);
      const running = writers.isRunning(step.drill);
      const state = running ? 'the writer runs' : 'no writer runs';
      return {
        result: 'unchanged',
        observed: `${state}: ${describeCounts(seen)}`,
        counts: seen,
        running,
        at: Date.now(),
      };
    },

    /** Ends the writer after its last attempts; repeating it is fine. */
    async stopWriter(step: DrillStep): Promise<StepOutcome> {
      const ran = writers.isRunning(step.drill);
      await writers.stop(step.drill, WRITER_GRACE_MS);
      const seen = describeCounts(counts(step.drill));
      return ran
        ? { result: 'changed', observed: 'the writer runs', done: 'ended it', verified: seen }
        : { result: 'unchanged', observed: `no writer runs: ${seen}` };
    },

    /**
     * Reads the rows through the load balancer and at the primary itself, and judges. A verdict that does not pass is an answer, not an error.
     */
    async judgeDrill(
      step: DrillStep & { limitSeconds: number; faultAt?: number },
    ): Promise<StepOutcome & { verdict: Verdict; report: Omit<WritesReport, 'verdict'> }> {
      const entries = writers.read(step.drill);
      if (entries === undefined) throw noLedger(step.drill, writers.ledgerFile(step.drill));
      const { outside, inside } = await readBothWays(dependencies, step);
      const { verdict, ...report } = judgeWrites({
        entries,
        finalRead: outside.rows,
        primaryRead: inside.rows,
        ...(inside.primaries !== undefined && { primaries: inside.primaries }),
        limitSeconds: step.limitSeconds,
        ...(step.faultAt !== undefined && { faultAt: step.faultAt }),
      });
      const reads = `read through the load balancer: ${describeRead(outside)}; at the primary: ${describeRead(inside)}`;
      return {
        result: 'unchanged',
        observed: `${verdict.summary}; ${reads}; ledger ${writers.ledgerFile(step.drill)}`,
        verdict,
        report: shortened(report),
      };
    },
  };
}

function shortened(report: Omit<WritesReport, 'verdict'>): Omit<WritesReport, 'verdict'> {
  const cut = <Item>(list: readonly Item[]): Item[] => list.slice(0, MOST_LISTED);
  const cutClass = (times: ClassTimes): ClassTimes => ({ ...times, outages: longest(times.outages) });
  return {
    ...report,
    lost: cut(report.lost),
    unexpected: cut(report.unexpected),
    duplicates: cut(report.duplicates),
    outages: longest(report.outages),
    newConnections: cutClass(report.newConnections),
    existingSessions: cutClass(report.existingSessions),
  };
}

/** In the order of time; of many flaps the short ones are left out. */
const longest = (outages: readonly Outage[]): Outage[] =>
  [...outages]
    .sort((one, other) => other.seconds - one.seconds)
    .slice(0, MOST_LISTED)
    .sort((one, other) => one.from - other.from);

/** Rows, or why there are none. */
interface FinalRead {
  rows?: Row[];
  where: string;
  problem?: string;
  /** Several nodes that call themselves primary. */
  primaries?: string[];
}

const describeRead = ({ rows, where, problem }: FinalRead): string =>
  rows === undefined ? `${where}: ${problem}` : `${where}, ${rows.length} rows`;

/** A server may still commit what it was sent by a client that has gone: a difference counts when it stays. */
const COMPARISONS = 3;

async function readBothWays(
  dependencies: WriterDependencies,
  step: DrillStep,
): Promise<{ outside: FinalRead; inside: FinalRead }> {
  for (let comparison = 1; ; comparison += 1) {
    const outside = await readOutside(dependencies, step);
    const inside = await readAtPrimary(dependencies, step);
    if (comparison === COMPARISONS || outside.rows === undefined || inside.rows === undefined)
      return { outside, inside };
    if (areSameRows(outside.rows, inside.rows)) return { outside, inside };
    await sleep(1000);
  }
}

async function readOutside(dependencies: WriterDependencies, step: DrillStep): Promise<FinalRead> {
  const where = publicHostName(step.specification);
  try {
    return { where, rows: await readRows(dependencies, step) };
  } catch (error) {
    if (error instanceof CancelledFailure) throw error;
    return { where, problem: messageOf(error) };
  }
}

/** By SSH, and by the socket of the server on the node where DRBD is primary now: no balancer and no network of the database is in between. */
async function readAtPrimary({ sessions }: WriterDependencies, step: DrillStep): Promise<FinalRead> {
  const { specification, drill } = step;
  let where = 'no node';
  try {
    const seen = await Promise.all(
      specification.nodes.map(async ({ name }) => {
        const session = await sessions.open(step, name);
        return { name, session, runtime: await readRuntime(session, step) };
      }),
    );
    const primaries = seen.filter(({ runtime }) => runtime.drbd.role === 'Primary');
    const [primary] = primaries;
    if (primary === undefined || primaries.length > 1) {
      const names = primaries.map(({ name }) => name);
      const problem = `primary is ${names.join(' and ') || 'no node'}`;
      return { where, problem, ...(names.length > 1 && { primaries: names }) };
    }
    where = primary.name;
    const { stdout } = await primary.session.read(renderClient(databaseProfile(specification.database.engine)), {
      input: renderDrillRowsSql(specification, drill),
    });
    return { where, rows: parseDrillRows(stdout) };
  } catch (error) {
    if (error instanceof CancelledFailure) throw error;
    return { where, problem: messageOf(error) };
  }
}

/** Errors: NotReady. */
async function readRows(dependencies: WriterDependencies, step: DrillStep): Promise<Row[]> {
  const access = await databaseAccess(dependencies, step.specification, step.drill);
  const sql = `SELECT writer, seq FROM ${ledgerTable(step.specification)} WHERE drill = ?`;
  const rows = await waitUntil(
    { ...step, node: access.host },
    {
      waitingFor: 'the rows of the drill',
      limitMs: 60_000,
      intervalMs: 500,
      observe: () => queryOnce(access, sql, [step.drill], 20_000).catch((error: unknown) => messageOf(error)),
      isDone: Array.isArray,
      describe: (seen) => (typeof seen === 'string' ? seen : `${seen.length} rows`),
      whatNow: 'Look whether the database answers through the load balancer.',
    },
  );
  return typeof rows === 'string' ? [] : rows.map(({ writer, seq }) => ({ writer: Number(writer), seq: Number(seq) }));
}

const gone = (seen: LedgerCounts): string =>
  `the client has ended before it was answered steadily, so that nothing is proved: ${describeCounts(seen)}`;

function noLedger(drill: string, file: string): HadbError {
  return new HadbError('AssertionFailed', `this machine has no ledger of drill ${drill}`, {
    observed: `${file} does not exist`,
    whatNow: 'the ledger is on the machine whose worker started the writer; run the drill with one worker machine',
  });
}
