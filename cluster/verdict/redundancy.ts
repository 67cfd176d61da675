import type { Milestone } from '../logs/milestones';
import type { VerdictCheck } from '../step';

/** What is known of the time until both copies were current again: from the logs of the nodes, or no more than that the pair was whole by then. */
export interface RedundancySeen {
  milestones: readonly Milestone[];
  /** ms since the epoch, as all times here: when the fault was ordered. */
  faultAt: number;
  /** When the drill saw the pair whole, which is later than it was. */
  wholeAt?: number;
}

/** Until then the next loss is an outage that nobody ends. What was not seen is unknown, unless the pair was whole in time anyway. */
export function redundancyCheck(
  { milestones, faultAt, wholeAt }: RedundancySeen,
  { limitSeconds }: { limitSeconds: number },
): VerdictCheck {
  const name = `redundancy restored within ${limitSeconds} s`;
  const seen = milestones.find((milestone) => milestone.name === 'redundant')?.seen;
  if (seen !== undefined) {
    const [seconds, error] = [(seen.at - faultAt) / 1000, seen.errorMs / 1000];
    const detail = `both copies were current again ${round(seconds)} s ± ${Math.ceil(seen.errorMs)} ms after the fault, by the log of ${seen.node ?? 'a node'}`;
    if (seconds + error <= limitSeconds) return { name, passed: true, detail };
    return { name, passed: false, ...(seconds - error <= limitSeconds && { unknown: true as const }), detail };
  }
  const untold = 'no log tells when both copies were current again';
  if (wholeAt === undefined) return { name, passed: false, unknown: true, detail: untold };
  const bound = (wholeAt - faultAt) / 1000;
  const detail = `${untold}; the pair was seen whole ${round(bound)} s after the fault`;
  return bound <= limitSeconds ? { name, passed: true, detail } : { name, passed: false, unknown: true, detail };
}

const round = (seconds: number): number => Math.round(seconds * 10) / 10;
