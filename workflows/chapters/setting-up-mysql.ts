import type { Run } from '../runbook';
import { azure, nodes } from './activities';
import { azureOperation } from './azure-operation';
import { remoteQuery } from './remote-query';
import type { Pair } from './setting-up-the-cluster';

/**
 * "Einrichten von MySQL". Unlike the article, the server is installed *before* the DRBD file system is mounted over its data
 * directory (and so while DRBD synchronises), and what the package put there is moved aside: no `rm -rf` that a retry could run
 * on the replicated data, and no package script that a reset could leave half done on them.
 *
 * Returns whether the second node gets its server by a failover, the article's second option.
 */
export const installMySql = (run: Run, pair: Pair): Promise<{ failOverFirst: boolean }> =>
  run.chapter('Setting up MySQL', async () => {
    const { active, standby, built } = pair;
    const { installed } = await run.step(
      { id: 'look-for-server', node: standby },
      'Look whether the server is installed there',
      (step) => nodes.readServerInstalled({ ...step, node: standby }),
    );
    const later = run.specification.database.standbyInstall === 'fail-over-then-install';
    const failOverFirst = later && !installed && !built;

    await run.parallel([
      () => installServer(run, pair, active),
      () => (failOverFirst ? guardMountPoint(run, pair, standby) : installServer(run, pair, standby)),
      () =>
        run.step({ id: 'load-balancing-rule' }, 'Create the rule and the probe lb-mysql', (step) =>
          azureOperation(step, azure.submitDatabaseRule),
        ),
    ]);
    return { failOverFirst };
  });

/** Mount, data directory, server, schema; then the article's query from outside. */
export const startMySql = (run: Run, pair: Pair, { failOverFirst }: { failOverFirst: boolean }): Promise<void> =>
  run.chapter('Setting up MySQL', async () => {
    await startDatabase(run, pair);
    if (failOverFirst) await failOverThenInstall(run, pair);
    const asked = pair.built ? undefined : pair.active;
    await remoteQuery(run, 'remote-query', 'Query from outside, by name, through the load balancer', asked);
  });

/** The package, our settings, a disabled unit; then the local data directory, moved aside, empty and immutable. */
async function installServer(run: Run, pair: Pair, node: string): Promise<void> {
  const observeOnly = pair.built;
  await run.step({ id: 'install-server', node }, 'Install the database server, not started', (step) =>
    nodes.installServer({ ...step, node, observeOnly }),
  );
  await run.step({ id: 'configure-server', node }, 'Write the settings of the server', (step) =>
    nodes.configureServer({ ...step, node, observeOnly }),
  );
  await guardMountPoint(run, pair, node);
}

async function guardMountPoint(run: Run, pair: Pair, node: string): Promise<void> {
  await run.step(
    { id: 'guard-mount-point', node },
    'Move the local data directory aside and leave it empty and immutable',
    (step) => nodes.emptyLocalDataDirectory({ ...step, node, observeOnly: pair.built }),
  );
}

async function startDatabase(run: Run, { active: node, built: observeOnly }: Pair): Promise<void> {
  await run.step({ id: 'mount', node }, 'Mount /dev/drbd1 at /var/lib/mysql', (step) =>
    nodes.mount({ ...step, node, observeOnly }),
  );
  await run.step({ id: 'initialise-data-directory', node }, 'Make the data directory on the DRBD file system', (step) =>
    nodes.initialiseDataDirectory({ ...step, node, observeOnly }),
  );
  await run.step({ id: 'start-server', node }, 'Start the database server', (step) =>
    nodes.startServer({ ...step, node, observeOnly }),
  );
  await run.parallel([
    () =>
      run.step({ id: 'create-schema', node }, 'Create the database, its table, its row and its users', (step) =>
        nodes.createSchema({ ...step, node, observeOnly }),
      ),
    async () => {
      if (observeOnly) return;
      // The balancer's probe needs an answer on the active node until Pacemaker's agent gives it.
      await run.step({ id: 'start-probe-responder', node }, 'Answer the probe of the load balancer', (step) =>
        nodes.startProbeResponder({ ...step, node }),
      );
    },
  ]);
}

/** The article's second option: what the package's scripts find on the mounted file system they leave unchanged. */
async function failOverThenInstall(run: Run, pair: Pair): Promise<void> {
  const { active, standby } = pair;
  const before = await run.step({ id: 'note-server-identity' }, 'Note the row and the identity of the data', (step) =>
    nodes.readDataIdentity({ ...step, node: active }),
  );
  await run.step({ id: 'release-for-install', node: active }, 'Stop the server, unmount, demote', (step) =>
    nodes.release({ ...step, node: active }),
  );
  await run.step({ id: 'take-for-install', node: standby }, 'Promote and mount, without a server yet', (step) =>
    nodes.takeStorage({ ...step, node: standby }),
  );
  await run.step(
    { id: 'install-server', node: standby },
    'Install the database server on the replicated data directory',
    (step) => nodes.installServer({ ...step, node: standby, sameUserAs: active, onReplicatedData: true }),
  );
  await run.step({ id: 'configure-server', node: standby }, 'Write the settings of the server', (step) =>
    nodes.configureServer({ ...step, node: standby }),
  );
  await run.step({ id: 'start-server', node: standby }, 'Start the database server there', (step) =>
    nodes.startServer({ ...step, node: standby }),
  );
  await run.step({ id: 'compare-server-identity' }, 'See the same row and the same data', (step) =>
    nodes.checkDataIdentity({ ...step, node: standby, expected: before.identity }),
  );
  await run.step({ id: 'release-after-install', node: standby }, 'Stop the server, unmount, demote', (step) =>
    nodes.release({ ...step, node: standby }),
  );
  await run.step({ id: 'take-after-install', node: active }, 'Promote, mount, start the server', (step) =>
    nodes.take({ ...step, node: active }),
  );
}
