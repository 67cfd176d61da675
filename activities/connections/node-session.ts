import type { StepContext } from '../../cluster/step';

/** How activities reach a node. Scripts are POSIX sh, run by root under `set -eu`. */

export { EXIT } from '../../cluster/node-scripts/exit-codes';

export interface CommandResult {
  code: number;
  /** Redacted, as is `stderr`: to compare a file that holds a secret, let the node compare checksums. */
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /**
   * Deadline of this one command. The node ends the command itself; where the node does not answer, the connection is
   * given up. Either way the result is unknown. Default 30 s.
   */
  timeoutMs?: number;
  /** Exit codes that are answers, not failures. Default [0]. */
  accept?: readonly number[];
  /** Sent to the script's standard input: the way for secrets and file contents (never arguments, never the script). */
  input?: string | Buffer;
}

export interface NodeSession {
  readonly node: string;

  /**
   * Runs a script that changes nothing; it is sent again when the connection breaks. Errors: NodeUnreachable,
   * CommandUnknown, CommandFailed, HostKeyMismatch.
   */
  read(script: string, options?: CommandOptions): Promise<CommandResult>;

  /**
   * Runs guard and move in one remote command: under `flock` on the node, after the check that this operation owns the
   * node; on exit code 0 it leaves a durable marker that this step of this operation was done (`wasDoneBy`).
   * Errors as `read`, and NotOwner, GuardRefused, NotReady (another command holds the lock).
   */
  change(context: StepContext, script: string, options?: CommandOptions): Promise<CommandResult>;

  /**
   * Writes a file atomically (temporary file, fsync, rename) as `change` does, with owner root unless said otherwise.
   * Missing directories are made.
   */
  writeFile(context: StepContext, file: RemoteFile): Promise<void>;

  /** True when this step of this operation was done on this node before: its report was lost. */
  wasDoneBy(context: StepContext): Promise<boolean>;

  /**
   * Runs a script as a durable job that outlives the connection and the worker: starts it, or attaches to the one with the
   * same operation, step and generation, and waits for its end. Heartbeats through `onProgress` with the output's tail.
   * Errors: RemoteJobFailed (with the tail), NotOwner, NodeUnreachable (the job goes on), and RemoteJobLost: the node was
   * rebooted meanwhile; the job is put aside, so that the next try, which observes first, may start it anew.
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
