/** `PowerState/…` of the instance view; `unknown` while Azure says nothing. */
export const POWER_STATES = [
  'starting',
  'running',
  'stopping',
  'stopped',
  'deallocating',
  'deallocated',
  'unknown',
] as const;
export type PowerState = (typeof POWER_STATES)[number];

/** It stands, and nothing of it runs any more. */
export const isOff = (state: PowerState): boolean => state === 'stopped' || state === 'deallocated';

export function parsePowerState(statuses: readonly { code?: string }[] | undefined): PowerState {
  const text = statuses
    ?.map(({ code }) => /^PowerState\/(\w+)$/.exec(code ?? '')?.[1])
    .find((state) => state !== undefined);
  return POWER_STATES.find((state) => state === text) ?? 'unknown';
}
