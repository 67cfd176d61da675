import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isPortFree } from '../processes/free-port';

/**
 * Ports for tests, which are let go and taken again while other test files run: each worker of jest has a range of its own, and all of them
 * lie below what the kernel gives to outgoing connections, and beside what a lab takes.
 */
const FIRST = 10_000;
const PER_WORKER = 1000;
const WORKERS = 10;

const first = FIRST + (Number(process.env['JEST_WORKER_ID'] ?? 1) % WORKERS) * PER_WORKER;
let next = randomInt(PER_WORKER);

/** A port that no other test has; another program might. */
export function freshPort(): number {
  next = (next + 1) % PER_WORKER;
  return first + next;
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
export const freePort = (): Promise<number> => find(isPortFree);

export const freeUdpPort = (): Promise<number> => find(isUdpPortFree);

async function find(isFree: (port: number) => Promise<boolean>): Promise<number> {
  for (let attempt = 0; attempt < PER_WORKER; attempt++) {
    const port = freshPort();
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${first} and ${first + PER_WORKER - 1}`);
}

function isUdpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createSocket('udp4');
    probe.once('error', () => resolve(false));
    probe.bind(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
