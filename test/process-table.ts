import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process of this computer. */
export interface ProcessEntry {
  pid: number;
  parent: number;
  session: number;
  /** One letter of proc(5): `Z` has ended and is not yet waited for. */
  state: string;
  /** Its command line; empty for a process that has ended and for a thread of the kernel. */
  words: string[];
  /** Where it stands, and what it was started with; empty when it is somebody else's. */
  directory: string;
  environment: string[];
}

/** The processes of this computer from /proc: `ps` is not installed everywhere. */
export function readProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readProcess(pid)];
      } catch {
        // It has ended since.
        return [];
      }
    });
}

function readProcess(pid: string): ProcessEntry {
  // The second field is a name in brackets, which may hold anything.
  const [, fields = ''] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
  const [state = '', parent, , session] = fields.split(' ');
  return {
    pid: Number(pid),
    parent: Number(parent),
    session: Number(session),
    state,
    words: zeroTerminated(readFileSync(`/proc/${pid}/cmdline`, 'utf8')),
    directory: ifOurs(() => readlinkSync(`/proc/${pid}/cwd`), ''),
    environment: ifOurs(() => zeroTerminated(readFileSync(`/proc/${pid}/environ`, 'utf8')), []),
  };
}

const zeroTerminated = (text: string): string[] => text.split('\0').slice(0, -1);

function ifOurs<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
