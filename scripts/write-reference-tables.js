// Writes the tables of docs/messages.md, docs/exit-codes.md, docs/monitoring.md and docs/performance.md and the schemas of docs/ from the code they describe.
// Usage: npm run build && node scripts/write-reference-tables.js && npm run format
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { renderExitCodeTable } = require('../dist/client/exit-codes');
const { JOURNAL_SCHEMA_FILE, renderJournalSchema } = require('../dist/cluster/report/journal-schema');
const { renderMetricTable } = require('../dist/cluster/report/metrics');
const { timingOf } = require('../dist/cluster/timing');
const { timingTables } = require('../dist/cluster/timing-costs');
const { readSpecification } = require('../dist/cluster/specification/read');
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

const timingOfExample = (name) =>
  timingOf(readSpecification(readFileSync(join(__dirname, '..', 'examples', name), 'utf8')).specification);

for (const { name, table } of timingTables({
  azure: timingOfExample('article.yaml'),
  fast: timingOfExample('lab.yaml'),
})) {
  const file = join(__dirname, '..', 'docs', 'performance.md');
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [`<!-- begin of ${name} -->`, `<!-- end of ${name} -->`];
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${file} lacks the marks of ${name}`);
  writeFileSync(file, `${before}${begin}\n\n${table}\n\n${end}${after}`);
}

for (const [name, schema] of [
  [SCHEMA_FILE, renderJsonSchema()],
  [JOURNAL_SCHEMA_FILE, renderJournalSchema()],
]) {
  writeFileSync(join(__dirname, '..', name), schema);
}
