import type { AzureFencing } from '../../cluster/cib/cib';
import type { Run } from '../runbook';
import { nodes } from './activities';
import { platformOf, type Pair } from './setting-up-the-cluster';

/**
 * "Einrichten von Pacemaker". The first start finds the whole configuration in place and everything running, in maintenance
 * mode: it adopts the database instead of restarting it.
 */
export const setUpPacemaker = (run: Run, pair: Pair, fencing: AzureFencing | undefined): Promise<void> =>
  run.chapter('Setting up Pacemaker', async () => {
    const { active, platforms } = pair;
    const observeOnly = pair.built;
    const configuration = { platform: platformOf(platforms, active), ...(fencing === undefined ? {} : { fencing }) };

    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'install-agent', node }, 'Install the resource agent that asks the database by SQL', (step) =>
        nodes.installResourceAgents({ ...step, node, platform: platformOf(platforms, node), observeOnly }),
      ),
    );
    await run.step(
      { id: 'write-configuration', node: active },
      'Write the verified configuration for the first start',
      (step) => nodes.writeInitialConfiguration({ ...step, node: active, ...configuration, observeOnly }),
    );
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'start-pacemaker', node }, 'Start Pacemaker in maintenance mode', (step) =>
        nodes.startPacemaker({ ...step, node, observeOnly }),
      ),
    );
    await run.step(
      { id: 'await-members-online', node: active },
      'Wait until both nodes are online and everything is recognised',
      (step) => nodes.awaitAdopted({ ...step, node: active, observeOnly }),
    );
    await run.onBothNodes(({ name: node }) =>
      run.parallel([
        () =>
          run.step(
            { id: 'enable-drbd-fencing', node },
            'Put the fencing policy and the handlers of r0 into force',
            (step) =>
              nodes.writeResourceFile({
                ...step,
                node,
                platform: platformOf(platforms, node),
                form: 'cluster',
                observeOnly,
              }),
          ),
        () =>
          run.step({ id: 'start-at-boot', node }, 'Have Corosync and Pacemaker start at boot', (step) =>
            nodes.enableAtBoot({ ...step, node, observeOnly }),
          ),
      ]),
    );
    await run.step({ id: 'end-maintenance', node: active }, 'Hand the resources over to Pacemaker', (step) =>
      nodes.endMaintenance({ ...step, node: active, ...configuration, observeOnly }),
    );
    await run.step({ id: 'cluster-healthy' }, 'See all resources running, on one node, as configured', (step) =>
      nodes.awaitHealthy({ ...step, node: active, ...configuration }),
    );
    await run.onBothNodes(({ name: node }) =>
      run.step({ id: 'see-resources', node }, 'Look at crm_mon, the mount and the processes', (step) =>
        nodes.checkServing({ ...step, node }),
      ),
    );
  });
