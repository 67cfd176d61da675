import { DATA_DIRECTORY, type DatabaseEngine } from '../specification/specification';
import { quote } from '../shell';

/** Everything in which MySQL and MariaDB differ, for Debian and Ubuntu (their packages agree in all of it). */
export interface DatabaseProfile {
  engine: DatabaseEngine;
  /** What is installed; it draws in the server and the client. */
  package: string;
  /** Patterns of `apt-mark hold`: an upgrade under Pacemaker restarts the server behind its back. */
  heldPackages: string[];
  /** systemd unit without `.service`. */
  unit: string;
  /** Names of the server's process, for `pidof`. */
  processes: string[];
  server: string;
  client: string;
  /** Sorted after every file of the package, so that it has the last word. */
  settingsFile: string;
  unitDropIn: string;
  /** Directly under /etc/mysql and named .pem: Ubuntu's AppArmor profile lets the server read no other place. */
  certificates: { authority: string; certificate: string; key: string };
  socket: string;
  pidFile: string;
  dataDirectory: string;
  /** Directory inside of the data directory that tells an initialised one. */
  systemSchema: string;
  osUser: string;
  osGroup: string;
  /** Logs in by socket as the operating system's user of the same name: no password anywhere. */
  adminUser: string;
  /** Where the package has the server write its error log; absent where that is the journal of the system. */
  errorLog?: string;
}

const SHARED = {
  certificates: {
    authority: '/etc/mysql/hadb-ca.pem',
    certificate: '/etc/mysql/hadb-server-cert.pem',
    key: '/etc/mysql/hadb-server-key.pem',
  },
  socket: '/run/mysqld/mysqld.sock',
  pidFile: '/run/mysqld/mysqld.pid',
  dataDirectory: DATA_DIRECTORY,
  systemSchema: `${DATA_DIRECTORY}/mysql`,
  osUser: 'mysql',
  osGroup: 'mysql',
  adminUser: 'root',
};

const PROFILES: Record<DatabaseEngine, DatabaseProfile> = {
  mariadb: {
    ...SHARED,
    engine: 'mariadb',
    package: 'mariadb-server',
    heldPackages: ['mariadb-server*', 'mariadb-client*', 'mariadb-common'],
    unit: 'mariadb',
    processes: ['mariadbd'],
    server: '/usr/sbin/mariadbd',
    client: '/usr/bin/mariadb',
    settingsFile: '/etc/mysql/mariadb.conf.d/zz-hadb.cnf',
    unitDropIn: '/etc/systemd/system/mariadb.service.d/hadb.conf',
  },
  mysql: {
    ...SHARED,
    engine: 'mysql',
    package: 'mysql-server',
    heldPackages: ['mysql-server*', 'mysql-client*', 'mysql-common'],
    unit: 'mysql',
    processes: ['mysqld'],
    server: '/usr/sbin/mysqld',
    client: '/usr/bin/mysql',
    settingsFile: '/etc/mysql/mysql.conf.d/zz-hadb.cnf',
    unitDropIn: '/etc/systemd/system/mysql.service.d/hadb.conf',
    errorLog: '/var/log/mysql/error.log',
  },
};

export const databaseProfile = (engine: DatabaseEngine): DatabaseProfile => PROFILES[engine];

/** Names of every server process of either engine: no second database of any kind may run. */
export const SERVER_PROCESSES = [...PROFILES.mysql.processes, ...PROFILES.mariadb.processes];

/** The client as administrator by the local socket; reads SQL from standard input, prints tab-separated rows without names. */
export function renderClient(
  profile: DatabaseProfile,
  { connectSeconds = 5 }: { connectSeconds?: number } = {},
): string {
  const options = [
    '--no-defaults',
    '--protocol=socket',
    `--socket=${profile.socket}`,
    `--user=${profile.adminUser}`,
    `--connect-timeout=${connectSeconds}`,
    '--default-character-set=utf8mb4',
    '--batch',
    '--skip-column-names',
  ];
  return [profile.client, ...options].map(quote).join(' ');
}
