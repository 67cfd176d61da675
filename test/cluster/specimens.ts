import type { AzureFencing, CibInput } from '../../cluster/cib/cib';
import { databaseProfile } from '../../cluster/database/profile';
import type { Platform } from '../../cluster/platform';
import { ClusterSpecification, type ClusterSpecificationInput } from '../../cluster/specification/specification';
import { timingOf } from '../../cluster/timing';

/** What the tests of pure knowledge start from. */

export const specificationOf = (changes: Partial<ClusterSpecificationInput> = {}): ClusterSpecification =>
  ClusterSpecification.parse({
    network: { clients: ['203.0.113.0/24'], administrators: ['198.51.100.0/24'] },
    fencing: 'none',
    ...changes,
  });

export const DEBIAN_12: Platform = {
  osId: 'debian',
  osVersion: '12',
  osCodename: 'bookworm',
  hostName: 'hadb01',
  kernel: '6.1.0-40-cloud-amd64',
  bootId: '3f0c3f8e-8a3c-4a55-9a62-0d5a4cbb2f11',
  drbdKernelVersion: '8.4.11',
  drbdModuleLoaded: true,
  drbdUtilsVersion: '9.22.0',
  pacemakerVersion: '2.1.5',
  corosyncVersion: '3.1.7',
  crmshVersion: '4.4.1',
  engine: 'mariadb',
  serverVersion: '10.11.19',
  offered: {},
  databaseUser: { uid: 105, gid: 110 },
  dataDisk: '/dev/disk/azure/scsi1/lun0',
  missingAgents: [],
  fencePeerHandlerWorks: true,
  responderAgentWorks: true,
};

export const DEBIAN_SID: Platform = {
  ...DEBIAN_12,
  osVersion: '',
  osCodename: 'forky',
  kernel: '7.2.7',
  pacemakerVersion: '3.0.3',
  corosyncVersion: '3.1.10',
  crmshVersion: '5.1.0',
  engine: 'mysql',
  serverVersion: '9.7.4',
  fencePeerHandlerWorks: false,
  responderAgentWorks: false,
};

export const AZURE_FENCING: AzureFencing = {
  subscriptionId: '7a3c9f52-0d4e-4b6f-9c1a-2f8e5d7b6a10',
  resourceGroup: 'hadb',
  hosts: [
    { node: 'hadb01', vm: 'hadb01' },
    { node: 'hadb02', vm: 'hadb02' },
  ],
};

/** A built cluster whose primary is hadb01. */
export const managedCib = (
  platform: Platform,
  specification = specificationOf(),
): CibInput & { preferred: string } => ({
  specification,
  platform,
  profile: databaseProfile(platform.engine ?? 'mariadb'),
  timing: timingOf(specification),
  mode: 'managed',
  preferred: 'hadb01',
});
