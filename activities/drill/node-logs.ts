import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { databaseProfile } from '../../cluster/database/profile';
import { slug } from '../../cluster/ids';
import { parseClock, readingOf, renderClockRead, type ClockReading, type RoundTrip } from '../../cluster/logs/clock';
import { parseNodeLog, renderLogRead } from '../../cluster/logs/node-log';
import { REPORT_FILES } from '../../cluster/report/drill-record';
import type { StepContext, StepOutcome } from '../../cluster/step';
import type { AuditedLog } from '../../cluster/verdict/audit-logs';
import { messageOf } from '../../processes/error-message';
import { writeFileAtomically } from '../../processes/owned-process';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { within } from '../node/waiting';
import type { DrillStep } from './writer-activities';
import type { WriterProcesses } from './writer-process';

/** What the nodes wrote while a drill went on, kept beside the writer's ledger. */
export interface NodeLogDependencies {
  sessions: NodeSessions;
  writers: Pick<WriterProcesses, 'directory'>;
}

/** Logs of ten busy minutes come in a few seconds; a node that is down must not hold up the drill. */
const NODE_LIMIT_MS = 40_000;
const ROUND_TRIPS = 5;

export function createNodeLogActivities({ sessions, writers }: NodeLogDependencies) {
  return {
    /**
     * Fetches what both nodes wrote since then (ms since the epoch, our clock), and how their clocks go. A node that does not answer is told, and is no error:
     * its log is missing then, also one that was fetched before.
     */
    async recordNodeLogs(step: DrillStep & { since: number }): Promise<StepOutcome> {
      const directory = writers.directory(step.drill);
      mkdirSync(join(directory, REPORT_FILES.logs), { recursive: true, mode: 0o700 });
      const told = await Promise.all(
        step.specification.nodes.map(async ({ name }) => {
          const { text, problem } = await fetchLog(sessions, step, name, directory);
          writeFileAtomically(logFile(directory, name), gzipSync(text ?? `not read: ${problem}\n`));
          return text === undefined
            ? `${name} did not answer (${problem})`
            : `${name}: ${text.split('\n').length} lines`;
        }),
      );
      return { result: 'changed', observed: told.join('; '), done: `wrote ${join(directory, REPORT_FILES.logs)}` };
    },
  };
}

async function fetchLog(
  sessions: NodeSessions,
  step: StepContext & { since: number },
  node: string,
  directory: string,
): Promise<{ text: string; problem?: never } | { text?: never; problem: string }> {
  try {
    const text = await within(NODE_LIMIT_MS, async () => {
      const session = await sessions.open(step, node);
      const reading = await recordClock(session, directory);
      const sinceSeconds = (step.since + (reading?.offsetMs ?? 0)) / 1000;
      const profile = databaseProfile(step.specification.database.engine);
      return (await session.read(renderLogRead({ sinceSeconds, profile }), { timeoutMs: NODE_LIMIT_MS })).stdout;
    });
    return { text };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/** Asks a node for its clock a few times, and keeps the quickest answer in the drill's directory. */
export async function recordClock(session: NodeSession, directory: string): Promise<ClockReading | undefined> {
  const trips: RoundTrip[] = [];
  for (let count = 0; count < ROUND_TRIPS; count += 1) {
    const sentAt = Date.now();
    const { stdout } = await session.read(renderClockRead(), { timeoutMs: 5000 });
    const nodeAt = parseClock(stdout);
    if (nodeAt !== undefined) trips.push({ sentAt, receivedAt: Date.now(), nodeAt });
  }
  const reading = readingOf(session.node, trips);
  if (reading !== undefined) appendFileSync(join(directory, CLOCKS), `${JSON.stringify(reading)}\n`);
  return reading;
}

/** One line of JSON for each reading. */
const CLOCKS = 'clocks.jsonl';

const logFile = (directory: string, node: string): string => join(directory, REPORT_FILES.logs, `${slug(node)}.log.gz`);

/** Relative to the drill's directory; none where none was fetched. */
export const logFiles = (directory: string, nodes: readonly string[]): string[] =>
  nodes.flatMap((node) => (existsSync(logFile(directory, node)) ? relative(directory, logFile(directory, node)) : []));

/** What was fetched last. */
export function readLogs(directory: string, nodes: readonly string[]): AuditedLog[] {
  return nodes.map((node): AuditedLog => {
    const file = logFile(directory, node);
    if (!existsSync(file)) return { node, silent: 'it was never fetched' };
    const text = gunzipSync(readFileSync(file)).toString('utf8');
    const problem = /^not read: (.*)$/m.exec(text.slice(0, 1000))?.[1];
    return problem === undefined ? { log: parseNodeLog(node, text) } : { node, silent: problem };
  });
}

export function readClocks(directory: string): ClockReading[] {
  const file = join(directory, CLOCKS);
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as ClockReading);
}
