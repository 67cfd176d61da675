import { setTimeout as wait } from 'node:timers/promises';
import type { Logger, NativeConnectionOptions } from '@temporalio/worker';
import { NativeConnection } from '@temporalio/worker';
import { messageOf } from '../processes/error-message';

/** Longest wait between two tries to reach the server; a server that restarts is found again soon. */
const LONGEST_BACKOFF_MS = 5_000;
/** A server that stays away is worth a line now and then. */
const REPORT_EVERY_MS = 60_000;

/** Waits for the server instead of failing when it is not there yet: any piece may start first. Errors: AbortError by `signal`. */
export async function connectPatiently(
  options: NativeConnectionOptions,
  logger: Logger,
  signal?: AbortSignal,
): Promise<NativeConnection> {
  let lastReason: string | undefined;
  let reportedAt = 0;
  for (let backoffMs = 250; ; backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS)) {
    try {
      return await NativeConnection.connect(options);
    } catch (error) {
      signal?.throwIfAborted();
      const reason = messageOf(error);
      if (reason !== lastReason || performance.now() - reportedAt > REPORT_EVERY_MS) {
        logger.warn('Temporal does not answer yet; it is tried until it does', {
          code: 'HADB_W6002',
          address: options.address ?? 'localhost:7233',
          reason,
        });
        lastReason = reason;
        reportedAt = performance.now();
      }
      await wait(backoffMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}
