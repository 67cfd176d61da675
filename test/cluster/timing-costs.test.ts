import { computeTiming, fencingInputs, type TimingInputs } from '../../cluster/timing';
import { timingCosts, timingTables } from '../../cluster/timing-costs';

const inputs = (tokenMs: number): TimingInputs => ({
  tokenMs,
  probeIntervalSeconds: 5,
  probeThreshold: 2,
  slo: { hardFailoverSeconds: 300, softFailoverSeconds: 90 },
});
const fenced = (tokenMs: number) =>
  computeTiming({ ...inputs(tokenMs), fencing: fencingInputs(tokenMs === 3000 ? 5 : 30) });

describe('what the time-outs cost', () => {
  it.each([30_000, 3000])('has its values from the code (token %d ms)', (tokenMs) => {
    const timing = fenced(tokenMs);
    const costs = timingCosts(timing);
    const value = (start: string) => costs.find(({ what }) => what.startsWith(start))?.value;

    expect(value('token')).toBe(`${tokenMs / 1000} s`);
    expect(value('consensus')).toBe(`${timing.corosync.consensusMs / 1000} s`);
    expect(value('fencing delay')).toBe(`${timing.pacemaker.fencing?.delaySeconds} s`);
    expect(value('load balancer')).toBe('10 s');
    // What the budget is made of, and nothing left over.
    expect(value("Pacemaker's reaction")).toBe('5 s');
    expect(costs.filter(({ cost, shorten }) => cost === '' || shorten === '')).toEqual([]);
  });

  it('has no fencing where there is none', () => {
    const named = timingCosts(computeTiming(inputs(3000))).map(({ what }) => what);

    expect(named.filter((what) => what.includes('fencing'))).toEqual([]);
  });

  it("says of a token below Azure's longest freeze that it is", () => {
    const risk = (tokenMs: number) => timingCosts(fenced(tokenMs))[0]?.shorten ?? '';

    expect(risk(3000)).toContain('below');
    expect(risk(30_000)).not.toContain('is below');
  });

  it('sums the aim of a power cut from the values of its own profile', () => {
    const [azure, fast] = [fenced(30_000), fenced(3000)];
    const delay = azure.pacemaker.fencing?.delaySeconds ?? 0;

    const aims = timingTables({ azure, fast }).find(({ name }) => name === 'the aims')?.table;

    expect(aims).toContain(`27 s and the fence (detection 7, delay 5, balancer 10, take-over 5)`);
    expect(aims).toContain(`${66 + delay + 10 + 5 + 10} to ${66 + delay + 10 + 5 + 90} s`);
  });
});
