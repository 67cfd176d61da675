import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLabSettings, type EngineName, type LabSettings } from '../../settings';

/** What the end-to-end tests run on: the one place that reads it. */
export interface EndToEndOptions {
  lab: LabSettings;
  /** Engines whose drivers are tested. */
  engines: readonly EngineName[];
  /** `npm run test:all`: what takes long runs, too. */
  everything: boolean;
}

/**
 * User-mode Linux in minutes by default; with HADB_TEST_ALL the emulated PC as well, and KVM where the lab's own probing has
 * found that it runs guests; HADB_LAB_ENGINE narrows it to one.
 */
export function readEndToEndOptions(): EndToEndOptions {
  const lab = readLabSettings();
  const everything = process.env['HADB_TEST_ALL'] === '1';
  const engines: readonly EngineName[] =
    lab.engine !== undefined
      ? [lab.engine]
      : everything
        ? [...(hasKvm(lab) ? (['kvm'] as const) : []), 'uml', 'tcg']
        : ['uml'];
  return { lab, engines, everything };
}

/** What probing has left for the next start; without an answer yet there is nothing to test. */
function hasKvm({ cacheDirectory }: LabSettings): boolean {
  const file = join(cacheDirectory, 'engine.json');
  if (!existsSync(file)) return false;
  return (JSON.parse(readFileSync(file, 'utf8')) as { choice?: { engine?: EngineName } }).choice?.engine === 'kvm';
}
