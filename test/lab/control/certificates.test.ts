import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCertificates } from '../../../lab/control/certificates';
import { useTemporaryDirectory } from '../../temporary-directory';

const DAY_MS = 24 * 3600 * 1000;

describe('the lab’s certificates', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  it('are issued by its own authority for loopback and Azure’s names', async () => {
    const { caFile, chain } = await ensureCertificates(directory);

    const authority = new X509Certificate(readFileSync(caFile));
    const server = new X509Certificate(chain);
    expect(authority.ca).toBe(true);
    expect(server.verify(authority.publicKey)).toBe(true);
    expect(server.checkIssued(authority)).toBe(true);
    expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
    for (const name of ['localhost', 'management.azure.com', 'login.microsoftonline.com']) {
      expect(server.checkHost(name)).toBe(name);
    }
    expect(server.checkHost('example.com')).toBeUndefined();
  });

  it('stay the same across starts, and keys are their owner’s alone', async () => {
    const first = await ensureCertificates(directory);
    const second = await ensureCertificates(directory);

    expect(second).toEqual(first);
    for (const name of ['ca-key.pem', 'server-key.pem']) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  it('the server’s is renewed before it ends, by the same authority', async () => {
    const first = await ensureCertificates(directory);
    const authority = readFileSync(first.caFile, 'utf8');

    const later = await ensureCertificates(directory, new Date(Date.now() + 790 * DAY_MS));

    expect(later.chain).not.toBe(first.chain);
    expect(readFileSync(later.caFile, 'utf8')).toBe(authority);
  });
});
