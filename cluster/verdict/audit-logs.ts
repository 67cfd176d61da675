import { alarmOf, expectedBy, losesPower } from '../logs/alarms';
import { isLostBeforeBoot, type LogEntry, type NodeLog } from '../logs/node-log';
import type { VerdictCheck } from '../step';
import { expectation } from './expectations';

/** A node's log, or why it could not be read. */
export type AuditedLog = { log: NodeLog; silent?: never } | { node: string; silent: string };

const MOST_NAMED = 5;

/**
 * Whether anything in the logs tells of a split brain, of corruption or of an assertion. Lines that the fault itself brings are let through with their reason.
 * What nobody could read leaves it unknown, and so does a boot that no power cut of this kind of drill explains.
 */
export function auditLogs(
  logs: readonly AuditedLog[],
  { kind, since }: { kind: string; since: (node: string) => number },
): VerdictCheck {
  const read = logs.flatMap((audited) => (audited.silent === undefined ? [audited.log] : []));
  const raised = read.flatMap(({ node, entries }) =>
    entries.flatMap((entry) => {
      const alarm = entry.at < since(node) ? undefined : alarmOf(entry);
      return alarm === undefined ? [] : [{ node, entry, alarm, reason: expectedBy(kind, alarm.kind) }];
    }),
  );
  const problems = raised
    .filter(({ reason }) => reason === undefined)
    .map(({ node, entry, alarm }) => `${alarm.kind}: ${describe(node, entry)}`);
  const lost = read.filter((log) => isLostBeforeBoot(log, since(log.node)));
  const gaps = [
    ...logs.flatMap((audited) =>
      audited.silent === undefined ? [] : [`the log of ${audited.node} could not be read: ${audited.silent}`],
    ),
    ...read.filter(({ complete }) => !complete).map(({ node }) => `the log of ${node} was cut off`),
    ...(losesPower(kind)
      ? []
      : lost.map(({ node, bootedAt }) => `${lostText(node, bootedAt)}, which this drill does not explain`)),
  ];
  const excused = losesPower(kind) ? lost.map(({ node, bootedAt }) => lostText(node, bootedAt)) : [];
  const expected = raised.flatMap(({ node, entry, reason }) =>
    reason === undefined ? [] : [`let through, because ${reason}: ${describe(node, entry)}`],
  );
  const lines = read.map(({ node, entries }) => `${entries.length} lines of ${node}`).join(', ');
  const more = problems.length > MOST_NAMED ? [`and ${problems.length - MOST_NAMED} more`] : [];
  return expectation({
    name: 'logs without split brain, corruption and assertion',
    problems: [...problems.slice(0, MOST_NAMED), ...more],
    detail: [...gaps, lines === '' ? 'nothing was read' : lines, ...excused, ...expected.slice(0, MOST_NAMED)].join(
      '; ',
    ),
    unknown: gaps.length > 0,
  });
}

const utc = (at: number): string => `${new Date(at).toISOString().slice(11, 19)} UTC`;

const lostText = (node: string, bootedAt: number): string =>
  `${node} booted at ${utc(bootedAt)}, and what it wrote right before is not on its disk`;

/** A line may go on over many. */
const describe = (node: string, { at, by, message }: LogEntry): string =>
  `${node} at ${utc(at)}, ${by}: ${(message.split('\n')[0] ?? '').slice(0, 200)}`;
