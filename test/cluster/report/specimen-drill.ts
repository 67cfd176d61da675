import { MILESTONES, type Milestone, type MilestoneName } from '../../../cluster/logs/milestones';
import type { DrillRecord } from '../../../cluster/report/drill-record';
import type { StepRecord, StepResult } from '../../../cluster/step';
import { judgeWrites, type Row } from '../../../cluster/verdict/judge-writes';
import { dueOf, startOf, writerOf, type LedgerEntry, type LedgerStart } from '../../../cluster/verdict/write-ledger';

/** A drill as the workflow hands it to its report, around any ledger. */

export const ZERO = Date.parse('2026-11-22T02:30:00.000Z');

interface LedgerShape {
  seconds: number;
  /** Seconds in which the database is away, and how it is: refuses connections, or swallows what it is sent. */
  away?: { from: number; to: number; how: 'refuses' | 'swallows' };
  start?: number;
}

/** Two clients, one of each kind, ten writes a second each, answered within milliseconds, and none while the database is away. */
export function specimenLedger({ seconds, away, start = ZERO }: LedgerShape): LedgerEntry[] {
  const first: LedgerStart = {
    kind: 'start',
    at: start,
    drill: 'specimen',
    intervalMs: 100,
    deadlineMs: 1000,
    writers: ['kept', 'fresh'],
  };
  const entries: LedgerEntry[] = [first];
  for (let seq = 1; seq <= seconds * 20; seq += 1) {
    const due = dueOf(first, seq);
    const isAway = away !== undefined && due >= start + away.from * 1000 && due < start + away.to * 1000;
    if (isAway && away.how === 'refuses') {
      entries.push({ kind: 'fail', seq, at: due + 1 + (seq % 3), why: 'ECONNREFUSED' });
      continue;
    }
    entries.push({ kind: 'intent', seq, at: due + 0.4, due });
    if (isAway) entries.push({ kind: 'unknown', seq, at: due + 1000, why: 'no answer within 1000 ms' });
    else entries.push({ kind: 'ack', seq, at: due + 3 + ((seq * 7) % 11) / 2 });
  }
  entries.push({ kind: 'end', at: start + seconds * 1000 });
  return entries.sort((one, other) => one.at - other.at);
}

export const appliedRows = (entries: readonly LedgerEntry[]): Row[] => {
  const start = startOf(entries);
  return entries.flatMap((entry) =>
    entry.kind === 'ack' && start !== undefined ? [{ writer: writerOf(start, entry.seq), seq: entry.seq }] : [],
  );
};

/** Times in seconds since `ZERO`. */
export function specimenStep(
  id: string,
  [from, to]: [number, number],
  over: Partial<StepRecord> & { result?: StepResult } = {},
): StepRecord {
  const { result = 'changed', ...rest } = over;
  return {
    id: `node-power-off-${id}`,
    sentence: `Do ${id}`,
    chapter: 'Observe',
    state: 'done',
    startedAt: new Date(ZERO + from * 1000).toISOString(),
    endedAt: new Date(ZERO + to * 1000).toISOString(),
    attempts: 1,
    outcome: { result, observed: `seen before ${id}`, ...(result === 'changed' && { done: `did ${id}` }) },
    ...rest,
  };
}

export interface SpecimenOptions extends Partial<DrillRecord> {
  lostRows?: number[];
}

/** What the log of the survivor tells of that power cut; InnoDB's recovery is not seen. Seconds since `ZERO`. */
export function specimenMilestones(): Milestone[] {
  const seen: Partial<Record<MilestoneName, [seconds: number, line: string]>> = {
    detected: [13.6, 'corosync: [TOTEM ] A processor failed, forming new configuration'],
    ordered: [14.1, "pacemaker-fenced: notice: Requesting that hadb02 perform 'off' action targeting hadb01"],
    delayed: [15.2, "pacemaker-fenced: notice: Delaying 'off' action targeting hadb01 using st-azure for 1s"],
    fenced: [17, "pacemaker-fenced: notice: Operation 'off' targeting hadb01 by hadb02: OK (complete)"],
    promoted: [17.8, 'kernel: drbd r0/0 drbd1: role( Secondary -> Primary )'],
    mounted: [18.5, 'kernel: EXT4-fs (drbd1): mounted filesystem <64eeea5e>'],
    databaseUp: [19.9, 'mariadbd: /usr/sbin/mariadbd: ready for connections.'],
    probeAnswered: [20.4, 'pacemaker-controld: notice: Result of start operation for lb_mysql on hadb02: ok'],
    redundant: [65.2, 'kernel: drbd r0/0 drbd1: pdsk( Inconsistent -> UpToDate )'],
  };
  return (Object.keys(MILESTONES) as MilestoneName[]).map((name) => {
    if (name === 'firstWrite') return { name, seen: { at: ZERO + 22_200, errorMs: 0 } };
    const [seconds, line] = seen[name] ?? [];
    return seconds === undefined || line === undefined
      ? { name }
      : { name, seen: { at: ZERO + seconds * 1000, errorMs: 3, node: 'hadb02', line } };
  });
}

/** As a result of the judgement carries it: of a hundred and forty rows that are lost it names a hundred. */
export function shortenedDrill(): DrillRecord {
  const record = specimenDrill({ lostRows: Array.from({ length: 140 }, (_, index) => index + 1) });
  return { ...record, ...(record.writes && { writes: { ...record.writes, lost: record.writes.lost.slice(0, 100) } }) };
}

/** A power cut 10 s after the start: twelve seconds without service, whole again after a minute. */
export function specimenDrill({ lostRows = [], ...over }: SpecimenOptions = {}): DrillRecord {
  const entries = over.entries ?? specimenLedger({ seconds: 75, away: { from: 10.2, to: 22.2, how: 'swallows' } });
  const rows = appliedRows(entries).filter(({ seq }) => !lostRows.includes(seq));
  const faultAt = ZERO + 10_000;
  const { verdict, ...writes } = judgeWrites({
    entries,
    finalRead: rows,
    primaryRead: rows,
    limitSeconds: 300,
    faultAt,
  });
  return {
    drill: '0190a0a0-0000-7000-8000-000000000001-node-power-off',
    kind: 'node-power-off',
    cluster: 'hadb',
    steps: [
      specimenStep('gate', [-6, -4.8], {
        chapter: 'Gate',
        sentence: 'See that the pair is healthy, and that the load balancer leads to the primary',
        result: 'unchanged',
      }),
      specimenStep('start-writer', [-4.8, 9], { sentence: 'Start the clients that write, ten rows a second each' }),
      specimenStep('power-off', [10, 19], { sentence: 'Cut the power of the primary', node: 'hadb01' }),
      specimenStep('take-over', [10, 20.5], {
        sentence: 'Wait until the other node is primary and serves',
        node: 'hadb02',
        result: 'unchanged',
      }),
      specimenStep('steady', [20.5, 24.6], {
        sentence: 'Wait until the client is answered steadily again',
        result: 'unchanged',
      }),
      specimenStep('start', [25, 41], { sentence: 'Start the machine again', node: 'hadb01' }),
      specimenStep('reach', [41, 58], {
        sentence: 'Wait until it has booted and answers SSH',
        node: 'hadb01',
        result: 'unchanged',
      }),
      specimenStep('healthy', [58, 70], { sentence: 'Wait until the pair is whole again', result: 'unchanged' }),
      specimenStep('judge', [75, 76], {
        sentence: 'Compare what was acknowledged with what is there',
        result: 'unchanged',
      }),
    ],
    verdict,
    writes,
    limitSeconds: 300,
    faultAt,
    entries,
    workflow: {
      workflowId: 'drill/hadb/node-power-off/20261122T023000Z',
      runId: '0190a0a0-0000-7000-8000-000000000002',
      url: 'http://127.0.0.1:8233/namespaces/default/workflows/drill%2Fhadb/0190a0a0-0000-7000-8000-000000000002',
    },
    startedAt: ZERO - 6000,
    endedAt: ZERO + 77_000,
    settings: [{ name: 'fencing', value: 'none' }],
    versions: [{ name: 'pacemaker (hadb01)', value: '2.1.5-1+deb12u1' }],
    states: (['before', 'during', 'after'] as const).map((when) => ({
      when,
      node: 'hadb02',
      file: `state/${when}.hadb02.txt`,
      text: `# crm_mon -1 -r -f\nNode List: online <hadb01> & hadb02\n`,
    })),
    ledger: { file: 'ledger.jsonl.gz', bytes: 20_480, sha256: 'a'.repeat(64) },
    reporter: { hadb: '0.1.0', node: 'worker-1', platform: 'Node.js v20.20.0, linux' },
    ...over,
  };
}
