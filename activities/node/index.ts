import { createAccessActivities } from './access';
import { createClusterStateActivities } from './cluster-state';
import { createCorosyncActivities } from './corosync';
import { createDatabaseActivities } from './database';
import type { NodeDependencies } from './dependencies';
import { createDiskActivities } from './disk';
import { createDrbdActivities } from './drbd';
import { createFencingActivities } from './fencing';
import { createFencingChangeActivities } from './fencing-change';
import { createFileSystemActivities } from './filesystem';
import { createKernelActivities } from './kernel';
import { createPacemakerActivities } from './pacemaker';
import { createPackageActivities } from './packages';
import { createPlatformActivities } from './platform';
import { createRoleActivities } from './roles';
import { createRuntimeActivities } from './runtime';

export type { NodeDependencies } from './dependencies';

/** Everything that is done on the nodes. */
export function createNodeActivities(dependencies: NodeDependencies) {
  return {
    ...createAccessActivities(dependencies),
    ...createPlatformActivities(dependencies),
    ...createPackageActivities(dependencies),
    ...createKernelActivities(dependencies),
    ...createDiskActivities(dependencies),
    ...createDrbdActivities(dependencies),
    ...createFileSystemActivities(dependencies),
    ...createDatabaseActivities(dependencies),
    ...createRoleActivities(dependencies),
    ...createRuntimeActivities(dependencies),
    ...createCorosyncActivities(dependencies),
    ...createFencingActivities(dependencies),
    ...createPacemakerActivities(dependencies),
    ...createFencingChangeActivities(dependencies),
    ...createClusterStateActivities(dependencies),
  };
}

export type NodeActivities = ReturnType<typeof createNodeActivities>;
