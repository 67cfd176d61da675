import { CancelledFailure, sleep } from '@temporalio/activity';
import { parseCrmMon, readCrmMon } from '../../cluster/cib/crm-mon';
import { databaseProfile, renderClient } from '../../cluster/database/profile';
import { parseTableChecksum, renderTableChecksumSql, thingsTable } from '../../cluster/database/statements';
import { HadbError } from '../../cluster/errors';
import { parseAuditRead, renderAuditRead } from '../../cluster/node/audit-read';
import { parseClock, renderClockRead } from '../../cluster/logs/clock';
import { milestonesOf } from '../../cluster/logs/milestones';
import { parseRole, renderRoleRead } from '../../cluster/node/role-read';
import type { StepContext, StepOutcome, VerdictCheck } from '../../cluster/step';
import { auditCluster, type AuditedNode } from '../../cluster/verdict/audit-cluster';
import { auditLogs } from '../../cluster/verdict/audit-logs';
import type { TableRead } from '../../cluster/verdict/audit-table';
import { redundancyCheck } from '../../cluster/verdict/redundancy';
import { messageOf } from '../../processes/error-message';
import { within } from '../node/waiting';
import { readClocks, readLogs, type NodeLogDependencies } from './node-logs';
import type { DrillStep } from './writer-activities';

export interface AuditDependencies extends NodeLogDependencies {
  /** Between two reads of the CIBs, and of the table. */
  auditPauseMs?: number;
}

/** A node that is silent for so long is not known. */
const NODE_LIMIT_MS = 20_000;
/** The status of a CIB may change between the read of one copy and that of the other; not again and again in an idle cluster. */
const CIB_READS = 5;
/** Reads every row of the article's table. */
const TABLE_LIMIT_MS = 60_000;

/** What a drill looks at when the pair is healthy again, by code of its own. They change nothing. */
export function createAuditActivities(dependencies: AuditDependencies) {
  const { sessions, writers, auditPauseMs = 1000 } = dependencies;

  const askNode = async (step: StepContext & { since: number }, node: string): Promise<AuditedNode> => {
    try {
      return await within(NODE_LIMIT_MS, async () => {
        const session = await sessions.open(step, node);
        const sentAt = Date.now();
        const nodeAt = parseClock((await session.read(renderClockRead())).stdout);
        if (nodeAt === undefined) throw new Error('it does not tell its clock');
        const sinceSeconds = (step.since + nodeAt - sentAt) / 1000;
        const [audit, view] = await Promise.all([
          session.read(renderAuditRead({ sinceSeconds })),
          session.read(readCrmMon()),
        ]);
        return { node, cluster: parseCrmMon(view.stdout), ...parseAuditRead(audit.stdout) };
      });
    } catch (error) {
      if (error instanceof CancelledFailure) throw error;
      return { node, silent: messageOf(error) };
    }
  };

  return {
    /** `since` is the beginning of the drill (ms since the epoch, our clock). A check that does not hold is an answer, not an error. */
    async auditCluster(step: StepContext & { kind: string; since: number }): Promise<Audit> {
      for (let read = 1; ; read += 1) {
        const nodes = await Promise.all(step.specification.nodes.map(({ name }) => askNode(step, name)));
        const versions = nodes.flatMap((node) => (node.silent === undefined ? [node.cib.version] : []));
        // Equal, or a node that does not answer: another read tells nothing more.
        if (read === CIB_READS || versions.length < nodes.length || new Set(versions).size === 1) {
          return outcomeOf(auditCluster(nodes, step));
        }
        await sleep(auditPauseMs);
      }
    },

    /** Of the logs that were fetched last; `faultAt` and `wholeAt` (ms since the epoch, our clock) as `RedundancySeen` has them. */
    async auditLogs(
      step: DrillStep & { kind: string; since: number; faultAt?: number; wholeAt?: number },
    ): Promise<Audit> {
      const directory = writers.directory(step.drill);
      const clocks = readClocks(directory);
      const offset = (node: string) => clocks.findLast((reading) => reading.node === node)?.offsetMs ?? 0;
      const logs = readLogs(
        directory,
        step.specification.nodes.map(({ name }) => name),
      );
      const { faultAt, wholeAt, specification } = step;
      const alarms = auditLogs(logs, { kind: step.kind, since: (node) => step.since + offset(node) });
      if (faultAt === undefined) return outcomeOf([alarms]);
      const milestones = milestonesOf({
        logs: logs.flatMap((read) => (read.silent === undefined ? [read.log] : [])),
        clocks,
        faultAt,
        until: Date.now(),
      });
      const seen = { milestones, faultAt, ...(wholeAt !== undefined && { wholeAt }) };
      return outcomeOf([alarms, redundancyCheck(seen, { limitSeconds: specification.slo.redundancySeconds })]);
    },

    /** The article's table at whichever node is primary, twice: whether somebody writes to it is told. Errors: QueryFailed without one primary, CommandFailed. */
    async readTable(step: StepContext): Promise<StepOutcome & { table: TableRead }> {
      const { specification } = step;
      const roles = await Promise.all(
        specification.nodes.map(async ({ name }) => {
          const session = await sessions.open(step, name);
          return { session, role: parseRole((await session.read(renderRoleRead())).stdout)?.role };
        }),
      );
      const primaries = roles.filter(({ role }) => role === 'Primary').map(({ session }) => session);
      const [primary] = primaries;
      if (primary === undefined || primaries.length > 1) {
        throw new HadbError('QueryFailed', 'there is not one primary whose table could be read', {
          observed: `primary is ${primaries.map(({ node }) => node).join(' and ') || 'no node'}`,
          whatNow: 'Look at "crm_mon -1 -r" on both nodes.',
        });
      }
      const read = async () =>
        parseTableChecksum(
          (
            await primary.read(renderClient(databaseProfile(specification.database.engine)), {
              input: renderTableChecksumSql(specification),
              timeoutMs: TABLE_LIMIT_MS,
            })
          ).stdout,
        );
      const first = await read();
      await sleep(auditPauseMs);
      const second = await read();
      const isQuiet = first.checksum === second.checksum && first.rows === second.rows;
      const table = { node: primary.node, table: thingsTable(specification), ...second, isQuiet };
      const written = isQuiet ? '' : ', and somebody writes to it';
      return {
        result: 'unchanged',
        observed: `${table.table} on ${table.node}: ${table.rows} rows, checksum ${table.checksum}${written}`,
        table,
      };
    },
  };
}

export type Audit = StepOutcome & { checks: VerdictCheck[] };

function outcomeOf(checks: VerdictCheck[]): Audit {
  const word = ({ passed, unknown }: VerdictCheck) => (passed ? 'yes' : unknown === true ? 'not known' : 'no');
  return {
    result: 'unchanged',
    observed: checks.map((check) => `${check.name}: ${word(check)} (${check.detail})`).join('; '),
    checks,
  };
}
