/** Every name that hadb gives to something outside itself is made here. */

export const clusterLockId = (cluster: string): string => `cluster-lock/${cluster}`;
export const buildWorkflowId = (cluster: string): string => `build-cluster/${cluster}`;
export const planWorkflowId = (cluster: string, stamp: string): string => `plan-cluster/${cluster}/${stamp}`;
export const switchoverWorkflowId = (cluster: string): string => `switchover/${cluster}`;
export const recoverWorkflowId = (cluster: string): string => `recover/${cluster}`;
export const destroyWorkflowId = (cluster: string): string => `destroy-cluster/${cluster}`;
export const drillWorkflowId = (cluster: string, kind: string, stamp: string): string =>
  `drill/${cluster}/${kind}/${stamp}`;
/** Of the drills that a schedule starts; Temporal adds the time at which each was due. */
export const scheduledDrillWorkflowId = (cluster: string, schedule: string): string =>
  `scheduled-drill/${cluster}/${schedule}`;
/** One for a cluster: a later order takes the place of an earlier one that has not been carried out yet. */
export const drillOrderWorkflowId = (cluster: string): string => `drill-order/${cluster}`;
/** Of the looks of a watch; Temporal adds the time at which each was due. */
export const watchWorkflowId = (cluster: string, schedule: string): string => `watch/${cluster}/${schedule}`;
/** Of the schedule that people know by its name alone. */
export const drillScheduleId = (name: string): string => `${DRILL_SCHEDULES}${name}`;
export const DRILL_SCHEDULES = 'drill-schedule/';

/** Address of a run in the Temporal UI. */
export function runUrl(uiUrl: string, namespace: string, workflowId: string, runId?: string): string {
  const path = ['namespaces', namespace, 'workflows', workflowId, ...(runId === undefined ? [] : [runId])];
  return `${uiUrl.replace(/\/$/, '')}/${path.map(encodeURIComponent).join('/')}`;
}

/** Identity of a step; the node is part of it. */
export const stepIdentity = (id: string, node?: string): string => (node === undefined ? id : `${id}/${node}`);

/** Unit name of a remote job: first execution run id + step + generation, so that no later run attaches to it. */
export const remoteJobUnit = (run: string, step: string, generation: number): string =>
  `hadb-${run}-${slug(step)}-${generation}`;

/** For file and unit names: only letters, digits, dot, hyphen and underscore. */
export const slug = (text: string): string => text.replace(/[^A-Za-z0-9._-]+/g, '-');

export const OWNER_TAG = 'hadb-cluster';
export const OPERATION_TAG = 'hadb-operation';
/** Evidence tags on the resource group, one for each test that the build makes once. */
export const evidenceTag = (test: string): string => `hadb-evidence-${test}`;

/** The safety switch of drills, and their freeze windows: tags of the resource group. */
export const DRILL_SWITCH_TAG = 'hadb-drills';
export const DRILL_FREEZE_TAG = 'hadb-drill-freeze';
/** The nights that a schedule has skipped in a row. */
export const skippedNightsTag = (schedule: string): string => `hadb-skipped-${schedule}`;
/** When DRBD last compared both copies to their end and found nothing. */
export const VERIFIED_TAG = 'hadb-verified';
/** When recoveries have started the machine of a node. */
export const startsTag = (node: string): string => `hadb-starts-${node}`;

/** The name that Azure gives to the public address: what clients and SSH connect to. */
export const publicHostName = ({ dnsLabel, location }: { dnsLabel: string; location: string }): string =>
  `${dnsLabel}.${location.toLowerCase().replaceAll(' ', '')}.cloudapp.azure.com`;

/** Names of the Azure resources of a cluster. */
export const azureNames = (cluster: string) => ({
  resourceGroup: cluster,
  proximityPlacementGroup: `${cluster}-ppg`,
  networkSecurityGroup: `${cluster}-nsg`,
  virtualNetwork: `${cluster}-vnet`,
  subnet: `${cluster}-subnet`,
  publicAddress: `${cluster}-ip`,
  availabilitySet: `${cluster}-as`,
  loadBalancer: `${cluster}-lb`,
  frontend: 'frontend',
  backendPool: 'nodes',
  outboundRule: 'outbound',
  databaseRule: 'lb-mysql',
  databaseProbe: 'lb-mysql',
  networkInterface: (node: string) => `${node}-nic`,
  sshRule: (node: string) => `ssh-${node}`,
  virtualMachine: (node: string) => node,
  osDisk: (node: string) => `${node}-os`,
  dataDisk: (node: string) => `${node}-data`,
});

/**
 * Role definitions and role assignments are named by GUIDs. Those are made from these texts, so that a repetition finds
 * what it has made; a machine that was made anew has another identity, and so gets assignments of its own.
 */
export const fencingNames = (subscriptionId: string, cluster: string) => ({
  /** What people see; it must be unique in the directory. */
  roleTitle: `hadb fencing of ${cluster} (${subscriptionId})`,
  role: `hadb/fencing-role/${subscriptionId}/${cluster}`.toLowerCase(),
  assignment: (of: { role: string; principalId: string; machineId: string }) =>
    `hadb/fencing-assignment/${of.role}/${of.principalId}${of.machineId}`.toLowerCase(),
});

/** Names of the secrets of a cluster in the secret store. */
export const secretNames = (cluster: string) => ({
  adminKey: `${cluster}/admin-ssh-key`,
  hostKey: (node: string) => `${cluster}/host-key-${node}`,
  drbdSecret: `${cluster}/drbd-shared-secret`,
  corosyncKey: `${cluster}/corosync-authkey`,
  clientPassword: `${cluster}/database-client-password`,
  certificateAuthority: `${cluster}/database-certificate-authority`,
  /** Its certificate alone, for clients: a file to hand out, without the key that signs. */
  clientAuthority: `${cluster}/database-ca-certificate`,
  serverCertificate: `${cluster}/database-server-certificate`,
});

/** Where hadb keeps its own things on a node. */
export const NODE_PATHS = {
  directory: '/var/lib/hadb',
  /** `<operation run> <generation> <workflow id>` of the operation that may change the node. */
  owner: '/var/lib/hadb/owner',
  lock: '/run/lock/hadb.lock',
  steps: '/var/lib/hadb/steps',
  jobs: '/var/lib/hadb/jobs',
} as const;
