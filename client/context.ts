import type { CommandContext } from '@stricli/core';
import type { ClientSettings } from '../settings';
import type { Clock } from './clock';
import type { Embedded, PieceReport } from './embedded';
import type { Finding } from './examination';
import type { Temporal, TemporalTarget } from './temporal';

/** All that a command touches, injected: a test runs a whole command without a process, a terminal or a server. */

export interface Output {
  write(text: string): void;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ClientContext extends CommandContext {
  readonly process: {
    readonly stdout: Output;
    readonly stderr: Output;
    exitCode?: number | string | null;
  };
  readonly settings: ClientSettings;
  readonly clock: Clock;
  /** Aborted by the first Ctrl-C: the command lets go of what it watches, and says how to come back. */
  readonly interrupt: AbortSignal;
  /** One line from the person at the terminal; undefined when there is none. */
  ask(question: string): Promise<string | undefined>;
  connect(target: TemporalTarget): Promise<Temporal>;
  /** The pieces that `hadb up` starts on this computer. */
  embedded(): Embedded;
  /** What is there and what is missing on this computer. */
  examine(): Promise<Finding[]>;
  /** Installs packages that this computer lacks, where it can. Errors: HADB_E4009. */
  prepareHost(report: PieceReport): Promise<void>;
  readonly workingDirectory: string;
}

export function isInteractive(context: ClientContext): boolean {
  return context.process.stderr.isTTY === true;
}
