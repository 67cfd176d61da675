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
