import { unreadable } from '../errors';
import { LEDGER_TABLE, type ClusterSpecification } from '../specification/specification';
import type { DatabaseProfile } from './profile';

/** SQL texts. They go to the client's standard input, because they may hold passwords. */

/** The account of the article's remote query and of the drills' writers. */
export const CLIENT_USER = 'hadb';
/** The article's row. */
export const FIRST_ROW = { id: 1, name: 'Yet another entity' } as const;

export function sqlString(value: string): string {
  if (Array.from(value).some((character) => character < ' ')) {
    throw new Error('a value in SQL must not hold control characters');
  }
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

export const sqlIdentifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

export const thingsTable = ({ database }: ClusterSpecification): string =>
  `${sqlIdentifier(database.schema)}.${sqlIdentifier(database.table)}`;

export const ledgerTable = ({ database }: ClusterSpecification): string =>
  `${sqlIdentifier(database.schema)}.${sqlIdentifier(LEDGER_TABLE)}`;

/** The article's remote query. */
export const selectThings = (specification: ClusterSpecification): string =>
  `SELECT id, name FROM ${thingsTable(specification)} ORDER BY id`;

/** The same, and which machine answers: a variable that needs no privilege. */
export const selectThingsAndServer = (specification: ClusterSpecification): string =>
  `SELECT id, name, @@hostname AS server FROM ${thingsTable(specification)} ORDER BY id`;

/**
 * Gives the administrator's account its login by socket. Runs inside of the initialisation (`--init-file`), so that there is
 * no moment with an empty password; MariaDB's installer does it by itself.
 */
export function renderInitialisationSql(profile: DatabaseProfile): string {
  return profile.engine === 'mysql'
    ? `INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';\n` +
        `ALTER USER ${sqlString(profile.adminUser)}@'localhost' IDENTIFIED WITH auth_socket;\n`
    : '';
}

/** The schema, the article's table and row, the drills' table and the clients' account; running it again changes nothing. */
export function renderSchemaSql(input: { specification: ClusterSpecification; clientPassword: string }): string {
  const { specification } = input;
  const schema = sqlIdentifier(specification.database.schema);
  const client = `${sqlString(CLIENT_USER)}@'%'`;
  return `${[
    `CREATE DATABASE IF NOT EXISTS ${schema} CHARACTER SET utf8mb4`,
    `CREATE TABLE IF NOT EXISTS ${thingsTable(specification)} (id SERIAL, name VARCHAR(255)) ENGINE=InnoDB`,
    `INSERT IGNORE INTO ${thingsTable(specification)} (id, name) VALUES (${FIRST_ROW.id}, ${sqlString(FIRST_ROW.name)})`,
    `CREATE TABLE IF NOT EXISTS ${ledgerTable(specification)} (drill VARCHAR(64) NOT NULL, writer INT UNSIGNED NOT NULL, ` +
      'seq BIGINT UNSIGNED NOT NULL, PRIMARY KEY (drill, writer, seq)) ENGINE=InnoDB',
    `CREATE USER IF NOT EXISTS ${client} IDENTIFIED BY ${sqlString(input.clientPassword)} REQUIRE SSL`,
    `ALTER USER ${client} IDENTIFIED BY ${sqlString(input.clientPassword)} REQUIRE SSL`,
    `GRANT SELECT, INSERT ON ${schema}.* TO ${client}`,
    // Installers of some versions leave accounts without a name.
    `DROP USER IF EXISTS ''@'localhost'`,
  ].join(';\n')};\n`;
}

/** Reads what the schema step brings about; answers as `parseSchemaFacts` reads. Works while nothing of it exists. */
export function renderSchemaFactsSql({ database }: ClusterSpecification): string {
  const schema = sqlString(database.schema);
  const tables = [database.table, LEDGER_TABLE].map(sqlString).join(', ');
  return `SELECT 'schema', schema_name FROM information_schema.schemata WHERE schema_name = ${schema};
SELECT 'table', table_name, engine FROM information_schema.tables WHERE table_schema = ${schema} AND table_name IN (${tables});
SELECT 'account', user, host, ssl_type FROM mysql.user WHERE user IN (${sqlString(CLIENT_USER)}, '');
SELECT 'privilege', table_schema, privilege_type FROM information_schema.schema_privileges WHERE grantee = ${sqlString(`'${CLIENT_USER}'@'%'`)};
`;
}

export interface SchemaFacts {
  schema: boolean;
  things: boolean;
  ledger: boolean;
  /** The clients' account exists and may connect by TLS only. */
  client: boolean;
  privileges: string[];
  /** Accounts without a name exist. */
  anonymous: boolean;
}

export function parseSchemaFacts(text: string, { database }: ClusterSpecification): SchemaFacts {
  const rows = readRows(text);
  const of = (kind: string) => rows.filter((row) => row[0] === kind);
  const has = (table: string) => of('table').some((row) => row[1] === table && row[2] === 'InnoDB');
  return {
    schema: of('schema').length > 0,
    things: has(database.table),
    ledger: has(LEDGER_TABLE),
    client: of('account').some((row) => row[1] === CLIENT_USER && row[2] === '%' && row[3] === 'ANY'),
    privileges: of('privilege')
      .filter((row) => row[1] === database.schema)
      .map((row) => row[2] ?? '')
      .sort(),
    anonymous: of('account').some((row) => row[1] === ''),
  };
}

export const isSchemaComplete = (facts: SchemaFacts): boolean =>
  facts.schema &&
  facts.things &&
  facts.ledger &&
  facts.client &&
  !facts.anonymous &&
  ['INSERT', 'SELECT'].every((privilege) => facts.privileges.includes(privilege));

/** Writer and number of each row of a drill; answers as `parseDrillRows` reads. */
export const renderDrillRowsSql = (specification: ClusterSpecification, drill: string): string =>
  `SELECT writer, seq FROM ${ledgerTable(specification)} WHERE drill = ${sqlString(drill)} ORDER BY seq;\n`;

/** @throws HadbError CommandFailed when a line is not two numbers. */
export function parseDrillRows(text: string): { writer: number; seq: number }[] {
  return readRows(text).map(([writer = '', seq = '']) => {
    if (!/^\d+$/.test(writer) || !/^\d+$/.test(seq)) throw unreadable('the database client', text);
    return { writer: Number(writer), seq: Number(seq) };
  });
}

export const readThingsSql = (specification: ClusterSpecification): string => `${selectThings(specification)};\n`;

export function parseThings(text: string): { id: number; name: string }[] {
  return readRows(text).map(([id = '', name = '']) => {
    if (!/^\d+$/.test(id)) throw unreadable('the database client', text);
    return { id: Number(id), name };
  });
}

/** Checksum and number of rows of the article's table; answers as `parseTableChecksum` reads. Reads every row. */
export const renderTableChecksumSql = (specification: ClusterSpecification): string =>
  `CHECKSUM TABLE ${thingsTable(specification)};\nSELECT COUNT(*) FROM ${thingsTable(specification)};\n`;

/** @throws HadbError CommandFailed when there is no such table. */
export function parseTableChecksum(text: string): { checksum: string; rows: number } {
  const [[, checksum = ''] = [], [rows = ''] = []] = readRows(text);
  if (!/^\d+$/.test(checksum) || !/^\d+$/.test(rows)) throw unreadable('the database client', text);
  return { checksum, rows: Number(rows) };
}

const VARIABLES = [
  'bind_address',
  'datadir',
  'hostname',
  'innodb_buffer_pool_size',
  'innodb_doublewrite',
  'innodb_flush_log_at_trx_commit',
  'log_bin',
  'max_connect_errors',
  'pid_file',
  'port',
  'require_secure_transport',
  'server_uuid',
  'skip_name_resolve',
  'socket',
  'ssl_cert',
  'sync_binlog',
  'version',
] as const;

const STATUS = ['Ssl_server_not_after', 'Threads_connected', 'Uptime'] as const;

/** Reads what the running server's settings are in effect; answers as `parseServerFacts` reads. */
export const renderServerFactsSql = (): string =>
  `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${VARIABLES.map(sqlString).join(', ')});
SHOW GLOBAL STATUS WHERE Variable_name IN (${STATUS.map(sqlString).join(', ')});
`;

/** Effective settings of a running server, by the server's own names. A setting that it does not know is absent. */
export type ServerFacts = Partial<Record<(typeof VARIABLES)[number] | (typeof STATUS)[number], string>>;

/** @throws HadbError CommandFailed when the server's version is not among the rows. */
export function parseServerFacts(text: string): ServerFacts {
  const facts: ServerFacts = Object.fromEntries(readRows(text).map(([name = '', value = '']) => [name, value]));
  if (facts.version === undefined) throw unreadable('the database client', text);
  return facts;
}

/** Effective settings that are not as the specification wants them, each as a sentence. */
export function serverDeviations(
  facts: ServerFacts,
  input: { specification: ClusterSpecification; profile: DatabaseProfile },
): string[] {
  const { profile, specification } = input;
  const wanted: ServerFacts = {
    bind_address: '0.0.0.0',
    datadir: `${profile.dataDirectory}/`,
    innodb_buffer_pool_size: String(specification.database.bufferPoolMiB * 1024 * 1024),
    innodb_doublewrite: 'ON',
    innodb_flush_log_at_trx_commit: '1',
    max_connect_errors: '4294967295',
    pid_file: profile.pidFile,
    port: String(specification.database.port),
    require_secure_transport: 'ON',
    skip_name_resolve: 'ON',
    socket: profile.socket,
    ssl_cert: profile.certificates.certificate,
    sync_binlog: '1',
  };
  const deviations = Object.entries(wanted).flatMap(([name, value]) => {
    const found = facts[name as keyof ServerFacts];
    return found === value ? [] : [`${name} is ${found ?? 'unknown to the server'}, wanted is ${value}`];
  });
  return facts.Ssl_server_not_after ? deviations : [...deviations, 'the server offers no TLS'];
}

function readRows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
