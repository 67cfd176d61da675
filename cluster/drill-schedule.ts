/** Which drill a night makes, and how many nights were skipped. The clock belongs to whoever asks. */

/** A fault that ends with a person's help has no place in an unattended night. */
export const NEVER_SCHEDULED = ['fence-loss', 'disk-error', 'double'] as const;

/** With this many skipped nights in a row nobody knows any more whether the pair survives a fault. */
export const MOST_SKIPPED_NIGHTS = 3;

const DAY_MS = 86_400_000;

/** Days since 1970-01-01, UTC. */
export const utcDayNumber = (atMs: number): number => Math.floor(atMs / DAY_MS);

/** `2026-11-22`. */
export const utcDay = (atMs: number): string => new Date(utcDayNumber(atMs) * DAY_MS).toISOString().slice(0, 10);

/** The list's entry of that UTC day: day number modulo length, so that every kind has its turn whatever was skipped. */
export function kindOfNight<Kind>(kinds: readonly [Kind, ...Kind[]], atMs: number): Kind {
  return kinds[utcDayNumber(atMs) % kinds.length] ?? kinds[0];
}

/** The nights skipped in a row, oldest first, from the value of their tag; what is no day is passed over. */
export function parseSkippedNights(value: string | undefined): string[] {
  return (value ?? '').split(' ').filter((day) => /^\d{4}-\d{2}-\d{2}$/.test(day));
}

/** As long as a tag's value may be (256 characters), with room to spare. */
const MOST_KEPT = 20;

/** The nights with this one; two skipped runs of one UTC day are one night. */
export function addSkippedNight(nights: readonly string[], day: string): string[] {
  return nights.includes(day) ? [...nights] : [...nights, day].slice(-MOST_KEPT);
}

export interface TimeOfDay {
  hour: number;
  minute: number;
}

/** `02:30`; undefined when it is no time of day. */
export function parseTimeOfDay(text: string): TimeOfDay | undefined {
  const [, hour = '', minute = ''] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  return hour === '' ? undefined : { hour: Number(hour), minute: Number(minute) };
}

export const renderTimeOfDay = ({ hour, minute }: TimeOfDay): string =>
  [hour, minute].map((part) => String(part).padStart(2, '0')).join(':');
