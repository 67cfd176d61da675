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
  type Membership,
} from '../../cluster/node/corosync-moves';
import { concatenate, type NodeFile } from '../../cluster/node/files';
import type { StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import { clusterSecrets } from '../connections/secrets';
import type { NodeSession } from '../connections/node-session';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { waitUntil } from './waiting';
import { wantedFiles } from './wanted-files';

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
      const wanted = wantedFiles(files);
      return performStep(session, step, {
        observe: async () => wanted.differing((await session.read(renderCorosyncRead())).stdout),
        isDone: (differing) => differing.length === 0,
        describe: (differing) =>
          differing.length === 0
            ? `key and configuration as wanted, token ${specification.corosync.tokenMs} ms, knet, aes256`
            : `not as wanted: ${differing.join(', ')}`,
        act: async () => {
          const script = renderCorosyncWrite(files, { key: wanted.checksumOf(COROSYNC_KEY) });
          await session.change(step, script, { input: concatenate(files) });
          return `wrote ${COROSYNC_KEY} and ${COROSYNC_CONFIGURATION}`;
        },
      });
    },

    async startCorosync(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => isCorosyncActive(session),
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
      // A reset after its start: a boot does not start it before the build is over.
      const start = step.observeOnly !== true && !(await isCorosyncActive(session));
      const membership = start
        ? await startMember(session, { ...step, step: `${step.step}/run-time` })
        : await awaitTwoMembers(session, step);
      return { result: 'unchanged', observed: `${membership.votes} votes, quorate: ${membership.members.join(', ')}` };
    },
  };
}

const isCorosyncActive = async (session: NodeSession): Promise<boolean> =>
  /^corosync=active$/m.test((await session.read(renderCorosyncRead())).stdout);

/** Starts Corosync and waits for two members and quorum: the peer is to be started as well. Errors: NotReady. */
export async function startMember(session: NodeSession, step: NodeStep): Promise<Membership> {
  await session.change(step, renderCorosyncStart(), { timeoutMs: 100_000 });
  return awaitTwoMembers(session, step);
}

/** Errors: NotReady when the two do not find each other. */
const awaitTwoMembers = (session: NodeSession, step: NodeStep): Promise<Membership> =>
  waitUntil(step, {
    waitingFor: 'two members and quorum',
    limitMs: MEMBERSHIP_LIMIT_MS,
    observe: async () => parseMembership((await session.read(renderMembershipRead())).stdout),
    isDone: ({ quorate, votes }) => quorate && votes === 2,
    describe: ({ quorate, votes }) => `${votes} vote(s), ${quorate ? 'quorate' : 'no quorum'}`,
    whatNow: 'Look at "corosync-cfgtool -n" on both nodes: UDP port 5405 must be open between them.',
  });
