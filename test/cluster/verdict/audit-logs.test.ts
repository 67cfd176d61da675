import { parseNodeLog } from '../../../cluster/logs/node-log';
import { auditLogs, type AuditedLog } from '../../../cluster/verdict/audit-logs';
import { capturedLog, capturedText } from '../logs/captured-logs';

const BEGAN = Date.parse('2026-11-23T08:41:57Z');
const audited = (logs: AuditedLog[], kind = 'node-power-off') => auditLogs(logs, { kind, since: () => BEGAN });
const SURVIVOR: AuditedLog = { log: capturedLog('node-power-off.hadb01') };
const LOST: AuditedLog = { log: capturedLog('node-power-off.hadb02') };
const SECONDS = BEGAN / 1000;

/** A log of one line, ten seconds after the beginning. */
const saying = (line: string, at = SECONDS + 10): AuditedLog => ({
  log: parseNodeLog('hadb02', `bootedAt=${SECONDS - 1000}\n${at}.000000 ${line}\n\n=== end of the log, exit code 0\n`),
});

describe('the logs of a drill', () => {
  it('hold nothing bad after a real power cut, and it is told what is not on the disk any more', () => {
    const check = audited([SURVIVOR, LOST]);

    expect(check).toMatchObject({ name: 'logs without split brain, corruption and assertion', passed: true });
    expect(check.detail).toMatch(
      /^\d+ lines of hadb01, \d+ lines of hadb02; hadb02 booted at 08:43:00 UTC, and what it wrote right before is not on its disk$/,
    );
  });

  it('are not known where a node booted that no such drill switches off', () => {
    expect(audited([SURVIVOR, LOST], 'switchover')).toMatchObject({
      passed: false,
      unknown: true,
      detail: expect.stringContaining('which this drill does not explain') as string,
    });
  });

  it('fail it by the line that is bad, with who wrote it and when', () => {
    const split = saying('kernel: drbd r0/0 drbd1: Split-Brain detected but unresolved, dropping connection!');

    expect(audited([SURVIVOR, split], 'network-partition')).toEqual({
      name: 'logs without split brain, corruption and assertion',
      passed: false,
      detail:
        'split brain: hadb02 at 08:42:07 UTC, kernel: drbd r0/0 drbd1: Split-Brain detected but unresolved, dropping connection!',
    });
  });

  it('are no concern of this drill before it began', () => {
    const before = saying('kernel: drbd r0/0 drbd1: Split-Brain detected but unresolved', SECONDS - 10);

    expect(audited([SURVIVOR, before])).toMatchObject({ passed: true });
  });

  it('let through what the fault brings, with the reason', () => {
    const panic = saying('kernel: Kernel panic - not syncing: sysrq triggered crash');

    expect(audited([SURVIVOR, panic], 'node-crash')).toMatchObject({
      passed: true,
      detail: expect.stringContaining(
        'let through, because the drill has the kernel panic: hadb02 at 08:42:07',
      ) as string,
    });
    expect(audited([SURVIVOR, panic], 'switchover')).toMatchObject({ passed: false });
  });

  it.each([
    [
      'of one node could not be read',
      { node: 'hadb02', silent: 'connect ETIMEDOUT' } satisfies AuditedLog,
      'connect ETIMEDOUT',
    ],
    [
      'was cut off',
      { log: parseNodeLog('hadb02', capturedText('node-power-off.hadb02').slice(0, 3000)) } satisfies AuditedLog,
      'the log of hadb02 was cut off',
    ],
  ])('are not known where the log %s', (_, log, said) => {
    expect(audited([SURVIVOR, log])).toMatchObject({
      passed: false,
      unknown: true,
      detail: expect.stringContaining(said) as string,
    });
  });

  it('fail it all the same where the other log is bad enough', () => {
    const bad = saying('mariadbd[7]: 261123  8:43:51 [ERROR] /usr/sbin/mariadbd got signal 6 ;');

    const check = audited([{ node: 'hadb01', silent: 'connect ETIMEDOUT' }, bad]);

    expect(check).toMatchObject({ passed: false });
    expect(check).not.toHaveProperty('unknown');
  });

  it('name a few lines of many', () => {
    const lines = Array.from(
      { length: 40 },
      (_, index) => `${SECONDS + index}.000000 kernel: drbd r0/0 drbd1: ASSERT( x ) in y:1`,
    );
    const log = parseNodeLog('hadb02', `bootedAt=1\n${lines.join('\n')}\n\n=== end of the log, exit code 0\n`);

    const { detail } = audited([SURVIVOR, { log }]);

    expect(detail).toMatch(/; and 35 more$/);
  });
});
