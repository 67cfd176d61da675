import { isVirgin, type GenerationIdentifiers } from '../../cluster/drbd/metadata';
import {
  backingDevice,
  fencingPolicy,
  renderResourceFile,
  RESOURCE_FILE,
  type ResourceFileForm,
} from '../../cluster/drbd/resource-file';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import { concatenate, parseChecksums, renderChecksums, renderWriteFiles } from '../../cluster/node/files';
import {
  parseMetadata,
  renderBringUp,
  renderCreateMetadata,
  renderDeclareEqual,
  renderFullSync,
  renderMetadataRead,
  type Metadata,
} from '../../cluster/node/drbd-moves';
import { renderDemote, renderPromote } from '../../cluster/node/roles';
import { isAtLevel } from '../../cluster/node/runtime';
import type { Platform } from '../../cluster/platform';
import { DRBD_RESOURCE } from '../../cluster/specification/specification';
import type { StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import { clusterSecrets } from '../connections/secrets';
import type { NodeSession } from '../connections/node-session';
import { performStep, type NodeStep } from '../step';
import { openPair, type NodeDependencies } from './dependencies';
import { awaitConnection, awaitSync, bringBack, makeMove, readRuntime, toLevel } from './runtime';
import { sha256 } from './wanted-files';

/** Checksum of the file, and the policy that is in force. */
export const RESOURCE_FILE_READ = `${renderChecksums([RESOURCE_FILE])}drbdsetup show ${DRBD_RESOURCE} 2>/dev/null | sed -n 's/.*fencing[[:space:]]*\\([a-z-]*\\);.*/fencing=\\1/p' || :
`;

export function createDrbdActivities(dependencies: NodeDependencies) {
  const { sessions, secrets } = dependencies;
  return {
    /**
     * Step 7 (`either`: written in the manual form, and left alone in the cluster form, that of a cluster without fencing among them, which a later step
     * changes), and again in the cluster form once
     * Pacemaker runs; then `drbdadm adjust` puts the fencing policy and the handlers into force. Compared by checksum: the file
     * holds the secret.
     */
    async writeResourceFile(
      step: NodeStep & { platform: Platform; form: ResourceFileForm | 'either' },
    ): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const secret = await clusterSecrets(secrets, step.specification).drbdSecret();
      const { specification, platform } = step;
      const inForce = step.form === 'cluster';
      const render = (form: ResourceFileForm, wanted = specification) =>
        renderResourceFile({ specification: wanted, platform, form, secret, timing: timingOf(wanted) });
      const content = render(inForce ? 'cluster' : 'manual');
      const wanted = (
        step.form === 'either'
          ? [content, render('cluster'), render('cluster', { ...specification, fencing: 'none' })]
          : [content]
      ).map(sha256);
      const file = { path: RESOURCE_FILE, content, mode: 0o600 };
      return performStep(session, step, {
        observe: async () => {
          const { stdout } = await session.read(RESOURCE_FILE_READ);
          return { sum: parseChecksums(stdout).get(RESOURCE_FILE), fencing: /^fencing=(.*)$/m.exec(stdout)?.[1] };
        },
        isDone: ({ sum, fencing }) =>
          sum !== undefined && wanted.includes(sum) && (!inForce || fencing === fencingPolicy(specification)),
        describe: ({ sum, fencing }) =>
          `${RESOURCE_FILE} ${describeChecksum(sum, wanted)}${inForce ? `, fencing ${fencing ?? 'dont-care'} in force` : ''}`,
        act: async () => {
          // Parsed by DRBD's own tool before anything uses it; `adjust` changes what differs in force, and nothing else.
          const adjust = inForce ? `drbdadm adjust ${DRBD_RESOURCE} </dev/null\n` : '';
          await session.change(step, `${renderWriteFiles([file])}drbdadm sh-nop\n${adjust}`, {
            input: concatenate([file]),
          });
          return `wrote ${RESOURCE_FILE}${inForce ? ' and adjusted r0 to it' : ''}`;
        },
      });
    },

    /** Step 8. Errors: GuardRefused for a device that is not blank. */
    async createMetadata(step: NodeStep & { platform: Platform }): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readMetadata(session),
        isDone: ({ presence }) => presence === 'present' || presence === 'attached',
        describe: ({ presence, gi }) =>
          `metadata ${presence}${gi === undefined ? '' : isVirgin(gi) ? ', just created' : ', in use'}`,
        prepare: toLevel(dependencies, step, 'module'),
        act: async () => {
          await session.change(step, renderCreateMetadata({ backingDevice: backingDevice(step.platform) }), {
            timeoutMs: 120_000,
          });
          return 'created DRBD metadata';
        },
      });
    },

    /** Step 9, on each node. */
    async bringUp(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) => runtime.drbd.up,
        describe: ({ drbd }) => describeDrbd(drbd),
        prepare: toLevel(dependencies, step, 'module'),
        act: async () => {
          await makeMove(session, step, renderBringUp());
          return 'brought r0 up';
        },
      });
    },

    /** Errors: NotReady; GuardRefused when the nodes refuse each other (StandAlone). */
    async awaitConnected(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      if (step.observeOnly !== true) await bringBack(dependencies, step, 'connected');
      const { drbd } = await awaitConnection(session, step);
      return { result: 'unchanged', observed: describeDrbd(drbd) };
    },

    /**
     * Step 10: two blank disks need no copying. Both must be just created: the peer's generations are read first, this node's
     * own are the guard of the move, and the peer's kernel refuses if it was ever used.
     */
    async declareDisksEqual(step: NodeStep): Promise<StepOutcome> {
      const { own, peer } = await openPair(dependencies, step, step.node);
      return performStep(own, step, {
        observe: async () => {
          const [runtime, self, other] = await Promise.all([
            readRuntime(own, step),
            readMetadata(own),
            readMetadata(peer),
          ]);
          return { drbd: runtime.drbd, self: self.gi, other: other.gi };
        },
        // A pair with generations of its own was made equal before, by declaration or by copy, and may be resynchronising.
        isDone: ({ self, other }) => self !== undefined && other !== undefined && !isVirgin(self) && !isVirgin(other),
        describe: ({ drbd, self, other }) =>
          `${describeDrbd(drbd)}; ${describeGenerations(self)}, peer ${describeGenerations(other)}`,
        prepare: toLevel(dependencies, step, 'connected'),
        act: async ({ self, other }) => {
          if (self === undefined || other === undefined || !isVirgin(self) || !isVirgin(other)) {
            throw new HadbError('GuardRefused', 'the two disks are not both just created', {
              subject: DRBD_RESOURCE,
              observed: `${step.node} ${describeGenerations(self)}, peer ${describeGenerations(other)}`,
              whatNow:
                'One of the disks was used before. Find out which one has the data; let it synchronise the other by hand ("drbdadm invalidate" on the empty one), then retry.',
            });
          }
          await makeMove(own, step, renderDeclareEqual());
          return 'declared the two blank disks equal';
        },
      });
    },

    /**
     * For `initialSync: full`: every block is copied to this node. Done when this node's metadata has a history of generations
     * (the copy leaves one) or the copy runs.
     */
    async startFullSync(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => ({ runtime: await readRuntime(session, step), gi: (await readMetadata(session)).gi }),
        isDone: ({ runtime, gi }) =>
          runtime.drbd.disk === 'Inconsistent' || gi?.history.some((uuid) => !/^0+$/.test(uuid)) === true,
        describe: ({ runtime, gi }) => `${describeDrbd(runtime.drbd)}; ${describeGenerations(gi)}`,
        prepare: toLevel(dependencies, step, 'connected'),
        act: async () => {
          await makeMove(session, step, renderFullSync());
          return 'started the copy of every block';
        },
      });
    },

    /** Waits with percent, rate and time left in the heartbeat; survives reboots of either node. */
    async awaitInSync(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const before = await readRuntime(session, step);
      if (isAtLevel(before, 'in-sync')) return { result: 'unchanged', observed: describeDrbd(before.drbd) };
      if (step.observeOnly === true) {
        return {
          result: 'unchanged',
          observed: describeDrbd(before.drbd),
          drift: [`${step.node}: ${describeDrbd(before.drbd)}`],
        };
      }
      await bringBack(dependencies, step, 'connected');
      const { drbd } = await awaitSync(session, step);
      return {
        result: 'changed',
        observed: describeDrbd(before.drbd),
        done: 'synchronised',
        verified: describeDrbd(drbd),
      };
    },

    async promote(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) => runtime.drbd.role === 'Primary',
        describe: ({ drbd }) => describeDrbd(drbd),
        prepare: toLevel(dependencies, step, 'in-sync'),
        act: async () => {
          await makeMove(session, step, renderPromote());
          return 'made r0 primary';
        },
      });
    },

    async demote(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) => runtime.drbd.role !== 'Primary',
        describe: ({ drbd }) => describeDrbd(drbd),
        act: async () => {
          await makeMove(session, step, renderDemote());
          return 'made r0 secondary';
        },
      });
    },
  };
}

async function readMetadata(session: NodeSession): Promise<Metadata> {
  return parseMetadata((await session.read(renderMetadataRead())).stdout);
}

export function describeChecksum(sum: string | undefined, wanted: readonly string[]): string {
  if (sum === undefined) return 'is absent';
  return wanted.includes(sum) ? `as wanted, sha256 ${sum.slice(0, 12)}` : `differs (sha256 ${sum.slice(0, 12)})`;
}

function describeGenerations(gi: GenerationIdentifiers | undefined): string {
  if (gi === undefined) return 'no metadata';
  if (isVirgin(gi)) return 'just created';
  return `generation ${gi.current.slice(0, 8)}${gi.history.some((uuid) => !/^0+$/.test(uuid)) ? ' with history' : ''}`;
}
