import { DRILL_FREEZE_TAG, DRILL_SWITCH_TAG } from './ids';

/**
 * Whether a drill may begin, from the tags of the resource group: there they hold for every Temporal server, and for whoever is
 * in a hurry and has only the Azure portal.
 */
export type DrillPermission =
  | { state: 'allowed'; observed: string }
  /** Somebody wants no drill now. */
  | { state: 'forbidden'; reason: string }
  /** Nobody can tell: that counts as forbidden, and somebody has to put it right. */
  | { state: 'unreadable'; reason: string };

const ALLOWED = 'allowed';

/** Azure's limit for the value of a tag, in characters. */
const TAG_VALUE_LENGTH = 256;

/** Only a missing switch and one that says "allowed" let a drill begin; any other word stops it, `stop` typed in the portal included. */
export function judgeDrillPermission(tags: Readonly<Record<string, string>>, atMs: number): DrillPermission {
  const position = tagNamed(tags, DRILL_SWITCH_TAG);
  if (position !== undefined && !/^allowed\b/i.test(position)) {
    return { state: 'forbidden', reason: `drills are stopped (tag ${DRILL_SWITCH_TAG}: ${position || 'empty'})` };
  }
  const freeze = tagNamed(tags, DRILL_FREEZE_TAG) ?? '';
  const windows = parseFreezeWindows(freeze);
  if (windows === undefined) {
    return {
      state: 'unreadable',
      reason: `the tag ${DRILL_FREEZE_TAG} is no list of windows such as 2026-12-20T00:00Z/2027-01-04T06:00Z: ${freeze}`,
    };
  }
  const open = windows.find(({ from, until }) => from <= atMs && atMs < until);
  if (open !== undefined) {
    return { state: 'forbidden', reason: `a freeze window is open, ${renderFreezeWindows([open])}` };
  }
  const next = windows.filter(({ from }) => from > atMs);
  return {
    state: 'allowed',
    observed: [
      position ?? 'the safety switch was never used',
      next.length === 0 ? 'no freeze window ahead' : `freeze windows ahead: ${renderFreezeWindows(next)}`,
    ].join('; '),
  };
}

/** Azure compares names of tags without regard to case, and keeps them as they were written first. */
function tagNamed(tags: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(tags).find(([tag]) => tag.toLowerCase() === name)?.[1];
}

/** Milliseconds since the epoch; `until` is outside. */
export interface FreezeWindow {
  from: number;
  until: number;
}

/** `2026-12-20T00:00Z/2027-01-04T06:00Z`, several separated by spaces; undefined when one of them is something else. */
export function parseFreezeWindows(text: string): FreezeWindow[] | undefined {
  const windows = text
    .split(' ')
    .filter((part) => part !== '')
    .map(parseFreezeWindow);
  return windows.every((window) => window !== undefined) ? windows : undefined;
}

function parseFreezeWindow(text: string): FreezeWindow | undefined {
  const [from, until, ...rest] = text.split('/').map(parseInstant);
  return from === undefined || until === undefined || rest.length > 0 || until <= from ? undefined : { from, until };
}

/** UTC and to the minute: local times do not exist once a year and come twice once a year. */
function parseInstant(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z$/.test(text)) return undefined;
  const at = Date.parse(text);
  // Date.parse makes 1 March of 30 February.
  return Number.isNaN(at) || renderInstant(at) !== text ? undefined : at;
}

const renderInstant = (at: number): string => `${new Date(at).toISOString().slice(0, 16)}Z`;

export const renderFreezeWindows = (windows: readonly FreezeWindow[]): string =>
  windows.map(({ from, until }) => `${renderInstant(from)}/${renderInstant(until)}`).join(' ');

/** What `hadb drills` does to the tags. */
export type DrillOrder =
  | { order: 'stop'; by: string; reason: string }
  | { order: 'allow'; by: string; reason: string }
  /** All windows there are; none takes the freeze back. */
  | { order: 'freeze'; windows: string };

/** The tags after the order. An allowed switch keeps who allowed it: a missing tag tells nothing. */
export function drillTags(order: DrillOrder, atMs: number): Record<string, string> {
  if (order.order === 'freeze') return { [DRILL_FREEZE_TAG]: order.windows };
  const position = order.order === 'stop' ? 'stopped' : ALLOWED;
  const value = `${position} by ${order.by} at ${renderInstant(atMs)}: ${order.reason}`;
  return { [DRILL_SWITCH_TAG]: value.slice(0, TAG_VALUE_LENGTH) };
}

/** The longest list of windows that a tag holds, in characters. */
export const FREEZE_LENGTH = TAG_VALUE_LENGTH;
