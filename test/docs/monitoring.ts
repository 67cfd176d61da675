import { parse } from 'yaml';
import { read } from './markdown';

/** Dashboard and alert rules as tests read them. */

interface Rules {
  groups: { name: string; rules: AlertRule[] }[];
}

export interface AlertRule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}

interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; query: string | { query: string } }[] };
}

export const alertRules = (): AlertRule[] =>
  (parse(read('docs/monitoring/alerts.yaml')) as Rules).groups.flatMap(({ rules }) => rules);

export const dashboard = (): Dashboard => JSON.parse(read('docs/monitoring/grafana-dashboard.json')) as Dashboard;

/** Every expression, with what it is for. */
export function expressions(): { of: string; expr: string; text: string }[] {
  const { panels, templating } = dashboard();
  return [
    ...alertRules().map(({ alert, expr, annotations }) => ({
      of: alert,
      expr,
      text: Object.values(annotations).join(' '),
    })),
    ...panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => ({ of: title, expr, text: legendFormat })),
    ),
    ...templating.list.flatMap(({ name, query }) =>
      typeof query === 'object' ? [{ of: name, expr: query.query, text: '' }] : [],
    ),
  ];
}

/** Names of metrics in an expression: ours and those of Temporal's SDK. */
export const metricsIn = (expr: string): string[] => [...new Set(expr.match(/\b(?:hadb|temporal)_[a-z0-9_]+\b/g))];
