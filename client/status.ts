import { Resolver } from 'node:dns/promises';
import { clusterLockId, publicHostName, secretNames } from '../cluster/ids';
import { quote } from '../cluster/shell';
import { ClusterSpecification } from '../cluster/specification/specification';
import type { PieceStatus } from './embedded';
import type { MessageCode } from './messages';
import { failingTask, readTaskFailure } from './follow';
import type { RunSummary, Temporal } from './temporal';
import { isOpen } from './watched-run';

/** What `hadb status` tells: pieces of this computer, Temporal, and each cluster that Temporal knows of. */
export interface Status {
  schema: '1.0';
  pieces: PieceStatus[];
  temporal: { address: string; namespace: string; uiUrl?: string; reachable: boolean; problem?: string } | null;
  clusters: ClusterStatus[];
  /** What of the pieces' state cannot be read, and what to do. */
  problem?: { code: MessageCode; message: string };
}

export interface ClusterStatus {
  name: string;
  state: ClusterState;
  /** The newest run of any operation on it. */
  lastRun: { workflowId: string; runId: string; type: string; status: string; startedAt: string; url?: string };
  /** The operation that holds it now. */
  heldBy?: { workflowId: string; runbook?: string };
  /** A run whose workflow task keeps failing, and the way out. */
  failing?: { workflowId: string; runId: string; wayOut: string };
  /** A run that waits for a decision on a failed step. */
  waiting?: { workflowId: string; steps: string[] };
  endpoint?: DatabaseEndpoint;
  /** Where a person logs in to look around. */
  nodes?: NodeLogin[];
}

/** From the runs alone: what the cluster itself is like is asked by `hadb plan` or a build. */
export type ClusterState =
  | 'building'
  | 'built'
  | 'build failed'
  | 'build stopped'
  | 'in operation'
  | 'operation failed'
  | 'destroyed'
  | 'unknown';

export interface DatabaseEndpoint {
  host: string;
  /** What the host name resolves to where the system's resolver does not know it. */
  address?: string;
  port: number;
  user: string;
  schema: string;
  passwordFile: string;
  /** Certificate authority of the server, PEM. */
  caFile: string;
}

export interface NodeLogin {
  name: string;
  host: string;
  /** As in `DatabaseEndpoint`. */
  address?: string;
  /** Of the inbound NAT rule to port 22 of the node. */
  port: number;
  user: string;
  keyFile: string;
}

export interface EndpointSources {
  /** `address:port` of the name server to ask first. */
  nameServer?: string;
  locateSecret(name: string): string;
  databaseUser: string;
}

export const OPERATIONS = ['buildCluster', 'failoverDrill', 'switchover', 'recoverCluster', 'destroyCluster'] as const;
const MAX_RUNS = 300;

export async function readClusters(temporal: Temporal, sources: EndpointSources): Promise<ClusterStatus[]> {
  const types = OPERATIONS.map((type) => `'${type}'`).join(', ');
  const runs = await temporal.list(`WorkflowType IN (${types})`, MAX_RUNS);
  const byCluster = new Map<string, RunSummary[]>();
  for (const run of [...runs].sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime())) {
    const cluster = clusterOf(run.workflowId);
    if (cluster !== undefined) byCluster.set(cluster, [...(byCluster.get(cluster) ?? []), run]);
  }
  return Promise.all([...byCluster].map(([name, known]) => readCluster(temporal, name, known, sources)));
}

/** Ids of operations are `<runbook>/<cluster>` with more behind it: see `cluster/ids.ts`. */
export function clusterOf(workflowId: string): string | undefined {
  return workflowId.split('/')[1];
}

async function readCluster(
  temporal: Temporal,
  name: string,
  runs: readonly RunSummary[],
  sources: EndpointSources,
): Promise<ClusterStatus> {
  const [lastRun] = runs;
  if (lastRun === undefined) throw new Error(`cluster ${name} without a run`);
  const open = runs.filter(({ status }) => isOpen(status));
  const holder = await temporal.readOpenMemo(clusterLockId(name));
  const troubles = await Promise.all(open.map((run) => readTrouble(temporal, run)));
  const state = clusterState(runs);
  const access = state === 'destroyed' ? undefined : await readAccess(temporal, runs, sources);
  const url = temporal.watch(lastRun.workflowId, lastRun.runId).url;
  const { workflowId, runId, type, status, startedAt } = lastRun;
  return {
    name,
    state,
    lastRun: {
      workflowId,
      runId,
      type,
      status,
      startedAt: startedAt.toISOString(),
      ...(url === undefined ? {} : { url }),
    },
    ...(holder === undefined ? {} : { heldBy: readHolder(holder) }),
    ...firstOf(troubles),
    ...access,
  };
}

/** What the newest runs of build, destroy and other operations say together. Pure. */
export function clusterState(runs: readonly Pick<RunSummary, 'type' | 'status'>[]): ClusterState {
  const [newest] = runs;
  if (newest === undefined) return 'unknown';
  if (isOpen(newest.status)) return newest.type === 'buildCluster' ? 'building' : 'in operation';
  const ended = runs.filter(({ status }) => !isOpen(status));
  const lastMade = ended.find(({ type }) => type === 'buildCluster' || type === 'destroyCluster');
  if (lastMade?.type === 'destroyCluster' && lastMade.status === 'COMPLETED') return 'destroyed';
  if (newest.status === 'COMPLETED') return lastMade?.type === 'buildCluster' ? 'built' : 'unknown';
  if (newest.type !== 'buildCluster') return 'operation failed';
  return newest.status === 'CANCELLED' || newest.status === 'TERMINATED' ? 'build stopped' : 'build failed';
}

type Trouble = Pick<ClusterStatus, 'failing' | 'waiting'>;

async function readTrouble(temporal: Temporal, { workflowId, runId }: RunSummary): Promise<Trouble> {
  const watched = temporal.watch(workflowId, runId);
  const look = await watched.look();
  const failure = await readTaskFailure(watched, look);
  if (failure !== undefined) return { failing: { workflowId, runId, wayOut: failingTask(workflowId, failure) } };
  const progress = await watched.progress();
  const steps = (progress?.steps ?? [])
    .filter(({ state }) => state === 'waiting')
    .map(({ id, node }) => (node === undefined ? id : `${id}/${node}`));
  return steps.length === 0 ? {} : { waiting: { workflowId, steps } };
}

function firstOf(troubles: readonly Trouble[]): Trouble {
  return Object.assign({}, ...[...troubles].reverse()) as Trouble;
}

function readHolder(memo: Record<string, unknown>): { workflowId: string; runbook?: string } {
  const { holder, runbook } = memo;
  return {
    workflowId: typeof holder === 'string' ? holder : 'an operation without a name',
    ...(typeof runbook === 'string' ? { runbook } : {}),
  };
}

/** From the specification of the newest build: the public address carries its DNS label, as Azure makes it. */
async function readAccess(
  temporal: Temporal,
  runs: readonly RunSummary[],
  sources: EndpointSources,
): Promise<Required<Pick<ClusterStatus, 'endpoint' | 'nodes'>> | undefined> {
  const build = runs.find(({ type }) => type === 'buildCluster');
  if (build === undefined) return undefined;
  const input = await temporal.readInput(build.workflowId, build.runId);
  const given =
    typeof input === 'object' && input !== null && 'specification' in input ? input.specification : undefined;
  const parsed = ClusterSpecification.safeParse(given);
  if (!parsed.success) return undefined;
  const { name, database, nodes, vm } = parsed.data;
  const host = publicHostName(parsed.data);
  const address = await resolve(host, sources.nameServer);
  const where = { host, ...(address === undefined ? {} : { address }) };
  const names = secretNames(name);
  return {
    endpoint: {
      ...where,
      port: database.port,
      user: sources.databaseUser,
      schema: database.schema,
      passwordFile: sources.locateSecret(names.clientPassword),
      caFile: sources.locateSecret(names.clientAuthority),
    },
    nodes: nodes.map((node) => ({
      name: node.name,
      ...where,
      port: node.sshPort,
      user: vm.adminUser,
      keyFile: sources.locateSecret(names.adminKey),
    })),
  };
}

async function resolve(host: string, nameServer: string | undefined): Promise<string | undefined> {
  if (nameServer === undefined) return undefined;
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([nameServer]);
  const addresses = await resolver.resolve4(host).catch(() => []);
  return addresses[0];
}

export function renderStatus(status: Status): string {
  const pieces = status.pieces.map(({ name, state, pid, address, detail, logFile }) =>
    [
      `  ${name.padEnd(12)} ${state.padEnd(8)}`,
      pid === undefined ? '' : `process ${pid}`,
      address ?? '',
      detail ?? '',
      logFile ?? '',
    ]
      .filter((part) => part !== '')
      .join('  '),
  );
  return [
    'Pieces on this computer',
    ...pieces,
    ...(status.problem === undefined ? [] : [`  PROBLEM  ${status.problem.code} ${status.problem.message}`]),
    '',
    ...renderTemporal(status.temporal),
    ...status.clusters.flatMap(renderCluster),
    ...(status.clusters.length === 0 && status.temporal?.reachable === true ? ['', 'No cluster yet: hadb build'] : []),
  ].join('\n');
}

function renderTemporal(temporal: Status['temporal']): string[] {
  if (temporal === null) return ['Temporal  none: start the embedded one with "hadb up", or set TEMPORAL_ADDRESS'];
  const { address, namespace, uiUrl, reachable, problem } = temporal;
  const state = reachable ? 'answers' : `does not answer${problem === undefined ? '' : `: ${problem}`}`;
  return [`Temporal  ${address}, namespace ${namespace}, ${state}`, ...(uiUrl === undefined ? [] : [`  UI  ${uiUrl}`])];
}

function renderCluster(cluster: ClusterStatus): string[] {
  const { name, state, lastRun, heldBy, failing, waiting, endpoint, nodes = [] } = cluster;
  return [
    '',
    `Cluster ${name}: ${state}`,
    `  last run   ${lastRun.workflowId}, ${lastRun.status.toLowerCase()}, ${lastRun.startedAt}`,
    ...(lastRun.url === undefined ? [] : [`             ${lastRun.url}`]),
    ...(heldBy === undefined ? [] : [`  held by    ${heldBy.workflowId}`]),
    ...(failing === undefined ? [] : [`  FAILING    ${failing.wayOut}`]),
    ...(waiting?.steps ?? []).map(
      (step) => `  WAITING    hadb decide ${waiting?.workflowId} ${step} retry|skip|abort --reason "…"`,
    ),
    ...(endpoint === undefined ? [] : [`  database   ${renderEndpoint(endpoint)}`]),
    ...nodes.map((node) => `  ${node.name.padEnd(10)} ${renderLogin(node)}`),
  ];
}

/**
 * A command line to paste, for the clients of MariaDB and MySQL. The certificate carries the name and not the address that stands for it here; MariaDB's
 * clients since 11.4 refuse that unless they are told, in a way that MySQL's pass over with a warning.
 */
export function renderEndpoint(endpoint: DatabaseEndpoint): string {
  const { host, address, port, user, schema, passwordFile, caFile } = endpoint;
  return [
    `mysql -h ${address ?? host} -P ${port} -u ${user} -p"$(cat ${shellWord(passwordFile)})"`,
    `--ssl-ca=${shellWord(caFile)}`,
    ...(address === undefined ? [] : ['--loose-ssl-verify-server-cert=0']),
    shellWord(schema),
  ].join(' ');
}

const renderLogin = ({ host, address, port, user, keyFile }: NodeLogin): string =>
  `ssh -i ${shellWord(keyFile)} -p ${port} ${user}@${address ?? host}`;

/** Quoted only where it must be: people read it. */
const shellWord = (value: string): string => (/^[\w@%+=:,./-]+$/.test(value) ? value : quote(value));
