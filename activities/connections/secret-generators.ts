import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { generateKeyPairSync, randomBytes, randomInt } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Makers of secrets. What they return goes into the secret store and nowhere else. */

const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';

/** Letters and digits only, so that no shell, SQL or configuration file needs an escape; 32 of them are 185 bits. */
export function createPassword(length = 32): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** Corosync's key in base64: 256 random bytes, as corosync-keygen makes (knet accepts 128 to 4096). */
export function createCorosyncKey(): string {
  return randomBytes(256).toString('base64');
}

/**
 * An Ed25519 key pair as an OpenSSH private key; the public half is in it. Not by ssh2's own generator: 2 of 300 of its
 * keys could not be read back (it takes the key material for an ASN.1 integer and drops leading zeros).
 */
export function createSshPrivateKey(comment: string): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(d, 'base64url');
  const publicKey = Buffer.from(x, 'base64url');
  const check = randomBytes(4);
  const type = sshString('ssh-ed25519');
  const secrets = Buffer.concat([
    check,
    check,
    type,
    sshString(publicKey),
    sshString(Buffer.concat([seed, publicKey])),
    sshString(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secrets.length % 8)) % 8 }, (_, index) => index + 1));
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    uint32(1),
    sshString(Buffer.concat([type, sshString(publicKey)])),
    sshString(Buffer.concat([secrets, padding])),
  ]);
  const lines = body.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const YEARS = 10;

/** Certificate and private key, both PEM, one after the other: what one secret holds. */
export interface Certified {
  certificate: string;
  privateKey: string;
}

/** A certificate authority for the database of one cluster. */
export async function createCertificateAuthority(name: string, now: Date): Promise<string> {
  const keys = await createKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString('hex'),
    name: `CN=${name}`,
    ...validity(now),
    signingAlgorithm: KEY_ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return bundle(certificate, keys);
}

/** A server certificate for the names under which clients and nodes reach the database. */
export async function createServerCertificate(
  authority: Certified,
  server: { name: string; names: readonly string[]; addresses: readonly string[] },
  now: Date,
): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await cryptoProvider
    .get()
    .subtle.importKey('pkcs8', PemConverter.decodeFirst(authority.privateKey), KEY_ALGORITHM, false, ['sign']);
  const keys = await createKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject: `CN=${server.name}`,
    issuer: issuer.subject,
    ...validity(now),
    signingAlgorithm: KEY_ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        ...server.names.map((value) => ({ type: 'dns' as const, value })),
        ...server.addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
    ],
  });
  return bundle(certificate, keys);
}

/** Takes a secret made here apart again. */
export function readCertified(bundled: string): Certified {
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(bundled)?.[0];
  const privateKey = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/.exec(bundled)?.[0];
  if (certificate === undefined || privateKey === undefined) {
    throw new Error('not a certificate followed by its private key, both in PEM');
  }
  return { certificate, privateKey };
}

async function createKeys(): Promise<webcrypto.CryptoKeyPair> {
  return cryptoProvider.get().subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

function validity(now: Date): { notBefore: Date; notAfter: Date } {
  // An hour back, because the nodes' clocks may differ.
  const notBefore = new Date(now.getTime() - 3_600_000);
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + YEARS);
  return { notBefore, notAfter };
}

async function bundle(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<string> {
  const privateKey = await cryptoProvider.get().subtle.exportKey('pkcs8', keys.privateKey);
  return `${certificate.toString('pem').trimEnd()}\n${PemConverter.encode(privateKey, 'PRIVATE KEY').trimEnd()}\n`;
}
