import fc from 'fast-check';
import {
  AZURE_FENCING_DELAY_SECONDS,
  computeTiming,
  contradictions,
  fencingInputs,
  timingInputs,
  timingOf,
  timingProblems,
  timingWarnings,
  type TimingInputs,
} from '../../cluster/timing';
import { ClusterSpecification } from '../../cluster/specification/specification';
import { specificationOf } from './specimens';

const azure: TimingInputs = {
  tokenMs: 30_000,
  probeIntervalSeconds: 5,
  probeThreshold: 2,
  slo: { hardFailoverSeconds: 300, softFailoverSeconds: 90 },
};
const fast: TimingInputs = { ...azure, tokenMs: 3000 };
const DELAY = { azure: AZURE_FENCING_DELAY_SECONDS.default, fast: 5 } as const;

describe('computeTiming', () => {
  it('gives the totem values of the Azure guide for a token of 30 s', () => {
    expect(computeTiming(azure).corosync).toEqual({
      tokenMs: 30_000,
      consensusMs: 36_000,
      tokenRetransmitsBeforeLossConst: 10,
      joinMs: 60,
      maxMessages: 20,
    });
  });

  it('expects a hard failover within two minutes in the Azure profile', () => {
    const { budget, drbd, pacemaker } = computeTiming(azure);

    expect(drbd).toMatchObject({ fencePeerSeconds: 71, fencePeerDcSeconds: 76 });
    expect(drbd).toMatchObject({ pingSeconds: 10, pingAnswerSeconds: 1, answerSeconds: 6 });
    expect(pacemaker.drbd.promoteSeconds).toBe(130);
    expect(budget).toMatchObject({ detectionSeconds: 66, balancerSeconds: 10, hardFailoverSeconds: 116 });
  });

  it('keeps the linbit agent’s advice for promote in the fast profile', () => {
    const { budget, drbd, pacemaker } = computeTiming(fast);

    expect(drbd).toMatchObject({ fencePeerSeconds: 12, fencePeerDcSeconds: 17 });
    expect(drbd).toMatchObject({ pingSeconds: 5, answerSeconds: 4 });
    expect(pacemaker.drbd.promoteSeconds).toBe(90);
    expect(budget.hardFailoverSeconds).toBe(57);
  });

  it('lets the handler outlast the fencing of the peer', () => {
    const { drbd } = computeTiming({
      ...azure,
      fencing: { delaySeconds: 15, powerOffSeconds: 90 },
      slo: { hardFailoverSeconds: 600, softFailoverSeconds: 90 },
    });

    expect(drbd.fencePeerSeconds).toBeGreaterThan(30 + 36 + 15 + 90);
  });

  it.each([
    ['Azure', azure, { delaySeconds: DELAY.azure, hardFailoverSeconds: 266, fencePeerSeconds: 221 }],
    ['fast', fast, { delaySeconds: DELAY.fast, hardFailoverSeconds: 182, fencePeerSeconds: 137 }],
  ])('keeps the default SLO with fencing in the %s profile', (_, inputs, expected) => {
    const { budget, drbd, pacemaker } = computeTiming({ ...inputs, fencing: fencingInputs(expected.delaySeconds) });

    expect({
      delaySeconds: pacemaker.fencing?.delaySeconds,
      hardFailoverSeconds: budget.hardFailoverSeconds,
      fencePeerSeconds: drbd.fencePeerSeconds,
    }).toEqual(expected);
  });

  it('has no time-outs of fencing without fencing', () => {
    expect(computeTiming(azure).pacemaker).not.toHaveProperty('fencing');
  });

  it('keeps every inequality for whatever token, fencing and probe', () => {
    const inputs = fc.record({
      tokenMs: fc.integer({ min: 1000, max: 120_000 }),
      probeIntervalSeconds: fc.integer({ min: 5, max: 60 }),
      probeThreshold: fc.integer({ min: 1, max: 10 }),
      slo: fc.constant({ hardFailoverSeconds: 100_000, softFailoverSeconds: 100_000 }),
    });
    const fencing = fc.option(
      fc.record({ delaySeconds: fc.integer({ min: 0, max: 60 }), powerOffSeconds: fc.integer({ min: 1, max: 900 }) }),
      { nil: undefined },
    );

    fc.assert(
      fc.property(inputs, fencing, (chosen, policy) => {
        expect(timingProblems(policy === undefined ? chosen : { ...chosen, fencing: policy })).toEqual([]);
      }),
    );
  });

  it.each<[string, Partial<TimingInputs>, string]>([
    [
      'an SLO below the sum of what a hard failover takes',
      { slo: { hardFailoverSeconds: 100, softFailoverSeconds: 90 } },
      'slo.hardFailoverSeconds',
    ],
    [
      'an SLO below the sum of what a planned move takes',
      { slo: { hardFailoverSeconds: 300, softFailoverSeconds: 30 } },
      'slo.softFailoverSeconds',
    ],
    ['a probe too slow for the SLO', { probeIntervalSeconds: 60, probeThreshold: 10 }, 'slo.hardFailoverSeconds'],
    ['a power-off that takes no time', { fencing: { delaySeconds: 0, powerOffSeconds: 0 } }, 'fencing'],
  ])('refuses %s', (_, changes, path) => {
    const inputs = { ...azure, ...changes };

    expect(timingProblems(inputs).map((problem) => problem.path.join('.'))).toContain(path);
    expect(() => computeTiming(inputs)).toThrow('contradict');
  });

  it.each<[string, (timing: ReturnType<typeof computeTiming>) => void, string]>([
    [
      'a handler that gives up before the peer is dead',
      (timing) => (timing.drbd.fencePeerSeconds = 30),
      'before the peer is dead',
    ],
    ['a DC time-out below the handler’s', (timing) => (timing.drbd.fencePeerDcSeconds = 20), 'DC time-out'],
    ['a promotion shorter than its handler', (timing) => (timing.pacemaker.drbd.promoteSeconds = 20), 'promotion'],
    [
      'a fence agent that is killed while it asks',
      (timing) => timing.pacemaker.fencing && (timing.pacemaker.fencing.powerSeconds = 120),
      'killed before it could report',
    ],
    [
      'a fence agent that may outlast the fence-peer handler',
      (timing) => timing.pacemaker.fencing && (timing.pacemaker.fencing.offSeconds = 900),
      'waits for a power-off',
    ],
    [
      'a fencing that is given up while its delay runs',
      (timing) => timing.pacemaker.fencing && (timing.pacemaker.fencing.totalSeconds = 130),
      'given up while',
    ],
    ['a consensus that Corosync does not allow', (timing) => (timing.corosync.consensusMs = 30_000), 'consensus'],
    [
      'an agent that flushes longer than its stop may last',
      (timing) => (timing.server.flushSeconds = 300),
      'database agent',
    ],
  ])('sees the contradiction in %s', (_, spoil, message) => {
    const inputs = { ...azure, fencing: fencingInputs(DELAY.azure) };
    const timing = computeTiming(inputs);

    spoil(timing);

    expect(
      contradictions(inputs, timing)
        .map((problem) => problem.message)
        .join(),
    ).toContain(message);
  });

  it('warns that a fast token takes a frozen machine for a lost one', () => {
    expect(timingWarnings(fast)).toEqual([expect.stringContaining('token 3000 ms')]);
    expect(timingWarnings(azure)).toEqual([]);
  });

  it('warns of a fencing delay that a power-off may outlast, by default never', () => {
    const withDelay = (delaySeconds: number) => timingWarnings({ ...azure, fencing: fencingInputs(delaySeconds) });

    expect(withDelay(DELAY.fast)).toEqual([expect.stringMatching(/^fencing delay 5 s: .* may both be shot/)]);
    expect(withDelay(14)).toHaveLength(1);
    expect(withDelay(15)).toEqual([]);
    expect(DELAY.azure).toBeGreaterThanOrEqual(15);
    expect(timingWarnings(timingInputs(specificationOf({ fencing: 'azure' })))).toEqual([]);
  });

  it.each([3000, 30_000])('has a default delay for Azure whatever the token: %d ms', (tokenMs) => {
    const { fencing } = timingOf(specificationOf({ fencing: 'azure', corosync: { tokenMs } })).pacemaker;

    expect(fencing?.delaySeconds).toBe(30);
  });

  it('refuses a fencing delay with which the SLO cannot be kept', () => {
    const seen = ClusterSpecification.safeParse({
      network: { clients: ['203.0.113.0/24'], administrators: ['198.51.100.0/24'] },
      fencing: 'azure',
      fencingDelaySeconds: 120,
    });

    expect(seen.error?.issues.map(({ path }) => path.join('.'))).toEqual(['slo.hardFailoverSeconds']);
  });
});
