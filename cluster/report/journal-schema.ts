import { z } from 'zod';
import { MILESTONES, type MilestoneName } from '../logs/milestones';
import { DRILL_OUTCOMES, PHASE_CLOCKS } from './drill-record';

/** The shape of `journal.json`; published as JSON Schema under `docs/`. Readers must ignore fields that they do not know. */
export const JOURNAL_VERSION = 1;
export const JOURNAL_SCHEMA_FILE = 'docs/journal.schema.json';

const time = z.iso.datetime().describe('RFC 3339, UTC.');
const seconds = z.number().min(0);
const rows = z
  .array(z.int())
  .nullable()
  .describe('Numbers of rows, at most 100 of them; null when the rows were not read at the end.');

const count = z.int().min(0).nullable();

const Provider = z.object({ type: z.literal('process'), path: z.string(), arguments: z.array(z.string()) });
const Activity = z.object({
  type: z.enum(['probe', 'action']),
  name: z.string().min(1),
  provider: Provider.describe('The command that makes this drill; its steps are not to be run one by one.'),
  tolerance: z.literal(true).optional(),
});

const Result = z.object({
  activity: Activity,
  status: z.enum(['succeeded', 'failed', 'skipped']),
  start: time,
  end: time,
  duration: seconds,
  output: z.string().nullable(),
  tolerance_met: z.boolean().optional(),
  exception: z.array(z.string()).optional(),
});
export type JournalActivity = z.infer<typeof Result>;

const SteadyState = z.object({ steady_state_met: z.boolean(), probes: z.array(Result) });
export type SteadyState = z.infer<typeof SteadyState>;

const Check = z.object({
  name: z.string(),
  passed: z.boolean(),
  unknown: z.literal(true).optional().describe('It could not be told.'),
  notRun: z.literal(true).optional().describe('It was left out on purpose: `passed` says nothing then.'),
  detail: z.string(),
});

const ClientClass = z
  .object({
    attempts: z.int().min(0),
    acknowledged: z.int().min(0),
    outageSeconds: seconds.nullable().describe('RTO; null when no outage was noticed.'),
    resolutionSeconds: seconds.nullable().describe('How exact it is.'),
    unavailableSeconds: seconds,
  })
  .optional();

const Writes = z.object({
  attempts: z.int().min(0),
  acknowledged: z.int().min(0),
  unknown: z.int().min(0).describe('Sent, and never answered.'),
  lost: rows.describe(
    'Acknowledged, and not there at the end; at most 100 of them. Null when the rows were not read at the end.',
  ),
  unexpected: rows,
  duplicates: rows,
  recovered: z.int().min(0).nullable().describe('Never answered, and there at the end.'),
  counts: z
    .object({ lost: count, unexpected: count, duplicates: count, outages: z.int().min(0) })
    .optional()
    .describe('How many there are of what the lists name; null when the rows were not read. Absent in older journals.'),
  outageSeconds: seconds
    .nullable()
    .describe('RTO of whichever client was without service for longest; null when none was noticed.'),
  unavailableSeconds: seconds.describe('All outages together.'),
  sustainedSeconds: seconds
    .nullable()
    .describe(
      'From the order of the fault to the first two seconds in which every attempt is acknowledged: to their start.',
    ),
  newConnections: ClientClass.describe('Clients that connect anew for each write.'),
  existingSessions: ClientClass.describe(
    'Clients that keep their connection: from the first that is not answered until the last is again.',
  ),
  resolutionSeconds: seconds.describe('How exact these times are where the probe was not held up.'),
  voidSeconds: seconds.optional().describe('Time for which the probe cannot vouch: it was held up itself.'),
  lagMs: z.number().min(0).describe('Longest time for which the client itself was held up.'),
  outages: z.array(z.object({ from: time, to: time, seconds })).describe('The longest 100 at most, in order of time.'),
});
export type JournalWrites = z.infer<typeof Writes>;

/** Acknowledged rows that were missing; null when that is not known. */
export const lostRowsOf = ({ counts, lost }: Pick<JournalWrites, 'counts' | 'lost'>): number | null =>
  counts === undefined ? (lost?.length ?? null) : counts.lost;

const NamedValue = z.object({ name: z.string(), value: z.string() });

/** What hadb knows beyond the Chaos Toolkit's format; all that `hadb report` and `hadb trend` read. */
export const JournalExtension = z.object({
  version: z.literal(JOURNAL_VERSION),
  hadb: z.string(),
  drill: z.string(),
  kind: z.string(),
  cluster: z.string(),
  outcome: z.enum(DRILL_OUTCOMES),
  workflow: z.object({ workflowId: z.string(), runId: z.string(), url: z.url().optional() }),
  verdict: z
    .object({ passed: z.boolean(), unknown: z.literal(true).optional(), summary: z.string(), checks: z.array(Check) })
    .nullable(),
  failure: z
    .object({ code: z.string(), message: z.string(), observed: z.string().optional(), whatNow: z.string().optional() })
    .nullable(),
  faultAt: time.nullable(),
  limitSeconds: seconds.nullable().describe('Longest acceptable outage.'),
  writes: Writes.nullable().describe('Null when no client wrote.'),
  phases: z.array(
    z.object({
      name: z.string(),
      from: time,
      to: time,
      seconds,
      isOutage: z.boolean(),
      clock: z.enum(PHASE_CLOCKS),
    }),
  ),
  milestones: z
    .array(
      z.object({
        name: z.enum(Object.keys(MILESTONES) as [MilestoneName, ...MilestoneName[]]),
        at: time.nullable().describe('By the clock of the client; null when no line of a log tells of it.'),
        errorSeconds: seconds.nullable().describe('How far that may be off: half a round trip to the node.'),
        node: z.string().nullable().describe('Whose log tells it; null for what the clients saw.'),
        line: z.string().nullable(),
      }),
    )
    .optional()
    .describe('The moments of the failover; absent when the logs of the nodes were not fetched.'),
  latency: z.array(
    z.object({
      stretch: z.string(),
      commits: z.int().min(0),
      p50: z.number().optional().describe('Milliseconds, as p95, p99 and longest.'),
      p95: z.number().optional(),
      p99: z.number().optional(),
      longest: z.number().optional(),
    }),
  ),
  settings: z.array(NamedValue),
  versions: z.array(NamedValue),
  files: z.object({
    page: z.string(),
    junit: z.string(),
    ledger: z
      .object({ file: z.string(), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) })
      .nullable(),
    states: z.array(z.string()),
    logs: z.array(z.string()).optional().describe('What the nodes wrote, compressed.'),
  }),
});
export type JournalExtension = z.infer<typeof JournalExtension>;

export const Journal = z.object({
  experiment: z.object({
    version: z.string(),
    title: z.string().min(1),
    description: z.string().min(1),
    tags: z.array(z.string()),
    contributions: z.record(z.string(), z.enum(['high', 'medium', 'low', 'none'])),
    configuration: z.record(z.string(), z.string()),
    'steady-state-hypothesis': z.object({ title: z.string(), probes: z.array(Activity) }),
    method: z.array(Activity),
    rollbacks: z.array(Activity),
  }),
  status: z.enum(['completed', 'failed', 'aborted', 'interrupted']),
  deviated: z
    .boolean()
    .describe('True when the hypothesis did not hold after the fault: `completed` alone is no pass.'),
  start: time,
  end: time,
  duration: seconds,
  node: z.string().describe('The host that measured.'),
  platform: z.string(),
  steady_states: z.object({
    before: SteadyState.nullable(),
    after: SteadyState.nullable(),
    during: z.array(SteadyState),
  }),
  run: z.array(Result),
  rollbacks: z.array(Result),
  hadb: JournalExtension,
});
export type Journal = z.infer<typeof Journal>;

/** For `docs/`: written anew by `scripts/write-reference-tables.js`. */
export function renderJournalSchema(): string {
  const schema = z.toJSONSchema(Journal, { io: 'input' });
  const title = 'Journal of a hadb drill';
  const description = 'A journal of the Chaos Toolkit, with what hadb knows beyond it under "hadb".';
  return `${JSON.stringify({ title, ...schema, description }, undefined, 2)}\n`;
}

/** Of a journal only its extension is read: undefined when it is none, or of a later version. */
export function parseJournal(text: string): JournalEntry | undefined {
  try {
    const parsed = Readable.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

const Readable = Journal.pick({ start: true, end: true, duration: true, hadb: true });
export type JournalEntry = z.infer<typeof Readable>;
