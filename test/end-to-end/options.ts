import { readLabSettings, type EngineName, type LabSettings } from '../../settings';

/** What the end-to-end tests run on: the one place that reads it. */
export interface EndToEndOptions {
  lab: LabSettings;
  /** Engines whose drivers are tested. */
  engines: readonly EngineName[];
  /** `npm run test:all`: what takes long runs, too. */
  everything: boolean;
}

/** User-mode Linux in minutes by default; with HADB_TEST_ALL the emulated PC as well; HADB_LAB_ENGINE narrows it to one. */
export function readEndToEndOptions(): EndToEndOptions {
  const lab = readLabSettings();
  const everything = process.env['HADB_TEST_ALL'] === '1';
  const engines: readonly EngineName[] =
    lab.engine !== undefined ? [lab.engine] : everything ? ['uml', 'tcg'] : ['uml'];
  return { lab, engines, everything };
}
