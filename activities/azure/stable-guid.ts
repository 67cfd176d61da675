import { createHash } from 'node:crypto';

/** A namespace of hadb's own, drawn once. */
const NAMESPACE = '0f3ac0f4-6b6f-4f5e-9a50-6d1f1a2f7c11';

/** The same GUID for the same text, everywhere and always: version 5 of RFC 9562. */
export function stableGuid(text: string): string {
  const digest = createHash('sha1')
    .update(Buffer.from(NAMESPACE.replaceAll('-', ''), 'hex'))
    .update(text)
    .digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
