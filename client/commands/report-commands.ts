import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { OUTCOME_WORDS, REPORT_FILES } from '../../cluster/report/drill-record';
import { formatDuration } from '../../cluster/report/duration';
import { TREND_HEAD, renderTrendChart, renderTrendPage, trendOf, trendRows } from '../../cluster/report/trend';
import { writeFileAtomically } from '../../processes/owned-process';
import { DRILL_KINDS } from '../../workflows/messages';
import type { ClientContext } from '../context';
import { findDrillReport, readDrillReports, type DrillReport } from '../drill-reports';
import { exitCode } from '../exit-codes';
import { codeOfError, describeError, exitOfError } from '../failure';
import { ClientError } from '../messages';
import { parseDrillKind } from '../requests';
import { paintFor, type Paint } from '../reporting/paint';

/** The commands that read what drills have left on this computer. They need no Temporal. */

export interface ReportFlags {
  json: boolean;
}

const SCHEMA = '1.0';

/** Prints where the report of a drill is, and what it says. */
export function report(context: ClientContext, { json }: ReportFlags, word: string | undefined): void {
  telling(context, json, () => {
    const directory = context.settings.drillsDirectory;
    const reports = readDrillReports(directory);
    const found = findDrillReport(reports, word) ?? findDrillReport(reports, kindOf(word));
    if (found === undefined) {
      const what = word === undefined ? 'of any drill' : `of a drill "${word}"`;
      const known = reports.length === 0 ? '' : ` The latest is ${reports.at(-1)?.journal.hadb.drill}.`;
      throw new ClientError(
        'HADB_E4017',
        'failed',
        `there is no report ${what} in ${directory}.${known} Reports are on the machine whose worker made the drill.`,
      );
    }
    return json ? [JSON.stringify(describe(found), undefined, 2)] : reportLines(found, paint(context));
  });
}

/** `power-off` for `node-power-off`, as `hadb drill` takes it. */
function kindOf(word: string | undefined): string | undefined {
  if (word === undefined) return undefined;
  try {
    return parseDrillKind(word);
  } catch {
    return word;
  }
}

const filesOf = ({ directory, journal: { hadb } }: DrillReport) => ({
  page: join(directory, hadb.files.page),
  journal: join(directory, REPORT_FILES.journal),
  junit: join(directory, hadb.files.junit),
  ...(hadb.files.ledger !== null && { ledger: join(directory, hadb.files.ledger.file) }),
});

function describe(found: DrillReport): object {
  const { start, end, duration, hadb } = found.journal;
  const { outcome, drill, kind, cluster, verdict, failure, writes, limitSeconds, workflow } = hadb;
  const figures = { verdict, failure, writes, limitSeconds };
  return {
    schema: SCHEMA,
    drill,
    kind,
    cluster,
    outcome,
    start,
    end,
    duration,
    ...figures,
    workflow,
    files: filesOf(found),
  };
}

function reportLines(found: DrillReport, color: Paint): string[] {
  const { start, duration, hadb } = found.journal;
  const { word, mark } = OUTCOME_WORDS[hadb.outcome];
  const format =
    hadb.outcome === 'passed' ? 'green' : hadb.outcome === 'failed' || hadb.outcome === 'error' ? 'red' : 'yellow';
  const when = `${start.slice(0, 19).replace('T', ' ')} UTC, ${formatDuration(duration * 1000)}`;
  return [
    `${color(format, mark)} ${color('bold', `${hadb.kind} of ${hadb.cluster}: ${word.toLowerCase()}`)}  ${color('dim', when)}`,
    ...(hadb.verdict === null ? [] : [`  ${hadb.verdict.summary}`]),
    ...(hadb.failure === null ? [] : [`  ${hadb.failure.code}: ${hadb.failure.message}`]),
    ...(hadb.verdict?.checks ?? []).map(({ name, passed, unknown, notRun, detail }) => {
      const sign = notRun
        ? color('yellow', '–')
        : passed
          ? color('green', '✔')
          : unknown
            ? color('yellow', '?')
            : color('red', '✖');
      return `  ${sign} ${name}: ${detail}`;
    }),
    ...(hadb.workflow.url === undefined ? [] : [color('dim', `  ${hadb.workflow.url}`)]),
    filesOf(found).page,
  ];
}

/** Prints the table, and writes the chart as SVG and as a page. */
export function trend(context: ClientContext, { json }: ReportFlags): void {
  telling(context, json, () => {
    const directory = context.settings.drillsDirectory;
    const now = context.clock.now();
    const told = trendOf(
      readDrillReports(directory).map(({ journal }) => journal),
      { now, kinds: DRILL_KINDS },
    );
    const files = { svg: join(directory, 'trend.svg'), page: join(directory, 'trend.html') };
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileAtomically(files.svg, renderTrendChart(told));
    writeFileAtomically(files.page, renderTrendPage(told, now));
    if (json) return [JSON.stringify({ schema: SCHEMA, ...told, files }, undefined, 2)];
    return [...aligned([[...TREND_HEAD], ...trendRows(told)]), files.svg, files.page];
  });
}

/** The first column to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? [];
  return rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

const paint = ({ process: { stdout }, settings }: ClientContext): Paint => paintFor(stdout, settings);

/** Results go to standard output, what failed to standard error; `--json` is one document either way. */
function telling(context: ClientContext, json: boolean, tell: () => string[]): void {
  const { stdout, stderr } = context.process;
  try {
    stdout.write(`${tell().join('\n')}\n`);
    context.process.exitCode = exitCode('passed');
  } catch (error) {
    const message = describeError(error);
    const code = codeOfError(error);
    stderr.write(`${message}\n`);
    if (json) stdout.write(`${JSON.stringify({ schema: SCHEMA, code, error: message }, undefined, 2)}\n`);
    context.process.exitCode = exitCode(exitOfError(error));
  }
}
