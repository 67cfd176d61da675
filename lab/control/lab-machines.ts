import { existsSync } from 'node:fs';
import type { EngineName } from '../../settings';
import type { Image } from '../images/image';
import { LabStateError } from '../state-file';
import { createOsDisk, createSparseDisk } from '../machines/disks';
import { createMachineDriver } from '../machines/driver';
import { writeProvisioningDisk } from '../machines/provisioning-disk';
import { readAllowedCpus } from '../machines/uml';
import type { MachineDriver } from '../model';
import type { MachineHost } from './machine-host';
import type { LabImageName } from './resources/vm-image';

const GIB = 2 ** 30;

/** The lab's real machines: one driver per image, for each image has its kernel. */
export function createLabMachineHost(engine: EngineName, images: readonly Image[]): MachineHost {
  const drivers = new Map<LabImageName, MachineDriver>();
  const find = (name: LabImageName): Image => {
    const image = images.find(({ kind }) => kind === name);
    if (image === undefined) {
      throw new LabStateError(
        'MissingImage',
        `a machine of the lab is of the image ${name}, and the lab runs without it. Bring it: hadb lab up --image ${name}`,
      );
    }
    return image;
  };
  return {
    images: images.map(({ kind }) => kind),
    cpus: readAllowedCpus(),
    driver(name) {
      const known = drivers.get(name);
      if (known !== undefined) return known;
      const driver = createMachineDriver(engine, find(name));
      drivers.set(name, driver);
      return driver;
    },
    async createOsDisk(name, file) {
      if (!existsSync(file)) await createOsDisk(find(name), file);
    },
    async createDataDisk(file, sizeGiB) {
      if (!existsSync(file)) createSparseDisk(file, sizeGiB * GIB);
    },
    async writeProvisioningDisk(file, provisioning) {
      writeProvisioningDisk(file, provisioning);
    },
  };
}
