import type { DrbdState } from '../../cluster/drbd/state';
import type { StepWait } from '../../cluster/step';

/** Rate over the last half minute, so that it follows what the sync does now. */
const WINDOW_MS = 30_000;

export type SyncProgress = { samples: { atMs: number; leftKiB: number }[] };

export const syncProgress = (): SyncProgress => ({ samples: [] });

/** Percent, rate and time left from successive states; the same for DRBD 8.4 and 9. */
export function describeProgress(
  progress: SyncProgress,
  drbd: DrbdState,
  nowMs: number,
): Omit<StepWait, 'step' | 'waitingFor'> {
  if (drbd.sizeKiB === 0) return {};
  const leftKiB = drbd.outOfSyncKiB;
  progress.samples = [...progress.samples.filter(({ atMs }) => atMs >= nowMs - WINDOW_MS), { atMs: nowMs, leftKiB }];
  const percent = Math.floor((1 - leftKiB / drbd.sizeKiB) * 1000) / 10;
  const [oldest] = progress.samples;
  const elapsedMs = nowMs - (oldest?.atMs ?? nowMs);
  if (oldest === undefined || elapsedMs < 1000 || oldest.leftKiB <= leftKiB) return { percent };
  const rateKiBPerSecond = Math.round(((oldest.leftKiB - leftKiB) * 1000) / elapsedMs);
  return { percent, rateKiBPerSecond, remainingSeconds: Math.ceil(leftKiB / Math.max(rateKiBPerSecond, 1)) };
}
