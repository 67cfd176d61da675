import { DRILL_SECONDS, faultTiming } from '../../cluster/drill-limits';
import { drillRefusal } from '../../cluster/drill-refusals';
import { timingOf } from '../../cluster/timing';
import { DRILL_KINDS, ROTATION } from '../../workflows/messages';
import { read } from '../docs/markdown';
import { specificationOf } from './specimens';

/** How long faults last: a fault that ended too early would hide what it is about, one that ended too late would stay in the way. */

const profiles = ([3_000, 30_000] as const).map((tokenMs) => {
  const specification = specificationOf({
    fencing: 'azure',
    corosync: { tokenMs },
    ...(tokenMs === 3_000 && { fencingDelaySeconds: 5 }),
    slo: { hardFailoverSeconds: 300, softFailoverSeconds: 90 },
  });
  const timing = timingOf(specification);
  return { tokenMs, timing, faults: faultTiming(timing) };
});

describe.each(profiles)('the faults of a cluster with a token of $tokenMs ms', ({ tokenMs, timing, faults }) => {
  const { budget, pacemaker } = timing;

  it('outlast what they are about', () => {
    const shot = budget.detectionSeconds + budget.fencingSeconds;

    expect(faults.cutUndoSeconds).toBeGreaterThan(shot);
    expect(faults.longFreezeSeconds).toBeGreaterThan(shot);
    // A machine that booted while it is being shot would be lost a second time.
    expect(faults.panicSeconds).toBeGreaterThan(shot);
    expect(faults.holdSeconds).toBeGreaterThan(budget.detectionSeconds);
    expect(faults.fencingHoldSeconds).toBeGreaterThan(
      budget.detectionSeconds + (pacemaker.fencing?.totalSeconds ?? Infinity),
    );
    expect(faults.hangUndoSeconds).toBeGreaterThan(faults.hangServedSeconds);
    expect(faults.standbyUndoSeconds).toBeGreaterThan(pacemaker.server.stopSeconds + budget.softFailoverSeconds);
  });

  it('are taken back only after they were watched', () => {
    expect(faults.holdUndoSeconds).toBeGreaterThan(faults.holdSeconds);
    // The ways are cut before the power is, and Azure may take all its time for that.
    expect(faults.fencingUndoSeconds).toBeGreaterThan(
      (pacemaker.fencing?.offSeconds ?? Infinity) + faults.fencingHoldSeconds,
    );
  });

  it('end within a wait of the drill', () => {
    const longest = Math.max(...Object.values(faults));

    expect(longest).toBeLessThan(DRILL_SECONDS.grace);
  });

  it('freeze a machine shortly for less than a token', () => {
    expect(faults.shortFreezeSeconds * 1000).toBeLessThan(tokenMs);
    expect(faults.shortFreezeSeconds).toBeGreaterThan(0);
  });

  it('want a server that hangs back long before a clean stop would end', () => {
    expect(faults.hangServedSeconds).toBe(35);
    expect(faults.hangServedSeconds).toBeLessThan(pacemaker.server.stopSeconds / 4);
  });
});

it('the times in docs/drills.md are those of the code', () => {
  const page = read('docs/drills.md');
  const rows = [
    ['`database-hang`', 'hangUndoSeconds'],
    ['`node-crash`', 'panicSeconds'],
    ['`network-partition`, `node-freeze`', 'cutUndoSeconds'],
    ['`network-loss`, `network-loss-heavy`, `disk-error`', 'holdUndoSeconds'],
    ['`fence-loss`', 'fencingUndoSeconds'],
    ['`standby`', 'standbyUndoSeconds'],
    ['`node-freeze-short`', 'shortFreezeSeconds'],
  ] as const;

  const told = rows.map(([kinds, name]) => {
    const expected = `| ${profiles.map(({ faults }) => faults[name]).join('; ')} `;
    const found = page.split('\n').some((line) => line.startsWith(`| ${kinds} `) && line.includes(expected));
    return found ? [] : [`${kinds}: ${expected}`];
  });

  expect(told.flat()).toEqual([]);
});

it('every kind of drill is in docs/drills.md', () => {
  const page = read('docs/drills.md');

  expect(DRILL_KINDS.filter((kind) => !page.includes(`| \`${kind}\` `))).toEqual([]);
});

describe('a cluster without fencing', () => {
  const without = specificationOf({ fencing: 'none' });

  it('may make every kind of a rotation', () => {
    expect(ROTATION.filter((kind) => drillRefusal(kind, without) !== undefined)).toEqual([]);
  });

  it('is refused whatever could leave two primaries, each with its reason', () => {
    const refused = DRILL_KINDS.filter((kind) => drillRefusal(kind, without) !== undefined);

    expect(refused).toEqual([
      'node-freeze-short',
      'node-freeze',
      'network-partition',
      'network-loss',
      'network-loss-heavy',
      'fence-loss',
    ]);
    expect(drillRefusal('network-partition', without)).toBe(
      'a drill of kind network-partition needs fencing, and hadb has none: nothing would stop both sides from serving',
    );
  });

  it('is refused nothing once it fences', () => {
    const fenced = specificationOf({ fencing: 'azure' });

    expect(DRILL_KINDS.filter((kind) => drillRefusal(kind, fenced) !== undefined)).toEqual([]);
  });
});
