import fc from 'fast-check';
import { databaseProfile } from '../../../cluster/database/profile';
import {
  isSchemaComplete,
  parseSchemaFacts,
  parseServerFacts,
  parseThings,
  renderInitialisationSql,
  renderSchemaSql,
  serverDeviations,
  sqlIdentifier,
  sqlString,
} from '../../../cluster/database/statements';
import { specificationOf } from '../specimens';

const specification = specificationOf();
const COMPLETE = `schema	azureha
table	hadb_writes	InnoDB
table	things	InnoDB
account	hadb	%	ANY
privilege	azureha	SELECT
privilege	azureha	INSERT
`;

describe('SQL texts', () => {
  it('quote every value, so that none can end its string', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !Array.from(text).some((character) => character < ' ')),
        (value) => {
          const inner = sqlString(value).slice(1, -1);

          // Outside of escapes and doubled quotes no quote is left.
          expect(inner.replace(/\\\\|''/g, '')).not.toMatch(/['\\]/);
        },
      ),
    );
  });

  it.each(['a\0b', 'a\nb', 'a\x1ab'])('refuse the control character in %j', (value) => {
    expect(() => sqlString(value)).toThrow('control characters');
  });

  it('double the quote of an identifier', () => {
    expect(sqlIdentifier('a`b')).toBe('`a``b`');
  });

  it('create everything only where it is not there yet, and let the client in by TLS with two privileges', () => {
    const statements = renderSchemaSql({ specification, clientPassword: 'geheim' }).split(';\n');

    for (const create of statements.filter((statement) => statement.startsWith('CREATE'))) {
      expect(create).toContain('IF NOT EXISTS');
    }
    expect(statements).toContain("GRANT SELECT, INSERT ON `azureha`.* TO 'hadb'@'%'");
    expect(statements.filter((statement) => statement.includes("IDENTIFIED BY 'geheim' REQUIRE SSL"))).toHaveLength(2);
    expect(statements).toContain("INSERT IGNORE INTO `azureha`.`things` (id, name) VALUES (1, 'Yet another entity')");
  });

  it('give MySQL’s administrator the login by socket that MariaDB’s installer sets up itself', () => {
    expect(renderInitialisationSql(databaseProfile('mysql'))).toContain(
      "'root'@'localhost' IDENTIFIED WITH auth_socket",
    );
    expect(renderInitialisationSql(databaseProfile('mariadb'))).toBe('');
  });
});

describe('parseSchemaFacts', () => {
  it('calls a complete schema complete', () => {
    expect(isSchemaComplete(parseSchemaFacts(COMPLETE, specification))).toBe(true);
  });

  it.each([
    ['the schema', 'schema\tazureha\n', ''],
    ['the article’s table', 'table\tthings\tInnoDB\n', ''],
    ['a table that survives a crash', 'things\tInnoDB', 'things\tMyISAM'],
    ['the drills’ table', 'table\thadb_writes\tInnoDB\n', ''],
    ['the clients’ account', 'account\thadb\t%\tANY\n', ''],
    ['TLS', '%\tANY', '%\t'],
    ['a privilege', 'privilege\tazureha\tINSERT\n', ''],
    ['a privilege on this schema', 'azureha\tINSERT', 'other\tINSERT'],
    [
      'the absence of nameless accounts',
      'privilege\tazureha\tSELECT\n',
      'privilege\tazureha\tSELECT\naccount\t\tlocalhost\t\n',
    ],
  ])('misses %s', (_, from, to) => {
    const text = COMPLETE.replace(from, to);

    expect(text).not.toBe(COMPLETE);
    expect(isSchemaComplete(parseSchemaFacts(text, specification))).toBe(false);
  });
});

describe('parseThings', () => {
  it('reads the rows of the article', () => {
    expect(parseThings('1\tYet another entity\n')).toEqual([{ id: 1, name: 'Yet another entity' }]);
  });

  it('refuses what is no row', () => {
    expect(() => parseThings("ERROR 1146 (42S02): Table 'azureha.things' doesn't exist\n")).toThrow('database client');
  });
});

describe('serverDeviations', () => {
  const facts = parseServerFacts(
    `bind_address	0.0.0.0
datadir	/var/lib/mysql/
innodb_buffer_pool_size	134217728
innodb_doublewrite	ON
innodb_flush_log_at_trx_commit	1
max_connect_errors	4294967295
pid_file	/run/mysqld/mysqld.pid
port	3306
require_secure_transport	ON
skip_name_resolve	ON
socket	/run/mysqld/mysqld.sock
ssl_cert	/etc/mysql/hadb-server-cert.pem
sync_binlog	1
version	10.11.19-MariaDB-0+deb12u1
Ssl_server_not_after	Nov 22 18:00:00 2036 GMT
`,
  );
  const input = { specification, profile: databaseProfile('mariadb') };

  it('finds none on a server as it should be', () => {
    expect(serverDeviations(facts, input)).toEqual([]);
  });

  it('finds every setting that costs acknowledged writes', () => {
    const careless = { ...facts, innodb_flush_log_at_trx_commit: '2', sync_binlog: '0', innodb_doublewrite: 'OFF' };

    expect(serverDeviations(careless, input)).toEqual([
      'innodb_doublewrite is OFF, wanted is ON',
      'innodb_flush_log_at_trx_commit is 2, wanted is 1',
      'sync_binlog is 0, wanted is 1',
    ]);
  });

  it('finds a server on another directory, and one without TLS', () => {
    const { Ssl_server_not_after: _, ...plain } = facts;

    expect(serverDeviations({ ...plain, datadir: '/var/lib/mysql.local/' }, input)).toEqual([
      'datadir is /var/lib/mysql.local/, wanted is /var/lib/mysql/',
      'the server offers no TLS',
    ]);
  });

  it('refuses an answer without a version', () => {
    expect(() => parseServerFacts('')).toThrow('database client');
  });
});
