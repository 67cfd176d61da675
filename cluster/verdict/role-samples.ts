import type { HeardRole } from '../node/role-read';
import type { VerdictCheck } from '../step';

/**
 * Whether there were ever two primaries, by what each node was heard to say about once a second while a drill went on. One line of JSON each; times are
 * milliseconds since the epoch by the clock of the machine that asks.
 */
export type RoleSample = HeardSample | SilentSample;

interface Asked {
  node: string;
  /** The node was asked then, and what it says was so at some time until `to`. */
  from: number;
  to: number;
}

export interface HeardSample extends Asked, HeardRole {
  kind: 'heard';
}

export interface SilentSample extends Asked {
  kind: 'silent';
  why: string;
  /** What Azure said of the machine meanwhile, such as `running` or `stopped`. */
  power?: string;
}

export const formatSample = (sample: RoleSample): string => `${JSON.stringify(sample)}\n`;

/** The last line may be torn: its writer was killed. */
export const parseSamples = (text: string): RoleSample[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RoleSample);

/** Longer than this nobody may be out of hearing beside a primary: two samples may be missed. */
const LONGEST_SILENCE_MS = 3500;
const OFF = new Set(['stopped', 'deallocated']);

/**
 * Two checks. What is claimed on two nodes at once is proved where a sample of one lies between two samples of the other that say the same of the same
 * boot (and server process). A node out of hearing while the other one is primary could have been anything, unless its machine was seen to be off or DRBD on the
 * other one knew better.
 */
export function judgeRoles(
  samples: readonly RoleSample[],
  { nodes, from, to }: { nodes: readonly [string, string]; from: number; to: number },
): VerdictCheck[] {
  const inTime = samples.filter((sample) => sample.to >= from && sample.from <= to);
  const heard = inTime.filter((sample) => sample.kind === 'heard');
  const silences = unheardBesidePrimary(inTime, { nodes, from, to });
  return [
    neverTwice('never two primaries', heard, nodes, silences, ({ role, bootId }) =>
      role === 'Primary' ? bootId : undefined,
    ),
    neverTwice('never two database servers', heard, nodes, silences, ({ serverPid, bootId }) =>
      serverPid === undefined ? undefined : `${bootId} ${serverPid}`,
    ),
  ];
}

function neverTwice(
  name: string,
  heard: readonly HeardSample[],
  nodes: readonly [string, string],
  silences: readonly string[],
  /** What is claimed, the same while it lasts; undefined when it is not. */
  claim: (sample: HeardSample) => string | undefined,
): VerdictCheck {
  const [first, second] = nodes.map((node) => heard.filter((sample) => sample.node === node));
  const together = [...overlaps(first ?? [], second ?? [], claim), ...overlaps(second ?? [], first ?? [], claim)];
  const earliest = together.sort((one, other) => one - other)[0];
  if (earliest !== undefined) {
    return {
      name,
      passed: false,
      detail: `both nodes at ${new Date(earliest).toISOString()}, seen ${together.length} times`,
    };
  }
  const detail = `${heard.length} samples of ${nodes.join(' and ')}`;
  if (heard.length === 0) return { name, passed: false, unknown: true, detail: 'nobody was asked' };
  if (silences.length > 0) return { name, passed: false, unknown: true, detail: `${detail}; ${silences.join('; ')}` };
  return { name, passed: true, detail };
}

/** Times of samples that lie between two of the other node, all of them with the claim. */
function overlaps(
  one: readonly HeardSample[],
  other: readonly HeardSample[],
  claim: (sample: HeardSample) => string | undefined,
): number[] {
  const held = one.slice(1).flatMap((later, index) => {
    const earlier = one[index];
    return earlier !== undefined && claim(earlier) !== undefined && claim(earlier) === claim(later)
      ? [{ from: earlier.to, to: later.from }]
      : [];
  });
  return other
    .filter((sample) => claim(sample) !== undefined)
    .filter((sample) => held.some((span) => span.from <= sample.from && sample.to <= span.to))
    .map(({ from }) => from);
}

/** For each node, in words, how long it was out of hearing while the other one said that it was primary and Azure did not say that the machine was off. */
function unheardBesidePrimary(
  samples: readonly RoleSample[],
  { nodes, from, to }: { nodes: readonly [string, string]; from: number; to: number },
): string[] {
  return nodes.flatMap((node, index) => {
    const other = nodes[1 - index] ?? '';
    const known = samples
      .filter((sample) =>
        sample.node === node
          ? sample.kind === 'heard' || OFF.has(sample.power ?? '')
          : sample.kind === 'heard' && sample.excludesPeer === true,
      )
      .sort((one, next) => one.from - next.from);
    const spans = gaps(known, { from, to }).filter((gap) => gap.to - gap.from > LONGEST_SILENCE_MS);
    const beside = spans.flatMap((gap) => {
      const primary = samples.filter(
        (sample) =>
          sample.kind === 'heard' &&
          sample.node === other &&
          sample.role === 'Primary' &&
          sample.to >= gap.from &&
          sample.from <= gap.to,
      );
      const [start, end] = [
        Math.min(...primary.map((sample) => sample.from)),
        Math.max(...primary.map((sample) => sample.to)),
      ];
      return end - start > LONGEST_SILENCE_MS ? [end - start] : [];
    });
    const total = beside.reduce((sum, ms) => sum + ms, 0);
    return total === 0
      ? []
      : [
          `${node} could not be asked for ${(total / 1000).toFixed(1)} s while ${other} was primary, and was not seen to be off`,
        ];
  });
}

function gaps(known: readonly Asked[], { from, to }: { from: number; to: number }): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  let end = from;
  for (const sample of known) {
    if (sample.from > end) found.push({ from: end, to: sample.from });
    end = Math.max(end, sample.to);
  }
  if (to > end) found.push({ from: end, to });
  return found;
}
