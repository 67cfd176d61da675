import type { StepFailure, Verdict } from '../step';
import { OUTCOME_WORDS, outcomeOf, type DrillRecord } from './drill-record';
import { element, escapeMarkup } from './markup';

/** What JUnit's XML tells: known to the worker, and as well to a client that has watched the run. */
export interface JUnitDrill {
  kind: string;
  cluster: string;
  verdict?: Verdict;
  failure?: StepFailure;
  cancelled?: boolean;
  /** ms since the epoch. */
  startedAt: number;
  endedAt: number;
  properties: Readonly<Record<string, string>>;
}

/**
 * One case for each assertion, in the subset that every reader knows (testmoapp/junitxml). A check that does not hold is a failure; what could not be told,
 * or a drill that did not come to its end, an error; a gate that was not met skips. Figures stand in the messages, too: some readers drop properties.
 */
export function renderJUnit(drill: JUnitDrill): string {
  const cases = casesOf(drill);
  const count = (tag: Result['tag']) => cases.filter(({ result }) => result?.tag === tag).length;
  const counts = { tests: cases.length, failures: count('failure'), errors: count('error'), skipped: count('skipped') };
  const seconds = ((drill.endedAt - drill.startedAt) / 1000).toFixed(3);
  const classname = `hadb.drill.${drill.kind}`;
  const properties = Object.entries(drill.properties).map(([name, value]) => element('property', { name, value }));
  const suite = element(
    'testsuite',
    {
      name: `hadb drill ${drill.kind} of ${drill.cluster}`,
      ...counts,
      time: seconds,
      timestamp: new Date(drill.startedAt).toISOString(),
    },
    [
      '',
      ...(properties.length === 0 ? [] : [element('properties', {}, properties.join(''))]),
      ...cases.map(({ name, detail, result }, index) =>
        // The whole time is the last case's: the assertions themselves take none.
        element(
          'testcase',
          { name, classname, time: index === cases.length - 1 ? seconds : '0' },
          (result === undefined
            ? ''
            : element(result.tag, { message: result.message, type: result.type }, escapeMarkup(detail))) +
            (result === undefined && detail !== '' ? element('system-out', {}, escapeMarkup(detail)) : ''),
        ),
      ),
      '',
    ].join('\n'),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', { name: 'hadb', ...counts, time: seconds }, `\n${suite}\n`)}\n`;
}

export const junitOf = (record: DrillRecord, properties: Readonly<Record<string, string>>): JUnitDrill => ({
  kind: record.kind,
  cluster: record.cluster,
  ...(record.verdict !== undefined && { verdict: record.verdict }),
  ...(record.failure !== undefined && { failure: record.failure }),
  ...(record.cancelled === true && { cancelled: true }),
  startedAt: record.startedAt,
  endedAt: record.endedAt,
  properties,
});

interface Result {
  tag: 'failure' | 'error' | 'skipped';
  message: string;
  type?: string;
}

interface Case {
  name: string;
  detail: string;
  result?: Result;
}

function casesOf(drill: JUnitDrill): Case[] {
  const outcome = outcomeOf(drill);
  const checks = (drill.verdict?.checks ?? []).map(({ name, passed, unknown, notRun, detail }): Case => {
    if (notRun === true) return { name, detail, result: { tag: 'skipped', message: `not run: ${detail}` } };
    if (passed) return { name, detail };
    const message = `${name}: ${detail}`;
    return unknown === true
      ? { name, detail, result: { tag: 'error', message: `not known: ${message}`, type: 'Unknown' } }
      : { name, detail, result: { tag: 'failure', message, type: 'DoesNotHold' } };
  });
  if (outcome === 'refused' || outcome === 'cancelled') {
    return [...checks, { ...endOf(drill), result: { tag: 'skipped', message: endOf(drill).message } }];
  }
  if (outcome === 'error') {
    const { message } = endOf(drill);
    return [
      ...checks,
      { ...endOf(drill), result: { tag: 'error', message, type: drill.failure?.code ?? 'NoVerdict' } },
    ];
  }
  return [{ name: 'the drill came to its end', detail: drill.verdict?.summary ?? '' }, ...checks];
}

function endOf({ failure, ...drill }: JUnitDrill): Case & { message: string } {
  const { meaning } = OUTCOME_WORDS[outcomeOf({ ...drill, ...(failure !== undefined && { failure }) })];
  const message = failure === undefined ? meaning : `${failure.code}: ${failure.message}`;
  const detail = [meaning, failure?.observed, failure?.whatNow].filter((part) => part !== undefined).join('\n');
  return { name: 'the drill came to its end', detail, message };
}
