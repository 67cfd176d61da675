import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The one reader of the environment. Everything else takes its settings as arguments. */

type Environment = Readonly<Record<string, string | undefined>>;

export const ENGINES = ['kvm', 'uml', 'tcg'] as const;
export type EngineName = (typeof ENGINES)[number];

/** Where hadb keeps what it must find again after a crash, and what it can make anew. */
export interface DirectorySettings {
  /** State of the embedded pieces and of the lab; removed by nobody but the user (`HADB_STATE_DIR`). */
  stateDirectory: string;
  /** Images, kernels and the Temporal development server, keyed by content (`HADB_CACHE_DIR`). */
  cacheDirectory: string;
}

export interface LabSettings extends DirectorySettings {
  /** Engine that overrides the probing (`HADB_LAB_ENGINE`). */
  engine?: EngineName;
}

/** What a worker needs to reach Azure, the nodes and the database. Unset fields mean the real Azure and the system's resolver. */
export interface WorkerSettings {
  taskQueue: string;
  subscriptionId?: string;
  /** Service principal; without it the worker takes whatever identity its machine has (`AZURE_TENANT_ID`, …). */
  tenantId?: string;
  clientId?: string;
  clientSecret?: string;
  /** Where tokens come from, if not from the public cloud (`AZURE_AUTHORITY_HOST`). */
  authorityHost?: string;
  /** Azure Resource Manager endpoint other than the public cloud's (`HADB_ARM_ENDPOINT`). */
  armEndpoint?: string;
  /** File with further certificate authorities, PEM, for ARM and the token endpoint (`HADB_CA_FILE`). */
  caFile?: string;
  /** Name server, `address:port`, asked before the system's resolver for names of public addresses (`HADB_NAME_SERVER`). */
  nameServer?: string;
  /** Endpoint that injects faults from outside the nodes; unset: a drill makes what nodes and Azure offer, and no other (`HADB_FAULTS_ENDPOINT`). */
  faultsEndpoint?: string;
  /** `nodes`: drills have the nodes make faults of the network, as on Azure, although the endpoint could (`HADB_NETWORK_FAULTS`). */
  networkFaultsBy?: 'nodes';
  /** Directory of the secret store (`HADB_SECRETS_DIR`). */
  secretsDirectory: string;
  /** Where the ledgers and reports of drills are kept (`HADB_STATE_DIR`). */
  drillsDirectory: string;
  /** Base URL of the Temporal UI, for links in reports (`HADB_TEMPORAL_UI`). */
  temporalUi?: string;
  /** Where bundled workflows are kept, keyed by content (`HADB_CACHE_DIR`). */
  bundlesDirectory: string;
  /** The environment as `@temporalio/envconfig` reads it. */
  temporalEnvironment: Record<string, string>;
  /** Where alerts of the watch are posted as JSON; none when unset (`HADB_ALERT_WEBHOOK`). A secret: its path often is the key. */
  alertWebhook?: string;
  /** Address the Prometheus metrics listen on, `address:port`, or a port of loopback; none when unset (`HADB_METRICS_ADDRESS`). */
  metricsAddress?: string;
}

export interface TemporalCliSettings extends DirectorySettings {
  /** Temporal CLI to use before any other (`TEMPORAL_CLI_PATH`). */
  cliPath?: string;
  /** Directories searched for `temporal` and `go` (`PATH`). */
  searchPath: string;
}

/** What the command line needs beyond the directories. */
export interface ClientSettings extends DirectorySettings {
  taskQueue: string;
  /** The environment as `@temporalio/envconfig` reads it: address, namespace, profile, TLS. */
  temporalEnvironment: Record<string, string>;
  /** True when the user names a Temporal by address or profile: hadb then talks to that one and starts none of its own. */
  temporalChosen: boolean;
  /** Base URL of the Temporal UI that belongs to a chosen Temporal (`HADB_TEMPORAL_UI`). */
  temporalUi?: string;
  /** Who decides, for the record of a decision (`HADB_USER`, else the login name). */
  user: string;
  /** `NO_COLOR` and `FORCE_COLOR`, the customary way. */
  color: 'never' | 'always' | 'auto';
  /** A GitHub Actions job: errors become annotations (`GITHUB_ACTIONS`). */
  githubActions: boolean;
  /** Directory of the secret store of a worker on this computer: where `status` says that passwords are. */
  secretsDirectory: string;
  /** Where a worker on this computer keeps the reports of drills. */
  drillsDirectory: string;
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export function readDirectorySettings(environment: Environment = process.env): DirectorySettings {
  const home = environment['HOME'] ?? homedir();
  return {
    stateDirectory:
      environment['HADB_STATE_DIR'] ?? join(environment['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'hadb'),
    cacheDirectory:
      environment['HADB_CACHE_DIR'] ?? join(environment['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'hadb'),
  };
}

export function readLabSettings(environment: Environment = process.env): LabSettings {
  const engine = environment['HADB_LAB_ENGINE'];
  if (engine === undefined || engine === '') return readDirectorySettings(environment);
  const known = ENGINES.find((name) => name === engine);
  if (known === undefined) {
    throw new SettingsError(
      `HADB_LAB_ENGINE is "${engine}"; use one of ${ENGINES.join(', ')}, or unset it to let the lab probe.`,
    );
  }
  return { ...readDirectorySettings(environment), engine: known };
}

export function readWorkerSettings(environment: Environment = process.env): WorkerSettings {
  return {
    taskQueue: environment['HADB_TASK_QUEUE'] ?? 'hadb',
    ...given('subscriptionId', environment['AZURE_SUBSCRIPTION_ID']),
    ...given('tenantId', environment['AZURE_TENANT_ID']),
    ...given('clientId', environment['AZURE_CLIENT_ID']),
    ...given('clientSecret', environment['AZURE_CLIENT_SECRET']),
    ...given('authorityHost', environment['AZURE_AUTHORITY_HOST']),
    ...given('armEndpoint', environment['HADB_ARM_ENDPOINT']),
    ...given('caFile', environment['HADB_CA_FILE']),
    ...given('nameServer', environment['HADB_NAME_SERVER']),
    ...given('faultsEndpoint', environment['HADB_FAULTS_ENDPOINT']),
    ...readNetworkFaults(environment['HADB_NETWORK_FAULTS']),
    ...given('metricsAddress', onLoopback(environment['HADB_METRICS_ADDRESS'])),
    ...given('alertWebhook', environment['HADB_ALERT_WEBHOOK']),
    ...given('temporalUi', environment['HADB_TEMPORAL_UI']),
    drillsDirectory: join(readDirectorySettings(environment).stateDirectory, 'drills'),
    bundlesDirectory: join(readDirectorySettings(environment).cacheDirectory, 'workflows'),
    temporalEnvironment: definedOf(environment),
    secretsDirectory:
      environment['HADB_SECRETS_DIR'] ?? join(readDirectorySettings(environment).stateDirectory, 'secrets'),
  };
}

function readNetworkFaults(by: string | undefined): Pick<WorkerSettings, 'networkFaultsBy'> {
  if (by === undefined || by === '') return {};
  if (by === 'nodes') return { networkFaultsBy: by };
  throw new SettingsError(
    `HADB_NETWORK_FAULTS is "${by}"; use nodes, or unset it: then the fault endpoint makes them where there is one.`,
  );
}

/** What a worker that `hadb up` starts takes from the shell and from nothing else: it is started anew when one of them has changed. */
export function readShellSettingsOfWorker(environment: Environment = process.env): Record<string, string> {
  const isMeant = (name: string) =>
    name === 'HADB_METRICS_ADDRESS' ||
    name === 'HADB_ALERT_WEBHOOK' ||
    name === 'HADB_NETWORK_FAULTS' ||
    // Address, namespace, profile, keys and certificates of a Temporal that the user has chosen.
    (name.startsWith('TEMPORAL_') && name !== 'TEMPORAL_CLI_PATH');
  return Object.fromEntries(
    Object.entries(definedOf(environment)).filter(([name, value]) => isMeant(name) && value !== ''),
  );
}

export function readTemporalCliSettings(environment: Environment = process.env): TemporalCliSettings {
  return {
    ...readDirectorySettings(environment),
    ...given('cliPath', environment['TEMPORAL_CLI_PATH']),
    searchPath: environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  };
}

export function readClientSettings(environment: Environment = process.env): ClientSettings {
  const isSet = (name: string) => (environment[name] ?? '') !== '';
  return {
    ...readDirectorySettings(environment),
    taskQueue: readWorkerSettings(environment).taskQueue,
    temporalEnvironment: definedOf(environment),
    temporalChosen: isSet('TEMPORAL_ADDRESS') || isSet('TEMPORAL_PROFILE'),
    ...given('temporalUi', environment['HADB_TEMPORAL_UI']),
    user:
      [environment['HADB_USER'], environment['USER'], environment['LOGNAME']].find((name) => (name ?? '') !== '') ??
      accountName(),
    color: isSet('NO_COLOR') ? 'never' : isSet('FORCE_COLOR') ? 'always' : 'auto',
    githubActions: environment['GITHUB_ACTIONS'] === 'true',
    secretsDirectory: readWorkerSettings(environment).secretsDirectory,
    drillsDirectory: readWorkerSettings(environment).drillsDirectory,
  };
}

/** Of the process's account: neither cron nor a service has a login. One without an entry, as in many containers, has no name. */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}

/** A bare port is one of loopback: metrics name clusters and what is wrong with them. */
const onLoopback = (address: string | undefined): string | undefined =>
  /^\d+$/.test(address ?? '') ? `127.0.0.1:${address}` : address;

function definedOf(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function given<Key extends string>(key: Key, value: string | undefined): Partial<Record<Key, string>> {
  return value === undefined || value === '' ? {} : ({ [key]: value } as Record<Key, string>);
}
