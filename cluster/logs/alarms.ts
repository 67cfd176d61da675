import { assertNever } from '../errors';
import type { LogEntry } from './node-log';

/** Lines that no drill may bring: a split brain, data that is not what was written, a program that does not believe its own state. */
export interface Alarm {
  kind: 'split brain' | 'corruption' | 'assertion' | 'kernel panic' | 'disk error';
  /** Who writes it. */
  by: RegExp;
  line: RegExp;
  /** Where the line comes from. */
  source: string;
}

const DATABASE = /^(?:mariadbd|mysqld)$/;
const KERNEL = /^kernel$/;
const CLUSTER = /^(?:pacemaker|corosync|crm|stonith|attrd|cib)/;

const ALARMS: readonly Alarm[] = [
  {
    kind: 'split brain',
    by: KERNEL,
    line: /Split-Brain detected|helper command: \S+ (?:initial-)?split-brain\b/,
    source: 'DRBD 8.4 and 9, drbd_receiver.c, drbd_sync_handshake',
  },
  { kind: 'split brain', by: KERNEL, line: /Unrelated data, aborting/, source: 'DRBD, drbd_receiver.c' },
  {
    kind: 'split brain',
    by: KERNEL,
    line: /Forced into split brain situation/,
    source: 'DRBD, drbd_nl.c, drbd_set_role with force',
  },
  {
    kind: 'corruption',
    by: KERNEL,
    line: /Online verify found \d+ .*out of sync|Digest integrity check FAILED|Digest mismatch/,
    source: 'DRBD, drbd_worker.c and drbd_receiver.c',
  },
  {
    kind: 'corruption',
    by: KERNEL,
    line: /EXT4-fs error \(device drbd|Aborting journal on device drbd|EXT4-fs \(drbd\d+\): error count/,
    source: 'Linux, fs/ext4/super.c, fs/jbd2/journal.c',
  },
  {
    kind: 'corruption',
    by: KERNEL,
    line: /XFS \(drbd\d+\): .*(?:[Cc]orruption|CRC error|Internal error)/,
    source: 'Linux, fs/xfs/xfs_error.c',
  },
  {
    kind: 'corruption',
    by: DATABASE,
    line: /\[(?:ERROR|Warning)\].*(?:[Cc]orrupt|marked as crashed|log sequence number .* in the future|Incorrect (?:key file|information in file))/,
    source: 'MySQL and MariaDB, storage/innobase/buf/buf0buf.cc, sql/share/errmsg-utf8.txt',
  },
  {
    kind: 'assertion',
    by: DATABASE,
    line: /Assertion failure|Failing assertion|Assertion .* failed|\bgot (?:signal|exception) \d+|UTC - mysqld got signal/,
    source: 'MySQL and MariaDB, storage/innobase/ut/ut0dbg.cc, sql/signal_handler.cc',
  },
  {
    kind: 'assertion',
    by: CLUSTER,
    line: /(?:Triggered (?:fatal )?|non-fatal )assert at|Assertion .* failed|terminated with signal (?:4|5|6|7|8|11)\b/,
    source: 'Pacemaker, lib/common/results.c, daemons/pacemakerd; assert(3)',
  },
  {
    kind: 'assertion',
    by: /^systemd$/,
    line: /(?:corosync|pacemaker|mariadb|mysql)\.service: Main process exited, code=(?:killed|dumped), status=\d+\/(?:ABRT|SEGV|BUS|ILL|FPE|TRAP)/,
    source: 'systemd, src/core/service.c',
  },
  { kind: 'assertion', by: /^systemd-coredump$/, line: /dumped core/, source: 'systemd, src/coredump' },
  {
    kind: 'assertion',
    by: KERNEL,
    line: /drbd.*\bASSERT(?:ION)?\b|\b(?:mariadbd|mysqld|corosync|pacemaker\S*)\[\d+\]: segfault|kernel BUG at|\bBUG: (?!soft lockup|workqueue lockup)|\bOops: |general protection fault/,
    source: 'DRBD, drbd_int.h, D_ASSERT; Linux, arch/x86/kernel/traps.c, lib/bug.c',
  },
  { kind: 'kernel panic', by: KERNEL, line: /Kernel panic - not syncing/, source: 'Linux, kernel/panic.c' },
  {
    kind: 'disk error',
    by: KERNEL,
    line: /drbd.*(?:[Ll]ocal (?:READ |WRITE )?IO (?:error|failed))|Buffer I\/O error on dev(?:ice)? drbd/,
    source: 'DRBD, drbd_worker.c; Linux, fs/buffer.c',
  },
];

/** The alarm that a line raises. */
export const alarmOf = ({ by, message }: LogEntry): Alarm | undefined =>
  ALARMS.find((alarm) => alarm.by.test(by) && alarm.line.test(message));

/** Why a drill of this kind brings such a line; undefined where it must not. */
export function expectedBy(kind: string, alarm: Alarm['kind']): string | undefined {
  switch (alarm) {
    case 'kernel panic':
      return kind === 'node-crash' ? 'the drill has the kernel panic' : undefined;
    case 'disk error':
      return kind === 'disk-error' ? 'the drill takes the data disk away' : undefined;
    case 'split brain':
    case 'corruption':
    case 'assertion':
      return undefined;
    default:
      return assertNever(alarm);
  }
}

/** Kinds that cut the power of a machine, or have it shot: what it wrote in its last minutes is not on its disk. */
const POWER_IS_LOST = new Set([
  'node-power-off',
  'node-crash',
  'node-freeze',
  'secondary-loss',
  'network-partition',
  'network-loss-heavy',
  'fence-loss',
  'double',
]);

export const losesPower = (kind: string): boolean => POWER_IS_LOST.has(kind);
