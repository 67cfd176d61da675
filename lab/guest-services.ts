import { join } from 'node:path';
import { MANAGEMENT_ADDRESS, MANAGEMENT_NAME, METADATA_ADDRESS } from './model';

/**
 * What a guest reaches of the cloud itself. Wire ends the guest's connection and carries its bytes to control, over a Unix
 * socket that only this user can open; the first line says which machine asks. Wire knows that by the port of the switch
 * that the frames came in at, so no guest can say it is another one.
 */
export interface GuestService {
  /** What a link fault calls it by. */
  name: GuestServiceName;
  address: string;
  port: number;
  /** Name that guests know the address by. */
  hostName?: string;
  /** Azure's security groups do not see what goes to the platform itself. */
  judged: boolean;
}

export type GuestServiceName = 'metadata' | 'management';

export const GUEST_SERVICES: readonly GuestService[] = [
  { name: 'metadata', address: METADATA_ADDRESS, port: 80, judged: false },
  { name: 'management', address: MANAGEMENT_ADDRESS, port: 443, hostName: MANAGEMENT_NAME, judged: true },
];

/** Control's socket, in its directory, which only this user can enter. */
export function guestSocketFile(stateDirectory: string): string {
  return join(stateDirectory, 'control', 'guests.sock');
}

/** Control's answer to the first line: from here on the connection is the guest's. */
export const GUEST_ACCEPTED = 'ok\n';

export interface GuestIntroduction {
  service: GuestServiceName;
  /** Id of the machine that asks. */
  machine: string;
}

export function renderIntroduction({ service, machine }: GuestIntroduction): string {
  return `guest ${service} ${machine}\n`;
}

/** Undefined for a line that is none. */
export function parseIntroduction(line: string): GuestIntroduction | undefined {
  const [, name, machine] = /^guest (\S+) (\S+)\n$/.exec(line) ?? [];
  const service = GUEST_SERVICES.find((candidate) => candidate.name === name)?.name;
  return service === undefined || machine === undefined ? undefined : { service, machine };
}
