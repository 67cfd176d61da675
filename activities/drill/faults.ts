import { HadbError } from '../../cluster/errors';
import { parseIdentity, renderIdentityRead } from '../../cluster/node/access';
import {
  describeFault,
  isNetworkFault,
  renderFault,
  renderFaultEnd,
  renderNetworkFaultGuard,
  type LastingFault,
  type NetworkFault,
  type NodeFault,
} from '../../cluster/node/faults';
import { renderNetworkToolsRead } from '../../cluster/node/network-faults';
import { describeDrbd, isInSync } from '../../cluster/drbd/state';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { readPower } from '../azure/power';
import { createScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { refuseOtherMachine } from '../node/access';
import { describeCluster, observeCluster, type ObservedCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { makeMove, readRuntime } from '../node/runtime';
import type { NodeStep } from '../step';
import { cannotFreeze, type DiskFaults, type FaultInjector, type LinkFaults } from './fault-injector';
import { linkId } from './left-faults';

export interface FaultDependencies extends AzureDependencies {
  sessions: NodeSessions;
  faults: FaultInjector;
}

type DiskDetach = Extract<NodeFault, { fault: 'disk-detach' }>;

/** The disk must be well again when the node's timer attaches it. */
const SOUND_BEFORE_ATTACHED_SECONDS = 30;

export type DrillRole = 'Primary' | 'Secondary';

/** What is about to be broken, as it is now. */
export interface FaultTargetFacts {
  vmId: string;
  bootId: string;
  /** Process of the database server; absent where none runs. */
  pid?: number;
  /** When it was read (ms since the epoch): a moment before the fault. */
  at: number;
}

export function createFaultActivities(dependencies: FaultDependencies) {
  const { sessions, faults } = dependencies;
  const links = faults.networkFaultsBy === 'nodes' ? undefined : faults.links;
  const power = (step: NodeStep) => readPower(createScope(dependencies, step, step.node));

  return {
    /**
     * Right before a fault: the machine of that name is, by its VM id, the one that answers, has the role that is to be broken, and the pair is whole.
     * Errors: NodeMismatch, GuardRefused.
     */
    async readFaultTarget(step: NodeStep & { role: DrillRole }): Promise<StepOutcome & FaultTargetFacts> {
      const { vmId } = await power(step);
      const session = await sessions.open(step, step.node);
      const { cluster, bootId } = await seeTarget(session, { ...step, vmId });
      const { serverPid } = await readRuntime(session, step);
      return {
        result: 'unchanged',
        observed: `vmId ${vmId}; ${describeCluster(cluster)}${serverPid === undefined ? '' : `; server process ${serverPid}`}`,
        vmId,
        bootId,
        ...(serverPid === undefined ? {} : { pid: serverPid }),
        at: Date.now(),
      };
    },

    /**
     * Has the node break itself: machine, role and pair are looked at in the same command, and the timer that takes the fault back is armed before.
     * Made once: a repetition after a lost answer finds it made. Errors: GuardRefused, NotReady.
     */
    async injectFault(step: NodeStep & { role: DrillRole; fault: NodeFault }): Promise<StepOutcome> {
      if (links !== undefined && isNetworkFault(step.fault)) {
        return disturbLink(links, { ...step, fault: step.fault });
      }
      if (faults.disks !== undefined && step.fault.fault === 'disk-detach') {
        return strikeDisk(faults.disks, { ...step, fault: step.fault });
      }
      const session = await sessions.open(step, step.node);
      const done = describeFault(step.fault);
      if (await session.wasDoneBy(step)) return { result: 'changedEarlier', observed: 'the fault was made', done };
      return { result: 'changed', ...(await breakNode(session, step)), done };
    },

    /** Orders the shutdown from inside; the machine is still up when this returns. Errors: GuardRefused, NotReady. */
    async orderShutdown(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const fault = { fault: 'shutdown' } as const;
      return {
        result: 'changed',
        ...(await breakNode(session, { ...step, role: 'Primary', fault })),
        done: describeFault(fault),
      };
    },

    /** Takes a fault back before its timer does; one that ended with its machine needs nothing. May come twice. */
    async endFault(step: NodeStep & { fault: LastingFault }): Promise<StepOutcome> {
      if (links !== undefined && isNetworkFault(step.fault)) {
        return restoreLink(links, { ...step, fault: step.fault });
      }
      const { state, vmId } = await power(step);
      // Before it is attached again.
      if (step.fault.fault === 'disk-detach') await faults.disks?.restore(vmId);
      if (state !== 'running')
        return { result: 'unchanged', observed: `the machine is ${state}: no fault outlasts it` };
      const session = await sessions.open(step, step.node);
      const { stdout } = await session.change(step, renderFaultEnd(step.fault));
      const ended = stdout.split('\n').filter((word) => word !== '');
      if (ended.includes('fault')) {
        return { result: 'changed', observed: describeFault(step.fault), done: 'took the fault back' };
      }
      const observed = ended.includes('timer') ? 'the fault was gone, its timer was not' : 'neither fault nor timer';
      return { result: 'unchanged', observed };
    },

    /** Whether both nodes have what it takes to make such a fault, where it is they who make it. Errors: GateNotMet with all that is missing. */
    async checkNetworkFault(step: StepContext & { needs: 'rules' | 'disturbance' }): Promise<StepOutcome> {
      if (links !== undefined) return { result: 'unchanged', observed: 'made in the network itself, not by the nodes' };
      const missing = await Promise.all(
        step.specification.nodes.map(async ({ name }) => {
          const { stdout } = await (await sessions.open(step, name)).read(renderNetworkToolsRead(step.needs));
          return stdout.split('\n').flatMap((line) => (line === '' ? [] : [`${name}: ${line}`]));
        }),
      );
      const problems = missing.flat();
      const what = step.needs === 'rules' ? 'nft' : 'tc, sch_prio, sch_netem, cls_u32';
      if (problems.length === 0) return { result: 'unchanged', observed: `both nodes have ${what}` };
      throw new HadbError('GateNotMet', `the network cannot be disturbed here: ${problems.join('; ')}`, {
        subject: step.specification.name,
        whatNow:
          'Run "hadb build" for missing packages; a kernel that lacks something needs another one. Nothing was moved or broken.',
      });
    },

    /** Errors: GateNotMet where machines cannot be frozen. */
    async checkFreezable(step: StepContext): Promise<StepOutcome> {
      if (faults.kind === 'nodes') throw cannotFreeze();
      return { result: 'unchanged', observed: `machines of ${step.specification.name} can be frozen from outside` };
    },

    /** Freezes the machine for `seconds`, under the guard of `readFaultTarget` right before. Errors: NodeMismatch, GuardRefused, NotReady, GateNotMet. */
    async freezeNode(step: NodeStep & { role: DrillRole; seconds: number }): Promise<StepOutcome & { at: number }> {
      const { vmId } = await power(step);
      const session = await sessions.open(step, step.node);
      const { cluster } = await seeTarget(session, { ...step, vmId });
      const at = Date.now();
      await faults.freeze(vmId, step.seconds);
      const done = `froze the machine for ${step.seconds} s; it goes on by itself`;
      return { result: 'changed', observed: `vmId ${vmId}; ${describeCluster(cluster)}`, done, at, movedAt: at };
    },

    /** Lets a frozen machine go on; one that is off needs nothing. Errors: NotReady. */
    async thawNode(step: NodeStep): Promise<StepOutcome> {
      const { state, vmId } = await power(step);
      if (state !== 'running') return { result: 'unchanged', observed: `the machine is ${state}` };
      await faults.thaw(vmId);
      return { result: 'changed', observed: `vmId ${vmId} is ${state}`, done: 'let the machine go on' };
    },
  };

  /** In the network itself, under the guard of the node right before; one that is there was made by a try whose answer was lost. */
  async function disturbLink(
    links: LinkFaults,
    step: NodeStep & { role: DrillRole; fault: NetworkFault },
  ): Promise<StepOutcome> {
    const { node, fault, role } = step;
    const done = `${describeFault(fault)}, in the network itself`;
    const id = linkId(fault.fault, node);
    if (await links.has(id)) return { result: 'changedEarlier', observed: 'the fault was made', done };
    const { peer } = pairOf(step, node);
    const [own, other] = await Promise.all([power(step), power({ ...step, node: peer.name })]);
    const session = await sessions.open(step, node);
    const guard = renderNetworkFaultGuard({ node, peer: peer.name, vmId: own.vmId, role });
    await makeMove(session, { ...step, step: `${step.step}/guard` }, guard);
    const movedAt = Date.now();
    await links.put({
      id,
      from: own.vmId,
      to: fault.fault === 'resource-manager-cut' ? 'management' : other.vmId,
      // Each node has its own half of a disturbance.
      bothDirections: fault.fault !== 'disturbance',
      loss: fault.fault === 'disturbance' ? fault.lossPercent / 100 : 1,
      delayMs: fault.fault === 'disturbance' ? fault.delayMs : 0,
      seconds: fault.undoSeconds,
    });
    return {
      result: 'changed',
      observed: `${node} (vmId ${own.vmId}) was ${role} in a pair that was whole`,
      done,
      movedAt,
    };
  }

  /**
   * The disk itself, where the engine can: the node looks at its pair and arms the timer that attaches the disk again, then the disk fails, for a little less long.
   * Elsewhere DRBD lets go of it as if it had, which is told.
   */
  async function strikeDisk(
    disks: DiskFaults,
    step: NodeStep & { role: DrillRole; fault: DiskDetach },
  ): Promise<StepOutcome> {
    const { vmId } = await power(step);
    const session = await sessions.open(step, step.node);
    const struck: DiskDetach = { ...step.fault, isStruck: true };
    const seconds = Math.max(1, step.fault.undoSeconds - SOUND_BEFORE_ATTACHED_SECONDS);
    const detached = `${describeFault(step.fault)}; the engine of this machine fails no disk on request`;
    if (await session.wasDoneBy(step)) {
      const isStruck = await disks.failWrites(vmId, seconds);
      return {
        result: 'changedEarlier',
        observed: 'the fault was made',
        done: isStruck ? describeFault(struck) : detached,
      };
    }
    if (!(await disks.canFail(vmId))) {
      return { result: 'changed', ...(await breakNode(session, step)), done: detached };
    }
    const seen = await breakNode(session, { ...step, fault: struck });
    await disks.failWrites(vmId, seconds);
    return { result: 'changed', ...seen, done: describeFault(struck) };
  }

  async function restoreLink(
    links: LinkFaults,
    { node, fault }: NodeStep & { fault: NetworkFault },
  ): Promise<StepOutcome> {
    const id = linkId(fault.fault, node);
    const wasThere = await links.has(id);
    await links.remove(id);
    return wasThere
      ? { result: 'changed', observed: describeFault(fault), done: 'took the fault back' }
      : { result: 'unchanged', observed: 'the fault was gone' };
  }

  async function breakNode(
    session: NodeSession,
    step: NodeStep & { role: DrillRole; fault: NodeFault },
  ): Promise<Pick<StepOutcome, 'observed' | 'movedAt'>> {
    const { peer } = pairOf(step, step.node);
    const { vmId } = await power(step);
    const movedAt = Date.now();
    await makeMove(session, step, renderFault(step.fault, { node: step.node, peer: peer.name, vmId, role: step.role }));
    return { observed: `${step.node} (vmId ${vmId}) was ${step.role} in a pair that was whole`, movedAt };
  }
}

/** Errors: NodeMismatch, GuardRefused. */
export async function seeTarget(
  session: NodeSession,
  step: NodeStep & { role: DrillRole; vmId: string },
): Promise<{ cluster: ObservedCluster; bootId: string }> {
  const { self, peer } = pairOf(step, step.node);
  const identity = parseIdentity((await session.read(renderIdentityRead())).stdout);
  refuseOtherMachine(step, identity, self.address);
  const cluster = await observeCluster(session, step);
  const wanted = step.role === 'Primary' ? step.node : peer.name;
  const problems = [
    ...(cluster.primary === wanted ? [] : [`the primary is ${cluster.primary ?? 'nowhere'}, not ${wanted}`]),
    ...(isInSync(cluster.drbd) ? [] : [`DRBD on ${step.node}: ${describeDrbd(cluster.drbd)}`]),
    ...cluster.problems,
  ];
  if (problems.length === 0) return { cluster, bootId: identity.bootId };
  throw new HadbError('GuardRefused', `nothing is done to ${step.node}: ${problems.join('; ')}`, {
    subject: step.node,
    observed: describeCluster(cluster),
    whatNow: 'The cluster has changed since the drill began. Put right what is named, then begin another drill.',
  });
}
