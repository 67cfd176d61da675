import { homedir } from 'node:os';
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
  /** Azure Resource Manager endpoint other than the public cloud's (`HADB_ARM_ENDPOINT`). */
  armEndpoint?: string;
  /** File with further certificate authorities, PEM, for ARM and the token endpoint (`HADB_CA_FILE`). */
  caFile?: string;
  /** Name server, `address:port`, asked before the system's resolver for names of public addresses (`HADB_NAME_SERVER`). */
  nameServer?: string;
  /** Endpoint that injects faults from outside the nodes (`HADB_FAULTS_ENDPOINT`). */
  faultsEndpoint?: string;
  /** Directory of the secret store (`HADB_SECRETS_DIR`). */
  secretsDirectory: string;
  /** Address the Prometheus metrics listen on; none when unset (`HADB_METRICS_ADDRESS`). */
  metricsAddress?: string;
}

export interface TemporalCliSettings extends DirectorySettings {
  /** Temporal CLI to use before any other (`TEMPORAL_CLI_PATH`). */
  cliPath?: string;
  /** Directories searched for `temporal` and `go` (`PATH`). */
  searchPath: string;
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
    ...given('armEndpoint', environment['HADB_ARM_ENDPOINT']),
    ...given('caFile', environment['HADB_CA_FILE']),
    ...given('nameServer', environment['HADB_NAME_SERVER']),
    ...given('faultsEndpoint', environment['HADB_FAULTS_ENDPOINT']),
    ...given('metricsAddress', environment['HADB_METRICS_ADDRESS']),
    secretsDirectory:
      environment['HADB_SECRETS_DIR'] ?? join(readDirectorySettings(environment).stateDirectory, 'secrets'),
  };
}

export function readTemporalCliSettings(environment: Environment = process.env): TemporalCliSettings {
  return {
    ...readDirectorySettings(environment),
    ...given('cliPath', environment['TEMPORAL_CLI_PATH']),
    searchPath: environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  };
}

function given<Key extends string>(key: Key, value: string | undefined): Partial<Record<Key, string>> {
  return value === undefined || value === '' ? {} : ({ [key]: value } as Record<Key, string>);
}
