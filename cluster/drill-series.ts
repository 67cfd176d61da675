/** Every kind of drill several times over, in an order that a seed gives: the same seed, rounds and kinds give the same series. */

export interface SeriesOrder {
  /** 0 to 4294967295. */
  seed: number;
  /** How often each kind is made at least. */
  rounds: number;
  kinds: readonly string[];
}

export const LARGEST_SEED = 2 ** 32 - 1;
export const USUAL_ROUNDS = 3;
export const MOST_ROUNDS = 100;

/** The two in which the nodes fight for the database: a race that goes wrong one time in ten is not seen in three. */
const OFTEN: readonly string[] = ['node-power-off', 'network-partition'];
const OFTEN_RUNS = 10;

/** Fewer rounds than usual are a trial: each kind is made just so often. */
export const runsOf = (kind: string, rounds: number): number =>
  rounds >= USUAL_ROUNDS && OFTEN.includes(kind) ? Math.max(OFTEN_RUNS, rounds) : rounds;

/** The kinds in the order in which they are made. */
export function planSeries({ seed, rounds, kinds }: SeriesOrder): string[] {
  // In one order whatever the order in which they were named.
  const drills = [...new Set(kinds)].sort().flatMap((kind) => Array<string>(runsOf(kind, rounds)).fill(kind));
  return shuffle(drills, mulberry32(seed));
}

/** Fisher and Yates. */
function shuffle<Item>(items: readonly Item[], random: () => number): Item[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last -= 1) {
    const chosen = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[chosen]] = [shuffled[chosen] as Item, shuffled[last] as Item];
  }
  return shuffled;
}

/** Tommy Ettinger's mulberry32: a good generator of 32 bits of state, in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
