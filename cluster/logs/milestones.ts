import { inOurTime, type ClockReading, type OurTime } from './clock';
import type { LogEntry, NodeLog } from './node-log';

/** The moments of a failover, in their usual order. Not every fault brings every one of them. */
export const MILESTONES = {
  detected: 'loss detected',
  ordered: 'fencing ordered',
  delayed: 'fencing delay over',
  fenced: 'lost node fenced',
  released: 'DRBD lets writes go on',
  promoted: 'DRBD promoted',
  mounted: 'file system mounted',
  recovered: 'InnoDB recovered',
  databaseUp: 'database up',
  probeAnswered: 'responder to the probe of the load balancer started',
  firstWrite: 'first write acknowledged',
  redundant: 'both copies current again',
} as const;
export type MilestoneName = keyof typeof MILESTONES;

/** A moment, or that it was not seen: no line tells of it. */
export interface Milestone {
  name: MilestoneName;
  seen?: SeenMoment;
}

/** ms since the epoch by our clock, and how far that may be off. */
export interface SeenMoment extends OurTime {
  /** Whose log tells it; absent for what the clients saw. */
  node?: string;
  /** The line. */
  line?: string;
}

export interface DrillLogs {
  logs: readonly NodeLog[];
  clocks: readonly ClockReading[];
  /** From the order of the fault to the end of the drill, by our clock. */
  faultAt: number;
  until: number;
  /** When a client was served again, by the ledger. */
  firstWriteAt?: number;
}

type Line = LogEntry & { node: string; ours: OurTime };

/** Only what a line of a node whose clock is known says between the fault and the end; nothing is guessed from what is missing. */
export function milestonesOf(drill: DrillLogs): Milestone[] {
  const lines = linesOf(drill);
  const takeOver = takeOverOf(lines);
  const fenced = lines.find(isFenced);
  const seen: Record<MilestoneName, SeenMoment | undefined> = {
    detected: momentOf(lines.find(isDetection)),
    ...fencingOf(lines, fenced),
    fenced: momentOf(fenced),
    released: momentOf(lines.find(isReleased)),
    ...takeOver,
    // Before the server is up or after it, as the configuration has it; not after it has done its work.
    probeAnswered: momentOf(
      lines.findLast((line) => isProbeAnswered(line) && line.ours.at <= (drill.firstWriteAt ?? Infinity)),
    ),
    firstWrite: drill.firstWriteAt === undefined ? undefined : { at: drill.firstWriteAt, errorMs: 0 },
    redundant: redundancyOf(lines),
  };
  return (Object.keys(MILESTONES) as MilestoneName[]).map((name) => {
    const moment = seen[name];
    return moment === undefined ? { name } : { name, seen: moment };
  });
}

function linesOf({ logs, clocks, faultAt, until }: DrillLogs): Line[] {
  return logs
    .flatMap(({ node, entries }) =>
      entries.flatMap((entry): Line[] => {
        const ours = inOurTime(clocks, node, entry.at);
        return ours === undefined ? [] : [{ ...entry, node, ours }];
      }),
    )
    .filter(({ ours }) => ours.at + ours.errorMs >= faultAt && ours.at <= until)
    .sort((one, other) => one.ours.at - other.ours.at);
}

function momentOf(line: Line | undefined): SeenMoment | undefined {
  if (line === undefined) return undefined;
  const text = `${line.by}: ${line.message.split('\n')[0] ?? ''}`;
  return { ...line.ours, node: line.node, line: text.slice(0, 300).trimEnd() };
}

const says = (by: RegExp, pattern: RegExp) => (line: Line) => by.test(line.by) && pattern.test(line.message);

/**
 * The try that has succeeded in the end, on the node that has made it: each try is ordered and waits anew. Pacemaker says how long it waits, and nothing when
 * the wait is over; a fencing that did not wait has none.
 */
function fencingOf(
  lines: readonly Line[],
  fenced: Line | undefined,
): Record<'ordered' | 'delayed', SeenMoment | undefined> {
  if (fenced === undefined) return { ordered: undefined, delayed: undefined };
  const own = lines.slice(0, lines.indexOf(fenced)).filter(({ node }) => node === fenced.node);
  const ordered = own.findLastIndex(isFencingOrdered);
  const wait = own.slice(Math.max(0, ordered)).findLast(isDelayed);
  const begun = momentOf(wait);
  const seconds = Number(DELAY.exec(wait?.message ?? '')?.[1]);
  return {
    ordered: momentOf(own[ordered]),
    delayed: begun === undefined ? undefined : { ...begun, at: begun.at + seconds * 1000 },
  };
}

const KERNEL = /^kernel$/;
const DATABASE = /^(?:mariadbd|mysqld)$/;
const CONTROLLER = /^pacemaker-controld$/;

const tokenLost = says(/^corosync$/, /\[TOTEM \] A processor failed/);
/** A recurring monitor: probes of a node that joins are called so ("probe operation"), and find nothing running as they should. */
const monitorFailed = says(
  CONTROLLER,
  /^(?:\w+: )?Result of monitor operation for \S+ on \S+: (?!ok\b|promoted\b|master\b|cancelled\b)/i,
);
const isDetection = (line: Line): boolean => tokenLost(line) || monitorFailed(line);
/** Pacemaker's own word that it is done, not the agent's (`[3347] … returned 0`). */
const isFenced = says(
  /^pacemaker-(?:fenced|controld)$/,
  /(?:Operation '(?:off|reboot)' targeting|Peer \S+ was terminated).*: OK\b/,
);
const isFencingOrdered = says(/^pacemaker-fenced$/, /Requesting that \S+ perform '(?:off|reboot)' action targeting/);
const DELAY = /Delaying '(?:off|reboot)' action\b.* for (\d+)s\b/;
const isDelayed = says(/^pacemaker-fenced$/, DELAY);
/** 8.4: `susp( 1 -> 0 )`; 9: `susp-fen( yes -> no )`. */
const isReleased = says(KERNEL, /drbd.*\bsusp(?:-\w+)?\( (?:1|yes) -> (?:0|no) \)/);
const isPromotion = says(KERNEL, /drbd.*\brole\( Secondary -> Primary \)/);
const isMount = says(
  KERNEL,
  /(?:EXT4-fs \(drbd\d+\): mounted filesystem|XFS \(drbd\d+\): Ending (?:clean mount|recovery))/,
);
const isRecoveryBegun = says(DATABASE, /Starting (?:XA )?crash recovery/);
/** The line with which InnoDB ends its start: MariaDB and MySQL. */
const isInnodbOpen = says(DATABASE, /InnoDB: log sequence number \d+; transaction id|InnoDB initialization has ended/);
/** MySQL's X plugin says something like it earlier. */
const isDatabaseUp = says(DATABASE, /\/(?:mariadbd|mysqld): ready for connections/);
/** That is the responder's start: the balancer notices it up to an interval later, and nobody but the clients tells when. */
const isProbeAnswered = says(CONTROLLER, /Result of start operation for lb_mysql on \S+: ok\b/);

/** Back from the last server that came up: what happened on its node before that was for it. */
function takeOverOf(
  lines: readonly Line[],
): Record<'promoted' | 'mounted' | 'recovered' | 'databaseUp', SeenMoment | undefined> {
  const up = lines.findLast(isDatabaseUp);
  const before = up === undefined ? [] : lines.slice(0, lines.indexOf(up)).filter(({ node }) => node === up.node);
  const mounted = before.findLast(isMount);
  const recovery = before.findLastIndex(isRecoveryBegun);
  return {
    // Without a server that came up it tells who was promoted all the same.
    promoted: momentOf((up === undefined ? lines : before).findLast(isPromotion)),
    mounted: momentOf(mounted),
    recovered: momentOf(recovery < 0 ? undefined : before.slice(recovery).find(isInnodbOpen)),
    databaseUp: momentOf(up),
  };
}

/**
 * When the last node had both copies current that had not meanwhile. Each is taken to begin with both, as the gate has seen it; one that ends without them
 * leaves it unseen, and so does a pair that never lost a copy.
 */
function redundancyOf(lines: readonly Line[]): SeenMoment | undefined {
  const nodes = new Map<string, { disk: string; pdsk: string; restored?: Line }>();
  for (const line of lines) {
    if (!KERNEL.test(line.by) || !line.message.startsWith('drbd ')) continue;
    const before = nodes.get(line.node) ?? { disk: 'UpToDate', pdsk: 'UpToDate' };
    const after = { ...before };
    for (const [, copy, state] of line.message.matchAll(/\b(disk|pdsk)\( \w+ -> (\w+) \)/g)) {
      if (copy === 'disk') after.disk = state ?? '';
      else after.pdsk = state ?? '';
    }
    if (after.disk === before.disk && after.pdsk === before.pdsk) continue;
    const isWhole = after.disk === 'UpToDate' && after.pdsk === 'UpToDate';
    nodes.set(line.node, { disk: after.disk, pdsk: after.pdsk, ...(isWhole && { restored: line }) });
  }
  const states = [...nodes.values()];
  if (states.some(({ restored }) => restored === undefined)) return undefined;
  const [last] = states.flatMap(({ restored }) => restored ?? []).sort((one, other) => other.ours.at - one.ours.at);
  return momentOf(last);
}
