import { inOurTime, parseClock, readingOf } from '../../../cluster/logs/clock';

describe('the clock of a node', () => {
  it('is read from the quickest of several answers, in doubt by half its round trip', () => {
    const reading = readingOf('hadb01', [
      { sentAt: 1000, receivedAt: 1400, nodeAt: 5000 },
      { sentAt: 2000, receivedAt: 2010, nodeAt: 5805 },
    ]);

    expect(reading).toEqual({ node: 'hadb01', at: 2005, offsetMs: 3800, errorMs: 5 });
  });

  it('is not known when it was never told', () => {
    expect(readingOf('hadb01', [])).toBeUndefined();
    expect(parseClock('date: command not found\n')).toBeUndefined();
    expect(inOurTime([], 'hadb01', 1000)).toBeUndefined();
  });

  it('is read from what date prints', () => {
    expect(parseClock('1795423289.094287123\n')).toBeCloseTo(1795423289094.287, 3);
  });

  it('tells times of its log by the reading that is nearest: after a boot it may go otherwise', () => {
    const readings = [
      { node: 'hadb01', at: 10_000, offsetMs: 500, errorMs: 3 },
      { node: 'hadb01', at: 90_000, offsetMs: -200, errorMs: 7 },
      { node: 'hadb02', at: 90_000, offsetMs: 60_000, errorMs: 1 },
    ];

    expect(inOurTime(readings, 'hadb01', 20_500)).toEqual({ at: 20_000, errorMs: 3 });
    expect(inOurTime(readings, 'hadb01', 79_800)).toEqual({ at: 80_000, errorMs: 7 });
  });
});
