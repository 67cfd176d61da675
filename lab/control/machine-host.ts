import type { MachineDriver, Provisioning } from '../model';
import type { LabImageName } from './resources/vm-image';

/** What control needs from the machines' side: drivers, and files for them. Every method is safe to repeat. */
export interface MachineHost {
  /** Drives machines that were made from that image (its kernel differs); their state any driver can tell. */
  driver(image: LabImageName): MachineDriver;
  /** Images that machines can be made from, the one for `Debian:debian-12` first. */
  readonly images: readonly LabImageName[];
  /** Host CPUs that guests may be pinned to. */
  readonly cpus: readonly number[];
  /** A copy of the image's root disk, complete or absent; an existing one keeps its content. */
  createOsDisk(image: LabImageName, file: string): Promise<void>;
  /** A sparse file of zeros; an existing one keeps its content. */
  createDataDisk(file: string, sizeGiB: number): Promise<void>;
  writeProvisioningDisk(file: string, provisioning: Provisioning): Promise<void>;
}
