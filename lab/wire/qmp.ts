import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { openSocketPath } from './socket-path';

/** QEMU's monitor protocol over a Unix socket: one client at a time, one JSON object a line. */
export interface Qmp {
  /** Runs a command of the protocol and returns its result; rejects with what QEMU says. */
  execute(command: string, argumentsOf?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Runs a command of the human monitor (`hostfwd_add …`) and returns what it prints: nothing when all is well. */
  command(line: string): Promise<string>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
  close(): void;
}

/** A busy host is no reason to give a machine up; a monitor that has really stopped answers never. */
const ANSWER_TIMEOUT_MS = 20_000;

/** Rejects when the socket does not answer; QEMU opens it a moment after its start, so callers try again. */
export async function connectQmp(directory: string, name: string): Promise<Qmp> {
  const { path, close } = openSocketPath(directory, name);
  const socket = connect(path);
  const waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  const fail = (error: Error) => {
    for (const entry of waiting.splice(0)) entry.reject(error);
  };
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      fail(new Error('the connection to QEMU ended'));
      resolve();
    });
  });
  socket.on('error', fail);
  const answer = () =>
    new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error('QEMU does not answer')), ANSWER_TIMEOUT_MS);
      const settle =
        <Value>(then: (value: Value) => void) =>
        (value: Value) => {
          clearTimeout(timer);
          then(value);
        };
      waiting.push({ resolve: settle(resolve), reject: settle(reject) });
    });
  const lines = createInterface({ input: socket });
  // It repeats the errors of the socket, which are dealt with above.
  lines.on('error', () => undefined);
  lines.on('line', (line) => {
    const message = JSON.parse(line) as Record<string, unknown>;
    // Events come in between at any time; nobody here waits for one.
    if ('event' in message) return;
    const entry = waiting.shift();
    if ('error' in message) entry?.reject(new Error(`QEMU refused: ${JSON.stringify(message['error'])}`));
    else entry?.resolve(message['return']);
  });
  const execute: Qmp['execute'] = async (command, argumentsOf) => {
    const result = answer();
    socket.write(
      `${JSON.stringify({ execute: command, ...(argumentsOf === undefined ? {} : { arguments: argumentsOf }) })}\n`,
    );
    return result;
  };
  try {
    // The greeting is the first answer, to no question.
    await answer();
    await execute('qmp_capabilities');
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    close();
  }
  return {
    execute,
    async command(line) {
      return String(await execute('human-monitor-command', { 'command-line': line })).trim();
    },
    closed,
    close: () => socket.destroy(),
  };
}
