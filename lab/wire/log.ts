/** One structured line per event; the values are small and hold no secret (cookies are never logged). */
export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

export function createLineLog(write: (line: string) => void, now: () => Date): Log {
  return (event, fields = {}) => write(`${JSON.stringify({ time: now().toISOString(), event, ...fields })}\n`);
}

export const silent: Log = () => undefined;
