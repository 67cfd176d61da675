import { createHash } from 'node:crypto';
import { utils } from 'ssh2';
import { HadbError } from '../../cluster/errors';

export interface PublicKey {
  /** `ssh-ed25519` */
  type: string;
  /** The raw key as it goes over the wire, type included. */
  blob: Buffer;
  /** One line as in `authorized_keys`. */
  line: string;
}

/** The public half of an OpenSSH private key. `name` is for the message when the text is no key. */
export function readPublicKey(privateKey: string, name: string): PublicKey {
  const parsed = utils.parseKey(privateKey);
  if (parsed instanceof Error || !('getPublicSSH' in parsed)) {
    throw new HadbError('BadRequest', `the secret ${name} is not an OpenSSH private key`, {
      subject: name,
      whatNow: 'Restore the secret store from its backup; without this key the machine cannot be reached.',
    });
  }
  const blob = parsed.getPublicSSH();
  return { type: parsed.type, blob, line: `${parsed.type} ${blob.toString('base64')}` };
}

/** As OpenSSH shows it: `SHA256:…`. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}
