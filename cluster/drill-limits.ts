import type { ClusterTiming } from './timing';

/** How long the parts of a drill may take, in seconds, beyond which somebody has to look. The outage itself is judged by the SLO of the specification. */
export const DRILL_SECONDS = {
  /** Beyond the SLO until the wait is given up: the figure is wanted also when the SLO is broken. */
  grace: 600,
  /** Two seconds of acknowledged writes in a row, with the load balancer's reaction before them. */
  steady: 120,
  /** A machine that rejoins copies what it missed; a bitmap resync of a drill takes seconds, a full one is not expected. */
  healthy: 1800,
  /** People, not clusters, set the pace of moves by hand. */
  byHand: 3600,
} as const;

/** The same for a recovery, in seconds. */
export const RECOVERY_SECONDS = {
  /** The start of a database that recovers after a crash (300 s in the cluster's own time-outs), twice. */
  healthy: 600,
} as const;

/** For the writes that the clients of a drill still wait for when they are ended: their own deadline is 1 s. */
export const WRITER_GRACE_MS = 5000;

/** What a fault lasts, what is expected of the cluster meanwhile, and when the node takes it back by itself. Seconds, from the cluster's own time-outs. */
export interface FaultTiming {
  /** A server that hangs is noticed by the query of its monitor within this. */
  hangNoticedSeconds: number;
  /** It must serve again after that much more: a clean stop would wait minutes for a server that never answers. */
  hangServedSeconds: number;
  hangUndoSeconds: number;
  /** The other node is lost, shot, and the survivor has said so. */
  settledSeconds: number;
  /** Outlasts that, so that the node does not come back into a fencing that is under way. */
  cutUndoSeconds: number;
  /** A kernel that has crashed boots again by itself, where nobody has powered it off before. */
  panicSeconds: number;
  /** Outlasts a clean stop of the server, which may take minutes, and the take-over after it. */
  standbyUndoSeconds: number;
  /** Half of a token: nobody may notice. */
  shortFreezeSeconds: number;
  longFreezeSeconds: number;
  /** Long enough for a cluster that counts the node as lost to have said so. */
  holdSeconds: number;
  holdUndoSeconds: number;
  /** In which a fencing that cannot succeed is given up at least once. */
  fencingHoldSeconds: number;
  /** The cuts come first, then the power-off of the primary; only when Azure has answered it is the survivor watched. */
  fencingUndoSeconds: number;
}

/** A fault must not end by itself because the cluster took a little longer than it may. */
const MARGIN_SECONDS = 60;
/** A fault that is watched while nothing may happen. */
const LEAST_HOLD_SECONDS = 60;
/** The drill's own steps between the end of a hold and the repair. */
const REPAIR_SECONDS = 120;
/** Given up within 5 s, killed after 5 s more, and 5 s to start and to recover. */
const RESTART_SECONDS = 15;

export function faultTiming({ budget, corosync, pacemaker, server }: ClusterTiming): FaultTiming {
  const hangNoticedSeconds = pacemaker.server.monitorIntervalSeconds + server.queryLimitSeconds;
  const hangServedSeconds = hangNoticedSeconds + RESTART_SECONDS;
  const settledSeconds = budget.detectionSeconds + budget.fencingSeconds;
  const holdSeconds = Math.max(LEAST_HOLD_SECONDS, 2 * budget.detectionSeconds);
  const fencingHoldSeconds = budget.detectionSeconds + (pacemaker.fencing?.totalSeconds ?? 0) + 30;
  return {
    hangNoticedSeconds,
    hangServedSeconds,
    hangUndoSeconds: hangServedSeconds + MARGIN_SECONDS,
    settledSeconds,
    cutUndoSeconds: settledSeconds + MARGIN_SECONDS,
    panicSeconds: settledSeconds + REPAIR_SECONDS,
    standbyUndoSeconds: pacemaker.server.stopSeconds + budget.softFailoverSeconds + REPAIR_SECONDS,
    shortFreezeSeconds: corosync.tokenMs / 2000,
    longFreezeSeconds: settledSeconds + MARGIN_SECONDS,
    holdSeconds,
    holdUndoSeconds: holdSeconds + REPAIR_SECONDS,
    fencingHoldSeconds,
    fencingUndoSeconds: (pacemaker.fencing?.offSeconds ?? 0) + fencingHoldSeconds + REPAIR_SECONDS,
  };
}
