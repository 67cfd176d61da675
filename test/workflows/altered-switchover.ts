import type { Progress } from '../../cluster/step';
import { nodes } from '../../workflows/chapters/activities';
import { reachTheNodes } from '../../workflows/chapters/setting-up-the-cluster';
import { Switchover } from '../../workflows/inputs';
import type { SwitchoverInput } from '../../workflows/messages';
import { runRunbook } from '../../workflows/runbook';

/** `switchover` as somebody might change it without thinking of the runs that are open: another step before the gate. */
export const switchover = (input: SwitchoverInput): Promise<Progress> =>
  runRunbook({
    runbook: 'switchover',
    input,
    schema: Switchover,
    body: async (run) => {
      await reachTheNodes(run);
      const [{ name: node }] = run.specification.nodes;
      await run.step({ id: 'probe' }, 'Look what the node is', (step) => nodes.probePlatform({ ...step, node }));
    },
  });

export { clusterLock } from '../../workflows/lock';
