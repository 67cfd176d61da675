import type { NodeSession, NodeSessions } from '../../../activities/connections/node-session';
import { createClusterMoveActivities } from '../../../activities/drill/cluster-moves';
import { renderLeftFaultsRead } from '../../../cluster/node/fault-guards';
import { runActivity, step } from '../node/model-pair';

/** A drill counts from the order of its move, so that the order is told with the time before it is sent. */

/** A node with one fact, which the first change makes another. */
function nodeThatSays(before: string, after: string) {
  let changes = 0;
  const said = () => ({ code: 0, stdout: `${changes === 0 ? before : after}\n`, stderr: '' });
  const session = {
    node: 'hadb01',
    read: async (script: string) =>
      script === renderLeftFaultsRead() ? { ...said(), stdout: changes === 0 ? '' : 'standby\n' } : said(),
    change: async () => {
      changes += 1;
      return said();
    },
    wasDoneBy: async () => changes > 0,
  } as unknown as NodeSession;
  const sessions = { open: async () => session, close: async () => undefined } as NodeSessions;
  jest.spyOn(Date, 'now').mockImplementation(() => 1000 + changes);
  return createClusterMoveActivities({ sessions });
}
type Moves = ReturnType<typeof createClusterMoveActivities>;

afterEach(() => jest.restoreAllMocks());

describe('the order of a move', () => {
  it.each<[string, string, string, (moves: Moves) => Promise<{ movedAt?: number }>]>([
    [
      'standby',
      'off',
      'on',
      (moves) => moves.setStandby({ ...step('hadb01', 'standby'), standby: 'on', undoSeconds: 60 }),
    ],
    ['the end of Pacemaker', 'active', 'stopped', (moves) => moves.stopPacemaker(step('hadb01', 'stop'))],
  ])('is told with its time: %s; and not again where it was obeyed', async (_, before, after, move) => {
    const moves = nodeThatSays(before, after);

    const first = await runActivity(() => move(moves));
    const second = await runActivity(() => move(moves));

    expect(first).toMatchObject({ result: 'changed', movedAt: 1000 });
    expect(second).toMatchObject({ result: 'changedEarlier' });
    expect(second).not.toHaveProperty('movedAt');
  });
});
