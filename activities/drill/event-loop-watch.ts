/**
 * Tells when this process was held up: a timer that is due every few milliseconds comes late then. Only from inside can a probe know that it was the one
 * that did not move. Returns what ends the watch.
 */
export function watchEventLoop(
  { everyMs, lateMs, now }: { everyMs: number; lateMs: number; now: () => number },
  onHeldUp: (at: number, ms: number) => void,
): () => void {
  let last = now();
  const timer = setInterval(() => {
    const at = now();
    const late = at - last - everyMs;
    last = at;
    if (late > lateMs) onHeldUp(at, late);
  }, everyMs);
  return () => clearInterval(timer);
}
