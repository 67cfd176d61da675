import { HadbError } from '../../cluster/errors';
import { parsePlatform, renderPlatformProbe, type Platform } from '../../cluster/platform';
import type { StepOutcome } from '../../cluster/step';
import type { NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';

export function createPlatformActivities({ sessions }: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Reads only. Errors: PlatformUnsupported for a system that is no Debian or Ubuntu. */
    async probePlatform(step: NodeStep): Promise<StepOutcome & { platform: Platform }> {
      const session = await sessions.open(step, step.node);
      const platform = parsePlatform((await session.read(renderPlatformProbe())).stdout);
      if (platform.dataDisk === undefined) {
        throw new HadbError('PlatformUnsupported', `${step.node} has no data disk under its Azure name`, {
          subject: step.node,
          observed: 'neither /dev/disk/azure/scsi1/lun0 nor /dev/disk/azure/data/by-lun/0 exists',
          whatNow: 'Attach the data disk as LUN 0; on machines with NVMe disks install azure-vm-utils.',
        });
      }
      const part = (name: string, version: string | undefined) => (version === undefined ? [] : [`${name} ${version}`]);
      const observed = [
        `${platform.osId} ${platform.osVersion || platform.osCodename}`,
        `kernel ${platform.kernel}`,
        ...part('DRBD', platform.drbdKernelVersion),
        ...part('Corosync', platform.corosyncVersion),
        ...part('Pacemaker', platform.pacemakerVersion),
        ...part(platform.engine ?? 'server', platform.serverVersion),
        platform.dataDisk,
      ].join(', ');
      return { result: 'unchanged', observed, platform };
    },
  };
}
