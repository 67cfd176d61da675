import { openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { formatEntry } from '../../cluster/verdict/write-ledger';
import { ConnectFailed, openSession, type DatabaseAccess, type DatabaseSession } from './database-client';
import { runWriter, type WriterOptions } from './writer';

/** The writer's process: `node writer-main.js <order file>`. The order is removed once it is read, because it holds a password. */
export interface WriterOrder {
  access: DatabaseAccess;
  options: WriterOptions;
  /** `INSERT` with places for drill, writer and number. */
  insert: string;
  ledgerFile: string;
}

async function main(orderFile: string): Promise<void> {
  const order = JSON.parse(readFileSync(orderFile, 'utf8')) as WriterOrder;
  rmSync(orderFile);
  const ledger = openSync(order.ledgerFile, 'ax', 0o600);
  const sessions = new Sessions(order.access);
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
    write: (seq, deadlineMs) =>
      sessions.use(deadlineMs, (session, left) => session.query(order.insert, [drill, writer, seq], left)),
    pause: async (ms) => {
      if (ms > 0) await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, ms))]);
    },
    isEnding: () => ending,
  });
  sessions.destroy();
}

/**
 * Keeps one good session at hand. An attempt that finds it busy or gone dials anew, so that during an outage each attempt is a
 * new client's: it is known again within one interval when connections succeed.
 */
class Sessions {
  private idle: DatabaseSession | undefined;
  constructor(private readonly access: DatabaseAccess) {}

  async use(deadlineMs: number, work: (session: DatabaseSession, leftMs: number) => Promise<unknown>): Promise<void> {
    const due = performance.now() + deadlineMs;
    const session = this.take() ?? (await openSession(this.access, deadlineMs));
    const leftMs = due - performance.now();
    if (leftMs <= 0) {
      this.give(session);
      throw new ConnectFailed('the connection came too late');
    }
    await work(session, leftMs);
    this.give(session);
  }

  destroy(): void {
    this.idle?.destroy();
  }

  private take(): DatabaseSession | undefined {
    const session = this.idle;
    this.idle = undefined;
    if (session?.isUsable()) return session;
    session?.destroy();
    return undefined;
  }

  private give(session: DatabaseSession): void {
    if (this.idle === undefined && session.isUsable()) this.idle = session;
    else session.destroy();
  }
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
