import { X509Certificate } from 'node:crypto';
import { utils } from 'ssh2';
import {
  createCertificateAuthority,
  createCorosyncKey,
  createPassword,
  createServerCertificate,
  createSshPrivateKey,
  readCertified,
} from '../../../activities/connections/secret-generators';
import { fingerprint, readPublicKey } from '../../../activities/connections/ssh-keys';

describe('createPassword', () => {
  it('uses only characters that need no escape anywhere', () => {
    const passwords = Array.from({ length: 100 }, () => createPassword());

    expect(new Set(passwords).size).toBe(100);
    for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
  });
});

describe('createCorosyncKey', () => {
  it('has as many bytes as corosync-keygen writes', () => {
    expect(Buffer.from(createCorosyncKey(), 'base64')).toHaveLength(256);
  });
});

describe('createSshPrivateKey', () => {
  it('every key can be read back, also one with leading zeros', () => {
    for (let index = 0; index < 600; index += 1) {
      const key = readPublicKey(createSshPrivateKey('hadb test'), 'test');

      expect(key.type).toBe('ssh-ed25519');
      expect(key.blob).toHaveLength(51);
    }
  });

  it('signs what its public half verifies', () => {
    const parsed = utils.parseKey(createSshPrivateKey('hadb test'));
    if (parsed instanceof Error || Array.isArray(parsed)) throw new Error('not one key');

    const signature = parsed.sign('message');
    expect(parsed.verify('message', signature as Buffer)).toBe(true);
  });
});

describe('readPublicKey', () => {
  it('names the secret that is no key', () => {
    expect(() => readPublicKey('nonsense', 'hadb/admin-ssh-key')).toThrow('hadb/admin-ssh-key');
  });

  it('a fingerprint is written as OpenSSH writes it', () => {
    expect(fingerprint(Buffer.from('x'))).toBe('SHA256:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE');
  });
});

describe('the database certificates', () => {
  it('the server certificate is signed by the authority and holds for every name it is reached by', async () => {
    const now = new Date('2026-11-22T00:00:00Z');
    const authority = readCertified(await createCertificateAuthority('hadb test', now));

    const server = readCertified(
      await createServerCertificate(
        authority,
        { name: 'db.example', names: ['db.example', 'hadb01'], addresses: ['10.10.10.4'] },
        now,
      ),
    );

    const certificate = new X509Certificate(server.certificate);
    const issuer = new X509Certificate(authority.certificate);
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    expect(issuer.ca).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkHost('hadb01')).toBe('hadb01');
    expect(certificate.checkIP('10.10.10.4')).toBe('10.10.10.4');
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(2036);
    expect(server.privateKey).toContain('BEGIN PRIVATE KEY');
  });

  it('refuses text that is not a certificate with its key', () => {
    expect(() => readCertified('nonsense')).toThrow('PEM');
  });
});
