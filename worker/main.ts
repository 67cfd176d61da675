import { readWorkerSettings, SettingsError } from '../settings';
import { startWorker } from './worker';

/** `node dist/worker/main.js`: a worker alone, for any Temporal and any Azure; everything about both is settings. */

const EXIT_USAGE = 64;
const EXIT_INTERNAL = 70;

async function main(): Promise<void> {
  const stop = new AbortController();
  let shutdown = () => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => shutdown());
  const worker = await startWorker(readWorkerSettings(), stop.signal);
  shutdown = () => worker.shutdown();
  if (stop.signal.aborted) shutdown();
  await worker.run();
}

main().catch((error: unknown) => {
  if (typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError') return;
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = error instanceof SettingsError ? EXIT_USAGE : EXIT_INTERNAL;
});
