import type { DatabaseProfile } from '../database/profile';
import { assign } from '../shell';

/** What a node has written into its journal, and its database into a log of its own. */
export interface NodeLog {
  node: string;
  /** ms since the epoch by the node's clock, as all times here. */
  bootedAt: number;
  /** False when the text was cut off, or the journal could not be read to its end. */
  complete: boolean;
  entries: LogEntry[];
}

export interface LogEntry {
  at: number;
  /** Who wrote it: `kernel`, `mariadbd`, `pacemaker-controld`. */
  by: string;
  message: string;
}

/** Ten minutes of a busy pair are half a megabyte. */
const LIMIT_BYTES = 8 * 1024 * 1024;
/** Marks between the parts of the answer: no line of a journal begins so. */
const ERROR_LOG = '=== error log ===';
const END = '=== end of the log, exit code ';

/**
 * Changes nothing; prints what `parseNodeLog` reads. Left out is what our own connections write: logins, and the clients of the probe, which the server
 * calls aborted when they hang up.
 */
export function renderLogRead({
  sinceSeconds,
  profile,
}: {
  /** By the node's clock. */
  sinceSeconds: number;
  profile: Pick<DatabaseProfile, 'errorLog'>;
}): string {
  const since = Math.floor(sinceSeconds);
  const errorLog = `${assign({ log: profile.errorLog ?? '' })}if [ -r "$log" ]; then
  echo '${ERROR_LOG}'
  tail -c "$limit" "$log"
fi
`;
  return `${assign({ since: `@${since}`, limit: LIMIT_BYTES })}
printf 'bootedAt=%s\\n' "$(sed -n 's/^btime //p' /proc/stat)"
exec 4>&1
code=$({
  { code=0; journalctl --quiet --no-pager --no-hostname --output=short-unix --since="$since" || code=$?; echo "$code" >&3; } |
    grep -v -E -e '^[0-9.]+ (sudo|su|sshd|sshd-session|systemd-logind)(\\[|:)' -e 'Aborted connection [0-9]+ to db: ' |
    head -c "$limit" >&4
} 3>&1)
${profile.errorLog === undefined ? '' : errorLog}echo
echo '${END}'"$code"
`;
}

/** Total: a text that was cut off gives a log that is not complete. */
export function parseNodeLog(node: string, text: string): NodeLog {
  const bootedAt = Number(/^bootedAt=(\d+)$/m.exec(text)?.[1] ?? NaN) * 1000;
  const end = text.lastIndexOf(`\n${END}`);
  const complete = end >= 0 && text.slice(end + 1 + END.length).trim() === '0' && !Number.isNaN(bootedAt);
  const [journal = '', own = ''] = (end < 0 ? text : text.slice(0, end)).split(`${ERROR_LOG}\n`);
  const entries = [...parseJournal(journal), ...parseErrorLog(own)].sort((one, other) => one.at - other.at);
  return { node, bootedAt, complete, entries };
}

/** `1795423289.094287 mariadbd[1409]: text`; lines that belong to the message before are indented. */
function parseJournal(text: string): LogEntry[] {
  return parseLines(text, (line) => {
    const [, seconds, by, message] = /^(\d{9,}\.\d{6}) (.*?)(?:\[\d+\])?: *(.*)$/.exec(line) ?? [];
    return seconds === undefined || by === undefined || message === undefined
      ? undefined
      : { at: Number(seconds) * 1000, by, message };
  });
}

/** MySQL's own: `2026-11-22T02:30:00.123456Z 0 [System] [MY-010931] …`. */
function parseErrorLog(text: string): LogEntry[] {
  return parseLines(text, (line) => {
    const time = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) /.exec(line)?.[1];
    return time === undefined ? undefined : { at: Date.parse(time), by: 'mysqld', message: line };
  });
}

function parseLines(text: string, parse: (line: string) => LogEntry | undefined): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = parse(line);
    const before = entries.at(-1);
    if (entry !== undefined) entries.push(entry);
    else if (before !== undefined && line.trim() !== '') before.message += `\n${line.trim()}`;
  }
  return entries;
}

/**
 * Whether what the node wrote before its boot is there to its end: a machine that loses its power takes along what journald has not written through
 * (`SyncIntervalSec`, 5 minutes).
 */
export function isLostBeforeBoot({ bootedAt, entries }: NodeLog, since: number): boolean {
  if (bootedAt <= since) return false;
  // The kernel's first messages may bear times a little before the boot's.
  const last = entries.filter(({ at }) => at < bootedAt - 1000).at(-1);
  return last === undefined || !SHUT_DOWN.some((pattern) => pattern.test(`${last.by}: ${last.message}`));
}

const SHUT_DOWN = [/^systemd-shutdown: /, /^systemd-journald: Journal stopped/];
