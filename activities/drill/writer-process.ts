import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HadbError } from '../../cluster/errors';
import { slug } from '../../cluster/ids';
import { WRITER_RECORD } from '../../cluster/report/drill-record';
import { parseLedger, type LedgerEntry } from '../../cluster/verdict/write-ledger';
import {
  findOwnedProcess,
  findOwnedProcessesBelow,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
} from '../../processes/owned-process';
import type { WriterOrder } from './writer-main';

/** The writer as a detached process of this machine, found again by the drill's name: a killed worker leaves no gap in what it measures. */
export interface WriterProcesses {
  /** Starts it, or finds the one that runs; `gone` when one ran and has ended: what it did not note is unknown, and no second one is put in its place. */
  start(
    drill: string,
    order: Omit<WriterOrder, 'ledgerFile'> & { cluster: string },
  ): Promise<'now' | 'attached' | 'gone'>;
  /** Undefined when this machine has no ledger of the drill. */
  read(drill: string): LedgerEntry[] | undefined;
  isRunning(drill: string): boolean;
  /** Started here and not stopped yet, whether its process lives or was killed. */
  isInUse(drill: string): boolean;
  /** Asks it to end and waits for its last attempts; kills it after `graceMs`. Repeating it is fine. */
  stop(drill: string, graceMs: number): Promise<void>;
  /** Drills of the cluster whose writer runs, as their directories are called. */
  running(cluster: string): string[];
  ledgerFile(drill: string): string;
  /** Where everything about the drill is kept, its report too. */
  directory(drill: string): string;
}

export interface WriterProcessOptions {
  /** Where ledgers and records are kept: one directory for each drill. */
  directory: string;
  /** The compiled `writer-main.js`. */
  program: string;
}

export function createWriterProcesses({ directory, program }: WriterProcessOptions): WriterProcesses {
  const filesOf = (drill: string) => {
    const own = join(directory, slug(drill));
    return {
      ledger: join(own, 'ledger.jsonl'),
      record: join(own, WRITER_RECORD),
      order: join(own, 'order.json'),
      log: join(own, 'writer.log'),
      cluster: join(own, 'cluster'),
      own,
    };
  };
  return {
    async start(drill, { cluster, ...order }) {
      const files = filesOf(drill);
      if (findOwnedProcess(files.record) !== undefined) return 'attached';
      if (existsSync(files.ledger)) return 'gone';
      if (!existsSync(program)) {
        throw new HadbError('Internal', `the writer's program ${program} does not exist`, {
          whatNow: 'build hadb: npm run build',
        });
      }
      mkdirSync(files.own, { recursive: true, mode: 0o700 });
      writeFileAtomically(files.cluster, cluster);
      writeFileAtomically(files.order, JSON.stringify({ ...order, ledgerFile: files.ledger } satisfies WriterOrder));
      startOwnedProcess({
        recordFile: files.record,
        logFile: files.log,
        command: process.execPath,
        args: [program, files.order],
      });
      return 'now';
    },

    read(drill) {
      const { ledger } = filesOf(drill);
      return existsSync(ledger) ? parseLedger(readFileSync(ledger, 'utf8')) : undefined;
    },

    isRunning: (drill) => findOwnedProcess(filesOf(drill).record) !== undefined,

    isInUse: (drill) => existsSync(filesOf(drill).record),

    async stop(drill, graceMs) {
      const { record, order } = filesOf(drill);
      await stopOwnedProcess(record, { graceMs });
      // It holds a password, and who was killed early has not removed it.
      rmSync(order, { force: true });
    },

    running: (cluster) =>
      findOwnedProcessesBelow(directory, WRITER_RECORD)
        .map(({ name }) => name)
        .filter((drill) => {
          const file = filesOf(drill).cluster;
          return existsSync(file) && readFileSync(file, 'utf8') === cluster;
        }),

    ledgerFile: (drill) => filesOf(drill).ledger,

    directory: (drill) => filesOf(drill).own,
  };
}
