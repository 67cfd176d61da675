import { readLabSettings, type EngineName, type LabSettings } from '../../settings';

/** What the end-to-end tests run on: the one place that reads it. */
export interface EndToEndOptions {
  lab: LabSettings;
  /** Engines whose drivers are tested. */
  engines: readonly EngineName[];
}

/** User-mode Linux in minutes by default; with HADB_TEST_ALL the emulated PC as well; HADB_LAB_ENGINE narrows it to one. */
export function readEndToEndOptions(): EndToEndOptions {
  const lab = readLabSettings();
  if (lab.engine !== undefined) return { lab, engines: [lab.engine] };
  return { lab, engines: process.env['HADB_TEST_ALL'] === '1' ? ['uml', 'tcg'] : ['uml'] };
}
