import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseNodeLog, type NodeLog } from '../../../cluster/logs/node-log';

/**
 * Logs of real nodes through real drills (Debian 12, DRBD 8.4.11, Pacemaker 2.1.5, MariaDB 10.11, token 3 s), messages of the boot and of programs that have no
 * part in it left out.
 */
export const capturedText = (name: string): string => readFileSync(join(__dirname, 'captured', `${name}.txt`), 'utf8');

/** `name` such as `node-power-off.hadb01`. */
export const capturedLog = (name: string): NodeLog => parseNodeLog(name.split('.')[1] ?? '', capturedText(name));

export const CAPTURED = [
  'node-power-off.hadb01',
  'node-power-off.hadb02',
  'database-kill.hadb01',
  'database-hang.hadb01',
  'secondary-loss.hadb01',
  'secondary-loss.hadb02',
  'fence-loss.hadb02',
] as const;
