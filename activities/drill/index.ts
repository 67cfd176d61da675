import { createAuditActivities, type AuditDependencies } from './audits';
import { createClusterMoveActivities } from './cluster-moves';
import type { ClusterMoveDependencies } from './cluster-moves';
import type { AzureDependencies } from '../azure/submission';
import { createFaultActivities } from './faults';
import type { FaultDependencies } from './faults';
import { createOutcomeActivities } from './outcomes';
import { createFencingGateActivities } from './fencing-gate';
import { createNodeLogActivities } from './node-logs';
import { createPermissionActivities } from './permission';
import { createPowerActivities } from './power';
import { createReportActivities } from './report';
import type { ReportDependencies } from './report';
import { createRemoteQueryActivities } from './remote-query';
import { createRoleSamplerActivities } from './role-sampler';
import { createVerifyActivities, type VerifyDependencies } from './verify';
import { createWriterActivities } from './writer-activities';
import type { WriterDependencies } from './writer-activities';

export type DrillDependencies = WriterDependencies &
  ClusterMoveDependencies &
  AzureDependencies &
  FaultDependencies &
  ReportDependencies &
  AuditDependencies &
  VerifyDependencies;

/** What is asked of the cluster from outside, what is written while a fault happens, and the moves of a drill. */
export function createDrillActivities(dependencies: DrillDependencies) {
  return {
    ...createRemoteQueryActivities(dependencies),
    ...createWriterActivities(dependencies),
    ...createClusterMoveActivities(dependencies),
    ...createPowerActivities(dependencies),
    ...createFaultActivities(dependencies),
    ...createOutcomeActivities(dependencies),
    ...createFencingGateActivities(dependencies),
    ...createPermissionActivities(dependencies),
    ...createReportActivities(dependencies),
    ...createRoleSamplerActivities(dependencies),
    ...createNodeLogActivities(dependencies),
    ...createAuditActivities(dependencies),
    ...createVerifyActivities(dependencies),
  };
}

export type DrillActivities = ReturnType<typeof createDrillActivities>;
