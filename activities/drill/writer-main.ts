import { openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { formatEntry } from '../../cluster/verdict/write-ledger';
import type { DatabaseAccess } from './database-client';
import { createSessionPool } from './session-pool';
import { runWriter, type WriterOptions } from './writer';

/** The writer's process: `node writer-main.js <order file>`. The order is removed once it is read, because it holds a password. */
export interface WriterOrder {
  access: DatabaseAccess;
  options: WriterOptions;
  /** `INSERT` with places for drill, writer and number. */
  insert: string;
  ledgerFile: string;
}

/** Ten writes a second need one connection; four keep the pace when answers take up to 400 ms. */
const POOL = { most: 4, mostDials: 2, pauseMs: 100 } as const;

async function main(orderFile: string): Promise<void> {
  const order = JSON.parse(readFileSync(orderFile, 'utf8')) as WriterOrder;
  rmSync(orderFile);
  const ledger = openSync(order.ledgerFile, 'ax', 0o600);
  const sessions = createSessionPool(order.access, POOL);
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
  const { drill, writer } = order.options;
  await runWriter(order.options, {
    now: () => performance.timeOrigin + performance.now(),
    // At once, not buffered: the kernel has the line even when this process is killed.
    note: (entry) => void writeSync(ledger, formatEntry(entry)),
    write: async ({ seq, connectWithinMs, answerWithinMs, onSend }) => {
      const session = await sessions.take(connectWithinMs);
      try {
        onSend();
        await session.query(order.insert, [drill, writer, seq], answerWithinMs);
      } finally {
        sessions.giveBack(session);
      }
    },
    pause: async (ms) => {
      if (ms > 0) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, ms))]);
    },
    isEnding: () => ending,
  });
  sessions.close();
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
