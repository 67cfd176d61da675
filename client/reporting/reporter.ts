import type { Progress, StepWait, Verdict } from '../../cluster/step';
import type { ExitName } from '../exit-codes';
import type { DrillSchedule } from '../schedules';
import type { MessageCode } from '../messages';
import type { RunEvent } from '../run-events';
import type { SeriesDrill } from '../../cluster/report/series-table';

/** What a command tells, in one of four ways: live (a terminal), lines, quiet (piped), JSON lines. */
export interface Reporter {
  started(run: RunReference & { attached: boolean; watched: boolean }): void;
  event(event: RunEvent): void;
  /** The present state, for those who draw it. */
  look(progress: Progress | undefined, waits: readonly StepWait[]): void;
  /** Stopped watching; the run goes on. */
  detached(run: RunReference): void;
  notice(code: MessageCode, message: string): void;
  /** The last thing said. */
  result(result: CommandResult): void;
}

export interface RunReference {
  workflowId: string;
  runId?: string;
  url?: string;
}

export interface ScheduleReport extends DrillSchedule {
  /** How its newest drill ended, or that it is open. */
  outcome?: string;
}

export interface CommandResult {
  exit: ExitName;
  /** One sentence: how it ended. */
  summary: string;
  run?: RunReference & { status: string };
  verdict?: Verdict;
  progress?: Progress;
  /** Of a plan: what a build would do. */
  changes?: readonly { step: string; sentence: string; deviation: string }[];
  /** Of `schedule list`, and the schedule that a command was about. */
  schedules?: readonly ScheduleReport[];
  /** Of a series of drills. */
  series?: SeriesResult;
  /** Files that the command has written. */
  files?: readonly string[];
  failure?: { code?: string; message: string; observed?: string; whatNow?: string };
}

export interface SeriesResult {
  seed: number;
  rounds: number;
  planned: number;
  drills: readonly (SeriesDrill & { workflowId: string; summary: string })[];
  /** Kinds that were not made, in their order. */
  left: readonly string[];
  /** As Markdown: the outages, and where their time went. */
  table: string;
  phases: string;
}

/** How many steps ended in which way: "12 changed, 30 unchanged". */
export function countResults(progress: Progress): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state, outcome } of progress.steps) {
    const kind = state === 'done' ? (outcome?.result ?? 'done') : state;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
