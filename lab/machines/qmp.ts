import { constants, closeSync, openSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';

/** One connection to QEMU's monitor: greeting, capabilities, then commands one after the other. */
export interface Qmp {
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

interface Reply {
  return?: unknown;
  error?: { class: string; desc: string };
}

const TIMEOUT_MS = 10_000;

/** Connects to the socket `name` in `directory`; the way through /proc keeps a deep directory below the limit of 107 bytes. */
export async function connectQmp(directory: string, name: string): Promise<Qmp> {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const socket = createConnection(`/proc/self/fd/${descriptor}/${name}`);
  try {
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } finally {
    closeSync(descriptor);
  }
  const replies = readReplies(socket);
  const execute: Qmp['execute'] = async (command, args) => {
    socket.write(`${JSON.stringify({ execute: command, ...(args === undefined ? {} : { arguments: args }) })}\n`);
    const reply = await replies.next();
    if (reply.error !== undefined) throw new Error(`QEMU refused ${command}: ${reply.error.desc}`);
    return reply.return;
  };
  await execute('qmp_capabilities');
  return { execute, close: () => socket.destroy() };
}

function readReplies(socket: Socket): { next(): Promise<Reply> } {
  const ready: Reply[] = [];
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  let ended: Error | undefined;
  let partial = '';
  socket.setEncoding('utf8');
  socket.setTimeout(TIMEOUT_MS, () =>
    socket.destroy(new Error(`QEMU's monitor gave no answer within ${TIMEOUT_MS} ms`)),
  );
  socket.on('data', (chunk: string) => {
    const lines = (partial + chunk).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as Reply & { event?: string; QMP?: unknown };
      if (message.event !== undefined || message.QMP !== undefined) continue;
      const next = waiting.shift();
      if (next === undefined) ready.push(message);
      else next.resolve(message);
    }
  });
  const end = (error: Error): void => {
    ended = error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  socket.on('error', end);
  socket.on('close', () => end(new Error("QEMU's monitor closed the connection")));
  return {
    next: () =>
      new Promise((resolve, reject) => {
        const reply = ready.shift();
        if (reply !== undefined) resolve(reply);
        else if (ended !== undefined) reject(ended);
        else waiting.push({ resolve, reject });
      }),
  };
}
