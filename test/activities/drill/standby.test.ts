import { createClusterMoveActivities } from '../../../activities/drill/cluster-moves';
import { renderStandbyOff, renderStandbyOn } from '../../../cluster/node/standby-moves';
import { runActivity, step } from '../node/model-pair';
import { createSeenPair, type SeenPair } from './seen-pair';

/** A node that a drill puts into standby: its timer comes and goes with it. */

let pair: SeenPair;
beforeEach(() => {
  pair = createSeenPair();
  pair.onChange = (node, script) =>
    void Object.assign(
      node,
      script === off ? { standby: 'off', leftFaults: [] } : { standby: 'on', leftFaults: ['standby'] },
    );
});

const on = renderStandbyOn({ node: 'hadb01', peer: 'hadb02', undoSeconds: 465 });
const off = renderStandbyOff({ node: 'hadb01' });
const set = (order: { standby: 'on'; undoSeconds: number } | { standby: 'off' }) =>
  runActivity(() =>
    createClusterMoveActivities(pair).setStandby({ ...step('hadb01', `standby-${order.standby}`), ...order }),
  );
const changes = () => pair.changes.map(([, script]) => script);

describe('a standby', () => {
  it('is ordered with the timer that ends it, once', async () => {
    const first = await set({ standby: 'on', undoSeconds: 465 });
    const again = await set({ standby: 'on', undoSeconds: 465 });

    expect(first).toMatchObject({ result: 'changed', done: 'crm_standby on, for 465 s at most' });
    expect(again.result).not.toBe('changed');
    expect(changes()).toEqual([on]);
  });

  it('is lifted, and its timer ended', async () => {
    Object.assign(pair.hadb01, { standby: 'on', leftFaults: ['standby'] });

    await set({ standby: 'off' });

    expect(changes()).toEqual([off]);
  });

  it('that somebody else has lifted leaves no timer behind, which would lift the next one as well', async () => {
    Object.assign(pair.hadb01, { standby: 'off', leftFaults: ['standby'] });

    expect(await set({ standby: 'off' })).toMatchObject({ observed: 'standby off, with a timer that is to end it' });
    expect(changes()).toEqual([off]);
  });

  it('that somebody else has ordered is not taken for the one of the drill: the guard of the move has to say no', async () => {
    pair.hadb01.standby = 'on';

    await set({ standby: 'on', undoSeconds: 465 });

    expect(changes()).toEqual([on]);
  });

  it('that its timer has lifted needs nothing', async () => {
    expect(await set({ standby: 'off' })).toMatchObject({ result: 'unchanged' });
    expect(changes()).toEqual([]);
  });
});
