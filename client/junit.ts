import { renderJUnit } from '../cluster/report/junit';
import type { CommandResult } from './reporting/reporter';

/** What the command line knows of the drill beside its result. Times are ms since the epoch. */
export interface WatchedDrill {
  kind: string;
  cluster: string;
  startedAt: number;
  endedAt: number;
}

/** JUnit of a drill as whoever watched it saw it end, wherever its worker is; the worker's own report lies beside the ledger. Pure. */
export function junitOfResult(result: CommandResult, drill: WatchedDrill): string {
  const { verdict, failure, exit, run, summary } = result;
  const isCancelled = run?.status === 'CANCELLED' || run?.status === 'TERMINATED';
  // A verdict that does not pass fails the run as well: it is the verdict that tells.
  const ended =
    verdict !== undefined
      ? { verdict }
      : isCancelled
        ? { cancelled: true }
        : { failure: { ...failure, code: failure?.code ?? 'NoVerdict', message: failure?.message ?? summary } };
  return renderJUnit({
    ...drill,
    ...ended,
    properties: { outcome: exit, ...(run !== undefined && { workflow: run.workflowId }) },
  });
}
