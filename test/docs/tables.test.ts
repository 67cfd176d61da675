import { renderExitCodeTable } from '../../client/exit-codes';
import { renderMessageTable } from '../../client/messages';
import { renderMetricTable } from '../../cluster/report/metrics';
import { readSpecification } from '../../cluster/specification/read';
import { timingOf } from '../../cluster/timing';
import { timingTables } from '../../cluster/timing-costs';
import { read, tableAfter, tableOf } from './markdown';

const BEGIN = '<!-- begin of the table -->';
const HINT = 'bring it up to date with: npm run build && node scripts/write-reference-tables.js && npm run format';

it.each([
  ['docs/messages.md', renderMessageTable()],
  ['docs/exit-codes.md', renderExitCodeTable()],
  ['docs/monitoring.md', renderMetricTable()],
])(`the table of %s is the code's (${HINT})`, (file, table) => {
  expect(tableAfter(file, BEGIN)).toEqual(tableOf(table));
});

function timingOfExample(file: string) {
  const reading = readSpecification(read(`examples/${file}`));
  if (!reading.ok) throw new Error(`${file} is no possible specification`);
  return timingOf(reading.specification);
}

it.each(timingTables({ azure: timingOfExample('article.yaml'), fast: timingOfExample('lab.yaml') }))(
  `the table of $name in docs/performance.md is the code's (${HINT})`,
  ({ name, table }) => {
    expect(tableOf(table).length).toBeGreaterThan(4);
    const [, rest = ''] = read('docs/performance.md').split(`<!-- begin of ${name} -->`);
    expect(tableOf(rest.split(`<!-- end of ${name} -->`)[0] ?? '')).toEqual(tableOf(table));
  },
);
