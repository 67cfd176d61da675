import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createConnection, type Connection, type SslOptions } from 'mysql2';
import { messageOf } from '../../processes/error-message';

/** How a client outside of the cluster reaches the database: by name, through the load balancer, by TLS. */
export interface DatabaseAccess {
  /** Name that the server's certificate must carry. */
  host: string;
  /** What the name resolves to. */
  address: string;
  port: number;
  user: string;
  password: string;
  /** Certificate authority of the cluster, PEM. */
  authority: string;
  /** Shows in `performance_schema` who the client is. */
  purpose: string;
}

/** The connection could not be made: nothing was sent to the database. */
export class ConnectFailed extends Error {
  override readonly name = 'ConnectFailed';
}

/** The query was sent, and what became of it is not known. */
export class QueryUnanswered extends Error {
  override readonly name = 'QueryUnanswered';
}

/** The server answered that it did not do it: a statement of its own transaction has no effect then. */
export class QueryRefused extends Error {
  override readonly name = 'QueryRefused';
}

export interface DatabaseSession {
  query(sql: string, values: readonly (string | number)[], deadlineMs: number): Promise<Record<string, unknown>[]>;
  /** False once the session has seen an error or its end: dial anew. */
  isUsable(): boolean;
  destroy(): void;
}

export interface DialLimits {
  /** Until the other side accepts. Short: a lost SYN is sent again after 1, 3, 7 … s only, a new socket at once. */
  connectMs: number;
  /** From then until the server greets, which it does at once: a balancer may accept for a node that is dead. */
  greetingMs: number;
  /** Until the server lets us in, the TLS handshake included: a busy server needs seconds for it, and more so when clients give up and come again. */
  handshakeMs: number;
}

export const DIAL_LIMITS: DialLimits = { connectMs: 1000, greetingMs: 1500, handshakeMs: 10_000 };

export interface DialOptions {
  limits?: DialLimits;
  /** For all of it together. */
  withinMs?: number;
  /**
   * Asked once the server has greeted: logging in is what costs it something. Resolves with what is to be called when that is over; a rejection gives the
   * connection up.
   */
  admit?: () => Promise<() => void>;
}

/**
 * One connection, no pool, and deadlines of its own: mysql2 gives queries no time-out by default, its time-outs start when a
 * command gets its turn, and a destroyed connection never answers those who wait. Errors: ConnectFailed.
 */
export async function openSession(
  access: DatabaseAccess,
  { limits = DIAL_LIMITS, withinMs = Infinity, admit }: DialOptions = {},
): Promise<DatabaseSession> {
  const begun = performance.now();
  const left = (limitMs: number): number => Math.min(limitMs, withinMs - (performance.now() - begun));
  const socket = connect({ host: access.address, port: access.port, noDelay: true });
  // mysql2 listens for errors only once it has the socket.
  socket.on('error', () => undefined);
  const closed = new Promise<never>((_, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed before the server had answered')));
  });
  try {
    await within(Promise.race([once(socket, 'connect'), closed]), left(limits.connectMs));
    await within(Promise.race([once(socket, 'readable'), closed]), left(limits.greetingMs));
    const done = admit === undefined ? undefined : await admitted(admit(), closed, left(limits.handshakeMs));
    try {
      return await logIn(access, socket, closed, left(limits.handshakeMs));
    } finally {
      done?.();
    }
  } catch (error) {
    socket.destroy();
    throw new ConnectFailed(`no connection to ${access.host} (${access.address}:${access.port}): ${messageOf(error)}`);
  }
}

/** An admission that comes too late is given back. */
async function admitted(asked: Promise<() => void>, closed: Promise<never>, withinMs: number): Promise<() => void> {
  try {
    return await within(Promise.race([asked, closed]), withinMs);
  } catch (error) {
    asked.then(
      (done) => done(),
      () => undefined,
    );
    throw error;
  }
}

async function logIn(
  access: DatabaseAccess,
  socket: Socket,
  closed: Promise<never>,
  handshakeMs: number,
): Promise<DatabaseSession> {
  const connection = createConnection({
    stream: () => socket,
    host: access.host,
    port: access.port,
    user: access.user,
    password: access.password,
    ssl: tlsOf(access.authority),
    connectTimeout: Math.max(1, Math.round(handshakeMs)),
    connectAttributes: { program_name: 'hadb', purpose: access.purpose },
    supportBigNumbers: true,
  });
  const session = wrap(connection, socket);
  const loggedIn = new Promise<void>((resolve, reject) => {
    connection.once('connect', () => resolve());
    connection.once('error', (error) => reject(error));
  });
  try {
    await within(Promise.race([loggedIn, closed]), handshakeMs);
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}

const tlsByAuthority = new Map<string, SslOptions>();

/** The same object for each connection: mysql2 keeps the TLS session by it, and resuming one spares both sides the key exchange. */
function tlsOf(authority: string): SslOptions {
  const known = tlsByAuthority.get(authority);
  const tls = known ?? { ca: authority, verifyIdentity: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' };
  tlsByAuthority.set(authority, tls);
  return tls;
}

function wrap(connection: Connection, socket: Socket): DatabaseSession {
  let usable = true;
  const end = () => {
    usable = false;
  };
  connection.on('error', end);
  connection.on('end', end);
  socket.on('close', end);
  const destroy = () => {
    end();
    connection.destroy();
    socket.destroy();
  };
  return {
    isUsable: () => usable,
    destroy,
    async query(sql, values, deadlineMs) {
      let lose: () => void = () => undefined;
      const answered = new Promise<Record<string, unknown>[]>((resolve, reject) => {
        lose = () => reject(new Error('the connection was closed before the server had answered'));
        socket.once('close', lose);
        connection.query(sql, [...values], (error, rows) => {
          if (error) reject(error);
          else resolve(Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []);
        });
      });
      try {
        return await within(answered, deadlineMs);
      } catch (error) {
        destroy();
        throw isRefusal(error) ? new QueryRefused(messageOf(error)) : new QueryUnanswered(messageOf(error));
      } finally {
        socket.removeListener('close', lose);
      }
    },
  };
}

/** Errors: the promise's own, and one that names the limit. */
async function within<Result>(promise: Promise<Result>, deadlineMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    const expire = () => reject(new Error(`no answer within ${Math.round(deadlineMs)} ms`));
    // After this process was held up its timers come before what has arrived meanwhile: that is read first.
    timer = setTimeout(() => setImmediate(() => setImmediate(expire)), Math.min(Math.max(0, deadlineMs), LONGEST_MS));
  });
  // Whatever loses the race must not be an unhandled rejection later.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Of setTimeout. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Errors of a server that has not done what it was asked, for certain: no other error is, for a commit may have been under way. After mysqld_error.h: it is
 * read-only, or in the middle of its start; the account or the table is not there; a lock was not to be had; there is no room.
 */
const REFUSALS: readonly unknown[] = [
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
  'ER_READ_ONLY_MODE',
  'ER_OPEN_AS_READONLY',
  'ER_TABLEACCESS_DENIED_ERROR',
  'ER_NO_SUCH_TABLE',
  'ER_BAD_DB_ERROR',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_LOCK_DEADLOCK',
  'ER_RECORD_FILE_FULL',
];

const isRefusal = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'sqlState' in error &&
  'code' in error &&
  REFUSALS.includes(error.code);
