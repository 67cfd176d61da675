import { randomBytes } from 'node:crypto';

/**
 * How the lab times its answers about operations. `quick` (the default) says Retry-After 1 and holds a poll back until
 * the operation ends, three seconds at most, so that a client with any polling interval hears of the end at once.
 * `realistic` gives the numbers and the URL lengths seen in recorded Azure traffic.
 */
export type Pacing = 'quick' | 'realistic';

export interface PaceOfProvider {
  initialSeconds: number;
  /** Retry-After of the polls, by how many have been made; the last one repeats. */
  pollSeconds: readonly number[];
  holdMs: number;
}

export function paceOf(pacing: Pacing, provider: string): PaceOfProvider {
  if (pacing === 'quick') return { initialSeconds: 1, pollSeconds: [1], holdMs: 3000 };
  const compute = provider.toLowerCase() === 'microsoft.compute';
  return compute
    ? { initialSeconds: 10, pollSeconds: [30, 50], holdMs: 0 }
    : { initialSeconds: 3, pollSeconds: [10, 20], holdMs: 0 };
}

/** Azure signs its operation URLs; they are 3 to 4 KB long, and documentation asks clients to accept that. */
export function signature(pacing: Pacing, startTime: string): string {
  if (pacing === 'quick') return '';
  const ticks = (BigInt(Date.parse(startTime)) * 10_000n + 621_355_968_000_000_000n).toString();
  const blob = (bytes: number) => randomBytes(bytes).toString('base64url');
  return `&t=${ticks}&c=${blob(2000)}&s=${blob(258)}&h=${blob(32)}`;
}
