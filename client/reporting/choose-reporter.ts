import type { ClientContext } from '../context';
import { createJsonReporter } from './json-lines';
import { createLineReporter } from './line-reporter';
import { createLiveReporter } from './live-reporter';
import type { Reporter } from './reporter';

export const PROGRESS_STYLES = ['auto', 'live', 'lines', 'quiet'] as const;
export type ProgressStyle = (typeof PROGRESS_STYLES)[number];

export interface ReportingFlags {
  json: boolean;
  progress: ProgressStyle;
}

/** `auto` is live on a terminal; when piped it is quiet, with a sign of life now and then. */
export function chooseReporter(context: ClientContext, flags: ReportingFlags, version: string): Reporter {
  const { process: streams, settings, clock } = context;
  if (flags.json) return createJsonReporter(streams.stdout, clock, version);
  const style = flags.progress === 'auto' ? (streams.stderr.isTTY === true ? 'live' : 'quiet') : flags.progress;
  if (style === 'live') return createLiveReporter(streams, settings, clock);
  const quiet = style === 'quiet';
  return createLineReporter(streams, settings, clock, { quiet, signsOfLife: quiet && flags.progress === 'auto' });
}
