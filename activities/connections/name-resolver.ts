import { Resolver, lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';

/** IPv4 address of a public name. Errors: those of `node:dns`, which the failure interceptor knows. */
export type ResolveName = (name: string) => Promise<string>;

/** Asks `nameServer` (`address:port`) first when there is one; what it does not answer for is asked of the system. */
export function createNameResolver(nameServer?: string): ResolveName {
  const resolver = nameServer === undefined ? undefined : new Resolver({ timeout: 2_000, tries: 2 });
  if (nameServer !== undefined) resolver?.setServers([nameServer]);
  return async (name) => {
    if (isIPv4(name)) return name;
    if (resolver !== undefined) {
      try {
        const [address] = await resolver.resolve4(name);
        if (address !== undefined) return address;
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    }
    return (await lookup(name, { family: 4 })).address;
  };
}

/** The server answers only for names of its own; a name of its own that does not exist is an answer. */
function isRefusal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EREFUSED';
}
