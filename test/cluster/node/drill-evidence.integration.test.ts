import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseVersions, renderStateRead, renderVersionsRead } from '../../../cluster/node/drill-evidence';
import { useTemporaryDirectory } from '../../temporary-directory';

/** The reads of a report run on nodes in any condition: they tell, and never fail. */

let tools: string;
useTemporaryDirectory((directory) => {
  tools = directory;
});

function tool(name: string, script: string): void {
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(tools, name), 0o755);
}

const run = (script: string) =>
  spawnSync('sh', ['-eu', '-c', script], {
    encoding: 'utf8',
    env: { PATH: `${tools}:/usr/sbin:/usr/bin:/sbin:/bin` },
    timeout: 120_000,
  });

it.each([renderStateRead(), renderVersionsRead()])('the script is a shell script', (script) => {
  expect(() => execFileSync('sh', ['-n'], { input: script })).not.toThrow();
});

it('tells what each command says, and that one failed or hung, and goes on', () => {
  tool('crm_mon', 'echo "2 nodes configured"');
  tool('drbdsetup', 'echo "no such resource" >&2; exit 10');
  tool('corosync-quorumtool', 'exec sleep 600');
  tool('findmnt', 'echo "$@"');
  tool('pgrep', 'exit 1');
  tool('systemctl', 'echo active');

  const { status, stdout } = run(renderStateRead());

  expect(status).toBe(0);
  expect(stdout).toContain('# crm_mon -1 -r -f\n2 nodes configured\n');
  expect(stdout).toContain('no such resource\n(ended with 10)\n');
  expect(stdout).toContain('# corosync-quorumtool -s\n(ended with 124)\n');
  expect(stdout).toContain('# findmnt /var/lib/mysql\n/var/lib/mysql\n');
});

it('reads the versions of what is installed, and leaves out what is not', () => {
  tool(
    'dpkg-query',
    'printf "pacemaker 2.1.5-1+deb12u1 ii \\ncorosync 3.1.7-1 rc \\nmariadb-server 1:10.11.6 ii \\n"; exit 1',
  );

  const { status, stdout } = run(renderVersionsRead());

  expect(status).toBe(0);
  expect(parseVersions(stdout).filter(({ name }) => name !== 'kernel' && name !== 'drbd-module')).toEqual([
    { name: 'pacemaker', version: '2.1.5-1+deb12u1' },
    { name: 'mariadb-server', version: '1:10.11.6' },
  ]);
  expect(parseVersions(stdout)[0]?.name).toBe('kernel');
});
