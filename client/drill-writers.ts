import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WRITER_GRACE_MS } from '../cluster/drill-limits';
import { findOwnedProcess, stopOwnedProcess } from '../processes/owned-process';
import type { PieceStatus } from './embedded';

/**
 * The clients that write while a drill goes on: detached processes that outlive their worker. One that is left after its worker has ended for good
 * would write, or try to, until its lifetime of two hours is over.
 */
export interface DrillWriters {
  status(): PieceStatus[];
  /** Ends those that run; returns how many. Records and ledgers of drills that have ended stay as they are. */
  stop(): Promise<number>;
}

/** `directory` has one directory for each drill, with the record of its writer (`activities/drill/writer-process.ts`). */
export function createDrillWriters(directory: string): DrillWriters {
  const running = () =>
    drillsIn(directory).flatMap((drill) => {
      const recordFile = join(directory, drill, 'writer.json');
      const process = findOwnedProcess(recordFile);
      return process === undefined ? [] : [{ drill, recordFile, process }];
    });
  return {
    status: () =>
      running().map(({ drill, process: { pid, logFile } }) => ({
        name: `writer of drill ${drill}`,
        state: 'running',
        pid,
        logFile,
      })),
    async stop() {
      const found = running();
      await Promise.all(found.map(({ recordFile }) => stopOwnedProcess(recordFile, { graceMs: WRITER_GRACE_MS })));
      return found.length;
    },
  };
}

function drillsIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
