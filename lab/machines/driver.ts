import type { EngineName } from '../../settings';
import { missingPackages, type HostProgram } from '../images/host-programs';
import { buildPrograms, type Image } from '../images/image';
import type { MachineDriver } from '../model';
import { createQemuDriver } from './qemu';
import { createUmlDriver } from './uml';

export function createMachineDriver(engine: EngineName, image: Image): MachineDriver {
  if (engine !== 'uml') return createQemuDriver(engine, image.kernel.qemu);
  if (image.kernel.uml === undefined) {
    throw new Error('this image was built without a user-mode Linux kernel; use another engine or build it anew');
  }
  return createUmlDriver(image.kernel.uml);
}

/** Programs that the lab calls on this host; the gateway is a QEMU process whatever the machines are. */
function hostPrograms(engine: EngineName): HostProgram[] {
  const common: HostProgram[] = [...buildPrograms(), 'apt-get', 'dpkg-deb', 'qemu-system-x86_64', 'socat', 'patchelf'];
  return engine === 'uml' ? [...common, 'taskset'] : common;
}

/** Debian packages that must be installed before the lab can work with that engine; empty when nothing is missing. */
export function requiredHostPackages(engine: EngineName): string[] {
  return missingPackages(hostPrograms(engine));
}
