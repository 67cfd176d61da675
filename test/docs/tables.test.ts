import { renderExitCodeTable } from '../../client/exit-codes';
import { renderMessageTable } from '../../client/messages';
import { renderMetricTable } from '../../cluster/report/metrics';
import { tableAfter, tableOf } from './markdown';

const BEGIN = '<!-- begin of the table -->';
const HINT = 'bring it up to date with: npm run build && node scripts/write-reference-tables.js && npm run format';

it.each([
  ['docs/messages.md', renderMessageTable()],
  ['docs/exit-codes.md', renderExitCodeTable()],
  ['docs/monitoring.md', renderMetricTable()],
])(`the table of %s is the code's (${HINT})`, (file, table) => {
  expect(tableAfter(file, BEGIN)).toEqual(tableOf(table));
});
