import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../processes/owned-process';
import { ENGINES } from '../settings';
import type { EngineName } from '../settings';
import { IMAGE_KINDS } from './images/contents';
import type { Image } from './images/image';
import { parseState, readStateFile } from './state-file';

const machineSettingsSchema = z.object({
  engine: z.enum(ENGINES),
  images: z.array(
    z.object({
      kind: z.enum(IMAGE_KINDS),
      hash: z.string(),
      directory: z.string(),
      rootImage: z.string(),
      kernel: z.object({
        uml: z.string().exactOptional(),
        qemu: z.object({ kernel: z.string(), initrd: z.string() }),
      }),
    }),
  ),
});

/** What `lab up` decides for the control process: engine and images, the default one first. */
export interface MachineSettings {
  engine: EngineName;
  images: readonly Image[];
}

function machineSettingsFile(stateDirectory: string): string {
  return join(stateDirectory, 'machine-settings.json');
}

/** Undefined before the first start. Errors: LabStateError. */
export function readMachineSettings(stateDirectory: string): MachineSettings | undefined {
  const file = machineSettingsFile(stateDirectory);
  const content = readStateFile(file);
  return content === undefined ? undefined : parseState(file, machineSettingsSchema, content);
}

export function writeMachineSettings(stateDirectory: string, settings: MachineSettings): void {
  writeFileAtomically(machineSettingsFile(stateDirectory), `${JSON.stringify(settings, undefined, 2)}\n`);
}
