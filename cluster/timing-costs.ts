import { renderMarkdownTable } from './report/series-table';
import type { ClusterTiming } from './timing';

/** What each time-out of a cluster costs while its service is away, and whether somebody may shorten it. `docs/performance.md` has it for both profiles. */

export interface TimingCost {
  /** Under the name that the cluster has for it. */
  what: string;
  value: string;
  /** In an outage; a limit costs nothing as long as it is not reached. */
  cost: string;
  shorten: string;
}

/** A memory-preserving maintenance of Azure stands still for so long; a shorter token takes it for a loss. */
const LONGEST_FREEZE_MS = 30_000;

export function timingCosts({ corosync, drbd, pacemaker, server, balancer, budget }: ClusterTiming): TimingCost[] {
  const { fencing } = pacemaker;
  const tokenSeconds = corosync.tokenMs / 1000;
  const consensusSeconds = corosync.consensusMs / 1000;
  const isFast = corosync.tokenMs < LONGEST_FREEZE_MS;
  return [
    {
      what: 'token (`corosync.tokenMs`)',
      value: inSeconds(tokenSeconds),
      cost: 'all of it, at every loss of a node: nothing begins before it',
      shorten: isFast
        ? "in the specification; it is below Azure's longest freeze of a machine (30 s) already, so that each such maintenance is a failover there; below 3 s a busy host does the same"
        : "in the specification; each of Azure's memory-preserving maintenances (a freeze of up to 30 s) is then a failover and a shot machine",
    },
    {
      what: 'consensus',
      value: inSeconds(consensusSeconds),
      cost: 'all of it, after the token',
      shorten: 'no: 1.2 times the token is the least that corosync.conf(5) allows; it follows the token',
    },
    ...(fencing === undefined
      ? []
      : [
          {
            what: 'fencing delay (`priority-fencing-delay`)',
            value: inSeconds(fencing.delaySeconds),
            cost: 'all of it, where the primary is lost; nothing where the secondary is',
            shorten:
              "not below the time from Azure's order of a power-off until the machine stands: in a partition the secondary shoots as well then, and the service moves for nothing or both are off",
          },
          {
            what: 'power-off (`pcmk_off_timeout`)',
            value: inSeconds(fencing.offSeconds),
            cost: 'what Azure takes, 10 to 90 s (the lab: a second or two); the limit itself only where Azure does not answer',
            shorten: 'gains nothing: a fencing that would have succeeded is given up, and begins anew with its delay',
          },
          {
            what: 'fencing in all (`stonith-timeout`)',
            value: inSeconds(fencing.totalSeconds),
            cost: 'nothing: a limit',
            shorten: 'no: delay, power-off and the fifth that Pacemaker adds must fit into it',
          },
        ]),
    {
      what: "Pacemaker's reaction",
      value: inSeconds(reactionSeconds(budget)),
      cost: 'an allowance for the election and the first transition, after consensus',
      shorten: 'is no setting',
    },
    {
      what: '`ping-int` and `ping-timeout` of DRBD',
      value: `${drbd.pingSeconds} and ${inSeconds(drbd.pingAnswerSeconds)}`,
      cost: 'beside the token: a primary whose peer is lost holds writes up until DRBD knows of it, however soon the peer was shot',
      shorten:
        'a machine that stands still for a moment loses its connection, and each time a resynchronisation follows',
    },
    {
      what: 'fence-peer handler (`--timeout`)',
      value: inSeconds(drbd.fencePeerSeconds),
      cost: 'nothing: it ends with the fencing',
      shorten: 'never: a handler that gives up before the peer is dead lets writes go on that may be lost',
    },
    {
      what: 'promotion',
      value: inSeconds(pacemaker.drbd.promoteSeconds),
      cost: 'nothing: a limit',
      shorten: 'no: it must outlast the handler, or a failover is given up in its middle',
    },
    {
      what: "interval of DRBD's monitor on the primary",
      value: inSeconds(pacemaker.drbd.promotedIntervalSeconds),
      cost: 'nothing of its own: a primary that has lost its disk serves on with the copy of the other node until then, and is moved there after it',
      shorten: 'is no field: the move would come sooner, and be as long',
    },
    {
      what: "interval of the database's monitor",
      value: inSeconds(pacemaker.server.monitorIntervalSeconds),
      cost: 'half of it on average, all of it at most, where the server alone dies or hangs',
      shorten: 'is no field: every second of it is another query and another agent on a busy node',
    },
    {
      what: "limit of the monitor's query",
      value: inSeconds(server.queryLimitSeconds),
      cost: 'all of it, where the server hangs; nothing where it is dead',
      shorten: 'is no field: a server that is merely busy is taken for hung, and restarted',
    },
    {
      what: 'a hung server: last question, and TERM to KILL',
      value: `${server.hungLimitSeconds} and ${inSeconds(server.killAfterSeconds)}`,
      cost: 'both, where the server hangs',
      shorten: 'is no field: a server that would have ended by itself is killed, and recovers for longer',
    },
    {
      what: 'stop of the database',
      value: inSeconds(pacemaker.server.stopSeconds),
      cost: 'at a planned move what the flush of the buffer pool takes; the limit only where it is reached',
      shorten: 'is no field: the flush is cut off, and crash recovery on the other side takes longer than the flush',
    },
    {
      what: 'start of the database',
      value: inSeconds(pacemaker.server.startSeconds),
      cost: 'what crash recovery takes: it grows with the redo log, and no limit bounds it',
      shorten: 'is no field: a recovery that is given up begins anew',
    },
    {
      what: 'load balancer (`loadBalancer.probeIntervalSeconds` times `probeThreshold`)',
      value: inSeconds(balancer.downSeconds),
      cost: "up to all of it, from the start of the probe's responder, which starts beside the database",
      shorten: "Azure's least interval is 5 s; with a threshold of 1 one lost probe takes the node away",
    },
  ];
}

const inSeconds = (seconds: number): string => `${Math.round(seconds * 10) / 10} s`;

/** Of the budget what none of its other parts is. */
const reactionSeconds = (budget: ClusterTiming['budget']): number =>
  budget.hardFailoverSeconds -
  budget.detectionSeconds -
  budget.fencingSeconds -
  budget.takeOverSeconds -
  budget.balancerSeconds;

const HEAD = ['what', 'value', 'costs in an outage', 'may it be shortened, and at what risk'] as const;

function renderTimingCosts(timing: ClusterTiming): string {
  const rows = timingCosts(timing).map(({ what, value, cost, shorten }) => [what, value, cost, shorten]);
  return renderMarkdownTable(HEAD, rows);
}

/** How long Azure takes for a power-off without shutdown, from the request until the machine stands. */
const AZURE_POWER_OFF_SECONDS = { least: 10, most: 90 } as const;
/** What the take-over itself is meant to take: DRBD, mount, server. */
const AIM_SECONDS = { nodes: 5, clients: 15, databaseKill: 20 } as const;

/** The tables of `docs/performance.md`, under the names of their places. */
export const timingTables = ({ azure, fast }: { azure: ClusterTiming; fast: ClusterTiming }): NamedTable[] => [
  { name: 'the time-outs, Azure profile', table: renderTimingCosts(azure) },
  { name: 'the time-outs, fast profile', table: renderTimingCosts(fast) },
  { name: 'the aims', table: renderAims({ azure, fast }) },
];

export interface NamedTable {
  name: string;
  table: string;
}

function renderAims({ azure, fast }: { azure: ClusterTiming; fast: ClusterTiming }): string {
  const both = (aim: string): string[] => [aim, aim];
  const { least, most } = AZURE_POWER_OFF_SECONDS;
  const [lab, cloud] = [powerOffAim(fast), powerOffAim(azure)];
  const rows = [
    ['`switchover`, at the nodes', ...both(inSeconds(AIM_SECONDS.nodes))],
    ['`switchover`, for clients', ...both(inSeconds(AIM_SECONDS.clients))],
    ['`database-kill`', ...both(inSeconds(AIM_SECONDS.databaseKill))],
    [
      '`node-power-off`',
      `${lab.seconds} s and the fence (${lab.parts})`,
      `${cloud.seconds + least} to ${cloud.seconds + most} s (${cloud.parts}, fence ${least} to ${most})`,
    ],
  ];
  return renderMarkdownTable(['at most', 'lab, fast profile', 'Azure profile'], rows);
}

/** Without the fence itself: that is Azure's. */
function powerOffAim({ budget, pacemaker, balancer }: ClusterTiming): { seconds: number; parts: string } {
  const [detection, delay] = [budget.detectionSeconds, pacemaker.fencing?.delaySeconds ?? 0];
  return {
    seconds: detection + delay + balancer.downSeconds + AIM_SECONDS.nodes,
    parts: `detection ${detection}, delay ${delay}, balancer ${balancer.downSeconds}, take-over ${AIM_SECONDS.nodes}`,
  };
}
