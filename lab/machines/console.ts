import { appendFileSync, closeSync, existsSync, openSync, readFileSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Machine } from '../model';

/** Written by the supervisor before each start of a kernel: what stands behind the last one belongs to this boot. */
export const KERNEL_START = 'hadb-lab: kernel starts';

/** At a start, a longer log is kept as `console.log.1` and a new one begun. */
export const CONSOLE_LIMIT_BYTES = 4 * 1024 * 1024;

export function consoleLogFile(machine: Machine): string {
  return join(machine.directory, 'console.log');
}

/** Closes what earlier boots wrote, so that none of it is taken for the coming one's. */
export function beginBootConsole(machine: Machine): void {
  const file = consoleLogFile(machine);
  if (existsSync(file) && statSync(file).size > CONSOLE_LIMIT_BYTES) renameSync(file, `${file}.1`);
  appendFileSync(file, `${KERNEL_START} soon\n`, { mode: 0o600 });
}

/** What the machine has written since its kernel last started; empty before the first start. */
export function readBootConsole(machine: Machine): string {
  let text: string;
  try {
    text = readFileSync(consoleLogFile(machine), 'latin1');
  } catch {
    return '';
  }
  const start = text.lastIndexOf(KERNEL_START);
  return start === -1 ? '' : text.slice(start);
}

/** The last lines, without the colours of systemd's status, for error messages. */
export function readConsoleTail(machine: Machine, lines = 15): string {
  const file = consoleLogFile(machine);
  if (!existsSync(file)) return '(no console output)';
  const size = statSync(file).size;
  const length = Math.min(size, 16_384);
  const buffer = Buffer.alloc(length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, length, size - length);
  } finally {
    closeSync(descriptor);
  }
  // oxlint-disable-next-line no-control-regex -- the colours are control sequences
  const plain = buffer.toString('utf8').replaceAll(/\u001b\[[0-9;]*[A-Za-z]|\r/g, '');
  return plain.trimEnd().split('\n').slice(-lines).join('\n');
}
