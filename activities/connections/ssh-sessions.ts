import { assertNever, HadbError, isHadbError } from '../../cluster/errors';
import type { FailureDetails } from '../../cluster/errors';
import { NODE_PATHS, publicHostName, remoteJobUnit, secretNames } from '../../cluster/ids';
import type { NodePaths } from '../../cluster/node-scripts/remote-command';
import {
  renderChange,
  renderRead,
  renderRootShell,
  renderTakeOwnership,
  renderWasDone,
  renderWriteFile,
} from '../../cluster/node-scripts/remote-command';
import type { JobState } from '../../cluster/node-scripts/remote-job';
import {
  BOOT_ID_FILE,
  parseJobState,
  renderJobSetAside,
  renderJobStart,
  renderJobStop,
  renderJobWait,
} from '../../cluster/node-scripts/remote-job';
import type { ClusterSpecification } from '../../cluster/specification/specification';
import type { StepContext } from '../../cluster/step';
import type { CancellationScope } from './activity-scope';
import { currentCancellation } from './activity-scope';
import type {
  CommandOptions,
  CommandResult,
  JobResult,
  NodeSession,
  NodeSessions,
  RemoteFile,
  RemoteJob,
} from './node-session';
import { EXIT } from './node-session';
import type { Redactor, SecretStore } from './secret-store';
import type { RawResult } from './root-shell';
import { lastLines } from './root-shell';
import type { SshConnection, SshTimings } from './ssh-connection';
import { createSshConnection, SSH_TIMINGS } from './ssh-connection';
import { readPublicKey } from './ssh-keys';
import { messageOf } from '../../processes/error-message';

export interface NodeSessionsOptions {
  secrets: SecretStore;
  redactor: Redactor;
  /** Address of a public name. */
  resolve: (name: string) => Promise<string>;
  /** Where hadb keeps its things on a node; another root in tests. */
  paths?: NodePaths;
  bootIdFile?: string;
  timings?: Partial<SessionTimings>;
  cancellation?: () => CancellationScope | undefined;
  /** Told of each command that has ended: for figures, never for decisions. */
  onCommand?: (command: CommandRecord) => void;
}

export interface SessionTimings extends SshTimings {
  commandMs: number;
  /** Longest wait for the lock of a node: longer than a command of hadb, shorter than an activity. */
  lockWaitMs: number;
  /** How long one look at a job waits on the node for its end: also the interval of its progress. */
  jobWaitMs: number;
  /** A job goes on without us: this long is its node allowed to be unreachable before the try ends. */
  jobPatienceMs: number;
}

export interface CommandRecord {
  node: string;
  kind: 'read' | 'change' | 'job';
  step?: string;
  durationMs: number;
  code: number;
}

const TIMINGS: SessionTimings = {
  ...SSH_TIMINGS,
  commandMs: 30_000,
  lockWaitMs: 20_000,
  jobWaitMs: 2_000,
  jobPatienceMs: 120_000,
};

interface Resources extends Required<Omit<NodeSessionsOptions, 'timings' | 'onCommand'>> {
  timings: SessionTimings;
  onCommand: (command: CommandRecord) => void;
}

export function createNodeSessions(options: NodeSessionsOptions): NodeSessions {
  const resources: Resources = {
    paths: NODE_PATHS,
    bootIdFile: BOOT_ID_FILE,
    cancellation: currentCancellation,
    onCommand: () => undefined,
    ...options,
    timings: { ...TIMINGS, ...options.timings },
  };
  const connections = new Map<string, SshConnection>();

  return {
    async open({ specification }, name) {
      const node = specification.nodes.find((candidate) => candidate.name === name);
      if (node === undefined) {
        throw new HadbError('BadRequest', `${specification.name} has no node ${name}`, { subject: name });
      }
      const host = publicHostName(specification);
      const key = `${specification.name} ${name} ${specification.vm.adminUser}@${host}:${node.sshPort}`;
      let connection = connections.get(key);
      if (connection === undefined) {
        const readTarget = async () => ({
          ...(await readKeys(resources, specification, name)),
          host: await resolveHost(resources, host, name),
          port: node.sshPort,
          user: specification.vm.adminUser,
        });
        connection = createSshConnection(name, renderRootShell(resources.paths), readTarget, resources.timings);
        connections.set(key, connection);
      }
      return createSession(name, connection, resources);
    },

    async close() {
      for (const connection of connections.values()) connection.close();
      connections.clear();
    },
  };
}

async function readKeys(resources: Resources, specification: ClusterSpecification, node: string) {
  const names = secretNames(specification.name);
  const read = async (secret: string): Promise<string> => {
    const value = await resources.secrets.read(secret);
    if (value !== undefined) return value;
    throw new HadbError('NotReady', `the secret store has no ${secret}, so ${node} cannot be reached`, {
      subject: node,
      observed: `nothing at ${resources.secrets.locate(secret)}`,
      whatNow:
        'The build makes it with the virtual machine. If the machine exists, use the secret store it was made with.',
    });
  };
  const hostKeyName = names.hostKey(node);
  const { type, blob } = readPublicKey(await read(hostKeyName), hostKeyName);
  return {
    privateKey: await read(names.adminKey),
    hostKey: { type, blob, location: resources.secrets.locate(hostKeyName) },
  };
}

async function resolveHost(resources: Resources, host: string, node: string): Promise<string> {
  try {
    return await resources.resolve(host);
  } catch (error) {
    if (isHadbError(error)) throw error;
    throw new HadbError('NodeUnreachable', `the name ${host} of ${node} does not resolve: ${messageOf(error)}`, {
      subject: node,
      whatNow: 'Look at the DNS label of the public address, and at the name servers of the worker.',
    });
  }
}

function createSession(node: string, connection: SshConnection, resources: Resources): NodeSession {
  const { paths, redactor, timings } = resources;
  const jobPaths = { node: paths, bootId: resources.bootIdFile };
  const lockWaitSeconds = Math.ceil(timings.lockWaitMs / 1000);

  async function execute(
    kind: CommandRecord['kind'],
    script: string,
    options: CommandOptions & { step?: string; extraMs?: number; repeatable?: boolean },
  ): Promise<CommandResult> {
    const timeoutMs = (options.timeoutMs ?? timings.commandMs) + (options.extraMs ?? 0);
    const raw = await connection
      .execute(script, options.input ?? '', { timeoutMs, repeatable: options.repeatable ?? kind === 'read' })
      .catch((error: unknown) => {
        throw redactError(redactor, error);
      });
    const { stdout, stderr } = {
      stdout: redactor.redact(raw.stdout),
      stderr: redactor.redact(withoutNoise(raw.stderr)),
    };
    resources.onCommand({
      node,
      kind,
      durationMs: raw.durationMs,
      code: raw.code,
      ...(options.step === undefined ? {} : { step: options.step }),
    });
    if ((options.accept ?? [0]).includes(raw.code)) return { code: raw.code, stdout, stderr };
    throw explain(raw, { stdout, stderr, timeoutMs, ...(options.step === undefined ? {} : { step: options.step }) });
  }

  function explain(
    raw: RawResult,
    seen: { stdout: string; stderr: string; timeoutMs: number; step?: string },
  ): HadbError {
    const observed = lastLines(seen.stderr) || lastLines(seen.stdout) || 'no output';
    const about = seen.step === undefined ? `a command on ${node}` : `the command of ${seen.step} on ${node}`;
    const failure = (code: ConstructorParameters<typeof HadbError>[0], message: string, whatNow?: string) => {
      const details: FailureDetails = { subject: node, observed, ...(whatNow === undefined ? {} : { whatNow }) };
      return new HadbError(code, message, details);
    };
    if (raw.code === EXIT.guardRefused) {
      return failure(
        'GuardRefused',
        `a guard refused ${about}: ${observed}`,
        'Nothing was changed, and hadb erases and forces nothing by itself. Put right what is named, then decide "retry".',
      );
    }
    if (raw.code === EXIT.notOwner) {
      return failure(
        'NotOwner',
        `${node} is in the hands of another operation: ${observed}`,
        'Wait until it has ended, or cancel it.',
      );
    }
    if (raw.code === EXIT.lockBusy) {
      return failure('NotReady', `the lock of ${node} is held by ${observed}`, 'It is tried again.');
    }
    if ((raw.code === 124 || raw.code === 137) && raw.durationMs >= seen.timeoutMs) {
      return failure(
        'CommandUnknown',
        `${about} did not end within ${seen.timeoutMs / 1000} s and was stopped`,
        'The next try observes first. If it stays, look at the load of the node.',
      );
    }
    return failure(
      'CommandFailed',
      `${about} failed with exit code ${raw.code}: ${observed}`,
      'The next try observes first. If it stays, look at the node for the reason, then decide "retry".',
    );
  }

  async function change(context: StepContext, script: string, options: CommandOptions = {}): Promise<CommandResult> {
    return execute('change', renderChange(paths, context, script, { lockWaitSeconds }), {
      ...options,
      step: context.step,
      extraMs: timings.lockWaitMs,
    });
  }

  async function runJob(context: StepContext, job: RemoteJob): Promise<JobResult> {
    const unit = remoteJobUnit(context.operation.run, context.step, context.generation);
    const start = renderJobStart(jobPaths, context, {
      unit,
      script: job.script,
      timeoutSeconds: Math.ceil(job.timeoutMs / 1000),
      lockWaitSeconds,
    });
    const { stdout } = await execute('change', start, {
      step: context.step,
      extraMs: timings.lockWaitMs,
      repeatable: true,
      ...(job.input === undefined ? {} : { input: job.input }),
    });
    const end = await followJob(context, job, unit);
    if (end.state === 'finished' && end.code === 0) {
      return { started: stdout.trim() === 'now' ? 'now' : 'attached', tail: end.tail };
    }
    if (end.state === 'lost') {
      await execute('change', renderJobSetAside(jobPaths, context, { unit, boot: end.boot, lockWaitSeconds }), {
        step: context.step,
        extraMs: timings.lockWaitMs,
      });
    }
    throw explainJob(context, unit, end);
  }

  /** Looks at the job until it has ended. Silence of the node is borne for a while: the job goes on without us. */
  async function followJob(
    context: StepContext,
    job: RemoteJob,
    unit: string,
  ): Promise<Exclude<JobState, { state: 'running' }>> {
    const cancellation = resources.cancellation();
    const wait = renderJobWait(jobPaths, unit, { waitSeconds: Math.max(1, Math.round(timings.jobWaitMs / 1000)) });
    let lastSeenAt = performance.now();
    for (;;) {
      if (cancellation?.signal.aborted === true) {
        if (cancellation.endsRun())
          await execute('job', renderJobStop(unit), { step: context.step, timeoutMs: 45_000 });
        throw cancellation.signal.reason;
      }
      try {
        const { stdout } = await execute('read', wait, { step: context.step });
        lastSeenAt = performance.now();
        const state = parseJobState(stdout);
        if (state.state !== 'running') return state;
        job.onProgress?.(state.tail);
      } catch (error) {
        const transient = isHadbError(error) && (error.code === 'NodeUnreachable' || error.code === 'CommandUnknown');
        if (!transient || performance.now() - lastSeenAt > timings.jobPatienceMs) throw error;
        job.onProgress?.(`waiting for ${node}: ${error.message}`);
        await pause(1_000, cancellation?.signal);
      }
    }
  }

  function explainJob(context: StepContext, unit: string, end: Exclude<JobState, { state: 'running' }>): HadbError {
    const observed = lastLines(end.tail, 1_000) || 'no output';
    const details = { subject: node, observed };
    const job = `the job of ${context.step} on ${node}`;
    switch (end.state) {
      case 'finished':
        return new HadbError(
          'RemoteJobFailed',
          `${job} ended with exit code ${end.code}: ${lastLines(end.tail, 200)}`,
          {
            ...details,
            whatNow: `Its whole output is on ${node} in ${paths.jobs}/${unit}/output. A retry starts it again.`,
          },
        );
      case 'ended':
        return new HadbError('RemoteJobFailed', `${job} was ended by systemd: ${end.reason}`, details);
      case 'vanished':
        return new HadbError('RemoteJobFailed', `${job} ended without leaving a result`, details);
      case 'lost':
        return new HadbError('RemoteJobLost', `${node} was rebooted while ${job} ran`, {
          ...details,
          whatNow: 'The next try observes what is there and starts it anew if needed.',
        });
      case 'absent':
        return new HadbError('CommandUnknown', `${job} was not begun, or its record is gone`, details);
      default:
        return assertNever(end);
    }
  }

  return {
    node,
    read: (script, options = {}) => execute('read', renderRead(script), options),
    change,

    async writeFile(context: StepContext, file: RemoteFile) {
      await change(context, renderWriteFile(file), { input: file.content });
    },

    async wasDoneBy(context) {
      const { code } = await execute('read', renderWasDone(paths, context), { accept: [0, 1], step: context.step });
      return code === 0;
    },

    runJob,

    async takeOwnership(context) {
      const script = renderTakeOwnership(paths, context, { lockWaitSeconds, keepDays: 30 });
      const { stdout } = await execute('change', script, {
        step: context.step,
        extraMs: timings.lockWaitMs,
        repeatable: true,
      });
      const previous = stdout.trim();
      return previous === '' || previous.startsWith(`${context.operation.run} `) ? {} : { previous };
    },
  };
}

/** sudo complains while a node does not know its own name yet. */
function withoutNoise(stderr: string): string {
  return stderr.replace(/^sudo: unable to resolve host .*\n?/gm, '');
}

function redactError(redactor: Redactor, error: unknown): unknown {
  if (!isHadbError(error) || error.details.observed === undefined) return error;
  return new HadbError(error.code, error.message, {
    ...error.details,
    observed: redactor.redact(error.details.observed),
  });
}

function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, durationMs);
    signal?.addEventListener('abort', done);
    if (signal?.aborted === true) done();
  });
}
