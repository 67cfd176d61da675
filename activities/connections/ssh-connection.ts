import type { ClientErrorExtensions } from 'ssh2';
import { Client } from 'ssh2';
import { HadbError } from '../../cluster/errors';
import type { Outcome, RawResult, RootShell } from './root-shell';
import { openRootShell, unreachable } from './root-shell';
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

export interface ExecuteOptions {
  /** Ends the script on the node. */
  timeoutMs: number;
  /** Sent again once when the connection breaks; only for what can be done twice. */
  repeatable: boolean;
}

export interface SshConnection {
  /** Errors: NodeUnreachable (the script has not begun), CommandUnknown (it has, and its end is not known), HostKeyMismatch. */
  execute(script: string, input: string | Buffer, options: ExecuteOptions): Promise<RawResult>;
  close(): void;
}

export interface SshTimings {
  /** A machine under emulation needs seconds for the key exchange. */
  connectMs: number;
  /** Interval times count is after how long a silent peer is given up: a machine without power is noticed by nothing else. */
  keepaliveMs: number;
  keepaliveCount: number;
}

export const SSH_TIMINGS: SshTimings = { connectMs: 15_000, keepaliveMs: 2_000, keepaliveCount: 4 };

/** sshd refuses the eleventh session of a connection (MaxSessions 10); two are left for people. */
const SHELLS = 8;

/** An open connection with its shells that have nothing to do. */
interface Link {
  client: Client;
  idle: RootShell[];
}

export function createSshConnection(
  node: string,
  shellCommand: string,
  readTarget: () => Promise<SshTarget>,
  timings: SshTimings = SSH_TIMINGS,
): SshConnection {
  let linking: Promise<Link> | undefined;
  let closed = false;
  const slots = createSlots(SHELLS);

  /** The open connection, or a new one; `fresh` tells whether it was opened for this call. */
  async function linked(): Promise<{ link: Link; fresh: boolean }> {
    if (closed) throw new HadbError('NodeUnreachable', `the sessions to ${node} were closed`, { subject: node });
    if (linking !== undefined) return { link: await linking, fresh: false };
    const attempt = readTarget()
      .then((target) =>
        connect(node, target, timings, () => {
          if (linking === attempt) linking = undefined;
        }),
      )
      .then((client) => ({ client, idle: [] }));
    linking = attempt;
    try {
      return { link: await attempt, fresh: true };
    } catch (error) {
      if (linking === attempt) linking = undefined;
      throw error;
    }
  }

  async function once(script: string, input: string | Buffer, timeoutMs: number): Promise<Outcome> {
    const { link, fresh } = await linked();
    link.idle = link.idle.filter((shell) => shell.isAlive());
    const shell = link.idle.pop() ?? openRootShell(node, link.client, shellCommand);
    const outcome = await shell.run(script, input, timeoutMs);
    if (outcome.kind === 'result') link.idle.push(shell);
    if (outcome.kind === 'deadline') link.client.destroy();
    // A connection that broke while nobody used it is noticed by the first script, which then has not begun.
    return outcome.kind === 'before' && fresh ? { ...outcome, kind: 'never' } : outcome;
  }

  return {
    async execute(script, input, { timeoutMs, repeatable }) {
      const release = await slots.acquire();
      try {
        const first = await once(script, input, timeoutMs);
        const again = first.kind === 'before' || (first.kind === 'during' && repeatable);
        const last = again ? await once(script, input, timeoutMs) : first;
        if (last.kind === 'result') return last.result;
        throw last.error;
      } finally {
        release();
      }
    },

    close() {
      closed = true;
      linking?.then(
        ({ client }) => client.end(),
        () => undefined,
      );
      linking = undefined;
    },
  };
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
