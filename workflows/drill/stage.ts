import type { DrillReportStep } from '../../activities/drill/report';
import { DRILL_SECONDS, faultTiming, type FaultTiming } from '../../cluster/drill-limits';
import type { StepContext, StepOutcome, VerdictCheck } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { TableRead } from '../../cluster/verdict/audit-table';
import type { DrillKind } from '../messages';
import type { Run } from '../runbook';

/** Which node was primary before the fault, and which one takes over. */
export interface DrilledPair {
  primary: string;
  standby: string;
}

/** Steps of one drill: their ids carry the kind, because a build makes several drills. */
export interface Stage extends DrilledPair {
  run: Run;
  kind: DrillKind;
  /** What the verdict calls it: the kind, and which pair of faults. */
  title: string;
  id: (name: string) => string;
  /** What names the drill's rows, its ledger and its report. */
  drill: string;
  /** When it began, ms since the epoch: what is older is none of its business. */
  since: number;
  noted: NotedForReport;
  /** The article's table before a planned move, and on the other side. */
  tables: { before?: TableRead; after?: TableRead };
  state: FaultState;
}

/** What has become of the fault so far. */
export interface FaultState {
  /** Something was broken or moved: a drill that may not go on is no longer one that was refused. */
  begun: boolean;
  /** Both nodes were seen primary at once: whatever is mended or started now could only destroy evidence. */
  twoPrimaries: boolean;
}

/** What the report tells beside the step table; filled in as the drill goes on, and written whatever its end. */
export type NotedForReport = Partial<
  Pick<DrillReportStep, 'verdict' | 'failure' | 'cancelled' | 'writes' | 'limitSeconds' | 'faultAt'>
>;

/** SLO that the outage is held against; `none` where people set the pace. */
export type OutageLimit = 'soft' | 'hard' | 'none';

/** What was seen when the fault had done its work. */
export interface Injected {
  /** From when on the client must be answered steadily (ms since the epoch). */
  at: number;
  /** Node that serves now, where it is not the one that stood by. */
  serving?: string;
  /** What was expected of the cluster, and whether it came so. */
  expectations?: VerdictCheck[];
  /** A server that has to go on through the fault and all that follows: its node was well. */
  kept?: ServerOnNode;
}

/** A server process, of one boot of its node. */
export interface ServerOnNode {
  node: string;
  bootId: string;
  pid: number;
}

export interface Fault {
  /** At the gate: whether this fault can be made here at all. */
  check?: (step: StepContext) => Promise<StepOutcome>;
  /** Breaks or moves, and ends when it is seen who serves; what is not as expected is returned, not thrown. */
  inject: (stage: Stage) => Promise<Injected>;
  /** Nobody serves, or not reliably, until the fault is taken back: only then is the client waited for. */
  servedAfterRepair?: true;
  /** Only while the fault lasts. */
  during?: (stage: Stage) => Promise<void>;
  /** Puts right what was broken; observes first, so that it may come twice. */
  repair: (stage: Stage) => Promise<void>;
  limit: OutageLimit;
}

export function limitSeconds({ specification: { slo } }: Run, limit: OutageLimit): number {
  if (limit === 'none') return DRILL_SECONDS.byHand;
  return limit === 'soft' ? slo.softFailoverSeconds : slo.hardFailoverSeconds;
}

export const faultTimingOf = ({ specification }: Run): FaultTiming => faultTiming(timingOf(specification));

export const addressOf = ({ specification }: Run, name: string): string =>
  specification.nodes.find((node) => node.name === name)?.address ?? '';
