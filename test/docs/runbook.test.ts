import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, read } from './markdown';

/** docs/runbook.md tells of every step of a build: what, how it differs from 2014, how it is guarded. */

const PAGE = 'docs/runbook.md';
const chapters = join(ROOT, 'workflows', 'chapters');
const sources = readdirSync(chapters).map((file) => readFileSync(join(chapters, file), 'utf8'));
const steps = [
  ...new Set(sources.flatMap((text) => [...text.matchAll(/\bid: '([a-z-]+)'/g)].map(([, id = '']) => id))),
];
/** `fail-over` is the beginning of `fail-over-release` and its like; so is the id of a remote query, which is an argument. */
const beginnings = ['fail-over', 'fail-back'];
const rows = read(PAGE)
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| --') && !/^\| steps? /.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\||\|$/g, '').trim()));

it('knows the steps of a build at all', () => {
  expect(steps.length).toBeGreaterThan(45);
  expect(rows.length).toBeGreaterThan(35);
});

it.each(steps.filter((id) => !beginnings.includes(id)))('the step %s is explained', (id) => {
  expect(read(PAGE)).toContain(`\`${id}\``);
});

it.each(rows)('%s: what, then and now, and guard are said', (_steps, ...cells) => {
  expect(cells).toHaveLength(3);
  expect(cells.filter((cell) => cell === '')).toEqual([]);
});

const named = rows.flatMap(([first = '']) => [...first.matchAll(/`([a-z-]+)`/g)].map(([, id = '']) => id));

it.each(named.filter((id) => !/^(?:switchover|node-power-off)-/.test(id)))('the step %s is one that there is', (id) => {
  const known = steps.includes(id) || sources.some((text) => text.includes(`'${id}'`));

  expect(known).toBe(true);
});
