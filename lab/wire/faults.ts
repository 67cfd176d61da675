import type { LinkFault } from '../model';

/** What faults do to frames on one way; undefined where nothing is wrong. */
export interface Effect {
  /** Probability that a frame is lost; 1 is a cut. */
  loss: number;
  delayMs: number;
}

export interface ActiveFault extends LinkFault {
  /** When wire removes it, ISO 8601. */
  expiresAt?: string;
}

/** Names an end of a way answers to: the machine's id and host name, or `gateway`. */
export type EndNames = readonly string[];

export const GATEWAY_NAME = 'gateway';

/** The faults that lie on the way from one end to another, together: losses are independent, delays add up. */
export function effectOf(faults: readonly LinkFault[], from: EndNames, to: EndNames): Effect | undefined {
  const here = faults.filter(
    (fault) =>
      (names(fault.from, from) && names(fault.to, to)) ||
      (fault.bothDirections && names(fault.from, to) && names(fault.to, from)),
  );
  if (here.length === 0) return undefined;
  return {
    loss: 1 - here.reduce((passed, fault) => passed * (1 - fault.loss), 1),
    delayMs: here.reduce((sum, fault) => sum + fault.delayMs, 0),
  };
}

/** Names in a fault that no end answers to: such a fault would do nothing, and a drill would prove nothing. */
export function unknownEnds(fault: LinkFault, ends: readonly EndNames[]): string[] {
  const known = [...ends, [GATEWAY_NAME, '*']];
  return [...new Set([fault.from, fault.to])].filter((name) => !known.some((end) => names(name, end)));
}

export function activate(fault: LinkFault, now: number): ActiveFault {
  return fault.ttlSeconds === undefined
    ? fault
    : { ...fault, expiresAt: new Date(now + fault.ttlSeconds * 1000).toISOString() };
}

export function isExpired(fault: ActiveFault, now: number): boolean {
  return fault.expiresAt !== undefined && Date.parse(fault.expiresAt) <= now;
}

function names(name: string, end: EndNames): boolean {
  return name === '*' || end.some((alias) => alias.toLowerCase() === name.toLowerCase());
}
