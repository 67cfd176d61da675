import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Ports of ours that have to be found free again by whoever starts us anew: below the range that the kernel gives to outgoing
 * connections by itself (32768 and up; `net.ipv4.ip_local_port_range`), where any client of any program may hold one.
 */
const PORTS = { first: 30_000, last: 32_767 };
export const PORT_RANGE = `${PORTS.first} and ${PORTS.last}`;

/** A TCP port of 127.0.0.1 that nobody listens on; undefined where fifty that were tried are all taken. */
export async function findFreePort(): Promise<number | undefined> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(PORTS.first, PORTS.last + 1);
    if (await isPortFree(port)) return port;
  }
  return undefined;
}

/** Port 0: whether the address can be listened on at all. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
