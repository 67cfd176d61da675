// Where the time of a finished run went: by chapter of the article, and how much of it no activity was at work (the runbook's own
// share). Reads the run's history from the Temporal server of the state directory.
// Usage: npm run build && node scripts/measure-build.js [workflow id]      (default build-cluster/hadb)
'use strict';
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { Client, Connection } = require('@temporalio/client');

const workflowId = process.argv[2] ?? 'build-cluster/hadb';

async function main() {
  const program = path.join(__dirname, '..', 'bin', 'hadb.js');
  const status = JSON.parse(execFileSync(process.execPath, [program, 'status', '--json'], { encoding: 'utf8' }));
  const { address } = status.pieces.find(({ name }) => name === 'temporal');
  const connection = await Connection.connect({ address });
  try {
    const client = new Client({ connection });
    const { runId } = await client.workflow.getHandle(workflowId).describe();
    const run = client.workflow.getHandle(workflowId, runId);
    const progress = await run.result();
    report(progress, (await run.fetchHistory()).events);
  } finally {
    await connection.close();
  }
}

function report(progress, events) {
  const started = millisecondsOf(events[0]);
  const ended = millisecondsOf(events.at(-1));
  console.log(`${workflowId}: ${seconds(ended - started)} s, ${progress.steps.length} steps\n`);
  for (const [chapter, spans] of chaptersOf(progress.steps)) {
    const first = Math.min(...spans.map(([from]) => from));
    console.log(`${seconds(first - started).padStart(7)} s  ${seconds(covered(spans)).padStart(6)} s  ${chapter}`);
  }
  const longest = progress.steps
    .filter(({ endedAt }) => endedAt !== undefined)
    .map((step) => ({ step, ms: Date.parse(step.endedAt) - Date.parse(step.startedAt) }))
    .sort((one, other) => other.ms - one.ms)
    .slice(0, 12);
  console.log('\nlongest steps');
  for (const { step, ms } of longest)
    console.log(`${seconds(ms).padStart(7)} s  ${step.id}${step.node ? `/${step.node}` : ''}`);

  const work = activitySpans(events);
  const busy = covered(work);
  const total = ended - started;
  console.log(
    `\n${work.length} activities; at least one at work for ${seconds(busy)} s; ` +
      `the runbook itself ${seconds(total - busy)} s, ${((100 * (total - busy)) / total).toFixed(1)} % of the run`,
  );
}

function chaptersOf(steps) {
  const chapters = new Map();
  for (const { chapter, startedAt, endedAt } of steps) {
    if (endedAt === undefined) continue;
    chapters.set(chapter, [...(chapters.get(chapter) ?? []), [Date.parse(startedAt), Date.parse(endedAt)]]);
  }
  return chapters;
}

/** From the worker's start of each activity to its end, by the server's clock. */
function activitySpans(events) {
  const byId = new Map(events.map((event) => [String(event.eventId), event]));
  return events.flatMap((event) => {
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    const begun = ended && byId.get(String(ended.startedEventId));
    return begun ? [[millisecondsOf(begun), millisecondsOf(event)]] : [];
  });
}

/** Length of the union of the spans. */
function covered(spans) {
  let total = 0;
  let until = -Infinity;
  for (const [from, to] of [...spans].sort(([one], [other]) => one - other)) {
    total += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return total;
}

const millisecondsOf = ({ eventTime }) => Number(eventTime.seconds) * 1000 + eventTime.nanos / 1e6;
const seconds = (ms) => (ms / 1000).toFixed(1);

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
