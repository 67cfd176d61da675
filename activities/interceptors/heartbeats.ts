import type { Context } from '@temporalio/activity';
import { asyncLocalStorage } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';

/**
 * A killed worker's step is made again once its heartbeats have stayed away for 10 s. Three must be lost before a living
 * worker is taken for dead.
 */
export const HEARTBEAT_INTERVAL_MS = 2_500;

/**
 * Heartbeats for every activity, whatever it waits for. What an activity itself reports by `heartbeat(details)` is repeated
 * by the timer, so that "how far it is" stays to be seen. It shows that the worker lives, not that the work goes on: each
 * remote command has its own deadline.
 */
export function heartbeatInterceptor(context: Context): ActivityInterceptors {
  // An activity that was scheduled without a heartbeat time-out must not heartbeat.
  if (context.info.heartbeatTimeoutMs === undefined) return {};
  let last: unknown;
  const beat = (details?: unknown) => {
    last = details;
    context.heartbeat(details);
  };
  const scope = Object.create(context, { heartbeat: { value: beat } }) as Context;
  return {
    inbound: {
      async execute(input, next) {
        const timer = setInterval(() => context.heartbeat(last), HEARTBEAT_INTERVAL_MS);
        try {
          return await asyncLocalStorage.run(scope, () => next(input));
        } finally {
          clearInterval(timer);
        }
      },
    },
  };
}
