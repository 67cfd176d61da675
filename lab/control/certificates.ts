import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeFileAtomically } from '../../processes/owned-process';
import { CERTIFICATE_AUTHORITY_NAME } from '../machines/trust';

/** Names that the lab's certificate is valid for; guests may know Azure's names by the lab's own addresses. */
const NAMES = [
  { type: 'ip', value: '127.0.0.1' },
  { type: 'dns', value: 'localhost' },
  { type: 'dns', value: 'management.azure.com' },
  { type: 'dns', value: 'login.microsoftonline.com' },
] as const;

const DAY_MS = 24 * 3600 * 1000;
/** Renewed by the next start when less than this is left. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface Certificates {
  caFile: string;
  key: string;
  /** The server's certificate followed by the authority's. */
  chain: string;
}

/** Makes the lab's certificate authority and server certificate once; both stay valid across restarts. */
export async function ensureCertificates(directory: string, now: Date = new Date()): Promise<Certificates> {
  x509.cryptoProvider.set(webcrypto);
  const caFile = join(directory, 'ca.pem');
  const caKeyFile = join(directory, 'ca-key.pem');
  const serverFile = join(directory, 'server.pem');
  const serverKeyFile = join(directory, 'server-key.pem');

  if (!isValid(caFile, caKeyFile, now)) {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serialNumber(),
      name: CERTIFICATE_AUTHORITY_NAME,
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + 3650 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    await writeKey(caKeyFile, keys.privateKey);
    writeFileAtomically(caFile, `${certificate.toString('pem')}\n`, 0o644);
    // A certificate of the previous authority is worth nothing now.
    writeFileAtomically(serverFile, '');
  }

  if (!isValid(serverFile, serverKeyFile, now)) {
    const ca = new x509.X509Certificate(readFileSync(caFile, 'utf8'));
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: 'CN=management.azure.com',
      issuer: ca.subject,
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + 800 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: await readKey(caKeyFile),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([...NAMES]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(ca),
      ],
    });
    await writeKey(serverKeyFile, keys.privateKey);
    writeFileAtomically(serverFile, `${certificate.toString('pem')}\n`, 0o644);
  }

  return {
    caFile,
    key: readFileSync(serverKeyFile, 'utf8'),
    chain: `${readFileSync(serverFile, 'utf8')}${readFileSync(caFile, 'utf8')}`,
  };
}

function isValid(certificateFile: string, keyFile: string, now: Date): boolean {
  if (!existsSync(certificateFile) || !existsSync(keyFile)) return false;
  try {
    const certificate = new x509.X509Certificate(readFileSync(certificateFile, 'utf8'));
    return certificate.notAfter.getTime() - now.getTime() > RENEW_BEFORE_MS;
  } catch {
    return false;
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function writeKey(file: string, key: webcrypto.CryptoKey): Promise<void> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  writeFileAtomically(file, `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`);
}

function readKey(file: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(readFileSync(file, 'utf8'));
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

function serialNumber(): string {
  // Positive, and not starting with a zero byte.
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;
}
