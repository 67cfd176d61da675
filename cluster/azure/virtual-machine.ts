import { stringify } from 'yaml';
import { azureNames } from '../ids';
import type { ClusterSpecification } from '../specification/specification';
import type { AzureIds } from './ids';
import type { Tags } from './tags';

export interface VirtualMachineKeys {
  /** Line of `authorized_keys`. */
  adminPublicKey: string;
  /** OpenSSH private key that the machine shows as its own, so that its first connection can be checked already. */
  hostPrivateKey: string;
  hostPublicKey: string;
}

/** The one that DRBD replicates. */
export const DATA_DISK_LUN = 0;

/** What Azure returns of a virtual machine: everything but the keys. */
export function virtualMachineBody(specification: ClusterSpecification, ids: AzureIds, node: string, tags: Tags) {
  const names = azureNames(specification.name);
  const { vm, dataDisk } = specification;
  return {
    location: specification.location,
    tags: { ...tags },
    // Reads and powers machines for fencing, without a credential on the node.
    identity: { type: 'SystemAssigned' as const },
    hardwareProfile: { vmSize: vm.size },
    availabilitySet: { id: ids.availabilitySet },
    proximityPlacementGroup: { id: ids.proximityPlacementGroup },
    storageProfile: {
      imageReference: { ...vm.image },
      osDisk: {
        name: names.osDisk(node),
        createOption: 'FromImage' as const,
        caching: 'ReadWrite' as const,
        deleteOption: 'Delete' as const,
        managedDisk: { storageAccountType: 'Premium_LRS' },
      },
      dataDisks: [
        {
          lun: DATA_DISK_LUN,
          name: names.dataDisk(node),
          createOption: 'Empty' as const,
          diskSizeGB: dataDisk.sizeGiB,
          // A host cache may lose writes that DRBD was told are on disk.
          caching: 'None' as const,
          // A machine deleted by mistake must not take the data along.
          deleteOption: 'Detach' as const,
          managedDisk: { storageAccountType: dataDisk.sku },
        },
      ],
    },
    networkProfile: {
      networkInterfaces: [{ id: ids.networkInterface(node), primary: true, deleteOption: 'Detach' as const }],
    },
    osProfile: {
      computerName: node,
      adminUsername: vm.adminUser,
      linuxConfiguration: { disablePasswordAuthentication: true },
    },
    diagnosticsProfile: { bootDiagnostics: { enabled: true } },
  };
}

/** The body of the PUT. It holds a private key: never log it. */
export function virtualMachinePutBody(
  specification: ClusterSpecification,
  ids: AzureIds,
  node: string,
  tags: Tags,
  keys: VirtualMachineKeys,
  encodeBase64: (text: string) => string,
) {
  const body = virtualMachineBody(specification, ids, node, tags);
  return {
    ...body,
    osProfile: {
      ...body.osProfile,
      customData: encodeBase64(cloudConfig(keys)),
      linuxConfiguration: {
        disablePasswordAuthentication: true,
        ssh: {
          publicKeys: [
            { path: `/home/${specification.vm.adminUser}/.ssh/authorized_keys`, keyData: keys.adminPublicKey },
          ],
        },
      },
    },
  };
}

/** With keys given, cloud-init makes none of its own; those of the image go first. */
export function cloudConfig(keys: Pick<VirtualMachineKeys, 'hostPrivateKey' | 'hostPublicKey'>): string {
  const config = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: keys.hostPrivateKey, ed25519_public: keys.hostPublicKey },
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}
