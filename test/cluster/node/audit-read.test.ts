import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAuditRead, renderAuditRead } from '../../../cluster/node/audit-read';
import { createScriptBench, events2, prepareNode, type ScriptBench } from './script-bench';

const CIB = readFileSync(join(__dirname, '..', 'cib', 'captured', 'cib-2.1.5-healthy.xml'), 'utf8');
const now = Date.now() / 1000;

let bench: ScriptBench;
beforeEach(() => {
  bench = createScriptBench();
  prepareNode(bench);
  bench.file('/proc/sys/kernel/core_pattern', 'core\n');
  bench.file('/etc/cib.xml', CIB);
  bench.program('cibadmin', 'case "$*" in "--query --local") cat /etc/cib.xml ;; *) exit 64 ;; esac');
});
afterEach(() => bench.remove());
const audit = (sinceSeconds = now - 60) => {
  const { code, stdout, stderr } = bench.run(renderAuditRead({ sinceSeconds }));
  return { code, stderr, seen: parseAuditRead(stdout) };
};

describe('what the audits ask a node', () => {
  it('is its own copy of the CIB, DRBD, and whether a core file was written', () => {
    const { code, seen } = audit();

    expect(code).toBe(0);
    expect(seen).toMatchObject({
      cib: { version: '0.117.3' },
      drbd: { role: 'Primary', connection: 'Connected', disk: 'UpToDate' },
      cores: [],
    });
  });

  it.each([
    '/var/lib/pacemaker/cores/hacluster/core.335',
    '/var/lib/corosync/core.1587',
    '/var/lib/mysql/core',
    '/var/lib/mysql/core.5578',
    '/var/lib/systemd/coredump/core.mariadbd.104.zst',
    '/var/crash/_usr_sbin_mysqld.104.crash',
  ])('finds %s', (path) => {
    bench.file(path, 'core');

    expect(audit().seen.cores).toEqual([path]);
  });

  it('finds cores where the kernel is told to put them', () => {
    bench.file('/proc/sys/kernel/core_pattern', '/var/tmp/core.%e.%p\n');
    bench.file('/var/tmp/core.1', '');
    bench.file('/var/tmp/core.mariadbd', '');

    expect(audit().seen.cores).toEqual(['/var/tmp/core.1']);
  });

  it('passes over what is older than the drill, and what only looks like one', () => {
    bench.file('/var/lib/mysql/core', 'core');
    bench.file('/var/lib/mysql/core_values.ibd', 'a table');

    expect(audit(now + 60).seen.cores).toEqual([]);
    expect(audit().seen.cores).toEqual(['/var/lib/mysql/core']);
  });

  it('fails where the node has no CIB to show', () => {
    bench.program('cibadmin', 'echo "Could not connect: Transport endpoint is not connected" >&2; exit 102');

    expect(bench.run(renderAuditRead({ sinceSeconds: now })).code).not.toBe(0);
  });

  it.each(['', 'core=/core\n', `drbd:\n${events2()}\n`])('is nothing when it was cut off: %#', (text) => {
    expect(() => parseAuditRead(text)).toThrow(expect.objectContaining({ code: 'CommandFailed' }));
  });
});
