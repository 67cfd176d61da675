import type { Socket } from 'node:net';

/**
 * Joins a client and a backend byte for byte. Each half closes by itself, a reset on one side resets the other, and a
 * slow reader holds its writer back. Both sockets have to be open for half-closing (`allowHalfOpen`).
 */
export interface RelayOptions {
  /** A flow without a byte for so long is ended; never when undefined. */
  idleTimeoutMs?: number;
  /** How an idle flow ends: with a reset on both sides, or, as in Azure without TCP reset, in silence. */
  idleEnd: 'reset' | 'silence';
  onIdle: () => void;
  onClosed: () => void;
}

export function relay(client: Socket, backend: Socket, options: RelayOptions): void {
  let open = 2;
  const abort = () => {
    client.resetAndDestroy();
    backend.resetAndDestroy();
  };
  for (const [socket, other] of [
    [client, backend],
    [backend, client],
  ] as const) {
    socket.setNoDelay(true);
    socket.on('error', abort);
    socket.once('close', () => {
      open -= 1;
      if (open === 0) options.onClosed();
      // The end of a socket that was not read to its end would leave the other one waiting for ever.
      else if (!socket.readableEnded) other.resetAndDestroy();
    });
    socket.pipe(other);
  }
  if (options.idleTimeoutMs === undefined) return;
  // Every byte either way passes through the client's socket, so its timer is the flow's.
  client.setTimeout(options.idleTimeoutMs, () => {
    options.onIdle();
    if (options.idleEnd === 'reset') abort();
    else fallSilent(client, backend);
  });
}

/** Takes what comes and answers nothing, until the peers give up: what a forgotten flow looks like to them. */
function fallSilent(client: Socket, backend: Socket): void {
  client.setTimeout(0);
  for (const socket of [client, backend]) {
    socket.unpipe();
    socket.resume();
    socket.once('end', () => socket.destroy());
  }
}
