/** `0.4 s`, `12 s`, `3 min 4 s`, `2 h 5 min`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** Time between two ISO 8601 stamps; undefined while there is no end. */
export const durationBetween = (startedAt: string, endedAt: string | undefined): string | undefined =>
  endedAt === undefined ? undefined : formatDuration(Date.parse(endedAt) - Date.parse(startedAt));
