import type { VerdictCheck } from '../step';
import { expectation } from './expectations';

/** What DRBD found when it compared both copies. */
export interface Verified {
  /** What the kernel said at the end; absent where it did not come to its end. */
  ended?: string;
  /** Blocks that differ, as each node counts them. */
  outOfSync: readonly { node: string; kib: number }[];
}

const NAME = 'both copies equal, block by block';

export function auditVerify({ ended, outOfSync }: Verified): VerdictCheck {
  const counted = outOfSync.map(({ node, kib }) => `${node} ${kib} KiB`).join(', ');
  const detail = `${ended ?? 'the comparison did not come to its end'}; out of sync: ${counted}`;
  return expectation({
    name: NAME,
    problems: outOfSync.some(({ kib }) => kib > 0) ? [detail] : [],
    detail,
    unknown: ended === undefined || outOfSync.length < 2,
  });
}

/** Left out on purpose: no proof, and no fault. */
export const verifyNotRun = (reason: string): VerdictCheck => ({
  name: NAME,
  passed: true,
  notRun: true,
  detail: reason,
});
