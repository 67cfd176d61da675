import { renderInitialisation } from '../../../cluster/database/initialisation';
import { databaseProfile, renderClient } from '../../../cluster/database/profile';
import { renderServerSettings } from '../../../cluster/database/settings';
import {
  isSchemaComplete,
  parseSchemaFacts,
  parseServerFacts,
  parseTableChecksum,
  parseThings,
  readThingsSql,
  renderSchemaFactsSql,
  renderSchemaSql,
  renderServerFactsSql,
  renderTableChecksumSql,
  serverDeviations,
} from '../../../cluster/database/statements';
import { realTools, type RealTools, type RunResult } from '../real-tools';
import { specificationOf } from '../specimens';

const PASSWORD = `it's \\"quoted"; DROP DATABASE azureha`;

describe.each([
  ['mariadb', 'bookworm'],
  ['mysql', 'sid'],
] as const)('a real %s server of Debian %s', (engine, suite) => {
  const specification = specificationOf({ database: { engine } });
  const profile = databaseProfile(engine);
  const client = renderClient(profile);
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);

  /** The tree has neither an init system nor the file system: `findmnt` says what a node's would. */
  const inNode = (script: string, mounted = '/dev/drbd1'): RunResult =>
    tools.run(
      `set -eu
${CERTIFICATES}
start() { ${profile.server} --user=mysql >/tmp/server.log 2>&1 & tries=0
  until echo 'SELECT 1;' | ${client} >/dev/null 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 300 ] || { cat /tmp/server.log >&2; exit 90; }; sleep 0.1
  done; }
initialise() { sh /initialise; }
${script}`,
      {
        files: {
          '/initialise': renderInitialisation(profile),
          '/schema.sql': renderSchemaSql({ specification, clientPassword: PASSWORD }),
          '/schema-facts.sql': renderSchemaFactsSql(specification),
          '/server-facts.sql': renderServerFactsSql(),
          '/things.sql': readThingsSql(specification),
          '/checksum.sql': renderTableChecksumSql(specification),
          '/usr/local/bin/findmnt': mounted === '' ? '#!/bin/sh\nexit 1\n' : `#!/bin/sh\necho ${mounted}\n`,
          '/etc/mysql/my.cnf': `!includedir /etc/mysql/${engine === 'mysql' ? 'mysql' : 'mariadb'}.conf.d/\n`,
          [profile.settingsFile]: renderServerSettings({ specification, profile }),
        },
        timeoutMs: 120_000,
      },
    );
  const part = (result: RunResult, name: string) =>
    new RegExp(`^== ${name}\\n([^]*?)(?=^== |$(?![^]))`, 'm').exec(result.stdout)?.[1] ??
    `(no ${name}: ${result.stderr})`;

  it('is initialised, takes every setting, and gets its schema once, however often it is asked', () => {
    const result = inNode(`
mkdir /var/lib/mysql/lost+found
echo "== first"; initialise
start
echo "== before"; ${client} </schema-facts.sql
${client} </schema.sql
${client} </schema.sql
echo "== after"; ${client} </schema-facts.sql
echo "== server"; ${client} </server-facts.sql
echo "== things"; ${client} </things.sql
echo "== grants"; echo "SHOW GRANTS FOR 'hadb'@'%';" | ${client}
echo "== again"; initialise
echo "== files"; ls -A /var/lib/mysql | grep -E 'hadb|lost' || echo none`);

    expect([result.code, result.stderr.slice(-1500)]).toEqual([0, expect.anything()]);
    expect(part(result, 'first')).toBe('initialised\n');
    expect(parseSchemaFacts(part(result, 'before'), specification)).toMatchObject({ schema: false, client: false });
    const after = parseSchemaFacts(part(result, 'after'), specification);
    expect({ ...after, complete: isSchemaComplete(after) }).toMatchObject({ complete: true, anonymous: false });
    expect(serverDeviations(parseServerFacts(part(result, 'server')), { specification, profile })).toEqual([]);
    expect(parseThings(part(result, 'things'))).toEqual([{ id: 1, name: 'Yet another entity' }]);
    expect(part(result, 'grants')).toMatch(/GRANT SELECT, INSERT ON `azureha`\.\* TO/);
    expect(part(result, 'again')).toBe('unchanged\n');
    expect(part(result, 'files')).toBe('none\n');
  });

  it('tells the checksum of its table: the same until a row changes, and again when it is as before', () => {
    const table = `${specification.database.schema}.${specification.database.table}`;
    const result = inNode(`
initialise
start
${client} </schema.sql
echo "== first"; ${client} </checksum.sql
echo "INSERT INTO ${table} (id, name) VALUES (2, 'another');" | ${client}
echo "== more"; ${client} </checksum.sql
echo "DELETE FROM ${table} WHERE id = 2; UPDATE ${table} SET name = 'something else';" | ${client}
echo "== other"; ${client} </checksum.sql
echo "UPDATE ${table} SET name = 'Yet another entity';" | ${client}
echo "== back"; ${client} </checksum.sql
echo "DROP TABLE ${table};" | ${client}
echo "== gone"; ${client} --force </checksum.sql || :
`);

    const [first, more, other, back] = ['first', 'more', 'other', 'back'].map((name) =>
      parseTableChecksum(part(result, name)),
    );
    expect([first?.rows, more?.rows, other?.rows]).toEqual([1, 2, 1]);
    expect(back).toEqual(first);
    expect(new Set([first, more, other].map((read) => read?.checksum)).size).toBe(3);
    expect(() => parseTableChecksum(part(result, 'gone'))).toThrow(expect.objectContaining({ code: 'CommandFailed' }));
  });

  it('is initialised anew when an earlier try was interrupted', () => {
    const result = inNode(`
mkdir -p /var/lib/mysql/.hadb-initialise/mysql
echo half >/var/lib/mysql/.hadb-initialise/ibdata1
initialise
start
echo 'SELECT 1;' | ${client}`);

    expect(result).toMatchObject({ code: 0, stdout: 'initialised\n1\n' });
  });

  it('is moved into place by the next try when the first ended in the middle of the moves', () => {
    const result = inNode(`
initialise
mkdir /var/lib/mysql/.hadb-initialise
: >/var/lib/mysql/.hadb-initialise/.complete
mv /var/lib/mysql/ibdata1 /var/lib/mysql/mysql /var/lib/mysql/.hadb-initialise/
initialise
start
echo 'SELECT 1;' | ${client}`);

    expect(result).toMatchObject({ code: 0, stdout: 'initialised\ninitialised\n1\n' });
  });

  it.each([
    ['nothing is mounted', '', 'initialise', 'nothing is mounted at /var/lib/mysql'],
    ['another device is mounted', '/dev/sda1', 'initialise', '/dev/sda1 is mounted'],
    ['something else lies there', '/dev/drbd1', 'echo x >/var/lib/mysql/letter; initialise', 'letter'],
    ['lost+found holds something', '/dev/drbd1', 'mkdir -p /var/lib/mysql/lost+found/x; initialise', 'is not empty'],
  ])('is not initialised where %s', (_, mounted, script, message) => {
    const result = inNode(script, mounted);

    expect(result.code).toBe(75);
    expect(result.stderr).toContain(message);
  });

  it('lets nobody but the operating system’s root in as administrator', () => {
    const result = inNode(`initialise; start
! echo 'SELECT 1;' | setpriv --reuid 106 --clear-groups ${client} 2>/dev/null
echo "SELECT user, host FROM mysql.user WHERE user = 'root';" | ${client}`);

    expect(result).toMatchObject({ code: 0, stdout: 'initialised\nroot\tlocalhost\n' });
  });
});

const CERTIFICATES = `cd /etc/mysql
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca -keyout ca.key -out hadb-ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=hadb -keyout hadb-server-key.pem -out server.csr 2>/dev/null
openssl x509 -req -in server.csr -CA hadb-ca.pem -CAkey ca.key -CAcreateserial -days 2 -out hadb-server-cert.pem 2>/dev/null
chown mysql hadb-server-key.pem
cd /`;
