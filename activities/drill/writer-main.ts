import { readFileSync, rmSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { openSession, type DatabaseAccess, type DatabaseSession } from './database-client';
import { watchEventLoop } from './event-loop-watch';
import { createKeptSession } from './kept-session';
import { createDurableFile, createLedgerFile } from './ledger-file';
import { createLoginGate } from './login-gate';
import { runWriters, type RowToWrite, type WriterOptions } from './writer';

/** The probe's process: `node writer-main.js <order file>`. The order is removed once it is read, because it holds a password. */
export interface WriterOrder {
  access: DatabaseAccess;
  options: WriterOptions;
  /** `INSERT` with places for drill, writer and number. */
  insert: string;
  ledgerFile: string;
}

/** A lost SYN is sent again after a second only, a new socket at once. */
const KEPT_DIAL = { connectMs: 1000, greetingMs: 1000, handshakeMs: 10_000 } as const;
const KEPT = { paceMs: 250, mostDials: 4, patienceMs: 1000 } as const;
/** Logins at the same time that new connections may cost a server which has just come up: ten a second of them would bring a slow one down again. */
const MOST_LOGINS = 3;
/** A fifth and a half of an interval: what is held up for less does not disturb the measurement. */
const WATCH = { everyMs: 20, lateMs: 50 } as const;
const LEDGER = { slowMs: 50, gatherMs: 10 } as const;

const now = (): number => performance.timeOrigin + performance.now();

async function main(orderFile: string): Promise<void> {
  const order = JSON.parse(readFileSync(orderFile, 'utf8')) as WriterOrder;
  rmSync(orderFile);
  const { access, options, insert } = order;
  const ledger = createLedgerFile(await createDurableFile(order.ledgerFile), { now, ...LEDGER });
  const kept = options.writers.map((connection) =>
    connection === 'kept'
      ? createKeptSession((dial) => openSession(access, { ...dial, limits: KEPT_DIAL }), KEPT)
      : undefined,
  );
  const admit = createLoginGate(MOST_LOGINS);

  const send = async (session: DatabaseSession, { writer, seq, deadlineAt, beforeSend }: RowToWrite): Promise<void> => {
    await beforeSend();
    await session.query(insert, [options.drill, writer, seq], deadlineAt - now());
  };
  const writeKept = async (own: ReturnType<typeof createKeptSession>, row: RowToWrite): Promise<void> => {
    const session = await own.take(row.deadlineAt - now());
    try {
      await send(session, row);
    } finally {
      own.giveBack(session);
    }
  };
  const writeFresh = async (row: RowToWrite): Promise<void> => {
    const session = await openSession(access, { withinMs: row.deadlineAt - now(), admit });
    try {
      await send(session, row);
    } finally {
      session.destroy();
    }
  };

  let end = (): void => undefined;
  let ending = false;
  const ended = new Promise<void>((resolve) => {
    end = () => {
      ending = true;
      resolve();
    };
  });
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  const stopWatching = watchEventLoop({ ...WATCH, now }, (at, ms) => {
    void ledger.note({ kind: 'lag', at, ms: Math.round(ms) });
  });
  await runWriters(options, {
    now,
    note: (entry) => ledger.note(entry),
    write: async (row) => {
      const own = kept[row.writer - 1];
      await (own === undefined ? writeFresh(row) : writeKept(own, row));
    },
    pause: async (ms) => {
      if (ms > 0) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, ms))]);
    },
    isEnding: () => ending,
  });
  stopWatching();
  for (const own of kept) own?.close();
  await ledger.close();
}

const orderFile = process.argv[2];
if (orderFile === undefined) throw new Error('usage: writer-main <order file>');
void main(orderFile).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
