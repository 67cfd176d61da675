import { HadbError, isHadbError } from '../../cluster/errors';
import {
  isSameVm,
  parseIdentity,
  renderHostsRead,
  renderHostsWrite,
  renderIdentityRead,
  renderPing,
  type NodeIdentity,
} from '../../cluster/node/access';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import { pairOf, type NodeDependencies } from './dependencies';
import { waitUntil } from './waiting';

/** An Azure machine answers SSH within a minute or two; the first boot's own set-up may take longer. */
const BOOT_LIMIT_MS = 10 * 60_000;

/** Step 3: the nodes are the expected machines, ready, ours to change, and know each other by name. */
export function createAccessActivities({ sessions }: Pick<NodeDependencies, 'sessions'>) {
  return {
    /**
     * Waits until the node answers SSH with its pinned host key and its first boot is over, then checks that it is the
     * expected machine. Errors: NotReady, NodeMismatch, HostKeyMismatch.
     */
    async awaitNodeReachable(step: NodeStep & { vmId?: string }): Promise<StepOutcome & { identity: NodeIdentity }> {
      const { self } = pairOf(step, step.node);
      const identity = await waitUntil<NodeIdentity | Error>(step, {
        waitingFor: `${step.node} to boot and answer SSH`,
        limitMs: BOOT_LIMIT_MS,
        intervalMs: 300,
        observe: async () => {
          try {
            const session = await sessions.open(step, step.node);
            return parseIdentity((await session.read(renderIdentityRead(), { timeoutMs: 10_000 })).stdout);
          } catch (error) {
            // A machine that boots refuses, resets and cuts connections; all else is an answer.
            if (isHadbError(error) && (error.code === 'NodeUnreachable' || error.code === 'CommandUnknown'))
              return error;
            throw error;
          }
        },
        isDone: (seen) => !isError(seen) && seen.firstBootDone,
        describe: (seen) => (isError(seen) ? seen.message : 'SSH answers, the first boot is not over'),
        whatNow: 'Look at the boot diagnostics of the machine and at its SSH rule, then decide "retry".',
      });
      if (isError(identity)) throw identity;
      refuseOtherMachine(step, identity, self.address);
      const errors =
        identity.firstBootErrors.length > 0 ? `; first boot reported: ${identity.firstBootErrors.join('; ')}` : '';
      return {
        result: 'unchanged',
        observed: `${identity.hostName} at ${self.address}, vmId ${identity.vmId ?? 'unknown'}, boot ${identity.bootId.slice(0, 8)}${errors}`,
        identity,
      };
    },

    /**
     * Writes the owner file: bookkeeping, no change of the cluster. Errors: NotOwner while a job of another operation runs on
     * the node.
     */
    async takeOwnership(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { previous = '' } = await session.takeOwnership(step);
      const before = previous.includes(step.operation.run) ? 'ours already' : previous === '' ? 'nobody' : previous;
      return { result: 'unchanged', observed: `owner: ${before}; now ${step.operation.workflowId}` };
    },

    async writeHostsEntries(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { nodes } = step.specification;
      return performStep(session, step, {
        observe: async () => (await session.read(renderHostsRead(nodes))).stdout.split('\n').filter(Boolean),
        isDone: (missing) => missing.length === 0,
        describe: (missing) =>
          missing.length === 0
            ? '/etc/hosts names both nodes'
            : `/etc/hosts does not give the address of ${missing.join(', ')}`,
        act: async () => {
          await session.change(step, renderHostsWrite(nodes));
          return 'wrote the pair into /etc/hosts';
        },
      });
    },

    /** The article's ping by name. Errors: NotReady when the peer stays silent. */
    async checkPeerReachable(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { peer } = pairOf(step, step.node);
      const answer = await waitUntil(step, {
        waitingFor: `an echo from ${peer.name}`,
        limitMs: 30_000,
        observe: () => session.read(renderPing(peer), { accept: [0, 1] }),
        isDone: ({ code }) => code === 0,
        describe: ({ stdout }) => stdout.trim(),
        whatNow: `Look at the network security group and the addresses: ${step.node} must reach ${peer.address}.`,
      });
      return { result: 'unchanged', observed: `${peer.name} (${peer.address}) answers: ${answer.stdout.trim()}` };
    },
  };
}

/** Errors: NodeMismatch. */
export function refuseOtherMachine(step: NodeStep & { vmId?: string }, identity: NodeIdentity, address: string): void {
  const expected = [
    identity.hostName === step.node ? undefined : `it is called ${identity.hostName}`,
    identity.addresses.includes(address)
      ? undefined
      : `its addresses are ${identity.addresses.join(', ') || 'none'}, not ${address}`,
    step.vmId === undefined || identity.vmId === undefined || isSameVm(step.vmId, identity.vmId)
      ? undefined
      : `its vmId is ${identity.vmId}, not ${step.vmId}`,
  ].filter((problem) => problem !== undefined);
  if (expected.length === 0) return;
  throw new HadbError(
    'NodeMismatch',
    `the machine that answers as ${step.node} is another one: ${expected.join('; ')}`,
    {
      subject: step.node,
      observed: `${identity.hostName}, machine-id ${identity.machineId}`,
      whatNow: 'Find out which machine the SSH rule leads to; hadb changes nothing on it.',
    },
  );
}

function isError(seen: NodeIdentity | Error): seen is Error {
  return isHadbError(seen);
}
