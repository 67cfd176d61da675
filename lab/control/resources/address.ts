/** IPv4 arithmetic on unsigned 32-bit numbers. */

export interface Prefix {
  base: number;
  length: number;
}

export function parseAddress(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const octets = match.slice(1).map(Number);
  if (octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((address, octet) => address * 256 + octet, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

export function parsePrefix(text: string): Prefix | undefined {
  const [addressText, lengthText, rest] = text.split('/');
  if (addressText === undefined || lengthText === undefined || rest !== undefined) return undefined;
  const base = parseAddress(addressText);
  const length = /^\d{1,2}$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (base === undefined || !(length >= 0 && length <= 32)) return undefined;
  return base % 2 ** (32 - length) === 0 ? { base, length } : undefined;
}

export function lastOf(prefix: Prefix): number {
  return prefix.base + 2 ** (32 - prefix.length) - 1;
}

export function contains(outer: Prefix, address: number): boolean {
  return address >= outer.base && address <= lastOf(outer);
}

export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return contains(outer, inner.base) && contains(outer, lastOf(inner));
}

export function overlap(a: Prefix, b: Prefix): boolean {
  return a.base <= lastOf(b) && b.base <= lastOf(a);
}

/** Azure keeps the first four addresses of a subnet and the last one for itself. */
export function isReservedInSubnet(subnet: Prefix, address: number): boolean {
  return address < subnet.base + 4 || address === lastOf(subnet);
}
