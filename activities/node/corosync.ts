import { createHash } from 'node:crypto';
import {
  COROSYNC_CONFIGURATION,
  COROSYNC_KEY,
  renderCorosyncConfiguration,
} from '../../cluster/corosync/configuration';
import {
  parseMembership,
  renderCorosyncRead,
  renderCorosyncStart,
  renderCorosyncWrite,
  renderMembershipRead,
} from '../../cluster/node/corosync-moves';
import { concatenate, parseChecksums, type NodeFile } from '../../cluster/node/files';
import type { StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import { clusterSecrets } from '../connections/secrets';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { waitUntil } from './waiting';

/** Two members that both run find each other within a token or two. */
const MEMBERSHIP_LIMIT_MS = 120_000;

export function createCorosyncActivities({ sessions, secrets }: NodeDependencies) {
  return {
    /** Step 18: key and configuration, the same on both nodes. Errors: GuardRefused where another cluster has been. */
    async configureCorosync(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { specification } = step;
      const key = await clusterSecrets(secrets, specification).corosyncKey();
      const files: NodeFile[] = [
        { path: COROSYNC_KEY, content: key, mode: 0o400 },
        {
          path: COROSYNC_CONFIGURATION,
          content: renderCorosyncConfiguration({ specification, timing: timingOf(specification) }),
          mode: 0o644,
        },
      ];
      const wanted = new Map(
        files.map(({ path, content }) => [path, createHash('sha256').update(content).digest('hex')]),
      );
      return performStep(session, step, {
        observe: async () => {
          const { stdout } = await session.read(renderCorosyncRead());
          const sums = parseChecksums(stdout);
          return { differing: files.map(({ path }) => path).filter((path) => sums.get(path) !== wanted.get(path)) };
        },
        isDone: ({ differing }) => differing.length === 0,
        describe: ({ differing }) =>
          differing.length === 0
            ? `key and configuration as wanted, token ${specification.corosync.tokenMs} ms, knet, aes256`
            : `not as wanted: ${differing.join(', ')}`,
        act: async () => {
          const script = renderCorosyncWrite(files, { key: wanted.get(COROSYNC_KEY) ?? '' });
          await session.change(step, script, { input: concatenate(files) });
          return `wrote ${COROSYNC_KEY} and ${COROSYNC_CONFIGURATION}`;
        },
      });
    },

    async startCorosync(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => /^corosync=active$/m.test((await session.read(renderCorosyncRead())).stdout),
        isDone: (active) => active,
        describe: (active) => (active ? 'Corosync runs' : 'Corosync does not run'),
        act: async () => {
          await session.change(step, renderCorosyncStart(), { timeoutMs: 100_000 });
          return 'started Corosync';
        },
      });
    },

    /** Errors: NotReady when the two do not find each other. */
    async awaitMembership(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const active = /^corosync=active$/m.test((await session.read(renderCorosyncRead())).stdout);
      // A reset after its start: a boot does not start it before the build is over.
      if (!active && step.observeOnly !== true) {
        await session.change({ ...step, step: `${step.step}/run-time` }, renderCorosyncStart(), { timeoutMs: 100_000 });
      }
      const membership = await waitUntil(step, {
        waitingFor: 'two members and quorum',
        limitMs: MEMBERSHIP_LIMIT_MS,
        observe: async () => parseMembership((await session.read(renderMembershipRead())).stdout),
        isDone: ({ quorate, votes }) => quorate && votes === 2,
        describe: ({ quorate, votes }) => `${votes} vote(s), ${quorate ? 'quorate' : 'no quorum'}`,
        whatNow: 'Look at "corosync-cfgtool -n" on both nodes: UDP port 5405 must be open between them.',
      });
      return { result: 'unchanged', observed: `${membership.votes} votes, quorate: ${membership.members.join(', ')}` };
    },
  };
}
