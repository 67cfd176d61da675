import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS, type MetricName } from '../../cluster/report/metrics';
import { alertMessage, type AlertMessage } from '../../cluster/recovery/watch';
import { ROOT, read } from './markdown';
import { alertRules, dashboard, expressions, metricsIn } from './monitoring';

/** Dashboard and alert rules name metrics and labels that there are. */

const SERIES = new Map(
  (Object.keys(METRICS) as MetricName[]).flatMap((name): [string, MetricName][] =>
    METRICS[name].kind === 'histogram'
      ? ['_bucket', '_sum', '_count'].map((suffix) => [`${name}${suffix}`, name])
      : [[name, name]],
  ),
);
const ours = (expr: string) => metricsIn(expr).filter((name) => name.startsWith('hadb_'));

it('there are rules and panels to look at', () => {
  expect(alertRules().length).toBeGreaterThan(5);
  expect(dashboard().panels.length).toBeGreaterThan(5);
});

it.each(expressions())('"$of" names metrics that a worker exposes', ({ expr }) => {
  expect(metricsIn(expr)).not.toEqual([]);
  expect(ours(expr).filter((name) => !SERIES.has(name))).toEqual([]);
});

it.each(expressions())('"$of" names labels that its metrics have', ({ expr, text }) => {
  const known = new Set<string>(
    ours(expr).flatMap((name) => METRICS[SERIES.get(name) ?? 'hadb_drill_rto_seconds'].labels),
  );
  const named = [
    ...[...expr.matchAll(/\{([a-z_]+)=/g), ...expr.matchAll(/label_values\([a-z_]+, ([a-z_]+)\)/g)].map(
      ([, label]) => label,
    ),
    ...[...expr.matchAll(/\bby \(([a-z_, ]+)\)/g)].flatMap(([, labels = '']) => labels.split(', ')),
    ...[...text.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g)].map(([, label]) => label),
  ];
  // `le` is of every histogram; `worker_type` of Temporal's slots.
  expect(named.filter((label = '') => !known.has(label) && !['le', 'worker_type'].includes(label))).toEqual([]);
});

it('the alert that is shown is one that is sent', () => {
  const shown = JSON.parse(read('docs/monitoring/alert.json')) as AlertMessage;
  const { version: _, source: __, code: ___, text: ____, ...parts } = shown;

  expect(alertMessage(parts)).toEqual(shown);
});

it('every rule says what is wrong, and how bad it is', () => {
  expect(alertRules().filter(({ annotations }) => (annotations['summary'] ?? '').length < 20)).toEqual([]);
  expect(alertRules().filter(({ labels }) => !['page', 'ticket'].includes(labels['severity'] ?? ''))).toEqual([]);
});

it.each(Object.keys(METRICS))('%s is told by some code, and shown or judged somewhere', (name) => {
  const sources = ['activities', 'cluster', 'worker', 'workflows'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(ROOT, folder, file), 'utf8')),
  );
  const told = sources.filter((text) => text.includes(`'${name}'`));

  expect(told.length).toBeGreaterThan(0);
  expect(expressions().some(({ expr }) => ours(expr).some((series) => SERIES.get(series) === name))).toBe(true);
});
