import { alarmOf, expectedBy } from '../../../cluster/logs/alarms';
import { CAPTURED, capturedLog } from './captured-logs';

const alarm = (by: string, message: string) => alarmOf({ at: 0, by, message })?.kind;

describe('the alarms', () => {
  it.each(CAPTURED)('are silent through a real drill that went well: %s', (name) => {
    expect(capturedLog(name).entries.filter((entry) => alarmOf(entry) !== undefined)).toEqual([]);
  });

  it.each([
    ['split brain', 'kernel', 'drbd r0/0 drbd1: Split-Brain detected but unresolved, dropping connection!'],
    ['split brain', 'kernel', 'block drbd0: helper command: /sbin/drbdadm initial-split-brain minor-0'],
    ['split brain', 'kernel', 'drbd r0/0 drbd1: Unrelated data, aborting!'],
    ['split brain', 'kernel', 'drbd r0/0 drbd1: Forced into split brain situation!'],
    ['corruption', 'kernel', 'drbd r0/0 drbd1: Online verify found 3 4k block out of sync!'],
    ['corruption', 'kernel', 'EXT4-fs error (device drbd1): ext4_lookup:1855: inode #12: comm mariadbd: deleted inode'],
    ['corruption', 'kernel', 'XFS (drbd1): Metadata corruption detected at xfs_agf_read_verify+0x70/0x100'],
    [
      'corruption',
      'mariadbd',
      '2026-11-23  8:43:51 0 [ERROR] InnoDB: Database page corruption on disk or a failed read',
    ],
    ['corruption', 'mysqld', '2026-11-23T08:43:51.1Z 0 [ERROR] [MY-011906] [InnoDB] Database page corruption on disk'],
    ['corruption', 'mariadbd', "2026-11-23  8:43:51 0 [ERROR] mariadbd: Table './mysql/db' is marked as crashed"],
    ['assertion', 'mysqld', '2026-11-23T08:43:51.1Z 1 [ERROR] [MY-013183] [InnoDB] Assertion failure: buf0buf.cc:3579'],
    [
      'assertion',
      'mariadbd',
      '2026-11-23 08:43:51 0x7f InnoDB: Assertion failure in file ./storage/innobase/x.cc line 5',
    ],
    ['assertion', 'mariadbd', '261123  8:43:51 [ERROR] /usr/sbin/mariadbd got signal 6 ;'],
    ['assertion', 'pacemaker-controld', ' error: crm_abort: Triggered fatal assert at utils.c:123 : rsc != NULL'],
    ['assertion', 'pacemakerd', ' warning: pacemaker-fenced[335] terminated with signal 6 (core=1)'],
    ['assertion', 'systemd', 'mariadb.service: Main process exited, code=dumped, status=6/ABRT'],
    ['assertion', 'systemd-coredump', 'Process 942 (mariadbd) of user 104 dumped core.'],
    ['assertion', 'kernel', 'drbd r0/0 drbd1: ASSERT( device->ap_in_flight == 0 ) in drbd_main.c:10'],
    ['assertion', 'kernel', 'mariadbd[942]: segfault at 0 ip 00007f sp 00007f error 4'],
    ['assertion', 'kernel', 'BUG: unable to handle page fault for address: 0000000000000010'],
    ['kernel panic', 'kernel', 'Kernel panic - not syncing: sysrq triggered crash'],
    ['disk error', 'kernel', 'drbd r0/0 drbd1: local WRITE IO error sector 2048+8 on sdc1'],
  ])('are raised for a %s: %s writes "%s"', (kind, by, message) => {
    expect(alarm(by, message)).toBe(kind);
  });

  it.each([
    // journald says so of its own files after every power cut.
    [
      'systemd-journald',
      'File /var/log/journal/d1/system.journal corrupted or uncleanly shut down, renaming and replacing.',
    ],
    ['kernel', 'drbd r0/0 drbd1: 36 MB (9216 bits) marked out-of-sync by on disk bit-map.'],
    ['systemd', 'mariadb.service: Main process exited, code=killed, status=9/KILL'],
    [
      'pacemaker-controld',
      ' notice: Peer hadb02 was terminated (off) by hadb01 on behalf of pacemaker-controld.1775@hadb01: OK',
    ],
    ['kernel', 'watchdog: BUG: soft lockup - CPU#0 stuck for 22s!'],
    ['mariadbd', '2026-11-23  8:43:51 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=145296'],
    ['logger', 'Split-Brain detected but unresolved, dropping connection!'],
  ])('are silent where %s writes "%s"', (by, message) => {
    expect(alarm(by, message)).toBeUndefined();
  });

  it('are let through only by the kind of drill that brings them', () => {
    expect(expectedBy('node-crash', 'kernel panic')).toBeDefined();
    expect(expectedBy('node-power-off', 'kernel panic')).toBeUndefined();
    expect(expectedBy('disk-error', 'disk error')).toBeDefined();
    for (const kind of ['node-crash', 'disk-error', 'network-partition', 'double']) {
      for (const never of ['split brain', 'corruption', 'assertion'] as const) {
        expect(expectedBy(kind, never)).toBeUndefined();
      }
    }
  });
});
