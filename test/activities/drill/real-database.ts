import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  createCertificateAuthority,
  createServerCertificate,
  readCertified,
} from '../../../activities/connections/secret-generators';
import { freePort } from '../../free-port';
import { ensureTree } from '../../cluster/real-tools';

/** A MariaDB of Debian 12 on loopback, with TLS as hadb sets it up, that a test can stop, kill, freeze and start again. */
export interface RealDatabase {
  port: number;
  /** Certificate authority, PEM. */
  authority: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** SQL as administrator. */
  run(sql: string): string;
  remove(): Promise<void>;
}

export async function createRealDatabase(hostName: string): Promise<RealDatabase> {
  const tree = ensureTree('bookworm');
  const directory = mkdtempSync(join(tmpdir(), 'hadb-db-'));
  const data = join(directory, 'data');
  const socket = join(directory, 'sock');
  const share = join(tree, 'usr/share/mysql');
  mkdirSync(data);
  const now = new Date();
  const authority = readCertified(await createCertificateAuthority('test authority', now));
  const server = readCertified(
    await createServerCertificate(authority, { name: hostName, names: [hostName], addresses: ['127.0.0.1'] }, now),
  );
  const files = { ca: join(directory, 'ca.pem'), cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  writeFileSync(files.ca, authority.certificate);
  writeFileSync(files.cert, server.certificate);
  writeFileSync(files.key, server.privateKey);

  const libraries = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'].map((path) => join(tree, path)).join(':');
  // Not by the link in lib64: that leads to this host's own.
  const loader = [join(tree, 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'), '--library-path', libraries];
  const common = [
    '--no-defaults',
    `--datadir=${data}`,
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    `--plugin-dir=${join(tree, 'usr/lib/mysql/plugin')}`,
    '--innodb-buffer-pool-size=16M',
    '--innodb-log-file-size=4M',
    ...(userInfo().uid === 0 ? ['--user=root'] : []),
  ];
  const [command = '', ...prefix] = loader;
  const program = (name: string) => [...prefix, join(tree, name)];
  const scripts = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql'];
  const bootstrap = spawnSync(
    command,
    [...program('usr/sbin/mariadbd'), ...common, '--bootstrap', '--skip-networking'],
    {
      input: [
        'CREATE DATABASE IF NOT EXISTS mysql;',
        'USE mysql;',
        'SET @auth_root_socket=NULL;',
        'SET @skip_auth_anonymous=1;',
        ...scripts.map((script) => readFileSync(join(share, script), 'utf8')),
      ].join('\n'),
      encoding: 'utf8',
    },
  );
  if (bootstrap.status !== 0) throw new Error(`MariaDB cannot be initialised:\n${bootstrap.stderr.slice(-2000)}`);

  const port = await freePort();
  let child: ChildProcess | undefined;
  const run = (sql: string): string => {
    const client = spawnSync(
      command,
      [
        ...program('usr/bin/mariadb'),
        '--no-defaults',
        `--socket=${socket}`,
        '--batch',
        '--skip-column-names',
        '-uroot',
      ],
      { input: sql, encoding: 'utf8' },
    );
    if (client.status !== 0) throw new Error(client.stderr);
    return client.stdout;
  };
  const ended = () => child === undefined || child.exitCode !== null || child.signalCode !== null;
  const kill = async () => {
    if (child === undefined || ended()) return;
    const over = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGKILL');
    await over;
  };
  return {
    port,
    authority: authority.certificate,
    run,
    kill,
    signal: (signal) => void child?.kill(signal),
    async start() {
      child = spawn(
        command,
        [
          ...program('usr/sbin/mariadbd'),
          ...common,
          `--socket=${socket}`,
          `--pid-file=${join(directory, 'pid')}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          `--ssl-ca=${files.ca}`,
          `--ssl-cert=${files.cert}`,
          `--ssl-key=${files.key}`,
          `--log-error=${join(directory, 'log')}`,
        ],
        { stdio: 'ignore' },
      );
      const deadline = performance.now() + 60_000;
      for (;;) {
        try {
          run('SELECT 1');
          return;
        } catch (error) {
          if (ended() || performance.now() > deadline) {
            const log = join(directory, 'log');
            const tail = existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : '';
            throw new Error(`MariaDB does not start: ${String(error)}\n${tail}`, { cause: error });
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async remove() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
