/** IPv4 addresses, prefixes and MACs as numbers: frames are compared by the hundred thousand. */

export interface Prefix {
  /** First address, as an unsigned 32-bit number. */
  base: number;
  bits: number;
}

export class AddressError extends Error {
  override readonly name = 'AddressError';
}

export function parseAddress(text: string): number {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) {
    throw new AddressError(`"${text}" is not an IPv4 address`);
  }
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
}

/** `10.10.10.0/24`, or an address, which is a prefix of 32 bits. Bits beyond the prefix are cleared. */
export function parsePrefix(text: string): Prefix {
  const [address = '', length] = text.split('/');
  const bits = length === undefined ? 32 : Number(length);
  if (!Number.isInteger(bits) || bits < 0 || bits > 32 || length === '') {
    throw new AddressError(`"${text}" is not an IPv4 prefix`);
  }
  return { base: (parseAddress(address) & mask(bits)) >>> 0, bits };
}

export function contains(prefix: Prefix, address: number): boolean {
  return (address & mask(prefix.bits)) >>> 0 === prefix.base;
}

/** The address `offset` places after the first of the prefix, or before its end when negative (-1 is the broadcast address). */
export function addressAt(prefix: Prefix, offset: number): number {
  const size = 2 ** (32 - prefix.bits);
  return offset >= 0 ? prefix.base + offset : prefix.base + size + offset;
}

/** Six bytes of a MAC such as `52:54:00:00:00:01`. */
export function parseMac(text: string): Buffer {
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) throw new AddressError(`"${text}" is not a MAC address`);
  return Buffer.from(text.replaceAll(/[:-]/g, ''), 'hex');
}

/** A client's address as Node names it: IPv4 mapped into IPv6 is IPv4. */
export function parseRemoteAddress(text: string): number {
  return parseAddress(text.startsWith('::ffff:') ? text.slice(7) : text);
}

function mask(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}
