import { randomBytes } from 'node:crypto';
import type { Client, ClientChannel } from 'ssh2';
import { HadbError } from '../../cluster/errors';
import { FRAME_END, renderFrameHeader, SCRIPT_LIMIT_BYTES } from '../../cluster/node-scripts/remote-command';
import { messageOf } from '../../processes/error-message';

/** One shell of root on a node, which runs one script after the other (`renderRootShell`). */
export interface RootShell {
  /** False once its channel has ended. */
  isAlive(): boolean;
  run(script: string, input: string | Buffer, timeoutMs: number): Promise<Outcome>;
}

export interface RawResult {
  code: number;
  stdout: string;
  stderr: string;
  durationMs: number;
}

export type Outcome =
  | { kind: 'result'; result: RawResult }
  /**
   * `before`: the script has not begun; `never`: nor would it on another connection; `during`: the connection was lost;
   * `deadline`: there is no answer, and the connection is of no use any more.
   */
  | { kind: 'before' | 'never' | 'during' | 'deadline'; error: HadbError };

/** `timeout` sends KILL five seconds after TERM; then the node has five more to say so. */
const DEADLINE_SLACK_MS = 10_000;
const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;

/** How the shell of root ended. */
interface Exit {
  code: number | null;
  signal?: string;
}

export function openRootShell(node: string, client: Client, command: string): RootShell {
  let alive = true;
  let exit: Exit | undefined;
  const opening = new Promise<ClientChannel>((resolve, reject) => {
    client.once('close', () => reject(new Error('the connection was lost')));
    client.exec(command, (error, channel) => {
      if (error !== undefined) return reject(error);
      channel.on('error', () => undefined);
      // Here, not after a promise: the end of a shell that ends at its start may have come together with this answer.
      channel.on('exit', (code: number | null, signal?: string) => {
        alive = false;
        exit = { code, ...(signal === undefined ? {} : { signal }) };
      });
      channel.on('close', () => (alive = false));
      resolve(channel);
    });
  });
  opening.catch(() => (alive = false));

  return {
    isAlive: () => alive,

    async run(script, input, timeoutMs) {
      const startedAt = performance.now();
      const frame = frameScript(script, input, timeoutMs);
      let channel: ClientChannel;
      try {
        channel = await opening;
      } catch (error) {
        return {
          kind: 'before',
          error: unreachable(node, `no shell could be started on ${node}: ${messageOf(error)}`),
        };
      }
      const stdout = createCapture(frame.nonce);
      const stderr = createCapture(frame.nonce);
      return new Promise<Outcome>((resolve) => {
        const settle = (outcome: Outcome) => {
          clearTimeout(deadline);
          client.off('close', onLost);
          channel.off('data', onStdout).off('close', onLost);
          channel.stderr.off('data', onStderr);
          resolve(outcome);
        };
        const seen = () => lastLines(`${stdout.text()}\n${stderr.text()}`);
        const onData = () => {
          const code = stdout.end();
          if (code === undefined || stderr.end() === undefined) return;
          const durationMs = performance.now() - startedAt;
          settle({
            kind: 'result',
            result: { code: Number(code), stdout: stdout.text(), stderr: stderr.text(), durationMs },
          });
        };
        const onStdout = (chunk: Buffer) => {
          stdout.add(chunk);
          onData();
        };
        const onStderr = (chunk: Buffer) => {
          stderr.add(chunk);
          onData();
        };
        const onLost = () => {
          if (exit !== undefined && !stdout.begun()) settle({ kind: 'never', error: noRootShell(node, exit, seen()) });
          else settle({ kind: 'during', error: unknownResult(node, 'the connection was lost', seen()) });
        };
        const deadline = setTimeout(() => {
          const waited = Math.round((timeoutMs + DEADLINE_SLACK_MS) / 1000);
          settle({ kind: 'deadline', error: unknownResult(node, `no answer within ${waited} s`, seen()) });
        }, timeoutMs + DEADLINE_SLACK_MS);

        client.on('close', onLost);
        channel.on('data', onStdout).on('close', onLost);
        channel.stderr.on('data', onStderr);
        channel.write(frame.bytes);
      });
    },
  };
}

function frameScript(script: string, input: string | Buffer, timeoutMs: number): { nonce: string; bytes: Buffer } {
  const nonce = randomBytes(12).toString('hex');
  const body = Buffer.from(script);
  const data = Buffer.from(input);
  if (body.length > SCRIPT_LIMIT_BYTES) {
    throw new HadbError('Internal', `a script of ${body.length} bytes is too long; its data belongs into its input`);
  }
  const header = renderFrameHeader({
    nonce,
    deadlineSeconds: Math.ceil(timeoutMs / 1000),
    scriptBytes: body.length,
    inputBytes: data.length,
  });
  return { nonce, bytes: Buffer.concat([Buffer.from(header), body, data, Buffer.from(FRAME_END)]) };
}

/** What one output carries between the two lines with the nonce. */
function createCapture(nonce: string) {
  const first = `${nonce}\n`;
  const last = new RegExp(`\\n${nonce}(?: (\\d+))?\\n`);
  let pending = Buffer.alloc(0);
  let begun = false;
  const chunks: Buffer[] = [];
  let total = 0;
  let recent = Buffer.alloc(0);
  let ending: { code: string; length: number } | undefined;

  return {
    add(chunk: Buffer) {
      let data = chunk;
      if (!begun) {
        // What a daemon of an earlier script still writes is not this one's.
        pending = Buffer.concat([pending, chunk]);
        const at = pending.indexOf(first);
        if (at < 0) return;
        begun = true;
        data = pending.subarray(at + first.length);
      }
      if (ending !== undefined) return;
      // The pipe must go on being emptied, or the script would never end.
      if (total < OUTPUT_LIMIT_BYTES) chunks.push(data);
      total += data.length;
      recent = Buffer.concat([recent, data]);
      const found = last.exec(recent.toString('latin1'));
      if (found !== null) ending = { code: found[1] ?? '', length: total - recent.length + found.index };
      recent = recent.subarray(-100);
    },
    begun: () => begun,
    /** The exit code (empty on standard error) once the last line has come. */
    end: () => ending?.code,
    text(): string {
      if (!begun) return pending.toString('utf8');
      const length = ending?.length ?? total;
      const text = Buffer.concat(chunks).subarray(0, length).toString('utf8');
      return length > OUTPUT_LIMIT_BYTES ? `${text}\n[cut: ${length} bytes]` : text;
    },
  };
}

function noRootShell(node: string, exit: Exit, seen: string): HadbError {
  const how = exit.code === null ? `was killed by ${exit.signal ?? 'a signal'}` : `ended with exit code ${exit.code}`;
  return new HadbError('CommandFailed', `no shell of root on ${node}: sudo ${how}: ${seen}`, {
    subject: node,
    observed: seen,
    whatNow: 'The administrator of the machine must be allowed to use sudo without a password, as Azure sets it up.',
  });
}

function unknownResult(node: string, reason: string, seen: string): HadbError {
  return new HadbError('CommandUnknown', `the result of a command on ${node} is not known: ${reason}`, {
    subject: node,
    ...(seen === '' ? {} : { observed: seen }),
    whatNow: 'The next try observes first: what the command did is then seen.',
  });
}

export function unreachable(node: string, message: string, whatNow?: string): HadbError {
  return new HadbError('NodeUnreachable', message, { subject: node, ...(whatNow === undefined ? {} : { whatNow }) });
}

/** The end of an output, for messages. */
export function lastLines(text: string, limit = 500): string {
  const trimmed = text.trim();
  if (trimmed.length <= limit) return trimmed;
  const cut = trimmed.slice(-limit);
  return `… ${cut.slice(cut.indexOf('\n') + 1)}`;
}
