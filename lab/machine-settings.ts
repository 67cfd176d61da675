import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../processes/owned-process';
import type { EngineName } from '../settings';
import type { Image } from './images/image';

/** What `lab up` decides for the control process: engine and images, the default one first. */
export interface MachineSettings {
  engine: EngineName;
  images: readonly Image[];
}

function machineSettingsFile(stateDirectory: string): string {
  return join(stateDirectory, 'machine-settings.json');
}

export function readMachineSettings(stateDirectory: string): MachineSettings | undefined {
  const file = machineSettingsFile(stateDirectory);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as MachineSettings) : undefined;
}

export function writeMachineSettings(stateDirectory: string, settings: MachineSettings): void {
  writeFileAtomically(machineSettingsFile(stateDirectory), `${JSON.stringify(settings, undefined, 2)}\n`);
}
