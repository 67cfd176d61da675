import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { slug } from '../cluster/ids';
import { REPORT_FILES } from '../cluster/report/drill-record';
import { parseJournal, type JournalEntry } from '../cluster/report/journal-schema';

/** The reports that a worker on this computer has written, one directory for each drill. */

export interface DrillReport {
  directory: string;
  journal: JournalEntry;
}

/** Oldest first; a directory without a readable journal is a drill that goes on, or one of another hadb. */
export function readDrillReports(directory: string): DrillReport[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const file = join(directory, name, REPORT_FILES.journal);
      const journal = existsSync(file) ? parseJournal(readFileSync(file, 'utf8')) : undefined;
      return journal === undefined ? [] : [{ directory: join(directory, name), journal }];
    })
    .sort((one, other) => Date.parse(one.journal.start) - Date.parse(other.journal.start));
}

/** The latest that the word names: a drill, its directory, its workflow, its kind or its cluster; the latest of all without one. */
export function findDrillReport(reports: readonly DrillReport[], word: string | undefined): DrillReport | undefined {
  if (word === undefined) return reports.at(-1);
  const names = ({ directory, journal: { hadb } }: DrillReport) => [
    hadb.drill,
    slug(hadb.drill),
    directory,
    hadb.workflow.workflowId,
    hadb.workflow.runId,
    hadb.kind,
    hadb.cluster,
  ];
  return reports.findLast((report) => names(report).includes(word));
}
