import { renameSync, writeFileSync } from 'node:fs';

import { renderTar, type TarEntry } from '../images/tar';
import type { Provisioning } from '../model';
import { parseCustomData } from './custom-data';
import type { FirstBoot } from './custom-data';
import { CERTIFICATE_AUTHORITY_HASH } from './trust';

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
    ...[...cloudFiles(provisioning), ...firstBoot.files].flatMap(({ path, mode, owner, append, content }, index) => {
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

/**
 * What makes the cloud's own names and certificates good in the guest, as files for the first-boot unit: an image knows no
 * lab. The authority goes where `update-ca-certificates` finds it at its next run, and to the two places that this would
 * write it: the bundle (Python's requests, curl) and the hashed directory (OpenSSL).
 */
function cloudFiles({ hosts = [], certificateAuthority }: Provisioning): FirstBoot['files'] {
  const file = (path: string, text: string, append: boolean) => ({
    path,
    mode: '0644',
    owner: 'root:root',
    append,
    content: Buffer.from(text),
  });
  const names = hosts.map(({ name, address }) => `${address} ${name}\n`).join('');
  return [
    ...(names === '' ? [] : [file('/etc/hosts', names, true)]),
    ...(certificateAuthority === undefined
      ? []
      : [
          file('/usr/local/share/ca-certificates/hadb-lab.crt', certificateAuthority, false),
          file('/etc/ssl/certs/ca-certificates.crt', certificateAuthority, true),
          file(`/etc/ssl/certs/${CERTIFICATE_AUTHORITY_HASH}.0`, certificateAuthority, false),
        ]),
  ];
}
