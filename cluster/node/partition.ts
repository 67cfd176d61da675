import { HadbError, unreadable } from '../errors';
import { partitionOf } from '../platform';
import { assign, quote, REFUSE } from '../shell';
import { BLANK } from './guards';

/** The data disk and its one partition; never a name like /dev/sdc, which changes with the order of the disks. */

export interface DiskState {
  sizeBytes: number;
  /** Undefined for a disk without a partition table. */
  table?: { label: string; partitions: { startSector: number; sectors: number; type: string }[]; sectorBytes: number };
  /** udev has made the stable name of the partition. */
  partitionNamed: boolean;
}

/** Changes nothing. */
export function renderDiskRead(disk: string): string {
  return `${assign({ disk, partition: partitionOf(disk) })}real=$(readlink -f "$disk")
printf 'size=%s\\n' "$(blockdev --getsize64 "$real")"
if [ -b "$partition" ]; then echo partition=named; fi
sfdisk --json "$real" 2>/dev/null || :
`;
}

/** @throws HadbError CommandFailed when the text is not the read's. */
export function parseDisk(text: string): DiskState {
  const size = /^size=(\d+)$/m.exec(text)?.[1];
  if (size === undefined) throw unreadable('the disk read', text);
  const start = text.indexOf('{');
  return {
    sizeBytes: Number(size),
    partitionNamed: /^partition=named$/m.test(text),
    ...(start < 0 ? {} : { table: parseTable(text.slice(start)) }),
  };
}

interface SfdiskTable {
  partitiontable: { label: string; sectorsize?: number; partitions?: { start: number; size: number; type: string }[] };
}

function parseTable(json: string): NonNullable<DiskState['table']> {
  let parsed: SfdiskTable;
  try {
    parsed = JSON.parse(json) as SfdiskTable;
  } catch {
    throw unreadable('sfdisk --json', json);
  }
  const { label, sectorsize = 512, partitions = [] } = parsed.partitiontable;
  return {
    label,
    sectorBytes: sectorsize,
    partitions: partitions.map(({ start, size, type }) => ({ startSector: start, sectors: size, type })),
  };
}

const LINUX_DATA = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

/** One Linux partition over the whole disk, under its stable name. */
export function isPartitioned({ table, partitionNamed, sizeBytes }: DiskState): boolean {
  const [only, ...others] = table?.partitions ?? [];
  if (table === undefined || only === undefined || others.length > 0) return false;
  const covered = only.sectors * table.sectorBytes;
  return (
    partitionNamed &&
    table.label === 'gpt' &&
    only.type.toUpperCase() === LINUX_DATA &&
    // The table itself takes up to 2 MiB.
    covered > sizeBytes - 4 * 1024 * 1024
  );
}

export function describeDisk(disk: string, { table, partitionNamed, sizeBytes }: DiskState): string {
  const size = `${disk}, ${Math.round(sizeBytes / 1024 ** 3)} GiB`;
  if (table === undefined) return `${size}: no partition table`;
  const count = table.partitions.length;
  return `${size}: ${table.label} with ${count} partition${count === 1 ? '' : 's'}${partitionNamed ? '' : ', not under its stable name yet'}`;
}

/** @throws HadbError BadSpecification when the disk has another size than the specification says: it may be another disk. */
export function refuseOtherSize(node: string, disk: string, state: DiskState, sizeGiB: number): void {
  if (state.sizeBytes === sizeGiB * 1024 ** 3) return;
  throw new HadbError('GuardRefused', `${node}: ${disk} is not the data disk of the specification`, {
    subject: node,
    observed: `${state.sizeBytes} bytes instead of ${sizeGiB} GiB`,
    whatNow: 'Attach the right disk as LUN 0, or correct dataDisk.sizeGiB.',
  });
}

/**
 * Writes the partition table on a disk that is proved blank, of the expected size, without children, and not the one the
 * system runs from; `sfdisk` itself would overwrite anything without asking. A table of ours that udev has not shown yet is
 * only waited for.
 */
export function renderPartition({ disk, sizeGiB }: { disk: string; sizeGiB: number }): string {
  return `set -eu
${REFUSE}${BLANK}${assign({ disk, partition: partitionOf(disk), size: sizeGiB * 1024 ** 3 })}
[ -b "$disk" ] || refuse "$disk is not a block device"
real=$(readlink -f "$disk")
found=$(blockdev --getsize64 "$real")
[ "$found" = "$size" ] || refuse "$disk has $found bytes instead of $size"
root=$(findmnt -n -o SOURCE /)
root=$(readlink -f "$root")
case $root in
"$real"*) refuse "$disk is $real, and the system runs from $root" ;;
esac
if sfdisk --dump "$real" 2>/dev/null | grep -qi ${quote(`type=${LINUX_DATA}`)} && [ "$(sfdisk --dump "$real" | grep -c 'start=')" = 1 ]; then
  udevadm settle --timeout=20
  exit 0
fi
children=$(lsblk -n -r -o NAME "$real" | tail -n +2)
[ -z "$children" ] || refuse "$disk has children:" $children
refuse_unless_blank "$real"
printf 'label: gpt\\n,,L\\n' | sfdisk --quiet --wipe never --wipe-partitions never "$real"
udevadm settle --timeout=20
tries=0
until [ -b "$partition" ]; do
  tries=$((tries + 1))
  [ "$tries" -le 50 ] || { echo "udev has not named $partition" >&2; exit 1; }
  sleep 0.2
done
`;
}
