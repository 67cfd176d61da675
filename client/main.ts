import { createInterface } from 'node:readline/promises';
import { readClientSettings } from '../settings';
import { runCommandLine } from './application';
import { systemClock } from './clock';
import type { ClientContext } from './context';
import type * as Start from './start';
import type * as TemporalModule from './temporal';
import { messageOf } from '../processes/error-message';

/** The process `hadb`: wires the real streams, clock and servers to the command line. */

const startModule = () => require('./start') as typeof Start;
const temporalModule = () => require('./temporal') as typeof TemporalModule;

async function main(): Promise<void> {
  const settings = readClientSettings();
  const interrupt = new AbortController();
  process.on('SIGINT', () => {
    // The second one is meant: whatever still hangs must not hold the terminal.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  });
  let embedded: ReturnType<ClientContext['embedded']> | undefined;
  const context: ClientContext = {
    process: process as ClientContext['process'],
    settings,
    clock: systemClock,
    interrupt: interrupt.signal,
    workingDirectory: process.cwd(),
    ask: (question) => ask(question, interrupt.signal),
    connect: (target) => temporalModule().connect(target),
    embedded: () => (embedded ??= startModule().wireEmbedded(settings)),
    examine: () => startModule().examineThisMachine(settings),
    prepareHost: (report) => startModule().prepareThisHost(settings, report),
  };
  await runCommandLine(process.argv.slice(2), context);
  // What was interrupted may still be at work behind us (an image, a download): it is safe to leave it where it is.
  if (interrupt.signal.aborted) process.exit();
}

/** Whoever reads may stop (`| head`, `| grep -q`): the rest is said to nobody, and the exit code stays that of the command. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

async function ask(question: string, signal: AbortSignal): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal });
  } catch {
    return undefined;
  } finally {
    lines.close();
  }
}

void main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 70;
});
