import { dirname } from 'node:path';

import type { EngineName } from '../../settings';
import { missingPackages, packagesOf, type HostProgram } from '../images/host-programs';
import { buildPrograms, type Image } from '../images/image';
import { findImageOfDisk } from '../images/image-cache';
import type { Machine, MachineDriver } from '../model';
import { createQemuDriver } from './qemu';
import { createUmlDriver } from './uml';

/** A driver for machines of any image in the cache; `image` is what a root disk of unknown origin gets its kernel from. */
export function createMachineDriver(engine: EngineName, image: Image): MachineDriver {
  const kernelOf = (machine: Machine): Image['kernel'] =>
    (findImageOfDisk(machine.osDisk, dirname(image.directory)) ?? image).kernel;
  if (engine !== 'uml') return createQemuDriver(engine, (machine) => kernelOf(machine).qemu);
  return createUmlDriver((machine) => {
    const { uml } = kernelOf(machine);
    if (uml === undefined) {
      throw new Error(
        `the image of ${machine.name} has no user-mode Linux kernel; use another engine or build it anew`,
      );
    }
    return uml;
  });
}

/** Programs that the lab calls on this host; the gateway is a QEMU process whatever the machines are. */
function hostPrograms(engine: EngineName): HostProgram[] {
  const common: HostProgram[] = [
    ...buildPrograms(),
    'apt-get',
    'dpkg-deb',
    'qemu-system-x86_64',
    'socat',
    'patchelf',
    'bash',
    'setpriv',
  ];
  return engine === 'uml' ? [...common, 'taskset'] : common;
}

/** Debian packages that the lab needs with that engine, whether installed or not. */
export function requiredHostPackages(engine: EngineName): string[] {
  return packagesOf(hostPrograms(engine));
}

/** Those of them that are missing here; `start` installs them. */
export function missingHostPackages(engine: EngineName): string[] {
  return missingPackages(hostPrograms(engine));
}
