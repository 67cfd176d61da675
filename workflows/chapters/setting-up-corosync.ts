import type { Run } from '../runbook';
import { nodes } from './activities';
import type { Pair } from './setting-up-the-cluster';

/**
 * "Einrichten von Corosync": unicast between two named addresses, as in the article, but over knet with encryption, and
 * with `two_node`, so that the survivor of two keeps quorum without `no-quorum-policy=ignore`.
 */
export const setUpCorosync = (run: Run, { built: observeOnly }: Pair): Promise<void> =>
  run.chapter('Setting up Corosync', async () => {
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'configure-corosync', node }, 'Write the key and the configuration of Corosync', (step) =>
        nodes.configureCorosync({ ...step, node, observeOnly }),
      ),
    );
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'start-corosync', node }, 'Start Corosync', (step) =>
        nodes.startCorosync({ ...step, node, observeOnly }),
      ),
    );
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'await-quorum', node }, 'Wait for two members and quorum', (step) =>
        nodes.awaitMembership({ ...step, node }),
      ),
    );
  });
