import { WRITER_GRACE_MS } from '../cluster/drill-limits';
import { WRITER_RECORD } from '../cluster/report/drill-record';
import { findOwnedProcessesBelow, stopOwnedProcess } from '../processes/owned-process';
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

/** `directory` has one directory for each drill, with the record of its writer. */
export function createDrillWriters(directory: string): DrillWriters {
  const running = () => findOwnedProcessesBelow(directory, WRITER_RECORD);
  return {
    status: () =>
      running().map(({ name, process: { pid, logFile } }) => ({
        name: `writer of drill ${name}`,
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
