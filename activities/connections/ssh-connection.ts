import type { ClientErrorExtensions } from 'ssh2';
import { Client } from 'ssh2';
import { HadbError } from '../../cluster/errors';
import { fingerprint } from './ssh-keys';

/** One SSH connection to one node: opened when it is needed, shared by all commands, opened again after it broke. */

export interface SshTarget {
  host: string;
  port: number;
  user: string;
  /** OpenSSH private key. */
  privateKey: string;
  /** The public key the node must show, and where a person finds it. */
  hostKey: { type: string; blob: Buffer; location: string };
}

export interface RawResult {
  /** Undefined when a signal ended the process. */
  code: number | undefined;
  signal: string | undefined;
  stdout: string;
  stderr: string;
  durationMs: number;
}

export interface ExecuteOptions {
  /** The whole connection is given up when the command has not ended by then: the node ends it earlier if it can. */
  deadlineMs: number;
  /** Sent again once when the connection breaks; only for commands that change nothing. */
  repeatable: boolean;
}

export interface SshConnection {
  /** Errors: NodeUnreachable (the command has not begun), CommandUnknown (it has, and its end is not known), HostKeyMismatch. */
  execute(command: string, input: Buffer, options: ExecuteOptions): Promise<RawResult>;
  close(): void;
}

export interface SshTimings {
  /** A machine under emulation needs seconds for the key exchange. */
  connectMs: number;
  /** Interval times count is after how long a silent peer is given up; below the heartbeat time-out of activities. */
  keepaliveMs: number;
  keepaliveCount: number;
}

export const SSH_TIMINGS: SshTimings = { connectMs: 15_000, keepaliveMs: 3_000, keepaliveCount: 4 };

/** sshd refuses the eleventh session of a connection (MaxSessions 10); two are left for people. */
const CHANNELS = 8;
const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;
/** Output may still be under way when the exit code has come; a daemon that kept the pipe never closes it. */
const DRAIN_MS = 2_000;

export function createSshConnection(
  node: string,
  readTarget: () => Promise<SshTarget>,
  timings: SshTimings = SSH_TIMINGS,
): SshConnection {
  let connecting: Promise<Client> | undefined;
  let closed = false;
  const slots = createSlots(CHANNELS);

  /** The open connection, or a new one; `fresh` tells whether it was opened for this call. */
  async function connected(): Promise<{ client: Client; fresh: boolean }> {
    if (closed) throw new HadbError('NodeUnreachable', `the sessions to ${node} were closed`, { subject: node });
    if (connecting !== undefined) return { client: await connecting, fresh: false };
    const attempt = readTarget().then((target) =>
      connect(node, target, timings, () => {
        if (connecting === attempt) connecting = undefined;
      }),
    );
    connecting = attempt;
    try {
      return { client: await attempt, fresh: true };
    } catch (error) {
      if (connecting === attempt) connecting = undefined;
      throw error;
    }
  }

  async function once(command: string, input: Buffer, options: ExecuteOptions): Promise<RawResult | Lost> {
    const { client, fresh } = await connected();
    const result = await run(node, client, command, input, options.deadlineMs);
    // A connection that broke while nobody used it is noticed by the first command, which then has not begun.
    return 'lost' in result && (fresh || result.lost === 'deadline') ? { ...result, final: true } : result;
  }

  return {
    async execute(command, input, options) {
      const release = await slots.acquire();
      try {
        const first = await once(command, input, options);
        if (!('lost' in first)) return first;
        const again = first.lost === 'before' ? first.final !== true : options.repeatable && first.lost !== 'deadline';
        const last = again ? await once(command, input, options) : first;
        if (!('lost' in last)) return last;
        throw last.error;
      } finally {
        release();
      }
    },

    close() {
      closed = true;
      connecting?.then(
        (client) => client.end(),
        () => undefined,
      );
      connecting = undefined;
    },
  };
}

interface Lost {
  lost: 'before' | 'during' | 'deadline';
  error: HadbError;
  final?: boolean;
}

function connect(node: string, target: SshTarget, timings: SshTimings, onClose: () => void): Promise<Client> {
  const place = `${node} at ${target.host}:${target.port}`;
  return new Promise<Client>((resolve, reject) => {
    const client = new Client();
    let shown: Buffer | undefined;
    // This listener stays for good: without one, a connection that breaks later would end the process.
    client.on('error', (error: Error & ClientErrorExtensions) => {
      reject(explainConnectError(place, target, error, shown));
      client.destroy();
    });
    client.on('close', () => {
      reject(unreachable(node, `${place} closed the connection before it was ready`));
      onClose();
    });
    client.on('ready', () => {
      client.setNoDelay(true);
      resolve(client);
    });
    client.setMaxListeners(0);
    client.connect({
      host: target.host,
      port: target.port,
      username: target.user,
      privateKey: target.privateKey,
      readyTimeout: timings.connectMs,
      keepaliveInterval: timings.keepaliveMs,
      keepaliveCountMax: timings.keepaliveCount,
      algorithms: { serverHostKey: [target.hostKey.type as 'ssh-ed25519'] },
      hostVerifier: (key: Buffer) => {
        shown = key;
        return key.equals(target.hostKey.blob);
      },
    });
  });

  function explainConnectError(
    where: string,
    wanted: SshTarget,
    error: Error & ClientErrorExtensions,
    shown: Buffer | undefined,
  ): HadbError {
    if (shown !== undefined && !shown.equals(wanted.hostKey.blob)) {
      return new HadbError(
        'HostKeyMismatch',
        `${where} shows the SSH host key ${fingerprint(shown)}, but ${fingerprint(wanted.hostKey.blob)} was put into the machine`,
        {
          subject: node,
          observed: `shown ${fingerprint(shown)}, expected ${fingerprint(wanted.hostKey.blob)} (${wanted.hostKey.location})`,
          whatNow:
            'Find out which machine answers there before anything else. If its keys were changed on purpose, put the private host key into the secret store.',
        },
      );
    }
    if (error.level === 'client-authentication') {
      return unreachable(
        node,
        `${where} refuses the key of ${wanted.user}`,
        'A machine that is starting does so for a while. If it goes on, the key in the secret store is not the one the machine was made with.',
      );
    }
    return unreachable(node, `no SSH connection to ${where}: ${error.message}`);
  }
}

function unreachable(node: string, message: string, whatNow?: string): HadbError {
  return new HadbError('NodeUnreachable', message, { subject: node, ...(whatNow === undefined ? {} : { whatNow }) });
}

function run(
  node: string,
  client: Client,
  command: string,
  input: Buffer,
  deadlineMs: number,
): Promise<RawResult | Lost> {
  const startedAt = performance.now();
  return new Promise<RawResult | Lost>((resolve) => {
    const stdout = createCapture();
    const stderr = createCapture();
    let begun = false;
    let exit: { code: number | undefined; signal: string | undefined } | undefined;
    let drain: NodeJS.Timeout | undefined;

    const finish = (lost: Lost['lost'] | undefined, reason: string) => {
      clearTimeout(deadline);
      clearTimeout(drain);
      client.off('close', onClose);
      const durationMs = performance.now() - startedAt;
      if (exit !== undefined) {
        resolve({ ...exit, stdout: stdout.text(), stderr: stderr.text(), durationMs });
      } else if (lost === 'before' || !begun) {
        resolve({ lost: 'before', error: unreachable(node, `no command could be started on ${node}: ${reason}`) });
      } else {
        resolve({ lost: lost ?? 'during', error: unknownResult(node, reason, stdout.text(), stderr.text()) });
      }
    };
    const onClose = () => finish('during', 'the connection was lost');
    const deadline = setTimeout(() => {
      finish('deadline', `no answer within ${Math.round(deadlineMs / 1000)} s`);
      client.destroy();
    }, deadlineMs);

    client.on('close', onClose);
    try {
      client.exec(command, (error, channel) => {
        if (error !== undefined) return finish('before', error.message);
        begun = true;
        channel.on('data', stdout.add);
        channel.stderr.on('data', stderr.add);
        channel.on('error', () => undefined);
        channel.on('exit', (code: number | null, signal?: string) => {
          exit = { code: code ?? undefined, signal };
          drain = setTimeout(() => {
            finish(undefined, '');
            channel.close();
          }, DRAIN_MS);
        });
        channel.on('close', () => finish('during', 'the connection was lost'));
        channel.end(input);
      });
    } catch (error) {
      finish('before', error instanceof Error ? error.message : String(error));
    }
  });
}

function unknownResult(node: string, reason: string, stdout: string, stderr: string): HadbError {
  const seen = lastLines(`${stdout}\n${stderr}`);
  return new HadbError('CommandUnknown', `the result of a command on ${node} is not known: ${reason}`, {
    subject: node,
    ...(seen === '' ? {} : { observed: seen }),
    whatNow: 'The next try observes first: what the command did is then seen.',
  });
}

/** The end of an output, for messages. */
export function lastLines(text: string, limit = 500): string {
  const trimmed = text.trim();
  if (trimmed.length <= limit) return trimmed;
  const cut = trimmed.slice(-limit);
  return `… ${cut.slice(cut.indexOf('\n') + 1)}`;
}

function createCapture(): { add: (chunk: Buffer) => void; text: () => string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add: (chunk) => {
      // The pipe must go on being emptied, or the command would never end.
      if (size < OUTPUT_LIMIT_BYTES) chunks.push(chunk);
      size += chunk.length;
    },
    text: () => {
      const text = Buffer.concat(chunks).toString('utf8');
      return size > OUTPUT_LIMIT_BYTES ? `${text}\n[cut after ${OUTPUT_LIMIT_BYTES} of ${size} bytes]` : text;
    },
  };
}

function createSlots(count: number): { acquire(): Promise<() => void> } {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    async acquire() {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return () => {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      };
    },
  };
}
