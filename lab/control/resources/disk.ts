import { z } from 'zod';
import { ArmError, invalidParameter, notInLab, operationNotAllowed, propertyChangeNotAllowed } from '../arm-error';
import { sameId } from '../resource-id';
import { parseProperties, withoutReadOnly } from './resource';
import type { JsonObject, ResourceBase, ResourceKind, World } from './resource';
import type { VirtualMachine } from './virtual-machine';

const schema = z.looseObject({
  creationData: z.looseObject({ createOption: z.string() }),
  diskSizeGB: z.number().int().optional(),
  osType: z.enum(['Linux', 'Windows']).optional(),
});

export type Disk = ResourceBase<
  'Microsoft.Compute/disks',
  { creationData: JsonObject; diskSizeGB: number; osType?: 'Linux' | 'Windows' | undefined; [further: string]: unknown }
> & {
  hidden: {
    /** The file that holds the data, relative to the lab's state directory. */
    file: string;
  };
};

/** Smallest and largest size (GiB) the lab accepts; files are sparse. */
const LARGEST_GIB = 1024;

export const disks: ResourceKind<Disk> = {
  type: 'Microsoft.Compute/disks',
  writes: 'compute',
  operation: 'Disks_CreateOrUpdate',
  location: 'required',
  wanted(request, current, world) {
    const given = parseProperties(schema, request.properties);
    if (given.creationData.createOption !== 'Empty' && current === undefined) {
      throw notInLab('A disk of its own is created Empty in the lab.', 'creationData.createOption');
    }
    if (current !== undefined && current.properties.creationData['createOption'] !== given.creationData.createOption) {
      throw propertyChangeNotAllowed('creationData.createOption');
    }
    const size = given.diskSizeGB ?? current?.properties.diskSizeGB;
    if (size === undefined || size < 1) {
      throw invalidParameter('The value of parameter diskSizeGB is invalid.', 'diskSizeGB');
    }
    assertDiskSize(size, 'diskSizeGB');
    if (current !== undefined && size !== current.properties.diskSizeGB) {
      throw notInLab('The lab does not resize disks.', 'diskSizeGB');
    }
    return {
      properties: {
        ...withoutReadOnly(given, 'diskState', 'timeCreated', 'uniqueId', 'diskSizeBytes'),
        diskSizeGB: size,
        creationData: given.creationData,
      },
      sku: diskSku((request.body['sku'] as { name?: string } | undefined)?.name ?? current?.sku?.name),
      hidden: { file: current?.hidden.file ?? `disks/${world.newGuid()}.img` },
    };
  },
  render(resource, world) {
    const owner = ownerOf(resource, world);
    return {
      ...resource.properties,
      diskSizeBytes: resource.properties.diskSizeGB * 2 ** 30,
      timeCreated: resource.createdAt,
      uniqueId: resource.guid,
      encryption: { type: 'EncryptionAtRestWithPlatformKey' },
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      diskState: owner === undefined ? 'Unattached' : owner.hidden.deallocated ? 'Reserved' : 'Attached',
    };
  },
  assertDeletable(resource, world) {
    const owner = ownerOf(resource, world);
    if (owner === undefined) return;
    throw operationNotAllowed(
      `Disk ${resource.name} is attached to VM ${owner.id}. Only disks which are not attached to a virtual machine can be ` +
        'deleted.',
    );
  },
};

export function assertDiskSize(sizeGiB: number, target: string): void {
  if (sizeGiB > LARGEST_GIB) throw notInLab(`The lab's disks have at most ${LARGEST_GIB} GiB.`, target);
}

export function diskSku(name: string | undefined): { name: string; tier: string } {
  const sku = name ?? 'Standard_LRS';
  return { name: sku, tier: sku.startsWith('Premium') ? 'Premium' : 'Standard' };
}

/** The machine that a disk is attached to; Azure shows it as `managedBy`. */
export function ownerOf(disk: Disk, world: Pick<World, 'ofType'>): VirtualMachine | undefined {
  return world.ofType('Microsoft.Compute/virtualMachines').find((vm) => {
    const { osDisk, dataDisks } = vm.properties.storageProfile;
    return [osDisk, ...dataDisks].some(
      ({ managedDisk }) => managedDisk.id !== undefined && sameId(managedDisk.id, disk.id),
    );
  });
}

export function diskConflict(name: string, group: string): ArmError {
  return new ArmError(
    409,
    'ConflictingUserInput',
    `Disk '${name}' already exists in resource group ${group.toUpperCase()}. Only CreateOption.Attach is supported.`,
    { target: '/dataDisks' },
  );
}
