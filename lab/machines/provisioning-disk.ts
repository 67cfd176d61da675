import { renameSync, writeFileSync } from 'node:fs';

import { renderTar, type TarEntry } from '../images/tar';
import type { Provisioning } from '../model';
import { parseCustomData } from './custom-data';

/**
 * Writes the disk that the guest's first-boot unit reads: a tar of small files, one value each, so that the guest needs
 * no parser. Throws CustomDataError before it writes anything.
 */
export function writeProvisioningDisk(file: string, provisioning: Provisioning): void {
  const partial = `${file}.partial`;
  writeFileSync(partial, renderProvisioningArchive(provisioning), { mode: 0o600 });
  renameSync(partial, file);
}

export function renderProvisioningArchive(provisioning: Provisioning): Buffer {
  const firstBoot = parseCustomData(provisioning.customData);
  const secret = (path: string, content: string | Buffer): TarEntry => ({ path, mode: 0o600, content });
  const line = (path: string, value: string): TarEntry => {
    if (/[\0\n]/.test(value)) throw new Error(`provisioning value for ${path} holds a line break`);
    return secret(path, `${value}\n`);
  };
  return renderTar([
    line('vm-id', provisioning.vmId.toLowerCase()),
    line('host-name', provisioning.hostName),
    line('admin-user', provisioning.adminUser),
    line('address', `${provisioning.address}/${provisioning.prefixLength}`),
    line('gateway', provisioning.gateway),
    secret('authorized-keys', provisioning.authorizedKeys.map((key) => `${key.trim()}\n`).join('')),
    ...(provisioning.packageMirror === undefined ? [] : [line('package-mirror', provisioning.packageMirror)]),
    ...firstBoot.hostKeys.map(({ name, content }) => secret(`host-keys/${name}`, content)),
    ...firstBoot.files.flatMap(({ path, mode, owner, append, content }, index) => {
      const directory = `write-files/${String(index).padStart(3, '0')}`;
      return [
        line(`${directory}/path`, path),
        line(`${directory}/mode`, mode),
        line(`${directory}/owner`, owner),
        secret(`${directory}/content`, content),
        ...(append ? [line(`${directory}/append`, 'yes')] : []),
      ];
    }),
    ...firstBoot.scripts.map((script, index) => secret(`commands/${String(index).padStart(3, '0')}`, script)),
  ]);
}
