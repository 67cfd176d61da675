// `npm run drills`: a series of drills (`hadb drills run`), or with --show-loss the opposite.
// Usage: npm run drills -- [--rounds N] [--seed S] [--kinds a,b] [--write page.md] [spec] | --show-loss [stale] [late] | --show-loss mend
'use strict';
const { join } = require('node:path');

const words = process.argv.slice(2);
if (words[0] === '--show-loss') {
  require('./show-loss.js')
    .main(words.slice(1))
    .then(
      (code) => {
        process.exitCode = code;
      },
      (error) => {
        process.stderr.write(`${error.stack}\n`);
        process.exitCode = 1;
      },
    );
} else {
  process.argv.splice(2, 0, 'drills', 'run');
  require(join(__dirname, '..', 'bin', 'hadb.js'));
}
