import type { Progress, StepContext, StepOutcome } from '../cluster/step';
import { azure, nodes } from './chapters/activities';
import { describeFailure, isCancelOfTheRun } from './failures';
import { PlanCluster } from './inputs';
import type { PlanClusterInput } from './messages';
import { runRunbook, type Run } from './runbook';

/** What a build would do, step by step, by looking only: what is missing or differs stands in each step as drift. Takes no lock. */
export const planCluster = (input: PlanClusterInput): Promise<Progress> =>
  runRunbook({ runbook: 'planCluster', input, schema: PlanCluster, lock: 'none', body: (run) => plan(run) });

type Look = StepContext & { observeOnly: true };

/** What an observation says of a resource that is not there. */
const MISSING = 'missing';
const UNSEEN = 'nothing';

async function plan(run: Run): Promise<void> {
  const differing: StepOutcome[] = [];
  const note = <Outcome extends StepOutcome>(outcome: Outcome): Outcome => {
    if (outcome.drift !== undefined && outcome.drift.length > 0) differing.push(outcome);
    return outcome;
  };
  const running = await planAzure(run, note);
  await run.parallel(running.map((node) => () => planNode(run, node, note)));
  const later = run.specification.nodes.filter(({ name }) => !running.includes(name)).map(({ name }) => name);
  const steps = differing.length === 1 ? 'one step' : `${differing.length} steps`;
  const sentence =
    differing.length === 0
      ? 'Everything that was looked at is as wanted'
      : `A build would do what ${steps} name as missing or different`;
  run.note(
    later.length === 0 ? sentence : `${sentence}, and everything on ${later.join(' and ')}, where no machine runs yet`,
  );
}

type Note = <Outcome extends StepOutcome>(outcome: Outcome) => Outcome;

/** Returns the nodes whose machine is there and runs. */
async function planAzure(run: Run, note: Note): Promise<string[]> {
  return run.chapter('Preparing', async () => {
    const look = <Outcome extends StepOutcome>(id: string, sentence: string, work: (step: Look) => Promise<Outcome>) =>
      run.step({ id }, sentence, async (step) => note(await work({ ...step, observeOnly: true })));
    const group = await look('resource-group', 'Create the resource group', azure.ensureResourceGroup);
    if (group.observed === MISSING) return [];
    await run.parallel([
      () =>
        look('proximity-placement-group', 'Create the proximity placement group', azure.ensureProximityPlacementGroup),
      () => look('availability-set', 'Create the availability set', azure.ensureAvailabilitySet),
      () => look('network-security-group', 'Create the network security group', azure.submitNetworkSecurityGroup),
      () => look('virtual-network', 'Create the virtual network and its subnet', azure.submitVirtualNetwork),
      () => look('public-address', 'Reserve the public address and its name', azure.submitPublicAddress),
      async () => {
        const balancer = await look('load-balancer', 'Create the load balancer', azure.submitLoadBalancer);
        if (balancer.observed === MISSING) return;
        await look('load-balancing-rule', 'Create the rule and the probe lb-mysql', azure.submitDatabaseRule);
      },
    ]);
    const running = await run.onBothNodes(async ({ name: node }) => {
      await run.step({ id: 'network-interface', node }, 'Create the network interface', async (step) =>
        note(await azure.submitNetworkInterface({ ...step, node, observeOnly: true })),
      );
      const machine = await run.step(
        { id: 'virtual-machine', node },
        'Create the virtual machine with its data disk',
        async (step) => {
          const outcome = note(await azure.submitVirtualMachine({ ...step, node, observeOnly: true }));
          const power = outcome.observed === MISSING ? undefined : await azure.readPower({ ...step, node });
          return { ...outcome, running: power?.state === 'running' };
        },
      );
      return machine.running ? node : undefined;
    });
    const there = running.filter((node) => node !== undefined);
    if (run.specification.fencing === 'azure') {
      const role = await look(
        'fencing-role',
        'Make the role that lets a node see, start and power off both machines',
        azure.ensureFencingRole,
      );
      if (role.observed === MISSING) return there;
      await run.parallel(
        there.map(
          (node) => () =>
            run.step(
              { id: 'assign-fencing-role', node },
              'Give the identity of the node the role on both machines',
              async (step) =>
                note(await azure.ensureFencingAssignments({ ...step, node, roleId: role.roleId, observeOnly: true })),
            ),
        ),
      );
    }
    return there;
  });
}

/** A node that cannot be looked at is a line of the plan, not its end. */
async function planNode(run: Run, node: string, note: Note): Promise<void> {
  const look = <Outcome extends StepOutcome>(
    id: string,
    sentence: string,
    work: (step: Look & { node: string }) => Promise<Outcome>,
  ): Promise<StepOutcome | Outcome> =>
    run.step({ id, node }, sentence, async (step) => {
      try {
        return note(await work({ ...step, node, observeOnly: true }));
      } catch (error) {
        if (isCancelOfTheRun(error)) throw error;
        const { code, message } = describeFailure(error);
        return note({ result: 'unchanged', observed: UNSEEN, drift: [`cannot be looked at: ${code}: ${message}`] });
      }
    });
  await run.chapter('Setting up the cluster', async () => {
    const probed = await look('probe-platform', 'Look what the node is and has', (step) => nodes.probePlatform(step));
    if (!('platform' in probed)) return;
    const { platform } = probed;
    const found = await look('look-for-cluster', 'Look whether the cluster is built', (step) => nodes.readBuilt(step));
    const form = 'built' in found && found.built ? 'cluster' : 'manual';
    await look('write-hosts', 'Name both nodes in /etc/hosts', (step) => nodes.writeHostsEntries(step));
    await look('install-packages', 'Install Corosync, Pacemaker and DRBD', (step) => nodes.installPackages(step));
    await look('load-drbd-module', 'Load the DRBD kernel module', (step) => nodes.loadDrbdModule(step));
    await look('partition-data-disk', 'Partition the data disk', (step) =>
      nodes.partitionDataDisk({ ...step, platform }),
    );
    await look('write-drbd-resource', 'Write the DRBD resource r0', (step) =>
      nodes.writeResourceFile({ ...step, platform, form }),
    );
    await look('create-drbd-metadata', 'Create DRBD metadata', (step) => nodes.createMetadata({ ...step, platform }));
  });
  await run.chapter('Setting up MySQL', async () => {
    await look('install-server', 'Install the database server', (step) => nodes.installServer(step));
    await look('configure-server', 'Write the settings of the server', (step) => nodes.configureServer(step));
  });
}
