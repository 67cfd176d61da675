#!/usr/bin/env node
'use strict';
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const main = join(__dirname, '..', 'dist', 'client', 'main.js');
if (!existsSync(main)) {
  console.error('hadb is not built yet: run "npm run build" in ' + join(__dirname, '..') + ' first.');
  process.exit(70);
}
require(main);
