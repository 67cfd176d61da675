import type { StepContext } from '../../cluster/step';

/** How activities reach a node. Scripts are POSIX sh, run by root under `set -eu`. */

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** Deadline of this one command; the connection is given up afterwards and the result is unknown. Default 30 s. */
  timeoutMs?: number;
  /** Exit codes that are answers, not failures. Default [0]. */
  accept?: readonly number[];
  /** Sent to the script's standard input: the way for secrets and file contents (never arguments, never the script). */
  input?: string | Buffer;
}

/** Exit codes that hadb's own scripts use, beyond what the tools give: BSD sysexits' last, so that no tool is mistaken. */
export const EXIT = {
  /** The guard refused; standard error says what was seen. Becomes `GuardRefused`. */
  guardRefused: 75,
  /** The owner file names another operation. Becomes `NotOwner`. */
  notOwner: 76,
} as const;

export interface NodeSession {
  readonly node: string;

  /** Runs a script that changes nothing. Errors: NodeUnreachable, CommandUnknown, CommandFailed, HostKeyMismatch. */
  read(script: string, options?: CommandOptions): Promise<CommandResult>;

  /**
   * Runs guard and move in one remote command: under `flock` on the node, after the check that this operation owns the
   * node; on success it leaves a durable marker that this step of this operation was done (`wasDoneBy`).
   * Errors as `read`, and NotOwner, GuardRefused.
   */
  change(context: StepContext, script: string, options?: CommandOptions): Promise<CommandResult>;

  /** Writes a file atomically (temporary file, fsync, rename) as `change` does, with owner root unless said otherwise. */
  writeFile(context: StepContext, file: RemoteFile): Promise<void>;

  /** True when this step of this operation was done on this node before: its report was lost. */
  wasDoneBy(context: StepContext): Promise<boolean>;

  /**
   * Runs a script as a durable job that outlives the connection and the worker: starts it, or attaches to the one with the
   * same operation, step and generation, and waits for its end. Heartbeats through `onProgress` with the output's tail.
   * Errors: RemoteJobFailed (with the tail), RemoteJobLost (the node was rebooted meanwhile), NotOwner.
   */
  runJob(context: StepContext, job: RemoteJob): Promise<JobResult>;

  /**
   * Makes this operation the owner of the node. Refused with NotOwner while a job of another operation runs there; a job
   * that has ended, or an owner without a running job, gives way.
   */
  takeOwnership(context: StepContext): Promise<{ previous?: string }>;
}

export interface RemoteFile {
  path: string;
  content: string | Buffer;
  /** Octal, such as 0o600. */
  mode: number;
  owner?: string;
  group?: string;
}

export interface RemoteJob {
  script: string;
  /** Ends the job on the node itself. */
  timeoutMs: number;
  onProgress?: (tail: string) => void;
  input?: string;
}

export interface JobResult {
  /** `attached` when the job had been started before. */
  started: 'now' | 'attached';
  /** Last lines of the output, redacted. */
  tail: string;
}

/** Opens sessions; one shared connection for each node, host keys pinned. */
export interface NodeSessions {
  open(context: Pick<StepContext, 'specification'>, node: string): Promise<NodeSession>;
  close(): Promise<void>;
}
