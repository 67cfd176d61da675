import { unreadable } from '../errors';

/** Generation identifiers of one node's data, as `drbdadm get-gi` prints them. */
export interface GenerationIdentifiers {
  current: string;
  bitmap: string;
  history: [string, string];
  consistent: boolean;
  wasUpToDate: boolean;
  wasPrimary: boolean;
}

/** UUID_JUST_CREATED of the kernel: metadata written by create-md and never used since. */
const JUST_CREATED = '0000000000000004';
const NONE = '0000000000000000';

/** @throws HadbError CommandFailed for text that `drbdadm get-gi` does not print. */
export function parseGi(text: string): GenerationIdentifiers {
  const line =
    /^\s*(?:\[\d+\])?([0-9A-Fa-f]{16}):([0-9A-Fa-f]{16}):([0-9A-Fa-f]{16}):([0-9A-Fa-f]{16}):([01]):([01]):([01])/m;
  const match = line.exec(text);
  if (match === null) throw unreadable('drbdadm get-gi', text);
  const [, current = '', bitmap = '', younger = '', older = '', consistent, wasUpToDate, wasPrimary] = match;
  return {
    current: current.toUpperCase(),
    bitmap: bitmap.toUpperCase(),
    history: [younger.toUpperCase(), older.toUpperCase()],
    consistent: consistent === '1',
    wasUpToDate: wasUpToDate === '1',
    wasPrimary: wasPrimary === '1',
  };
}

/** No data was ever written through this metadata. Both nodes must be so before the first sync may be skipped. */
export const isVirgin = (gi: GenerationIdentifiers): boolean =>
  gi.current === JUST_CREATED && gi.bitmap === NONE && gi.history.every((uuid) => uuid === NONE);

/** What `get-gi` of virgin metadata begins with, for guards in shell. */
export const VIRGIN_GI = `${JUST_CREATED}:${NONE}:${NONE}:${NONE}:`;

/** `unknown` is never taken for absent. */
export type MetadataPresence = 'present' | 'attached' | 'absent' | 'unknown';

/**
 * Reads the answer of `drbdadm dump-md r0` (exit code, both outputs): rc 0 metadata, rc 1 with its own sentence none, rc 20
 * on a device that DRBD has attached (and so has metadata).
 */
export function parseDumpMdExit(result: { code: number; stdout: string; stderr: string }): MetadataPresence {
  const output = `${result.stdout}\n${result.stderr}`;
  if (result.code === 0 && /^version "v\d+";/m.test(output)) return 'present';
  if (/Device '\d+' is configured!/.test(output)) return 'attached';
  if (result.code === 1 && output.includes('No valid meta data found')) return 'absent';
  // An unclean shutdown leaves the activity log to be applied: the metadata is there.
  if (/apply-al/.test(output) && /unclean/.test(output)) return 'present';
  return 'unknown';
}
