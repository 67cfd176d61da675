import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { writeProvisioningDisk } from '../../../lab/machines/provisioning-disk';
import { CERTIFICATE_AUTHORITY_HASH } from '../../../lab/machines/trust';
import type { Provisioning } from '../../../lab/model';
import { useTemporaryDirectory } from '../../temporary-directory';

const provisioning: Provisioning = {
  vmId: '5F3CD5F2-7C34-4A1B-9C39-0123456789AB',
  hostName: 'hadb01',
  adminUser: 'azureuser',
  authorizedKeys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two\n'],
  address: '10.10.10.4',
  prefixLength: 24,
  gateway: '10.10.10.1',
};

describe('writeProvisioningDisk', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  const unpack = (given: Provisioning): ((path: string) => string) => {
    const file = join(directory, 'disk.tar');
    writeProvisioningDisk(file, given);
    execFileSync('tar', ['-C', directory, '-xf', file]);
    return (path) => readFileSync(join(directory, path), 'utf8');
  };

  it('holds one value a file, each a line the shell can read', () => {
    const read = unpack(provisioning);

    expect(read('vm-id')).toBe('5f3cd5f2-7c34-4a1b-9c39-0123456789ab\n');
    expect(read('host-name')).toBe('hadb01\n');
    expect(read('admin-user')).toBe('azureuser\n');
    expect(read('address')).toBe('10.10.10.4/24\n');
    expect(read('gateway')).toBe('10.10.10.1\n');
    expect(read('authorized-keys')).toBe('ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n');
  });

  it('says nothing of what was not given: the guest asks whether the file exists', () => {
    unpack(provisioning);

    expect(readdirSync(directory).sort()).toEqual(
      ['address', 'admin-user', 'authorized-keys', 'disk.tar', 'gateway', 'host-name', 'vm-id'].sort(),
    );
  });

  it('keeps the order of commands and files beyond nine', () => {
    const files = Array.from({ length: 11 }, (_, index) => `  - { path: /f${index}, content: "${index}" }`);
    const customData = Buffer.from(`#cloud-config\nwrite_files:\n${files.join('\n')}\nruncmd: ['true']\n`).toString(
      'base64',
    );

    const read = unpack({ ...provisioning, customData, packageMirror: '10.10.10.253' });

    expect(readdirSync(join(directory, 'write-files')).map((name) => read(`write-files/${name}/path`).trim())).toEqual(
      Array.from({ length: 11 }, (_, index) => `/f${index}`),
    );
    expect(read('commands/000')).toBe('#!/bin/sh\ntrue\n');
    expect(read('package-mirror')).toBe('10.10.10.253\n');
  });

  it("writes the cloud's names and authority as files, before those of the custom data", () => {
    const customData = Buffer.from('#cloud-config\nwrite_files: [{ path: /f, content: mine }]\n').toString('base64');

    const read = unpack({
      ...provisioning,
      customData,
      hosts: [{ name: 'management.azure.com', address: '192.0.2.1' }],
      certificateAuthority: 'PEM\n',
    });

    const files = readdirSync(join(directory, 'write-files')).map((name) => {
      const append = existsSync(join(directory, 'write-files', name, 'append'));
      return `${read(`write-files/${name}/path`).trim()} ${append ? '>>' : '>'} ${read(`write-files/${name}/content`).trim()}`;
    });
    expect(files).toEqual([
      '/etc/hosts >> 192.0.2.1 management.azure.com',
      '/usr/local/share/ca-certificates/hadb-lab.crt > PEM',
      '/etc/ssl/certs/ca-certificates.crt >> PEM',
      `/etc/ssl/certs/${CERTIFICATE_AUTHORITY_HASH}.0 > PEM`,
      '/f > mine',
    ]);
  });

  it('is whole sectors long and closed to others: it holds private keys', () => {
    unpack(provisioning);

    const { size, mode } = statSync(join(directory, 'disk.tar'));
    expect(size % 512).toBe(0);
    expect(mode & 0o077).toBe(0);
  });

  it('refuses a value that would be two lines', () => {
    expect(() => unpack({ ...provisioning, hostName: 'a\nb' })).toThrow(/line break/);
  });
});
