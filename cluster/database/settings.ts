import type { ClusterSpecification } from '../specification/specification';
import type { ClusterTiming } from '../timing';
import type { DatabaseProfile } from './profile';

type Setting = [name: string, value?: string | number];

/** The server's drop-in; the same text on both nodes. */
export function renderServerSettings(input: { specification: ClusterSpecification; profile: DatabaseProfile }): string {
  const { profile, specification } = input;
  const { database } = specification;
  const settings: Setting[] = [
    ['datadir', profile.dataDirectory],
    ['socket', profile.socket],
    ['pid_file', profile.pidFile],
    ['bind_address', '0.0.0.0'],
    ['port', database.port],
    // The commit is on disk when it is acknowledged: without these no acknowledged write is safe at a failover.
    ['innodb_flush_log_at_trx_commit', 1],
    ['sync_binlog', 1],
    ['innodb_doublewrite', 'ON'],
    ['innodb_buffer_pool_size', `${database.bufferPoolMiB}M`],
    // The balancer's address must not be blocked for connections that others broke off, nor be looked up.
    ['skip_name_resolve', 'ON'],
    ['max_connect_errors', 4_294_967_295],
    ['require_secure_transport', 'ON'],
    ['ssl_ca', profile.certificates.authority],
    ['ssl_cert', profile.certificates.certificate],
    ['ssl_key', profile.certificates.key],
    ...ENGINE_SETTINGS[profile.engine](specification),
  ];
  return `# Written by hadb; a change by hand is reported as drift.\n[mysqld]\n${settings
    .map(([name, value]) => (value === undefined ? `${name}\n` : `${name} = ${value}\n`))
    .join('')}`;
}

const ENGINE_SETTINGS: Record<DatabaseProfile['engine'], (specification: ClusterSpecification) => Setting[]> = {
  // 10.11.12 and later reserve address space for 8 TB by default, more than small machines map. Unknown before.
  mariadb: ({ database }) => [['loose_innodb_buffer_pool_size_max', `${database.bufferPoolMiB}M`]],
  mysql: () => [
    // No replica reads a binary log here, and thirty days of it would fill the data disk.
    ['skip_log_bin'],
    ['mysqlx', 'OFF'],
  ],
};

/**
 * Drop-in of the server's unit. Pacemaker alone starts and stops the server; at a shutdown of the machine Pacemaker goes
 * first; and without the DRBD file system below the data directory the unit refuses to start.
 */
export function renderUnitDropIn(input: { profile: DatabaseProfile; timing: ClusterTiming }): string {
  const { startSeconds, stopSeconds } = input.timing.pacemaker.server;
  return `# Written by hadb; a change by hand is reported as drift.
[Unit]
Before=pacemaker.service
AssertPathIsMountPoint=${input.profile.dataDirectory}

[Service]
Restart=no
TimeoutStartSec=${startSeconds}
TimeoutStopSec=${stopSeconds}
`;
}
