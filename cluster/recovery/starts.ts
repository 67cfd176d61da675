/** The starts of a machine by recoveries, in a tag of the resource group: they count across runs and across Temporal servers. */

/** As many as a tag's value holds (256 characters), with room to spare; the limit on repeats is lower. */
const MOST_KEPT = 6;

/** `2026-11-23T06:57:10Z/0190a0a0`: when, and the beginning of the run that did it. */
const ENTRY = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\/[0-9a-f]{8}$/;

/** Times of the starts, oldest first; what is no start is passed over. */
export const parseStarts = (value: string | undefined): string[] =>
  entriesOf(value).map((entry) => ENTRY.exec(entry)?.[1] ?? '');

/** The value with this run's start, whose time stays that of its first try. */
export function addStart(value: string | undefined, start: { run: string; at: number }): string {
  const entries = entriesOf(value);
  const run = start.run.slice(0, 8);
  if (entries.some((entry) => entry.endsWith(`/${run}`))) return entries.join(' ');
  const at = `${new Date(start.at).toISOString().slice(0, 19)}Z`;
  return [...entries, `${at}/${run}`].slice(-MOST_KEPT).join(' ');
}

const entriesOf = (value: string | undefined): string[] =>
  (value ?? '').split(' ').filter((entry) => ENTRY.test(entry));
