import { watchEventLoop } from '../../../activities/drill/event-loop-watch';

describe('the watch over the event loop', () => {
  it('tells that this process was held up, and for how long', async () => {
    const seen: { at: number; ms: number }[] = [];
    const now = () => performance.now();
    const stop = watchEventLoop({ everyMs: 10, lateMs: 200, now }, (at, ms) => void seen.push({ at, ms }));

    const from = now();
    while (now() - from < 400);
    const to = now();
    await new Promise((resolve) => setTimeout(resolve, 30));
    stop();

    const held = seen.find(({ at, ms }) => at >= to && at - ms <= from + 15);
    expect(held?.ms).toBeGreaterThanOrEqual(385);
  });

  it('ends when it is told to', async () => {
    let calls = 0;
    const stop = watchEventLoop({ everyMs: 1, lateMs: -1000, now: () => performance.now() }, () => void (calls += 1));
    stop();

    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(calls).toBe(0);
  });
});
