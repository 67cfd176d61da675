import { fencingDifferences, isOfKind, withFencing } from '../../cluster/cib/change-fencing';
import { parseCrmMon, readCrmMon } from '../../cluster/cib/crm-mon';
import { describeDifference } from '../../cluster/cib/difference';
import { describeFence, lastFenceOf, type Fence } from '../../cluster/cib/fence-history';
import {
  FENCE_PEER_HANDLER,
  handlerPaths,
  needsOwnHandler,
  renderFencePeerHandler,
} from '../../cluster/drbd/fence-peer-handler';
import { fencingPolicy, renderResourceFile, RESOURCE_FILE } from '../../cluster/drbd/resource-file';
import { HadbError } from '../../cluster/errors';
import { renderAdjustFencing, renderFencingPatch } from '../../cluster/node/fencing-moves';
import { concatenate, renderChecksums, type NodeFile } from '../../cluster/node/files';
import type { StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import { clusterSecrets } from '../connections/secrets';
import { performStep, type NodeStep } from '../step';
import { cibInput, type Configured } from './cib-input';
import { openPair, pairOf, type NodeDependencies } from './dependencies';
import { RESOURCE_FILE_READ } from './drbd';
import { makeMove } from './runtime';
import { readCib, swapConfiguration } from './swap-configuration';
import { wantedFiles } from './wanted-files';

/** The agent of Azure asks for a token and for the state of a machine first. */
const MOVE_LIMIT_MS = 150_000;

/** Our fence-peer handler, on a node that needs it. */
export const ownHandler = ({ specification, platform }: Pick<Configured, 'specification' | 'platform'>): NodeFile[] =>
  specification.fencing !== 'none' && needsOwnHandler(specification, platform)
    ? [{ path: FENCE_PEER_HANDLER.path, content: renderFencePeerHandler(), mode: FENCE_PEER_HANDLER.mode }]
    : [];

/**
 * Fencing put into force on a cluster that was built without it: DRBD first, on both nodes, so that nothing is acknowledged any more by a primary that is
 * about to be shot; then the configuration of Pacemaker. A healthy pair only, seen in the same command as the move. What somebody has set
 * by hand in a cluster that fences already is left to the steps that report drift.
 */
export function createFencingChangeActivities(dependencies: NodeDependencies) {
  const { sessions, secrets } = dependencies;
  return {
    /** Policy, handler and its time-outs, by `drbdadm adjust`. Errors: GuardRefused, NotReady. */
    async changeDrbdFencing(step: Configured): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { specification, platform } = step;
      const secret = await clusterSecrets(secrets, specification).drbdSecret();
      const content = renderResourceFile({
        specification,
        platform,
        form: 'cluster',
        secret,
        timing: timingOf(specification),
      });
      const files: NodeFile[] = [...ownHandler(step), { path: RESOURCE_FILE, content, mode: 0o600 }];
      const wanted = wantedFiles(files);
      const policy = fencingPolicy(specification);
      return performStep(session, step, {
        observe: async () => {
          const { stdout } = await session.read(`${renderChecksums(wanted.paths)}${RESOURCE_FILE_READ}`);
          return {
            differing: wanted.differing(stdout),
            policy: /^fencing=(.*)$/m.exec(stdout)?.[1] ?? 'dont-care',
          };
        },
        isDone: (seen) => seen.policy === policy,
        describe: (seen) =>
          `${seen.differing.length === 0 ? `${wanted.paths.join(', ')} as wanted` : `not as wanted: ${seen.differing.join(', ')}`}, fencing ${seen.policy} in force`,
        act: async () => {
          refuseToTakeAway(step);
          const { peer } = pairOf(step, step.node);
          const handler = handlerPaths(specification, platform).fence;
          await makeMove(session, step, renderAdjustFencing({ peer: peer.name, handler, files }), {
            input: concatenate(files),
          });
          return `put ${policy} into force`;
        },
      });
    },

    /**
     * The device, the properties and the time-outs, by compare and swap; nothing else of the configuration. Errors: GuardRefused, NotReady.
     */
    async changeClusterFencing(step: Configured): Promise<StepOutcome> {
      const { own, peer } = await openPair(dependencies, step, step.node);
      const input = cibInput(step, 'managed');
      return performStep(own, step, {
        observe: async () => fencingDifferences(await readCib(own), input),
        isDone: (differences) => !differences.some(isOfKind),
        describe: (differences) =>
          differences.length === 0
            ? `fencing ${step.specification.fencing} is configured`
            : differences.slice(0, 5).map(describeDifference).join('; '),
        act: async () => {
          const fencing = refuseToTakeAway(step);
          const policy = /^fencing=(.*)$/m.exec((await peer.read(RESOURCE_FILE_READ)).stdout)?.[1] ?? 'dont-care';
          if (policy !== fencingPolicy(step.specification)) {
            throw new HadbError('GuardRefused', `r0 does not hold writing up on ${peer.node} yet`, {
              subject: peer.node,
              observed: `fencing ${policy}`,
              whatNow: 'Let the step that changes the fencing of DRBD run on both nodes first, then retry.',
            });
          }
          await swapConfiguration(own, step, {
            next: (live) => withFencing(live, input),
            patch: (sizes) => renderFencingPatch({ peer: peer.node, fencing, ...sizes }),
            timeoutMs: MOVE_LIMIT_MS,
          });
          return `put fencing ${step.specification.fencing} into force`;
        },
      });
    },

    /** Reads only: the last shot at `target` since a time, as Pacemaker on this node remembers it. */
    async readFence(step: NodeStep & { target: string; since?: string }): Promise<StepOutcome & { fence?: Fence }> {
      const session = await sessions.open(step, step.node);
      const state = parseCrmMon((await session.read(readCrmMon())).stdout);
      const fence = lastFenceOf(state, {
        node: step.target,
        ...(step.since === undefined ? {} : { since: step.since }),
      });
      return {
        result: 'unchanged',
        observed: fence === undefined ? `${step.target} was not fenced` : describeFence(fence),
        ...(fence === undefined ? {} : { fence }),
      };
    },
  };
}

/** A cluster that fences is not made one that does not: what would protect it then is not known to hadb. */
function refuseToTakeAway({ specification, fencing, node }: Configured): NonNullable<Configured['fencing']> {
  if (specification.fencing !== 'none' && fencing !== undefined) return fencing;
  throw new HadbError('GuardRefused', 'fencing is put into force by a runbook, never taken away', {
    subject: node,
    observed: `the specification says fencing ${specification.fencing}`,
    whatNow: 'Say "fencing: azure" in the specification, as the cluster does.',
  });
}
