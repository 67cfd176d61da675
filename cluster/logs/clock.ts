/** What a node's clock says beside ours: times of its log mean nothing on another machine without it. */
export interface ClockReading {
  node: string;
  /** ms since the epoch by our clock, in the middle of the round trip. */
  at: number;
  /** The node's clock minus ours. */
  offsetMs: number;
  /** Half the round trip: the answer may have been given at any time in it. */
  errorMs: number;
}

/** One question and its answer: ms since the epoch, `nodeAt` by the node's clock. */
export interface RoundTrip {
  sentAt: number;
  receivedAt: number;
  nodeAt: number;
}

/** Prints the node's clock in seconds since the epoch. */
export const renderClockRead = (): string => 'date +%s.%N\n';

/** @returns undefined for a text that is no time. */
export function parseClock(text: string): number | undefined {
  const seconds = /^(\d+\.\d+)$/m.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** The quickest answer leaves least in doubt. */
export function readingOf(node: string, trips: readonly RoundTrip[]): ClockReading | undefined {
  const [best] = [...trips].sort((one, other) => duration(one) - duration(other));
  if (best === undefined) return undefined;
  const at = best.sentAt + duration(best) / 2;
  return { node, at, offsetMs: best.nodeAt - at, errorMs: duration(best) / 2 };
}

const duration = ({ sentAt, receivedAt }: RoundTrip): number => receivedAt - sentAt;

/** A time by our clock. */
export interface OurTime {
  at: number;
  errorMs: number;
}

/** By the reading that is nearest in time: a machine that was started again may have another offset. Undefined where the clock was never read. */
export function inOurTime(readings: readonly ClockReading[], node: string, nodeAt: number): OurTime | undefined {
  const own = readings.filter((reading) => reading.node === node);
  const distance = ({ at, offsetMs }: ClockReading) => Math.abs(nodeAt - offsetMs - at);
  const [nearest] = own.sort((one, other) => distance(one) - distance(other));
  return nearest === undefined ? undefined : { at: nodeAt - nearest.offsetMs, errorMs: nearest.errorMs };
}
