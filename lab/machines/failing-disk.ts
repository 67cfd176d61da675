import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { messageOf } from '../../processes/error-message';
import { hasProgram, runProgram } from '../images/host-programs';
import { nameDiskFault, type DiskFault, type Machine, type PossibleDiskFaults } from '../model';

/*
 * A disk whose writes fail, for an engine that has no fault of its own: the file below it is made immutable, which Linux looks
 * at in each write, also of a program that has had the file open for long (ext4: EPERM). The guest sees an I/O error.
 * A mark in the machine's directory, with the file's path, is written first: whoever finds one can lift the fault.
 */

const MARKS = 'failing-*';
const markOf = (name: string): string => `failing-${name}`;

/** Shell, in the machine's directory: what is marked can be written again; fails when one of them cannot. */
export const renderMending = (marks: string = MARKS): string => `for mark in ${marks}; do
  [ -e "$mark" ] || continue
  file=$(cat "$mark")
  if [ -e "$file" ] && ! chattr -i "$file"; then left=yes; else rm -f "$mark"; fi
done
[ -z "\${left-}" ]
`;

/** Every disk of the machine can be written again; safe to repeat. Errors: HostProgramError. */
export async function mendDisks(directory: string, marks?: string): Promise<void> {
  if (existsSync(directory)) await runProgram('bash', ['-c', renderMending(marks)], { cwd: directory });
}

/** Writes of a data disk fail from now on, or no longer. Errors: HostProgramError. */
export async function setWriteFailure(machine: Machine, lun: number, fault: DiskFault | undefined): Promise<void> {
  const disk = machine.dataDisks.find((data) => data.lun === lun);
  if (disk === undefined) throw new Error(`${machine.name} has no data disk ${lun}`);
  await mendDisks(machine.directory, markOf(`lun${lun}`));
  if (fault === undefined) return;
  if (nameDiskFault(fault) !== 'write-errors') throw new Error(`no ${nameDiskFault(fault)} by an immutable file`);
  await refuseWrites(machine.directory, `lun${lun}`, disk.file);
}

/** Tried with a file of its own: it takes root (CAP_LINUX_IMMUTABLE), and a file system that asks at each write. */
export async function findWriteFailures({ directory }: Machine): Promise<PossibleDiskFaults> {
  const obstacle = await findObstacle(directory);
  if (obstacle === undefined) return { possible: ['write-errors'] };
  return { possible: [], obstacle: `this computer cannot have writes to an open file fail: ${obstacle}` };
}

async function refuseWrites(directory: string, name: string, file: string): Promise<void> {
  writeFileSync(join(directory, markOf(name)), file, { mode: 0o600 });
  await runProgram('chattr', ['+i', file]);
}

async function findObstacle(directory: string): Promise<string | undefined> {
  if (!hasProgram('chattr')) return 'chattr is not installed (package e2fsprogs)';
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'immutable-probe');
  await mendDisks(directory, markOf('probe'));
  const descriptor = openSync(file, 'w', 0o600);
  try {
    await refuseWrites(directory, 'probe', file);
    return wasRefused(descriptor)
      ? undefined
      : 'its file system lets a program write on that has an immutable file open';
  } catch (error) {
    return messageOf(error);
  } finally {
    closeSync(descriptor);
    await mendDisks(directory, markOf('probe')).catch(() => undefined);
    rmSync(file, { force: true });
  }
}

function wasRefused(descriptor: number): boolean {
  try {
    writeSync(descriptor, 'x');
    return false;
  } catch {
    return true;
  }
}
