import {
  describeDisk,
  isPartitioned,
  parseDisk,
  refuseOtherSize,
  renderDiskRead,
  renderPartition,
} from '../../cluster/node/partition';
import { DEFAULT_DATA_DISK, type Platform } from '../../cluster/platform';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';

export function createDiskActivities({ sessions }: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Step 6: one Linux partition on the blank data disk (LUN 0). Errors: GuardRefused for any other disk. */
    async partitionDataDisk(step: NodeStep & { platform: Platform }): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const disk = step.platform.dataDisk ?? DEFAULT_DATA_DISK;
      const { sizeGiB } = step.specification.dataDisk;
      return performStep(session, step, {
        observe: async () => {
          const state = parseDisk((await session.read(renderDiskRead(disk))).stdout);
          refuseOtherSize(step.node, disk, state, sizeGiB);
          return state;
        },
        isDone: isPartitioned,
        describe: (state) => describeDisk(disk, state),
        act: async () => {
          await session.change(step, renderPartition({ disk, sizeGiB }), { timeoutMs: 60_000 });
          return 'wrote a GPT with one partition';
        },
        whatNow: `Look at "sfdisk --json ${disk}" on the node; hadb makes one partition on a blank disk, and nothing else.`,
      });
    },
  };
}
