import { isOff, type PowerState } from '../../cluster/azure/power';
import type { Platform } from '../../cluster/platform';
import { platformDifferences } from '../../cluster/platform';
import type { Run } from '../runbook';
import { toApplicationFailure } from '../failures';
import { nodes } from './activities';
import { awaitBooted } from './await-booted';

/** What the rest of the runbook must know of the pair. */
export interface Pair {
  /** The cluster is built: steps observe only, and what deviates is reported as drift. */
  built: boolean;
  /** Pacemaker has, or had in an interrupted build, its configuration: nothing is moved by hand any more. */
  managed: boolean;
  /** The node that has, or gets, the database. */
  active: string;
  standby: string;
  platforms: readonly [Platform, Platform];
}

export type Found = Omit<Pair, 'platforms'>;

/** "Einrichten des Clusters", up to the packages: the two machines are the expected ones and know each other. */
export const reachTheNodes = (run: Run): Promise<void> =>
  run.chapter('Setting up the cluster', () => takeTheNodes(run));

/** Waits for nodes that boot. What is done on a healthy pair only passes its gate before, which does not wait. */
export async function takeTheNodes(run: Run): Promise<void> {
  await run.onBothNodes(async ({ name: node }) => {
    await run.step({ id: 'reach-node', node }, 'Wait until the node has booted and answers SSH', (step) =>
      awaitBooted(step, node, refuseOff),
    );
    await run.step({ id: 'own-node', node }, 'Make this operation the owner of the node', (step) =>
      nodes.takeOwnership({ ...step, node }),
    );
  });
}

function refuseOff(node: string, state: PowerState): void {
  if (!isOff(state)) return;
  throw toApplicationFailure({
    code: 'GateNotMet',
    message: `${node} is ${state}, says Azure: it is not waited for`,
    whatNow: 'On a built cluster "hadb recover" starts it where that is safe; otherwise start the machine. Then retry.',
  });
}

/** A cluster whose nodes hold `drbd_mysql` in their CIB is built; what serves there must not be touched. */
export const lookForCluster = (run: Run): Promise<Found> =>
  run.chapter('Setting up the cluster', async () => {
    const [first, second] = run.specification.nodes;
    const found = await run.step(
      { id: 'look-for-cluster' },
      'Look whether the cluster is built, and where its database is',
      (step) => nodes.readBuilt({ ...step, node: first.name }),
    );
    const active = found.active ?? first.name;
    return {
      built: found.built,
      managed: found.managed,
      active,
      standby: active === first.name ? second.name : first.name,
    };
  });

/** The article's `apt-get install`, and the ping by name. */
export const prepareTheNodes = (run: Run, found: Found): Promise<Pair> =>
  run.chapter('Setting up the cluster', async () => {
    const observeOnly = found.built;

    await run.onBothNodes(async ({ name: node }) => {
      await run.step({ id: 'write-hosts', node }, 'Name both nodes in /etc/hosts', (step) =>
        nodes.writeHostsEntries({ ...step, node, observeOnly }),
      );
      await run.step({ id: 'ping-peer', node }, 'Ping the other node by name', (step) =>
        nodes.checkPeerReachable({ ...step, node }),
      );
      await run.step(
        { id: 'install-packages', node },
        'Install Corosync, Pacemaker and DRBD, all of them disabled',
        (step) => nodes.installPackages({ ...step, node, observeOnly }),
      );
      await run.step({ id: 'load-drbd-module', node }, 'Load the DRBD kernel module', (step) =>
        nodes.loadDrbdModule({ ...step, node, observeOnly }),
      );
    });
    return { ...found, platforms: await probePlatforms(run) };
  });

/** "Einrichten von DRBD": partition, metadata, first synchronisation, primary, file system. */
export const setUpDrbd = (run: Run, pair: Pair): Promise<void> =>
  run.chapter('Setting up the cluster', async () => {
    const { platforms, active, built: observeOnly } = pair;

    await run.onBothNodes(async ({ name: node }) => {
      const platform = platformOf(platforms, node);
      await run.step({ id: 'partition-data-disk', node }, 'Partition the data disk', (step) =>
        nodes.partitionDataDisk({ ...step, node, platform, observeOnly }),
      );
      await run.step({ id: 'write-drbd-resource', node }, 'Write the DRBD resource r0', (step) =>
        nodes.writeResourceFile({ ...step, node, platform, form: pair.built ? 'cluster' : 'either', observeOnly }),
      );
      await run.step({ id: 'create-drbd-metadata', node }, 'Create DRBD metadata', (step) =>
        nodes.createMetadata({ ...step, node, platform, observeOnly }),
      );
      await run.step({ id: 'bring-up-drbd', node }, 'Bring up r0', (step) =>
        nodes.bringUp({ ...step, node, observeOnly }),
      );
    });
    await run.step({ id: 'connect-drbd' }, 'Wait until both nodes are connected', (step) =>
      nodes.awaitConnected({ ...step, node: active, observeOnly }),
    );
    await synchronise(run, pair);
    await makeFileSystem(run, pair);
  });

async function synchronise(run: Run, { built: observeOnly, active, standby }: Pair): Promise<void> {
  await run.step({ id: 'declare-disks-equal' }, 'Declare the two blank disks equal', (step) =>
    nodes.declareDisksEqual({ ...step, node: active, observeOnly }),
  );
  if (run.specification.drbd.initialSync === 'full' && !observeOnly) {
    await run.step({ id: 'copy-every-block', node: standby }, 'Have every block copied to the second node', (step) =>
      nodes.startFullSync({ ...step, node: standby }),
    );
  }
  await run.step({ id: 'await-initial-sync' }, 'Wait for the initial synchronisation', (step) =>
    nodes.awaitInSync({ ...step, node: active, observeOnly }),
  );
}

async function makeFileSystem(run: Run, { built: observeOnly, active: node }: Pair): Promise<void> {
  await run.step({ id: 'promote', node }, 'Make the node primary', (step) =>
    nodes.promote({ ...step, node, observeOnly }),
  );
  await run.step(
    { id: 'make-file-system', node },
    `Make the ${run.specification.fileSystem} file system on /dev/drbd1`,
    (step) => nodes.makeFileSystem({ ...step, node, observeOnly }),
  );
}

/** Both nodes must be of a kind: DRBD, Pacemaker and the database run the same data in turn. */
async function probePlatforms(run: Run): Promise<[Platform, Platform]> {
  const platforms = await run.onBothNodes(async ({ name: node }) => {
    const { platform } = await run.step({ id: 'probe-platform', node }, 'Look what the node is and has', (step) =>
      nodes.probePlatform({ ...step, node }),
    );
    return platform;
  });
  // The database comes later, on each node in its own way.
  const differences = platformDifferences(
    ...(platforms.map(({ serverVersion: _version, databaseUser: _user, ...rest }) => rest) as [Platform, Platform]),
  );
  if (differences.length > 0) {
    throw toApplicationFailure({
      code: 'PlatformUnsupported',
      message: `the two nodes differ: ${differences.join('; ')}`,
      whatNow: 'Bring both nodes to the same image and packages, then start the build again.',
    });
  }
  return platforms;
}

export function platformOf(platforms: readonly [Platform, Platform], node: string): Platform {
  const [first, second] = platforms;
  return first.hostName === node ? first : second;
}
