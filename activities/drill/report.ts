import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { activityInfo } from '@temporalio/activity';
import { slug, runUrl } from '../../cluster/ids';
import { milestonesOf } from '../../cluster/logs/milestones';
import { parseVersions, renderStateRead, renderVersionsRead } from '../../cluster/node/drill-evidence';
import {
  REPORT_FILES,
  STATE_TIMES,
  figuresOf,
  outcomeOf,
  type ClusterStateFile,
  type DrillRecord,
  type NamedValue,
} from '../../cluster/report/drill-record';
import { renderDrillPage } from '../../cluster/report/drill-page';
import { renderJournal } from '../../cluster/report/journal';
import { junitOf, renderJUnit } from '../../cluster/report/junit';
import { drillMeasurements } from '../../cluster/report/metrics';
import type { ClusterSpecification } from '../../cluster/specification/specification';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { faultOutage } from '../../cluster/verdict/judge-writes';
import { parseLedger, type LedgerEntry } from '../../cluster/verdict/write-ledger';
import { messageOf } from '../../processes/error-message';
import { writeFileAtomically } from '../../processes/owned-process';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { setGauges, type GetMeter } from '../measurements';
import { within } from '../node/waiting';
import { logFiles, readClocks, readLogs, recordClock } from './node-logs';
import type { WriterProcesses } from './writer-process';

/** Written beside the writer's ledger: so it is the worker's machine that keeps the reports. */
export interface ReportDependencies {
  writers: WriterProcesses;
  sessions: NodeSessions;
  reports: {
    /** Of this program. */
    version: string;
    /** Base URL of the Temporal UI, for the link to the workflow. */
    temporalUi?: string;
    getMeter: GetMeter;
  };
}

/** All that the workflow knows of the drill; the rest is in the drill's directory. */
export type DrillReportStep = StepContext & { drill: string } & Pick<
    DrillRecord,
    'kind' | 'steps' | 'verdict' | 'failure' | 'cancelled' | 'writes' | 'limitSeconds' | 'faultAt'
  >;

/**
 * A node that is down must not hold up the drill: its silence is what there is to write. Least so while the fault lasts, when the time without redundancy
 * goes on; a node that has just taken over answers within 3 s in the lab.
 */
const NODE_LIMITS_MS = { before: 20_000, during: 6000, after: 20_000 } as const;

export function createReportActivities({ writers, sessions, reports }: ReportDependencies) {
  return {
    /** What both nodes say of themselves, each in a file of the drill, and how their clocks go. A node that does not answer is told there, and is no error. */
    async recordClusterState(
      step: StepContext & { drill: string; when: ClusterStateFile['when'] },
    ): Promise<StepOutcome> {
      const directory = writers.directory(step.drill);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const told = await Promise.all(
        step.specification.nodes.map(async ({ name }) => {
          const { text, problem } = await ask(
            sessions,
            { ...step, limitMs: NODE_LIMITS_MS[step.when] },
            name,
            async (session) => {
              const state = await read(session, renderStateRead());
              // A clock that is not known leaves times unknown, and nothing else.
              await recordClock(session, directory).catch(() => undefined);
              return state;
            },
          );
          writeFileAtomically(join(directory, stateFile(step.when, name)), text ?? `not read: ${problem}\n`);
          return problem === undefined ? name : `${name} did not answer (${problem})`;
        }),
      );
      return { result: 'changed', observed: told.join('; '), done: `wrote ${join(directory, REPORT_FILES.states)}` };
    },

    /**
     * Page, journal, JUnit and the compressed ledger of a drill that has ended in whatever way; written anew when it is repeated. Errors: those of the disk.
     */
    async writeDrillReport(step: DrillReportStep): Promise<StepOutcome & { directory: string }> {
      const directory = writers.directory(step.drill);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const record: DrillRecord = {
        ...step,
        steps: step.steps,
        cluster: step.specification.name,
        workflow: workflowOf(step, reports.temporalUi),
        startedAt: Math.min(...step.steps.map(({ startedAt }) => Date.parse(startedAt)), Date.now()),
        endedAt: Date.now(),
        settings: settingsOf(step.specification),
        versions: await readVersions(sessions, step, reports.version),
        states: readStates(directory),
        ...tellOfNodes(directory, step, writers.read(step.drill) ?? []),
        ...packLedger(writers.ledgerFile(step.drill), join(directory, REPORT_FILES.ledger)),
        reporter: {
          hadb: reports.version,
          node: hostname(),
          platform: `Node.js ${process.version}, ${process.platform}`,
        },
      };
      const journal = renderJournal(record);
      // First: what the disk refuses to keep is known all the same.
      setGauges(reports.getMeter(), drillMeasurements(journal));
      const { writes, workflow } = record;
      writeFileAtomically(
        join(directory, REPORT_FILES.junit),
        renderJUnit(
          junitOf(record, {
            drill: record.drill,
            workflow: workflow.workflowId,
            ...(writes !== undefined && {
              longestOutageSeconds: String(writes.longestOutageSeconds),
              lost: String(writes.counts.lost),
            }),
          }),
        ),
      );
      writeFileAtomically(join(directory, REPORT_FILES.page), renderDrillPage(record));
      // Last: a directory with a journal is one that `hadb report` and `hadb trend` know.
      writeFileAtomically(join(directory, REPORT_FILES.journal), `${JSON.stringify(journal, undefined, 2)}\n`);
      return {
        result: 'changed',
        observed: `the drill has ended: ${outcomeOf(record)}`,
        done: `wrote ${join(directory, REPORT_FILES.page)}`,
        directory,
      };
    },
  };
}

const stateFile = (when: ClusterStateFile['when'], node: string): string =>
  join(REPORT_FILES.states, `${when}.${slug(node)}.txt`);

function workflowOf({ operation }: StepContext, ui: string | undefined): DrillRecord['workflow'] {
  const { workflowExecution, workflowNamespace } = activityInfo();
  const runId = workflowExecution?.runId ?? operation.run;
  const workflowId = workflowExecution?.workflowId ?? operation.workflowId;
  return {
    workflowId,
    runId,
    ...(ui !== undefined && { url: runUrl(ui, workflowNamespace ?? 'default', workflowId, runId) }),
  };
}

/** Compressed in one piece: an hour of writing is a few megabytes. The same ledger gives the same bytes. */
function packLedger(source: string, target: string): Pick<DrillRecord, 'entries' | 'ledger'> {
  if (!existsSync(source)) return { entries: [] };
  const text = readFileSync(source);
  const packed = gzipSync(text, { level: 9 });
  writeFileAtomically(target, packed);
  const sha256 = createHash('sha256').update(packed).digest('hex');
  return {
    entries: parseLedger(text.toString('utf8')),
    ledger: { file: REPORT_FILES.ledger, bytes: packed.length, sha256 },
  };
}

/** What the fetched logs tell of the failover; nothing where none was fetched. */
function tellOfNodes(
  directory: string,
  { specification, faultAt, writes }: DrillReportStep,
  entries: readonly LedgerEntry[],
): Pick<DrillRecord, 'milestones' | 'logs'> {
  const nodes = specification.nodes.map(({ name }) => name);
  const logs = logFiles(directory, nodes);
  if (faultAt === undefined || logs.length === 0) return {};
  const { newConnections, outages } = figuresOf({ entries, ...(writes !== undefined && { writes }) });
  const outage = faultOutage(newConnections.outages, faultAt) ?? faultOutage(outages, faultAt);
  return {
    logs,
    milestones: milestonesOf({
      logs: readLogs(directory, nodes).flatMap((read) => (read.silent === undefined ? [read.log] : [])),
      clocks: readClocks(directory),
      faultAt,
      until: Date.now(),
      ...(outage?.ended === true && { firstWriteAt: outage.to }),
    }),
  };
}

function readStates(directory: string): ClusterStateFile[] {
  const states = join(directory, REPORT_FILES.states);
  if (!existsSync(states)) return [];
  return readdirSync(states)
    .sort()
    .flatMap((name) => {
      const [, word, node] = /^([a-z]+)\.(.+)\.txt$/.exec(name) ?? [];
      const when = STATE_TIMES.find((known) => known === word);
      if (when === undefined || node === undefined) return [];
      const text = readFileSync(join(states, name), 'utf8');
      return [{ when, node, file: join(REPORT_FILES.states, name), text }];
    });
}

async function readVersions(sessions: NodeSessions, step: DrillReportStep, hadb: string): Promise<NamedValue[]> {
  const perNode = await Promise.all(
    step.specification.nodes.map(async ({ name: node }) => {
      const { text, problem } = await ask(sessions, { ...step, limitMs: NODE_LIMITS_MS.after }, node, (session) =>
        read(session, renderVersionsRead()),
      );
      if (text === undefined) return [{ name: node, value: `not read: ${problem}` }];
      return parseVersions(text).map(({ name, version }) => ({ name: `${name} (${node})`, value: version }));
    }),
  );
  return [{ name: 'hadb', value: hadb }, { name: 'Node.js of the worker', value: process.version }, ...perNode.flat()];
}

/** What the verdict depends on. */
function settingsOf({
  fencing,
  fencingDelaySeconds,
  database,
  corosync,
  loadBalancer,
  slo,
  vm,
}: ClusterSpecification): NamedValue[] {
  const values = {
    fencing,
    'vm.size': vm.size,
    'database.engine': database.engine,
    'corosync.tokenMs': corosync.tokenMs,
    ...(fencing === 'none' ? {} : { fencingDelaySeconds }),
    'loadBalancer.probeIntervalSeconds': loadBalancer.probeIntervalSeconds,
    'slo.hardFailoverSeconds': slo.hardFailoverSeconds,
    'slo.softFailoverSeconds': slo.softFailoverSeconds,
    'slo.redundancySeconds': slo.redundancySeconds,
  };
  return Object.entries(values).map(([name, value]) => ({ name, value: String(value) }));
}

const read = async (session: NodeSession, script: string): Promise<string> =>
  (await session.read(script, { timeoutMs: NODE_LIMITS_MS.before })).stdout;

/** Text, or why there is none, within the limit. */
async function ask(
  sessions: NodeSessions,
  step: StepContext & { limitMs: number },
  node: string,
  question: (session: NodeSession) => Promise<string>,
): Promise<{ text?: string; problem?: string }> {
  try {
    const text = await within(step.limitMs, async () => {
      const session = await sessions.open(step, node);
      return question(session);
    });
    return { text };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
