import { heartbeat } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { HEARTBEAT_INTERVAL_MS, heartbeatInterceptor } from '../../../activities/interceptors/heartbeats';

beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }));
afterEach(() => jest.useRealTimers());

function record(heartbeatTimeoutMs: number | undefined) {
  const environment = new MockActivityEnvironment(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs }, {
    interceptors: [heartbeatInterceptor],
    logger: new DefaultLogger('ERROR'),
  });
  const beats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  return { environment, beats };
}

describe('the heartbeat interceptor', () => {
  it('beats by itself for as long as the activity runs, and repeats what the activity said last', async () => {
    const { environment, beats } = record(10_000);

    await environment.run(async () => {
      await jest.advanceTimersByTimeAsync(2 * HEARTBEAT_INTERVAL_MS);
      heartbeat({ step: 's', waitingFor: 'the sync', percent: 40 });
      await jest.advanceTimersByTimeAsync(HEARTBEAT_INTERVAL_MS);
    });
    await jest.advanceTimersByTimeAsync(10 * HEARTBEAT_INTERVAL_MS);

    const said = { step: 's', waitingFor: 'the sync', percent: 40 };
    expect(beats).toEqual([undefined, undefined, said, said]);
  });

  it('stops when the activity fails', async () => {
    const { environment, beats } = record(10_000);

    await expect(environment.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await jest.advanceTimersByTimeAsync(10 * HEARTBEAT_INTERVAL_MS);

    expect(beats).toEqual([]);
  });

  it('is silent where no heartbeat is expected', async () => {
    const { environment, beats } = record(undefined);

    await environment.run(() => jest.advanceTimersByTimeAsync(10 * HEARTBEAT_INTERVAL_MS));

    expect(beats).toEqual([]);
  });

  it('three beats must be lost before a living worker is taken for dead', () => {
    expect(10_000 / HEARTBEAT_INTERVAL_MS).toBeGreaterThan(3);
  });
});
