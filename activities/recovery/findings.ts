import { sleep } from '@temporalio/activity';
import { parseIdentity, renderIdentityRead } from '../../cluster/node/access';
import { isHadbError } from '../../cluster/errors';
import { startsTag } from '../../cluster/ids';
import { parseStarts } from '../../cluster/recovery/starts';
import type { LeftFault, NodeFinding, NodeView, PairFindings } from '../../cluster/recovery/findings';
import { parseMetadata, renderMetadataRead } from '../../cluster/node/drbd-moves';
import type { StepContext } from '../../cluster/step';
import { messageOf } from '../../processes/error-message';
import { readEvidence } from '../azure/evidence';
import { readPower } from '../azure/power';
import { createScope, unlessMissing } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import type { FaultInjector } from '../drill/fault-injector';
import { readLeftFaults, readLeftLinks } from '../drill/left-faults';
import { readConstraints } from '../drill/pair-health';
import { refuseOtherMachine } from '../node/access';
import { observeCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { within } from '../node/waiting';

export interface FindingDependencies extends AzureDependencies {
  sessions: NodeSessions;
  faults?: FaultInjector;
  /** How long constraints may take to go by themselves. */
  constraintsGoMs?: number;
  /** Between two looks at a resource without a connection. */
  standAlonePauseMs?: number;
}

/** A resource that is being brought up is StandAlone until it has its disk, which takes a second or two; one that the peer was refused by stays so. */
const STAND_ALONE = { looks: 5, pauseMs: 2000 };

/** A node that is silent for so long is a finding by itself; the looks at a resource without a connection are in it. */
const NODE_LIMIT_MS = 30_000;

/**
 * Looks at both machines through Azure, and at what those that run say. Changes nothing, and takes the silence of a node for an answer. Errors: those
 * of Azure.
 */
export async function readFindings(dependencies: FindingDependencies, step: StepContext): Promise<PairFindings> {
  const [first, second] = step.specification.nodes;
  const tags = await readEvidence(createScope(dependencies, step));
  const find = (node: string) => readNode(dependencies, step, node, parseStarts(tags[startsTag(node)]));
  const nodes = await Promise.all([find(first.name), find(second.name)]);
  return { at: Date.now(), nodes };
}

async function readNode(
  dependencies: FindingDependencies,
  step: StepContext,
  node: string,
  starts: readonly string[],
): Promise<NodeFinding> {
  const machine = await unlessMissing(() => readPower(createScope(dependencies, step, node)));
  if (machine === undefined) return { node, power: 'missing', starts };
  const { state: power, vmId } = machine;
  const inNetwork = await readLeftLinks(dependencies.faults, node);
  const left = (own: readonly LeftFault[]) =>
    own.length + inNetwork.length === 0 ? {} : { leftFaults: [...own, ...inNetwork] };
  if (power !== 'running') return { node, power, starts, ...left([]) };
  try {
    const { says, own } = await within(NODE_LIMIT_MS, async () => {
      const session = await dependencies.sessions.open(step, node);
      const { stdout } = await session.read(renderIdentityRead());
      refuseOtherMachine({ ...step, node, vmId }, parseIdentity(stdout), pairOf(step, node).self.address);
      const own = await readLeftFaults(session);
      return { own, says: await readView(session, step, dependencies.standAlonePauseMs ?? STAND_ALONE.pauseMs) };
    });
    return { node, power, starts, says, ...left(own) };
  } catch (error) {
    const code = isHadbError(error) ? error.code : 'Internal';
    return { node, power, starts, silence: { code, message: messageOf(error) }, ...left([]) };
  }
}

async function readView(session: NodeSession, step: StepContext, pauseMs: number): Promise<NodeView> {
  let { state, drbd } = await observeCluster(session, step);
  for (let look = 1; look < STAND_ALONE.looks && drbd.connection === 'StandAlone'; look += 1) {
    await sleep(pauseMs);
    ({ state, drbd } = await observeCluster(session, step));
  }
  const constraints = state.available ? await readConstraints(session) : [];
  if (drbd.connection !== 'StandAlone') return { state, drbd, constraints };
  const { gi } = parseMetadata((await session.read(renderMetadataRead())).stdout);
  if (gi === undefined) return { state, drbd, constraints };
  const { current, bitmap, history } = gi;
  return { state, drbd, constraints, generations: [current, bitmap, ...history].join(':') };
}
