import { ConnectFailed, openSession, type DatabaseAccess, type DatabaseSession } from './database-client';
import { messageOf } from '../../processes/error-message';

/**
 * The connections of a client that writes through a fault, as a good application keeps them: few, used again, and made anew a few at a time. A
 * client that dials for each attempt brings a server that has just come up down again: each handshake costs it more than a hundred writes.
 */
export interface SessionPool {
  /** A session for one query, to be given back. Errors: ConnectFailed when none is free or can be made within the time. */
  take(withinMs: number): Promise<DatabaseSession>;
  giveBack(session: DatabaseSession): void;
  close(): void;
}

export interface SessionPoolOptions {
  /** Sessions at most, those included that are being made. */
  most: number;
  /** Dials at the same time: more than one, so that one that hangs does not hide that the next would succeed. */
  mostDials: number;
  /** After a refused dial. */
  pauseMs: number;
}

interface Waiter {
  give: (session: DatabaseSession) => void;
}

export function createSessionPool(
  access: DatabaseAccess,
  options: SessionPoolOptions,
  dial: (access: DatabaseAccess) => Promise<DatabaseSession> = openSession,
): SessionPool {
  const idle: DatabaseSession[] = [];
  const waiting: Waiter[] = [];
  let inUse = 0;
  let dialling = 0;
  let closed = false;
  let lastFailure = 'none was tried';

  const hand = (session: DatabaseSession): void => {
    if (closed || !session.isUsable()) {
      session.destroy();
      dialWhenNeeded();
      return;
    }
    // The newest: the oldest is about to give up, and would take a good session down with it.
    const next = waiting.pop();
    if (next === undefined) {
      idle.push(session);
      return;
    }
    inUse += 1;
    next.give(session);
  };

  const dialOnce = async (): Promise<void> => {
    dialling += 1;
    try {
      const session = await dial(access);
      dialling -= 1;
      hand(session);
    } catch (error) {
      lastFailure = messageOf(error);
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
      dialling -= 1;
    }
    dialWhenNeeded();
  };

  const dialWhenNeeded = (): void => {
    if (closed) return;
    const room = options.most - inUse - idle.length - dialling;
    const wanted = Math.min(waiting.length - dialling, options.mostDials - dialling, room);
    for (let dials = 0; dials < wanted; dials += 1) void dialOnce();
  };

  const takeIdle = (): DatabaseSession | undefined => {
    for (let session = idle.pop(); session !== undefined; session = idle.pop()) {
      if (session.isUsable()) return session;
      session.destroy();
    }
    return undefined;
  };

  return {
    async take(withinMs) {
      const session = takeIdle();
      if (session !== undefined) {
        inUse += 1;
        return session;
      }
      return await new Promise((resolve, reject) => {
        const waiter: Waiter = {
          give: (given) => {
            clearTimeout(timer);
            resolve(given);
          },
        };
        const timer = setTimeout(
          () => {
            waiting.splice(waiting.indexOf(waiter), 1);
            reject(new ConnectFailed(`no connection in time; last: ${lastFailure}`));
          },
          Math.max(0, withinMs),
        );
        waiting.push(waiter);
        dialWhenNeeded();
      });
    },
    giveBack(session) {
      inUse -= 1;
      hand(session);
    },
    close() {
      closed = true;
      for (const session of idle.splice(0)) session.destroy();
    },
  };
}
