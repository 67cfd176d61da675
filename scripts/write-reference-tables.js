// Writes the tables of docs/messages.md, docs/exit-codes.md and docs/monitoring.md and the schemas of docs/ from the code they describe.
// Usage: npm run build && node scripts/write-reference-tables.js && npm run format
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { renderExitCodeTable } = require('../dist/client/exit-codes');
const { JOURNAL_SCHEMA_FILE, renderJournalSchema } = require('../dist/cluster/report/journal-schema');
const { renderMetricTable } = require('../dist/cluster/report/metrics');
const { SCHEMA_FILE, renderJsonSchema } = require('../dist/cluster/specification/json-schema');
const { renderMessageTable } = require('../dist/client/messages');

const BEGIN = '<!-- begin of the table -->';
const END = '<!-- end of the table -->';

for (const [name, table] of [
  ['messages.md', renderMessageTable()],
  ['exit-codes.md', renderExitCodeTable()],
  ['monitoring.md', renderMetricTable()],
]) {
  const file = join(__dirname, '..', 'docs', name);
  const text = readFileSync(file, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`${file} lacks the marks of its table`);
  writeFileSync(file, `${before}${BEGIN}\n\n${table}\n\n${END}${after}`);
}

for (const [name, schema] of [
  [SCHEMA_FILE, renderJsonSchema()],
  [JOURNAL_SCHEMA_FILE, renderJournalSchema()],
]) {
  writeFileSync(join(__dirname, '..', name), schema);
}
