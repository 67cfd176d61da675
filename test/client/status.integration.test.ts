import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRedactor } from '../../activities/connections/redactor';
import { createDirectorySecretStore } from '../../activities/connections/secret-store';
import { clusterSecrets } from '../../activities/connections/secrets';
import { renderEndpoint } from '../../client/status';
import { renderInitialisation } from '../../cluster/database/initialisation';
import { databaseProfile, renderClient } from '../../cluster/database/profile';
import { renderServerSettings } from '../../cluster/database/settings';
import { CLIENT_USER, renderSchemaSql } from '../../cluster/database/statements';
import { publicHostName, secretNames } from '../../cluster/ids';
import { realTools } from '../cluster/real-tools';
import { specificationOf } from '../cluster/specimens';

let directory: string;
beforeAll(() => {
  // A state directory with a space is no mistake of its owner.
  directory = mkdtempSync(join(tmpdir(), 'hadb status-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  ['mariadb', 'bookworm'],
  ['mysql', 'sid'],
] as const)('the command line that status prints, pasted where the client of %s is', (engine, suite) => {
  const specification = specificationOf({ name: `pair-${engine}`, database: { engine } });
  const profile = databaseProfile(engine);
  const names = secretNames(specification.name);

  async function paste(endpoint: { address?: string }, alter: (line: string) => string = (line) => line) {
    const store = createDirectorySecretStore(directory, createRedactor());
    const secrets = clusterSecrets(store, specification);
    const [password, server] = [await secrets.clientPassword(), await secrets.serverCertificate()];
    const [passwordFile, caFile] = [store.locate(names.clientPassword), store.locate(names.clientAuthority)];
    const host = publicHostName(specification);
    const { port, schema } = specification.database;
    const line = renderEndpoint({ host, ...endpoint, port, user: CLIENT_USER, schema, passwordFile, caFile });
    return realTools(suite).run(
      `set -eu
chmod 1777 /tmp
perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); $up = pack("a16 s x14", "lo", 0x41); ioctl(S, 0x8914, $up) or die'
chown mysql ${profile.certificates.key}
chmod 0400 ${profile.certificates.key}
sh /initialise >/dev/null
${profile.server} --user=mysql >/tmp/server.log 2>&1 &
tries=0
until echo 'SELECT 1;' | ${renderClient(profile)} >/dev/null 2>&1; do
  tries=$((tries + 1)); [ $tries -lt 300 ] || { cat /tmp/server.log >&2; exit 90; }; sleep 0.1
done
${renderClient(profile)} </schema.sql
echo 'SELECT name FROM things;' | ${alter(line)}`,
      {
        files: {
          '/initialise': renderInitialisation(profile),
          '/schema.sql': renderSchemaSql({ specification, clientPassword: password }),
          '/usr/local/bin/findmnt': '#!/bin/sh\necho /dev/drbd1\n',
          '/etc/hosts': `127.0.0.3 ${host}\n`,
          '/etc/mysql/my.cnf': `!includedir /etc/mysql/${engine === 'mysql' ? 'mysql' : 'mariadb'}.conf.d/\n`,
          [profile.settingsFile]: renderServerSettings({ specification, profile }),
          [profile.certificates.authority]: readFileSync(caFile, 'utf8'),
          [profile.certificates.certificate]: server.certificate,
          [profile.certificates.key]: server.privateKey,
          [passwordFile]: password,
          [caFile]: readFileSync(caFile, 'utf8'),
        },
        timeoutMs: 120_000,
      },
    );
  }

  it('reaches the server by its name', async () => {
    expect(await paste({})).toMatchObject({ code: 0, stdout: 'name\nYet another entity\n' });
  }, 900_000);

  it('reaches the server by the address that the lab gives to the name', async () => {
    expect(await paste({ address: '127.0.0.2' })).toMatchObject({ code: 0, stdout: 'name\nYet another entity\n' });
  }, 900_000);

  it('is refused a server whose certificate another authority has signed', async () => {
    const otherAuthority = async () => {
      const store = createDirectorySecretStore(join(directory, 'other'), createRedactor());
      return (await clusterSecrets(store, specification).certificateAuthority()).certificate;
    };
    const certificate = await otherAuthority();
    const withOther = (line: string) => line.replace(/--ssl-ca=(?:'[^']*'|\S*)/, '--ssl-ca=/tmp/other.pem');

    const result = await paste({}, (line) => `{ printf '%s' '${certificate}' >/tmp/other.pem; ${withOther(line)}; }`);

    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/certificate|signature/);
  }, 900_000);
});
