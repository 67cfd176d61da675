import { readFileSync } from 'node:fs';

/** What the kernel says of a process, from `/proc/<pid>/stat`: proc(5). */
export interface ProcessStat {
  /** One letter; `Z` and `X` have ended. */
  state: string;
  group: number;
  session: number;
  /** Clock ticks since the boot: with the process id it names a process for good. */
  startTicks: string;
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command name stands in parentheses and may hold anything, so fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, , group, session] = fields;
  const startTicks = fields[19];
  if (state === undefined || group === undefined || session === undefined || startTicks === undefined) return undefined;
  return { state, group: Number(group), session: Number(session), startTicks };
}
