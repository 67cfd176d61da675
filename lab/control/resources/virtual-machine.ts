import { z } from 'zod';
import { CustomDataError, parseCustomData } from '../../machines/custom-data';
import type { Machine } from '../../model';
import {
  ArmError,
  computeConflict,
  invalidParameter,
  notInLab,
  operationNotAllowed,
  propertyChangeNotAllowed,
} from '../arm-error';
import { groupOf, resourceId, sameId } from '../resource-id';
import { assertDiskSize, diskConflict, ownerOf } from './disk';
import { virtualMachineOf } from './network-interface';
import { assertReference } from './references';
import { subResourceSchema } from './resource';
import type { JsonObject, ResourceBase, ResourceKind, World } from './resource';
import { findLabImage } from './vm-image';
import type { LabImageName } from './vm-image';
import { assertCoreQuota, parseVmSize } from './vm-size';

const managedDiskSchema = z.looseObject({ id: z.string().optional(), storageAccountType: z.string().optional() });
const deleteOptionSchema = z.enum(['Delete', 'Detach']);

const osDiskSchema = z.looseObject({
  name: z.string().optional(),
  createOption: z.string(),
  caching: z.string().default('ReadWrite'),
  deleteOption: deleteOptionSchema.optional(),
  diskSizeGB: z.int().optional(),
  managedDisk: managedDiskSchema.optional(),
});
const dataDiskSchema = z.looseObject({
  lun: z.int().min(0).max(63),
  name: z.string().optional(),
  createOption: z.string(),
  caching: z.string().default('None'),
  deleteOption: deleteOptionSchema.optional(),
  diskSizeGB: z.int().optional(),
  managedDisk: managedDiskSchema.optional(),
});
const osProfileSchema = z.looseObject({
  computerName: z.string().optional(),
  adminUsername: z.string().optional(),
  adminPassword: z.string().optional(),
  customData: z.string().optional(),
  linuxConfiguration: z
    .looseObject({
      disablePasswordAuthentication: z.boolean().optional(),
      ssh: z
        .looseObject({
          publicKeys: z.array(z.looseObject({ path: z.string().optional(), keyData: z.string() })).optional(),
        })
        .optional(),
    })
    .optional(),
});

const schema = z.looseObject({
  hardwareProfile: z.looseObject({ vmSize: z.string() }),
  storageProfile: z.looseObject({
    imageReference: z
      .looseObject({
        publisher: z.string().optional(),
        offer: z.string().optional(),
        sku: z.string().optional(),
        version: z.string().optional(),
        id: z.string().optional(),
      })
      .optional(),
    osDisk: osDiskSchema.optional(),
    dataDisks: z.array(dataDiskSchema).default([]),
  }),
  osProfile: osProfileSchema.optional(),
  networkProfile: z.looseObject({
    networkInterfaces: z.array(
      z.looseObject({
        id: z.string(),
        properties: z
          .looseObject({ primary: z.boolean().optional(), deleteOption: deleteOptionSchema.optional() })
          .optional(),
      }),
    ),
  }),
  availabilitySet: subResourceSchema.optional(),
  proximityPlacementGroup: subResourceSchema.optional(),
});
type Given = z.infer<typeof schema>;

interface AttachedDisk {
  name: string;
  createOption: string;
  caching: string;
  deleteOption?: 'Delete' | 'Detach' | undefined;
  diskSizeGB: number;
  managedDisk: { id?: string | undefined; storageAccountType: string };
  [further: string]: unknown;
}

export interface VirtualMachineProperties {
  hardwareProfile: { vmSize: string };
  storageProfile: {
    imageReference: {
      publisher?: string | undefined;
      offer?: string | undefined;
      sku?: string | undefined;
      version?: string | undefined;
      exactVersion: string;
    };
    osDisk: AttachedDisk & { osType: 'Linux' };
    dataDisks: (AttachedDisk & { lun: number })[];
  };
  osProfile: {
    computerName: string;
    adminUsername: string;
    linuxConfiguration: {
      disablePasswordAuthentication: boolean;
      ssh: { publicKeys: { path: string; keyData: string }[] };
      [further: string]: unknown;
    };
    [further: string]: unknown;
  };
  networkProfile: {
    networkInterfaces: {
      id: string;
      properties?: { primary?: boolean | undefined; deleteOption?: 'Delete' | 'Detach' | undefined } | undefined;
    }[];
  };
  availabilitySet?: { id: string } | undefined;
  proximityPlacementGroup?: { id: string } | undefined;
  [further: string]: unknown;
}

export type VirtualMachine = ResourceBase<'Microsoft.Compute/virtualMachines', VirtualMachineProperties> & {
  /** What a GET never shows. */
  hidden: {
    image: LabImageName;
    customData?: string;
    /** Set once the machine has its directory, ports and disks. */
    machine?: Machine;
    /** The guest has reported once; until then a PUT goes on with the creation. */
    provisioned: boolean;
    deallocated: boolean;
  };
};

/** What the lab offers to machines; part of `World` for this type only. */
export interface MachineWorld extends World {
  readonly images: readonly LabImageName[];
  readonly coreLimit: number;
}

/** Size of an image's OS disk on Azure, where the lab takes the image's own. */
const OS_DISK_GIB = 30;
/** learn.microsoft.com, "FAQ about Linux Virtual Machines": names that are not permitted. */
const FORBIDDEN_ADMINS = new Set(
  (
    'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest ' +
    'john owner root server sql support support_388945a0 sys test2 test3 user4 user5'
  ).split(' '),
);

export const virtualMachines: ResourceKind<VirtualMachine> = {
  type: 'Microsoft.Compute/virtualMachines',
  writes: 'compute',
  operation: 'VirtualMachines_CreateOrUpdate',
  location: 'required',
  wanted(request, current, world) {
    const given = parseVirtualMachine(request.properties);
    const machines = world as MachineWorld;
    const size = parseVmSize(given.hardwareProfile.vmSize);
    const others = world
      .ofType('Microsoft.Compute/virtualMachines')
      .filter((vm) => !sameId(vm.id, request.id) && !vm.hidden.deallocated);
    assertCoreQuota({
      limit: machines.coreLimit,
      used: others.reduce((sum, vm) => sum + parseVmSize(vm.properties.hardwareProfile.vmSize).cores, 0),
      required: current?.hidden.deallocated === true ? 0 : size.cores,
      location: request.location,
    });
    assertInterfaces(given, request.id, world);
    if (given.availabilitySet !== undefined) {
      assertReference(given.availabilitySet.id, 'Microsoft.Compute/availabilitySets', request.id, world);
    }
    if (given.proximityPlacementGroup !== undefined) {
      assertReference(
        given.proximityPlacementGroup.id,
        'Microsoft.Compute/proximityPlacementGroups',
        request.id,
        world,
      );
    }
    return current === undefined
      ? createWanted(given, request.id, request.name, machines)
      : updateWanted(given, current, world);
  },
  render(resource) {
    return { ...resource.properties, vmId: resource.guid, timeCreated: resource.createdAt };
  },
  assertDeletable() {
    // A machine can always be deleted.
  },
};

function parseVirtualMachine(properties: JsonObject): Given {
  const result = schema.safeParse(properties);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw invalidParameter(
    issue?.code === 'invalid_type' && issue.message.includes('undefined')
      ? `Required parameter '${path}' is missing (null).`
      : `The value of parameter ${path} is invalid: ${issue?.message}`,
    path,
  );
}

function assertInterfaces(given: Given, id: string, world: World): void {
  const [nic, second] = given.networkProfile.networkInterfaces;
  if (nic === undefined) {
    throw new ArmError(400, 'NetworkInterfaceRequired', 'Virtual machine must have at least one network interface.', {
      target: 'networkProfile.networkInterfaces',
    });
  }
  if (second !== undefined) {
    throw notInLab('The lab has one interface per machine.', 'networkProfile.networkInterfaces');
  }
  const found = assertReference(nic.id, 'Microsoft.Network/networkInterfaces', id, world);
  const user = virtualMachineOf(found.id, world);
  if (user !== undefined && !sameId(user.id, id)) {
    throw new ArmError(
      400,
      'NicInUse',
      `Network Interface ${found.id} is used by existing resource ${user.id}. A network interface belongs to one virtual ` +
        'machine at a time.',
    );
  }
}

function createWanted(
  given: Given,
  id: string,
  name: string,
  world: MachineWorld,
): Pick<VirtualMachine, 'properties' | 'hidden'> {
  const { imageReference, osDisk, dataDisks } = given.storageProfile;
  if (imageReference === undefined) {
    throw invalidParameter("Required parameter 'imageReference' is missing (null).", 'imageReference');
  }
  const found = findLabImage(imageReference, world.images);
  if (osDisk !== undefined && osDisk.createOption !== 'FromImage') {
    throw notInLab('In the lab a machine starts from an image (createOption FromImage).', 'osDisk.createOption');
  }
  const { osProfile, customData } = wantedOsProfile(given.osProfile, name);
  const group = groupOf(id);
  const suffix = world.newGuid().replaceAll('-', '');
  const luns = new Set<number>();
  const data = dataDisks.map((disk) => {
    if (luns.has(disk.lun)) {
      throw invalidParameter(`Multiple data disks are using the same LUN: ${disk.lun}.`, 'dataDisk.lun');
    }
    luns.add(disk.lun);
    return wantedDataDisk(disk, { id, name, group, suffix }, world);
  });
  const osDiskName = osDisk?.name ?? `${name}_OsDisk_1_${suffix}`;
  assertDiskNameFree(osDiskName, group, id, world);
  const { osProfile: _given, storageProfile: _storage, ...further } = given;
  return {
    properties: {
      ...withoutDerived(further),
      hardwareProfile: given.hardwareProfile,
      networkProfile: given.networkProfile,
      storageProfile: {
        imageReference: { ...imageReference, exactVersion: found.exactVersion },
        osDisk: {
          ...osDisk,
          osType: 'Linux',
          name: osDiskName,
          createOption: 'FromImage',
          caching: osDisk?.caching ?? 'ReadWrite',
          deleteOption: osDisk?.deleteOption ?? 'Detach',
          diskSizeGB: osDisk?.diskSizeGB ?? OS_DISK_GIB,
          managedDisk: { storageAccountType: osDisk?.managedDisk?.storageAccountType ?? 'Premium_LRS' },
        },
        dataDisks: data,
      },
      osProfile,
    },
    hidden: {
      image: found.image,
      ...(customData === undefined ? {} : { customData }),
      provisioned: false,
      deallocated: false,
    },
  };
}

function wantedDataDisk(
  disk: z.infer<typeof dataDiskSchema>,
  vm: { id: string; name: string; group: string; suffix: string },
  world: World,
): AttachedDisk & { lun: number } {
  const target = `dataDisks[${disk.lun}]`;
  const deleteOption = disk.deleteOption ?? 'Detach';
  if (disk.createOption === 'Attach') {
    if (disk.managedDisk?.id === undefined) {
      throw invalidParameter(`Required parameter '${target}.managedDisk.id' is missing (null).`, target);
    }
    const existing = assertReference(disk.managedDisk.id, 'Microsoft.Compute/disks', vm.id, world);
    const owner = ownerOf(existing, world);
    if (owner !== undefined && !sameId(owner.id, vm.id)) {
      throw new ArmError(
        409,
        'AttachDiskWhileBeingDetached',
        `Cannot attach data disk '${existing.name}' to virtual machine '${vm.name}' because the disk is attached to virtual ` +
          `machine ${owner.id}.`,
        { target },
      );
    }
    return {
      ...disk,
      name: existing.name,
      deleteOption,
      diskSizeGB: existing.properties.diskSizeGB,
      managedDisk: { id: existing.id, storageAccountType: existing.sku?.name ?? 'Standard_LRS' },
    };
  }
  if (disk.createOption !== 'Empty') {
    throw notInLab(`Data disk ${disk.lun}: the lab knows createOption Empty and Attach.`, `${target}.createOption`);
  }
  const size = disk.diskSizeGB;
  if (size === undefined || size < 1) {
    throw invalidParameter(`Required parameter '${target}.diskSizeGB' is missing (null).`, `${target}.diskSizeGB`);
  }
  assertDiskSize(size, `${target}.diskSizeGB`);
  const name = disk.name ?? `${vm.name}_disk${disk.lun + 2}_${vm.suffix}`;
  assertDiskNameFree(name, vm.group, vm.id, world);
  return {
    ...disk,
    name,
    deleteOption,
    diskSizeGB: size,
    managedDisk: { storageAccountType: disk.managedDisk?.storageAccountType ?? 'Premium_LRS' },
  };
}

function assertDiskNameFree(name: string, group: string, vmId: string, world: World): void {
  const existing = world.get(resourceId(world.subscriptionId, group, 'Microsoft.Compute/disks', name));
  if (existing === undefined || existing.type !== 'Microsoft.Compute/disks') return;
  const owner = ownerOf(existing, world);
  if (owner === undefined || !sameId(owner.id, vmId)) throw diskConflict(name, group);
}

function wantedOsProfile(
  given: z.infer<typeof osProfileSchema> | undefined,
  vmName: string,
): { osProfile: VirtualMachineProperties['osProfile']; customData: string | undefined } {
  if (given === undefined) throw invalidParameter("Required parameter 'osProfile' is missing (null).", 'osProfile');
  const { customData, adminPassword, ...shown } = given;
  const computerName = given.computerName ?? vmName;
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/.test(computerName)) {
    throw invalidParameter(
      'Linux host name cannot exceed 64 characters in length or contain the following characters: ' +
        '` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\\\ | ; : \' " , < > / ?.',
      'computerName',
    );
  }
  const adminUsername = given.adminUsername;
  if (adminUsername === undefined || adminUsername === '') {
    throw invalidParameter("Required parameter 'adminUsername' is missing (null).", 'adminUsername');
  }
  if (FORBIDDEN_ADMINS.has(adminUsername.toLowerCase()) || !/^[a-z_][a-z0-9_-]{0,31}$/i.test(adminUsername)) {
    throw invalidParameter('The Admin Username specified is not allowed.', 'adminUsername');
  }
  if (customData !== undefined && !isBase64(customData)) {
    throw invalidParameter(
      'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.',
      'customData',
    );
  }
  assertUnderstood(customData);
  const keys = given.linuxConfiguration?.ssh?.publicKeys ?? [];
  if (adminPassword !== undefined) throw notInLab('Lab guests take SSH keys only, no password.', 'adminPassword');
  if (keys.length === 0) {
    throw invalidParameter(
      'Authentication using either SSH or by user name and password must be enabled in Linux profile.',
      'linuxConfiguration',
    );
  }
  const path = `/home/${adminUsername}/.ssh/authorized_keys`;
  for (const key of keys) {
    if (key.path !== undefined && key.path !== path) {
      throw invalidParameter(
        `Destination path for SSH public keys is currently limited to its default value ${path} due to a known issue in ` +
          'Linux provisioning agent.',
        'linuxConfiguration.ssh.publicKeys.path',
      );
    }
    if (!/^(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+/.test(key.keyData.trim())) {
      throw invalidParameter(
        `The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.`,
        'linuxConfiguration.ssh.publicKeys.keyData',
      );
    }
  }
  return {
    osProfile: {
      secrets: [],
      allowExtensionOperations: true,
      requireGuestProvisionSignal: true,
      ...shown,
      computerName,
      adminUsername,
      linuxConfiguration: {
        provisionVMAgent: true,
        patchSettings: { patchMode: 'ImageDefault', assessmentMode: 'ImageDefault' },
        ...given.linuxConfiguration,
        disablePasswordAuthentication: given.linuxConfiguration?.disablePasswordAuthentication ?? false,
        ssh: { publicKeys: keys.map(({ keyData }) => ({ path, keyData })) },
      },
    },
    customData,
  };
}

/** What may differ from the existing machine, and the refusal for the rest. */
function updateWanted(
  given: Given,
  current: VirtualMachine,
  world: World,
): Pick<VirtualMachine, 'properties' | 'hidden'> {
  if (current.provisioningState === 'Deleting') {
    throw operationNotAllowed(
      `Operation 'Create or Update VM' is not allowed on VM '${current.name}' since the VM is marked for deletion. You can ` +
        'only retry the Delete operation (or wait for an ongoing one to complete).',
    );
  }
  const before = current.properties;
  const image = given.storageProfile.imageReference;
  for (const field of ['publisher', 'offer', 'sku'] as const) {
    const value = image?.[field];
    if (value !== undefined && value.toLowerCase() !== before.storageProfile.imageReference[field]?.toLowerCase()) {
      throw propertyChangeNotAllowed('imageReference');
    }
  }
  if (given.osProfile !== undefined) assertOsProfileUnchanged(given.osProfile, current);
  const osDiskName = given.storageProfile.osDisk?.name;
  if (osDiskName !== undefined && osDiskName !== before.storageProfile.osDisk.name) {
    throw propertyChangeNotAllowed('osDisk.name');
  }
  if (!sameReference(given.availabilitySet, before.availabilitySet))
    throw propertyChangeNotAllowed('availabilitySet.id');
  if (!sameReference(given.networkProfile.networkInterfaces[0], before.networkProfile.networkInterfaces[0])) {
    throw notInLab('A lab machine keeps its interface.', 'networkProfile.networkInterfaces');
  }
  if (!sameReference(given.proximityPlacementGroup, before.proximityPlacementGroup) && !current.hidden.deallocated) {
    throw operationNotAllowed(
      `Changing proximity placement group of VM '${current.name}' needs the VM to be deallocated first.`,
    );
  }
  const sizeChanged = given.hardwareProfile.vmSize.toLowerCase() !== before.hardwareProfile.vmSize.toLowerCase();
  if (sizeChanged && !current.hidden.deallocated) {
    throw notInLab('In the lab a machine is resized while it is deallocated.', 'hardwareProfile.vmSize');
  }
  const vm = {
    id: current.id,
    name: current.name,
    group: groupOf(current.id),
    suffix: world.newGuid().replaceAll('-', ''),
  };
  const dataDisks = given.storageProfile.dataDisks.map((disk) => {
    const existing = before.storageProfile.dataDisks.find(({ lun }) => lun === disk.lun);
    if (existing === undefined) return wantedDataDisk(disk, vm, world);
    const sameDisk =
      (disk.name === undefined || disk.name === existing.name) &&
      (disk.diskSizeGB === undefined || disk.diskSizeGB === existing.diskSizeGB);
    if (!sameDisk) throw propertyChangeNotAllowed('dataDisk');
    return { ...existing, caching: disk.caching, deleteOption: disk.deleteOption ?? existing.deleteOption };
  });
  const attached = (disks: readonly { lun: number }[]) =>
    disks
      .map(({ lun }) => lun)
      .toSorted((a, b) => a - b)
      .join();
  if (
    current.hidden.provisioned &&
    !current.hidden.deallocated &&
    attached(dataDisks) !== attached(before.storageProfile.dataDisks)
  ) {
    throw notInLab('In the lab disks are attached and detached while the machine is deallocated.', 'dataDisks');
  }
  const { osProfile: _given, storageProfile: _storage, ...further } = given;
  return {
    properties: {
      ...before,
      ...withoutDerived(further),
      hardwareProfile: given.hardwareProfile,
      networkProfile: given.networkProfile,
      storageProfile: {
        ...before.storageProfile,
        osDisk: {
          ...before.storageProfile.osDisk,
          deleteOption: given.storageProfile.osDisk?.deleteOption ?? before.storageProfile.osDisk.deleteOption,
        },
        dataDisks,
      },
    },
    hidden: current.hidden,
  };
}

function assertOsProfileUnchanged(given: z.infer<typeof osProfileSchema>, current: VirtualMachine): void {
  const before = current.properties.osProfile;
  if (given.computerName !== undefined && given.computerName !== before.computerName) {
    throw propertyChangeNotAllowed('osProfile.computerName');
  }
  if (given.adminUsername !== undefined && given.adminUsername !== before.adminUsername) {
    throw propertyChangeNotAllowed('osProfile.adminUsername');
  }
  if (given.customData !== undefined && given.customData !== current.hidden.customData) {
    throw propertyChangeNotAllowed('customData');
  }
  const keys = given.linuxConfiguration?.ssh?.publicKeys;
  const joined = (list: readonly { keyData: string }[]) => list.map(({ keyData }) => keyData).join('\n');
  if (keys !== undefined && joined(keys) !== joined(before.linuxConfiguration.ssh.publicKeys)) {
    throw propertyChangeNotAllowed('linuxConfiguration.ssh.publicKeys');
  }
}

/** Two requests for a machine that is still being created must ask for the same; another body is a conflict. */
export function assertSameCreation(current: VirtualMachine, wanted: Pick<VirtualMachine, 'properties'>): void {
  if (JSON.stringify(withoutDiskIds(current.properties)) !== JSON.stringify(withoutDiskIds(wanted.properties))) {
    throw computeConflict();
  }
}

function withoutDiskIds(properties: VirtualMachineProperties): JsonObject {
  const bare = (disk: AttachedDisk) => ({ ...disk, managedDisk: disk.managedDisk.storageAccountType });
  return {
    ...properties,
    storageProfile: {
      ...properties.storageProfile,
      osDisk: bare(properties.storageProfile.osDisk),
      dataDisks: properties.storageProfile.dataDisks.map(bare),
    },
  };
}

function withoutDerived<T extends JsonObject>(properties: T): T {
  const derived = new Set(['vmId', 'timeCreated', 'provisioningState', 'instanceView', 'resources']);
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !derived.has(name))) as T;
}

function sameReference(a: { id: string } | undefined, b: { id: string } | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameId(a.id, b.id);
}

/** Azure takes any custom data and leaves it to the guest; the lab says at once what its guests cannot do. */
function assertUnderstood(customData: string | undefined): void {
  try {
    parseCustomData(customData);
  } catch (error) {
    if (error instanceof CustomDataError) throw notInLab(error.message, 'osProfile.customData');
    throw error;
  }
}

function isBase64(text: string): boolean {
  return text.length <= 87_380 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
}
