import { ConnectFailed, type DatabaseSession, type DialOptions } from './database-client';
import { NotTried } from './writer';
import { messageOf } from '../../processes/error-message';

/**
 * The one connection of a client that keeps it: used for a query at a time, as long as it works, and made anew only once it is known to be broken. A dead
 * server gives no sign, so that a client notices by its own deadline.
 */
export interface KeptSession {
  /** The session for one query, to be given back. Errors: ConnectFailed when there is none within the time, NotTried when it was busy and worked. */
  take(withinMs: number): Promise<DatabaseSession>;
  giveBack(session: DatabaseSession): void;
  close(): void;
}

export interface KeptSessionOptions {
  /** Between dials, while there is no session: one that hangs must not hide that the next would succeed. */
  paceMs: number;
  /** Dials at the same time. */
  mostDials: number;
  /** A login that takes longer does not keep another one from being tried: a busy server needs seconds, a dead one never answers. */
  patienceMs: number;
}

type Dial = (options: Pick<DialOptions, 'admit'>) => Promise<DatabaseSession>;

interface Waiter {
  give: (session: DatabaseSession) => void;
}

export function createKeptSession(dial: Dial, options: KeptSessionOptions): KeptSession {
  const waiting: Waiter[] = [];
  let session: DatabaseSession | undefined;
  let isBusy = false;
  let isClosed = false;
  let answered = 0;
  let dialling = 0;
  let pacing: NodeJS.Timeout | undefined;
  /** Start of the latest login that has not ended. */
  let loggingInSince: number | undefined;
  let lastFailure = 'none was tried';

  const usable = (): DatabaseSession | undefined => {
    if (session?.isUsable() === false) session = undefined;
    return session;
  };

  const serve = (): void => {
    const current = usable();
    if (current === undefined) {
      dialWhenNeeded();
      return;
    }
    if (isBusy) return;
    // The newest: the oldest is about to give up, and would take a good session down with it.
    const next = waiting.pop();
    if (next === undefined) return;
    isBusy = true;
    next.give(current);
  };

  const isLoggingIn = (): boolean =>
    loggingInSince !== undefined && performance.now() - loggingInSince < options.patienceMs;

  /** One login at a time. */
  const admit = async (): Promise<() => void> => {
    if (isClosed || usable() !== undefined || isLoggingIn()) throw new Error('another dial came first');
    const since = performance.now();
    loggingInSince = since;
    return () => {
      if (loggingInSince === since) loggingInSince = undefined;
    };
  };

  const dialOnce = async (): Promise<void> => {
    dialling += 1;
    try {
      const made = await dial({ admit });
      if (isClosed || usable() !== undefined) made.destroy();
      else session = made;
    } catch (error) {
      lastFailure = messageOf(error);
    }
    dialling -= 1;
    serve();
  };

  const dialWhenNeeded = (): void => {
    const isNeeded = !isClosed && !isBusy && waiting.length > 0 && usable() === undefined;
    if (!isNeeded || pacing !== undefined) return;
    pacing = setTimeout(() => {
      pacing = undefined;
      dialWhenNeeded();
    }, options.paceMs);
    if (dialling < options.mostDials && !isLoggingIn()) void dialOnce();
  };

  return {
    async take(withinMs) {
      return await new Promise((resolve, reject) => {
        const answeredBefore = answered;
        const waiter: Waiter = {
          give: (given) => {
            clearTimeout(timer);
            resolve(given);
          },
        };
        const timer = setTimeout(
          () => {
            waiting.splice(waiting.indexOf(waiter), 1);
            const isWorking = usable() !== undefined && answered > answeredBefore;
            reject(
              isWorking
                ? new NotTried('the connection was busy with other writes')
                : new ConnectFailed(
                    isBusy ? 'the connection was busy with a write' : `no connection in time; last: ${lastFailure}`,
                  ),
            );
          },
          Math.max(0, withinMs),
        );
        waiting.push(waiter);
        serve();
      });
    },
    giveBack(given) {
      isBusy = false;
      if (given.isUsable()) answered += 1;
      serve();
    },
    close() {
      isClosed = true;
      clearTimeout(pacing);
      session?.destroy();
    },
  };
}
