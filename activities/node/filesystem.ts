import { parseMountPoint, renderMountPointGuard, renderMountPointRead } from '../../cluster/node/mount-point';
import { FILE_SYSTEM_LABEL, renderFileSystemRead, renderMakeFileSystem } from '../../cluster/node/drbd-moves';
import { renderMount, renderUnmount } from '../../cluster/node/roles';
import { isAtLevel } from '../../cluster/node/runtime';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../../cluster/specification/specification';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { makeMove, readRuntime, toLevel } from './runtime';

/** mkfs on the largest disks takes minutes even without discards. */
const MAKE_LIMIT_MS = 30 * 60_000;

export function createFileSystemActivities(dependencies: Pick<NodeDependencies, 'sessions'>) {
  const { sessions } = dependencies;
  return {
    /** Step 11. Errors: GuardRefused for a device that holds anything but our own file system. */
    async makeFileSystem(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { fileSystem } = step.specification;
      return performStep(session, step, {
        observe: async () => (await session.read(renderFileSystemRead())).stdout,
        isDone: (facts) => facts.includes(`TYPE=${fileSystem}\n`) && facts.includes(`LABEL=${FILE_SYSTEM_LABEL}\n`),
        describe: (facts) => `${DRBD_DEVICE}: ${describeFileSystem(facts)}`,
        prepare: toLevel(dependencies, step, 'primary'),
        act: async () => {
          await makeMove(session, step, renderMakeFileSystem({ fileSystem }), { timeoutMs: MAKE_LIMIT_MS });
          return `made the ${fileSystem} file system ${FILE_SYSTEM_LABEL}`;
        },
      });
    },

    /** Before any mount, on both nodes; the article's `rm -rf` is a move to a dated name. */
    async emptyLocalDataDirectory(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => parseMountPoint((await session.read(renderMountPointRead())).stdout),
        isDone: ({ exists, immutable, entries }) => exists && immutable && entries === 0,
        describe: ({ exists, immutable, entries }) =>
          exists
            ? `local ${DATA_DIRECTORY}: ${entries === 0 ? 'empty' : `${entries} entries`}, ${immutable ? 'immutable' : 'not immutable'}`
            : `no local ${DATA_DIRECTORY}`,
        act: async () => {
          const aside = (await session.change(step, renderMountPointGuard())).stdout.trim();
          return aside === '' ? 'made it immutable' : `moved it aside to ${aside}; left an empty, immutable one`;
        },
      });
    },

    async mount(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { fileSystem } = step.specification;
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: (runtime) => isAtLevel(runtime, 'mounted'),
        describe: ({ mountedFrom }) => `${DATA_DIRECTORY}: ${mountedFrom ?? 'nothing'} mounted`,
        prepare: toLevel(dependencies, step, 'primary'),
        act: async () => {
          await makeMove(session, step, renderMount({ fileSystem, label: FILE_SYSTEM_LABEL }), { timeoutMs: 120_000 });
          return `mounted ${DRBD_DEVICE}`;
        },
      });
    },

    async unmount(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: ({ mountedFrom }) => mountedFrom === undefined,
        describe: ({ mountedFrom }) => `${DATA_DIRECTORY}: ${mountedFrom ?? 'nothing'} mounted`,
        act: async () => {
          await makeMove(session, step, renderUnmount(), { timeoutMs: 120_000 });
          return `unmounted ${DATA_DIRECTORY}`;
        },
      });
    },
  };
}

function describeFileSystem(facts: string): string {
  const first = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(facts)?.[1];
  const type = first('TYPE');
  return type === undefined
    ? facts.trim().split('\n')[0] || 'nothing'
    : `${type} ${first('LABEL') ?? 'without label'} ${first('UUID') ?? ''}`.trim();
}
