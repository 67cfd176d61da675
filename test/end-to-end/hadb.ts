import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { createNameResolver } from '../../activities/connections/name-resolver';
import type { NodeSession } from '../../activities/connections/node-session';
import { createRedactor } from '../../activities/connections/redactor';
import { createDirectorySecretStore } from '../../activities/connections/secret-store';
import { createNodeSessions } from '../../activities/connections/ssh-sessions';
import { ClusterSpecification } from '../../cluster/specification/specification';
import type { ClusterSpecificationInput } from '../../cluster/specification/specification';
import type { Progress, StepOutcome } from '../../cluster/step';
import { findOwnedProcess, stopOwnedProcess } from '../../processes/owned-process';
import { progressQuery } from '../../workflows/messages';
import { endWithThisProcess } from './process-keeper';

/** hadb as its users have it: the command line, in a state directory of its own. */

const PROGRAM = join(__dirname, '..', '..', 'bin', 'hadb.js');

export interface CommandOutcome {
  code: number | null;
  /** JSON lines of standard output. */
  lines: Record<string, unknown>[];
  stdout: string;
  stderr: string;
}

export interface Result {
  outcome: string;
  summary: string;
  verdict: {
    passed: boolean;
    summary: string;
    checks: { name: string; passed: boolean; unknown?: boolean; notRun?: boolean; detail: string }[];
  } | null;
}

export interface Piece {
  name: string;
  state: string;
  pid?: number;
  logFile?: string;
  address?: string;
}

export type Killable = 'worker' | 'temporal' | 'control';

/** Where each piece's process is written down, in the state directory. */
const RECORDS: Record<Killable, string> = {
  worker: 'worker/process.json',
  temporal: 'temporal/process.json',
  control: 'lab/control-process.json',
};

export interface Hadb {
  directory: string;
  specificationFile: string;
  specification: ClusterSpecification;
  run(args: readonly string[], options?: { timeoutMs?: number }): Promise<CommandOutcome>;
  /** As `run`, and fails with all output unless the command exits with 0. */
  succeed(args: readonly string[], options?: { timeoutMs?: number }): Promise<CommandOutcome>;
  pieces(): Promise<Piece[]>;
  /** SIGKILL to the piece's process alone, by its id. */
  kill(name: Killable): void;
  progress(workflowId: string): Promise<Progress | undefined>;
  node(name: string): Promise<NodeSession>;
  close(): Promise<void>;
}

export function createHadb(input: ClusterSpecificationInput, options: { keep?: boolean } = {}): Hadb {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-e2e-'));
  const keeper = endWithThisProcess(directory, options);
  const specificationFile = join(directory, 'cluster.yaml');
  writeFileSync(specificationFile, stringify(input));
  const specification = ClusterSpecification.parse(input);
  const redactor = createRedactor();
  const secrets = createDirectorySecretStore(join(directory, 'secrets'), redactor);
  const closers: (() => Promise<void>)[] = [];
  let nameServer: string | undefined;
  let connected: Promise<Client> | undefined;

  const run = (args: readonly string[], { timeoutMs = 600_000 } = {}): Promise<CommandOutcome> =>
    runProgram(
      [PROGRAM, ...args],
      { HADB_STATE_DIR: directory, TEMPORAL_ADDRESS: '', TEMPORAL_PROFILE: '' },
      timeoutMs,
    );

  const succeed: Hadb['succeed'] = async (args, limits) => {
    const outcome = await run(args, limits);
    if (outcome.code !== 0) {
      throw new Error(
        `hadb ${args.join(' ')} exited with ${outcome.code}\n${outcome.stdout.slice(-6000)}\n${outcome.stderr.slice(-6000)}`,
      );
    }
    return outcome;
  };

  const pieces = async (): Promise<Piece[]> => {
    // Exits with 69 while Temporal is down, and tells the pieces all the same.
    const { stdout } = await run(['status', '--json']);
    return (JSON.parse(stdout) as { pieces: Piece[] }).pieces;
  };

  const client = (): Promise<Client> => {
    connected ??= pieces().then(async (all) => {
      const address = all.find(({ name }) => name === 'temporal')?.address ?? 'none';
      const connection = await Connection.connect({ address });
      closers.push(() => connection.close());
      return new Client({ connection });
    });
    return connected;
  };

  return {
    directory,
    specificationFile,
    specification,
    run,
    succeed,
    pieces,
    kill(name) {
      // Read from its record: the step that is to be struck may be over by the time that a command has answered.
      const piece = findOwnedProcess(join(directory, RECORDS[name]));
      if (piece === undefined) throw new Error(`${name} does not run`);
      process.kill(piece.pid, 'SIGKILL');
    },
    async progress(workflowId) {
      const handle = (await client()).workflow.getHandle(workflowId);
      // A query needs a worker and a server; both are killed here all the time.
      return Promise.race([
        handle.query(progressQuery).catch(() => undefined),
        sleep(5_000, undefined, { ref: false }),
      ]);
    },
    async node(name) {
      if (nameServer === undefined) {
        const { stdout } = await succeed(['lab', 'env']);
        nameServer = /HADB_NAME_SERVER='([^']*)'/.exec(stdout)?.[1];
      }
      const sessions = createNodeSessions({
        secrets,
        redactor,
        resolve: createNameResolver(nameServer),
      });
      closers.push(() => sessions.close());
      return sessions.open({ specification }, name);
    },
    async close() {
      for (const closer of closers.splice(0)) await closer();
      await run(['down'], { timeoutMs: 240_000 });
      await run(['lab', 'down', '--purge'], { timeoutMs: 240_000 });
      for (const piece of ['worker', 'temporal'] as const) {
        const record = join(directory, RECORDS[piece]);
        if (existsSync(record)) await stopOwnedProcess(record, { graceMs: 0 });
      }
      await keeper.release();
      if (options.keep !== true) rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function resultOf(outcome: CommandOutcome): Result {
  const last = outcome.lines.at(-1);
  if (last?.['type'] !== 'result') throw new Error(`the last line is no result: ${outcome.stdout.slice(-2000)}`);
  return last as unknown as Result;
}

/** Outcomes of the steps that have ended, by identity. */
export function outcomesOf(outcome: CommandOutcome): Map<string, StepOutcome> {
  const steps = outcome.lines.filter((line) => line['type'] === 'step' && line['state'] === 'done');
  return new Map(steps.map((line) => [line['step'] as string, line['outcome'] as StepOutcome]));
}

/** Steps that did something, or would have: none, where a run only looked. */
export const notUnchanged = (outcome: CommandOutcome): string[] =>
  [...outcomesOf(outcome)].filter(([, { result }]) => result !== 'unchanged').map(([step]) => step);

function runProgram(
  args: readonly string[],
  environment: Record<string, string>,
  timeoutMs: number,
): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, lines: parseLines(stdout) });
    });
  });
}

function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{"'))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}
