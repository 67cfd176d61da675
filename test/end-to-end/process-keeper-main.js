// Waits until its standard input closes, as it does when the process at the other end is gone, whatever ended it. Then ends
// the processes whose records lie below the directory, and removes that unless told to keep it.
// Usage: node process-keeper-main.js DIRECTORY [--keep]
'use strict';
const { readdirSync, rmSync } = require('node:fs');
const { basename, join, sep } = require('node:path');
const { killSession } = require('../../dist/lab/machines/session');

const [directory, keep] = process.argv.slice(2);

process.stdin.resume().once('close', async () => {
  // Whoever starts others has its record above theirs.
  const depth = (file) => file.split(sep).length;
  const records = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(process|\w+-process|writer)\.json$/.test(basename(file)))
    .sort((a, b) => depth(a) - depth(b));
  for (const record of records) await killSession(join(directory, record));
  if (keep !== '--keep') rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
});
