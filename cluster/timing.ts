import { HadbError } from './errors';
import type { ClusterSpecification } from './specification/specification';

/** The few numbers from which every time-out of a cluster follows. */
export interface TimingInputs {
  /** Corosync declares a silent node lost after this long. */
  tokenMs: number;
  /** How long the loser of a fencing race is held back, and how long a power-off may take; absent without fencing. */
  fencing?: FencingInputs;
  probeIntervalSeconds: number;
  probeThreshold: number;
  /** Longest acceptable outage, client's view: after the loss of a node, and for a planned move. */
  slo: { hardFailoverSeconds: number; softFailoverSeconds: number };
}

export interface FencingInputs {
  delaySeconds: number;
  powerOffSeconds: number;
}

export interface OperationTiming {
  startSeconds: number;
  stopSeconds: number;
  monitorIntervalSeconds: number;
  monitorSeconds: number;
}

export interface FencingTiming {
  /**
   * `priority-fencing-delay`: when both nodes shoot, the one that would shoot the primary waits this long. It must outlast the other's power-off, from the
   * request until the machine stands. Part of every hard failover's time: a primary that is really dead is shot as late.
   */
  delaySeconds: number;
  /** `power_timeout`: how long the agent asks whether the machine is off by now. Pacemaker switches this off in agents that it runs itself. */
  powerSeconds: number;
  /** `pcmk_off_timeout`: a whole run of the agent, after which Pacemaker kills it; token, request and questions are in it. */
  offSeconds: number;
  /** `stonith-timeout`: the whole of a fencing, delay included, and the fifth that Pacemaker adds to an agent's own time (`TIMEOUT_MULTIPLY_FACTOR`). */
  totalSeconds: number;
  /** Start and monitor both list the machines by Azure's API; 120 s is Azure's guide, which asks each hour. */
  monitorSeconds: number;
  /** Five minutes: two requests to a limit of 25 a second, and a credential that was taken away is known before the next night. */
  monitorIntervalSeconds: number;
  startSeconds: number;
  stopSeconds: number;
}

export interface ClusterTiming {
  corosync: {
    tokenMs: number;
    /** 1.2 times the token, the least that corosync.conf(5) allows; Azure's guide has 36000 for 30000. */
    consensusMs: number;
    /** 10 (Azure's guide): ten tries within one token, so that one lost datagram does not count. */
    tokenRetransmitsBeforeLossConst: number;
    /** 60 ms (Azure's guide; default 50). */
    joinMs: number;
    /** 20 (Azure's guide; default 17). */
    maxMessages: number;
  };
  drbd: {
    /**
     * `--timeout` of the fence-peer handler: > token + consensus + fencing delay + power-off. A handler that gives up
     * earlier lets I/O go on before the peer is dead: acknowledged writes can be lost.
     */
    fencePeerSeconds: number;
    /** `--dc-timeout`: > the handler's, so that an election after the loss of the DC does not end it. */
    fencePeerDcSeconds: number;
    /**
     * `ping-int`: after this long without a word from the peer it is asked whether it is there. Until DRBD knows, a primary whose peer was lost holds writes up, however
     * quickly Pacemaker has had the peer shot; so it is asked soon after the token, and at DRBD's own 10 s at the latest.
     */
    pingSeconds: number;
    /** `ping-timeout`: 1 s for the answer. DRBD's own 0.5 s is less than a virtual machine may stand still. */
    pingAnswerSeconds: number;
    /** `timeout`: less than `ping-int` and `connect-int`, as drbd.conf(5) wants it; DRBD's own 6 s at most. */
    answerSeconds: number;
  };
  pacemaker: {
    /**
     * How long a node whose Pacemaker starts waits for a DC before it has one elected: all of it, whenever both start (default 20 s). Quorum takes
     * both nodes anyway after both were down (`wait_for_all`), and a DC that was elected alone takes the other node in as it comes.
     */
    dcDeadtimeSeconds: number;
    /** For the first start only, from a CIB that names both nodes (measured: both online after 5.7 s instead of 24 s). */
    firstStartDcDeadtimeSeconds: number;
    /** The linbit agent's own advice, but promote, which must outlast the fence-peer handler. */
    drbd: {
      startSeconds: number;
      promoteSeconds: number;
      demoteSeconds: number;
      stopSeconds: number;
      notifySeconds: number;
      monitorSeconds: number;
      /** Unequal: Pacemaker tells recurring monitors of two roles apart by their interval. */
      promotedIntervalSeconds: number;
      unpromotedIntervalSeconds: number;
    };
    fileSystem: OperationTiming;
    /** Start covers crash recovery, stop the flush of a dirty buffer pool. */
    server: OperationTiming;
    responder: OperationTiming;
    /** Absent without fencing. */
    fencing?: FencingTiming;
  };
  server: {
    /** Limit of the monitor's query: a server that does not answer within it is hung, not merely busy. Below the monitor's time-out. */
    queryLimitSeconds: number;
    /** Before a stop: a server that does not answer within it is not asked to flush but killed. */
    hungLimitSeconds: number;
    /** Between TERM and KILL of a hung server. */
    killAfterSeconds: number;
    /** Between TERM and KILL of a server that answered: the stop time-out less a margin for what follows. */
    flushSeconds: number;
  };
  balancer: {
    /** From the last good probe to "down"; new connections go to the other node from then on. */
    downSeconds: number;
  };
  /** Upper bounds, by what the time goes into; what a drill measures is held against their sums. */
  budget: {
    detectionSeconds: number;
    fencingSeconds: number;
    takeOverSeconds: number;
    balancerSeconds: number;
    hardFailoverSeconds: number;
    softFailoverSeconds: number;
  };
}

/** Pacemaker's reaction to a membership change, and the rounding up to whole seconds. */
const REACTION_SECONDS = 5;
/** `cibadmin` waits 30 s for an answer when the handler places its constraint. */
const CIBADMIN_SECONDS = 30;
/** Mount with journal replay, start of the server, short crash recovery; a longer recovery is not bounded by anything. */
const TAKE_OVER_SECONDS = 35;
/** Azure freezes a machine for up to 30 s at memory-preserving maintenance (learn.microsoft.com, maintenance-and-updates). */
const LONGEST_FREEZE_MS = 30_000;

/** Azure's guide has a `priority-fencing-delay` of 15 to 30 s (learn.microsoft.com, high-availability-guide-rhel-pacemaker). */
export const AZURE_FENCING_DELAY_SECONDS = { least: 15, default: 30 } as const;
/**
 * Azure answers a power-off without shutdown after 10 to 90 s; an attempt that is given up is made again, so that a longer limit (Azure's guide: 240 s)
 * gains nothing, and no primary may write for longer than this in doubt.
 */
const POWER_OFF_SECONDS = 120;
/** Time for the agent to report before Pacemaker kills it. */
const AGENT_MARGIN_SECONDS = 10;

/** @throws HadbError BadSpecification when the inputs contradict each other; `timingProblems` tells it without throwing. */
export function computeTiming(inputs: TimingInputs): ClusterTiming {
  const timing = derive(inputs);
  const problems = contradictions(inputs, timing);
  if (problems.length > 0) {
    throw new HadbError('BadSpecification', 'the time-outs of the cluster contradict each other', {
      observed: problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
      whatNow: 'Change the named fields of the specification.',
    });
  }
  return timing;
}

/** What fencing through Azure adds to the inputs. */
export const fencingInputs = (delaySeconds: number): FencingInputs => ({
  delaySeconds,
  powerOffSeconds: POWER_OFF_SECONDS,
});

export const timingInputs = (specification: ClusterSpecification): TimingInputs => ({
  tokenMs: specification.corosync.tokenMs,
  ...(specification.fencing === 'azure' ? { fencing: fencingInputs(specification.fencingDelaySeconds) } : {}),
  probeIntervalSeconds: specification.loadBalancer.probeIntervalSeconds,
  probeThreshold: specification.loadBalancer.probeThreshold,
  slo: specification.slo,
});

export const timingOf = (specification: ClusterSpecification): ClusterTiming =>
  computeTiming(timingInputs(specification));

export interface TimingProblem {
  /** Field of the specification that can put it right. */
  path: (string | number)[];
  message: string;
}

export const timingProblems = (inputs: TimingInputs): TimingProblem[] => contradictions(inputs, derive(inputs));

/** Judges any set of time-outs, the computed ones among them. */
export function contradictions(inputs: TimingInputs, timing: ClusterTiming): TimingProblem[] {
  const { budget, drbd, pacemaker, server, corosync } = timing;
  const problems: TimingProblem[] = [];
  const must = (holds: boolean, path: TimingProblem['path'], message: string) => {
    if (!holds) problems.push({ path, message });
  };
  if (inputs.fencing !== undefined) {
    must(inputs.fencing.powerOffSeconds > 0, ['fencing'], 'with fencing, the time for a power-off must be above 0');
    must(inputs.fencing.delaySeconds >= 0, ['fencingDelaySeconds'], 'a fencing delay cannot be negative');
    const { fencing } = pacemaker;
    must(
      fencing !== undefined && fencing.powerSeconds < fencing.offSeconds,
      ['fencing'],
      'the fence agent is killed before it could report that the machine stays on',
    );
    must(
      fencing !== undefined && fencing.offSeconds <= inputs.fencing.powerOffSeconds,
      ['fencing'],
      'the fence agent may take longer than the rest of the cluster waits for a power-off',
    );
    must(
      fencing !== undefined && fencing.totalSeconds >= fencing.delaySeconds + fencing.offSeconds,
      ['fencing'],
      'a fencing is given up while its delay or its agent still runs',
    );
  }
  must(
    corosync.consensusMs >= 1.2 * corosync.tokenMs,
    ['corosync', 'tokenMs'],
    `a consensus of ${corosync.consensusMs} ms is less than 1.2 times the token of ${corosync.tokenMs} ms, the least that corosync.conf(5) allows`,
  );
  const lossSeconds = (corosync.tokenMs + corosync.consensusMs) / 1000 + budget.fencingSeconds;
  must(
    drbd.fencePeerSeconds > lossSeconds,
    ['corosync', 'tokenMs'],
    `the fence-peer handler (${drbd.fencePeerSeconds} s) gives up before the peer is dead (${lossSeconds} s)`,
  );
  must(
    drbd.fencePeerDcSeconds > drbd.fencePeerSeconds,
    ['corosync', 'tokenMs'],
    'the handler outlasts its DC time-out',
  );
  must(
    pacemaker.drbd.promoteSeconds > drbd.fencePeerDcSeconds,
    ['corosync', 'tokenMs'],
    'a promotion is given up while its fence-peer handler still runs',
  );
  must(
    server.queryLimitSeconds < pacemaker.server.monitorSeconds && server.flushSeconds < pacemaker.server.stopSeconds,
    ['database'],
    'the limits inside of the database agent reach beyond the time-outs of its operations',
  );
  must(
    inputs.slo.hardFailoverSeconds >= budget.hardFailoverSeconds,
    ['slo', 'hardFailoverSeconds'],
    `${inputs.slo.hardFailoverSeconds} s cannot be kept: detection ${budget.detectionSeconds} s, fencing ${budget.fencingSeconds} s, ` +
      `take-over ${budget.takeOverSeconds} s and load balancer ${budget.balancerSeconds} s add up to ${budget.hardFailoverSeconds} s`,
  );
  must(
    inputs.slo.softFailoverSeconds >= budget.softFailoverSeconds,
    ['slo', 'softFailoverSeconds'],
    `${inputs.slo.softFailoverSeconds} s cannot be kept: take-over ${budget.takeOverSeconds} s and load balancer ` +
      `${budget.balancerSeconds} s add up to ${budget.softFailoverSeconds} s`,
  );
  return problems;
}

/** What is possible and yet unwise, each as a sentence for the report. */
export function timingWarnings({ tokenMs, fencing }: TimingInputs): string[] {
  return [
    ...(tokenMs < LONGEST_FREEZE_MS
      ? [
          `token ${tokenMs} ms: on Azure a memory-preserving maintenance freezes a machine for up to 30 s, ` +
            'which this cluster takes for the loss of a node',
        ]
      : []),
    ...(fencing !== undefined && fencing.delaySeconds < AZURE_FENCING_DELAY_SECONDS.least
      ? [
          `fencing delay ${fencing.delaySeconds} s: Azure takes 10 to 90 s to power a machine off, so that nodes which lose each other ` +
            'may both be shot: the secondary shoots before it is off itself',
        ]
      : []),
  ];
}

function derive(inputs: TimingInputs): ClusterTiming {
  const consensusMs = Math.ceil(inputs.tokenMs * 1.2);
  const detectionSeconds = Math.ceil((inputs.tokenMs + consensusMs) / 1000);
  const fencingSeconds =
    inputs.fencing === undefined ? 0 : inputs.fencing.delaySeconds + inputs.fencing.powerOffSeconds;
  const fencePeerSeconds = detectionSeconds + fencingSeconds + REACTION_SECONDS;
  const fencePeerDcSeconds = fencePeerSeconds + REACTION_SECONDS;
  const pingSeconds = Math.min(10, Math.ceil(inputs.tokenMs / 1000) + 2);
  // The handler lets its last call to the DC run past the limit, by up to a quarter of it.
  const promoteSeconds = Math.max(90, Math.ceil(fencePeerDcSeconds * 1.25) + CIBADMIN_SECONDS + REACTION_SECONDS);
  const balancerSeconds = inputs.probeIntervalSeconds * inputs.probeThreshold;
  const fencing = inputs.fencing === undefined ? {} : { fencing: fencingTiming(inputs.fencing) };
  const server = { startSeconds: 300, stopSeconds: 300, monitorIntervalSeconds: 10, monitorSeconds: 30 };
  return {
    corosync: {
      tokenMs: inputs.tokenMs,
      consensusMs,
      tokenRetransmitsBeforeLossConst: 10,
      joinMs: 60,
      maxMessages: 20,
    },
    drbd: {
      fencePeerSeconds,
      fencePeerDcSeconds,
      pingSeconds,
      pingAnswerSeconds: 1,
      answerSeconds: Math.min(6, pingSeconds - 1),
    },
    pacemaker: {
      dcDeadtimeSeconds: 5,
      firstStartDcDeadtimeSeconds: 2,
      drbd: {
        startSeconds: 240,
        promoteSeconds,
        demoteSeconds: 90,
        stopSeconds: 100,
        notifySeconds: 90,
        monitorSeconds: 20,
        promotedIntervalSeconds: 29,
        unpromotedIntervalSeconds: 31,
      },
      fileSystem: { startSeconds: 60, stopSeconds: 60, monitorIntervalSeconds: 20, monitorSeconds: 40 },
      server,
      responder: { startSeconds: 20, stopSeconds: 20, monitorIntervalSeconds: 10, monitorSeconds: 20 },
      ...fencing,
    },
    server: {
      queryLimitSeconds: 10,
      hungLimitSeconds: 5,
      killAfterSeconds: 5,
      flushSeconds: server.stopSeconds - 15,
    },
    balancer: { downSeconds: balancerSeconds },
    budget: {
      detectionSeconds,
      fencingSeconds,
      takeOverSeconds: TAKE_OVER_SECONDS,
      balancerSeconds,
      hardFailoverSeconds: detectionSeconds + fencingSeconds + REACTION_SECONDS + TAKE_OVER_SECONDS + balancerSeconds,
      softFailoverSeconds: TAKE_OVER_SECONDS + balancerSeconds,
    },
  };
}

function fencingTiming({ delaySeconds, powerOffSeconds }: FencingInputs): FencingTiming {
  return {
    delaySeconds,
    powerSeconds: powerOffSeconds - Math.min(AGENT_MARGIN_SECONDS, powerOffSeconds / 2),
    offSeconds: powerOffSeconds,
    totalSeconds: Math.ceil((delaySeconds + powerOffSeconds) * 1.2),
    monitorSeconds: 120,
    monitorIntervalSeconds: 300,
    startSeconds: 120,
    stopSeconds: 20,
  };
}
