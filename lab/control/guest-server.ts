import { rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { basename, dirname } from 'node:path';
import { GUEST_ACCEPTED, guestSocketFile, parseIntroduction } from '../guest-services';
import { openSocketPath } from '../wire/socket-path';
import type { MetadataAnswer, MetadataRequest } from './metadata-service';

export interface GuestServer {
  close(): Promise<void>;
}

const INTRODUCTION_TIMEOUT_MS = 5000;
const LONGEST_INTRODUCTION = 200;

/**
 * Where guests' connections come in: a Unix socket that wire alone knows of, in a directory only this user can enter. The
 * first line says which machine asks for which service.
 */
export async function startGuestServer(options: {
  stateDirectory: string;
  metadata: { answer(vmId: string, request: MetadataRequest): MetadataAnswer };
  /** Takes connections to Resource Manager (TLS). */
  management: { accept(socket: Socket): void };
  log: (line: string) => void;
}): Promise<GuestServer> {
  const { metadata, management, log } = options;
  const file = guestSocketFile(options.stateDirectory);
  const machines = new WeakMap<Socket, string>();
  const sockets = new Set<Socket>();

  const metadataServer: HttpServer = createHttpServer((request, response) => {
    const vmId = machines.get(request.socket) ?? '';
    const url = request.url ?? '/';
    const { status, body } = metadata.answer(vmId, { method: request.method ?? 'GET', url, headers: request.headers });
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const type = typeof body === 'string' ? 'text/plain' : 'application/json';
    log(`metadata for ${vmId}: ${request.method} ${url.split('?')[0]} ${status}`);
    response
      .writeHead(status, {
        'Content-Type': `${type}; charset=utf-8`,
        'Content-Length': Buffer.byteLength(text),
        Server: 'IMDS/150.870.65.1854',
      })
      .end(text);
  });

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), INTRODUCTION_TIMEOUT_MS);
    let line = '';
    const read = (chunk: Buffer) => {
      line += chunk.toString('latin1');
      if (!line.endsWith('\n') && line.length < LONGEST_INTRODUCTION) return;
      clearTimeout(timer);
      socket.removeListener('data', read);
      socket.pause();
      const introduction = parseIntroduction(line);
      if (introduction === undefined) {
        socket.destroy();
        return;
      }
      machines.set(socket, introduction.machine);
      // The guest speaks only after this, so nothing of what it says was read here.
      socket.write(GUEST_ACCEPTED);
      if (introduction.service === 'metadata') metadataServer.emit('connection', socket);
      else management.accept(socket);
    };
    socket.on('data', read);
  });

  rmSync(file, { force: true });
  const socketPath = openSocketPath(dirname(file), basename(file));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath.path, resolve);
  });

  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      socketPath.close();
    },
  };
}
