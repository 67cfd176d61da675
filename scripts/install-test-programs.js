// Installs what the tests call on this computer and hadb does not, on Debian and Ubuntu; elsewhere names it and ends with 1.
// Usage: npm run build && node scripts/install-test-programs.js
'use strict';
const { spawnSync } = require('node:child_process');
const { createHost } = require('../dist/client/host');
const { installHostPackages } = require('../dist/client/host-packages');
const composeCommands = require('../test/docker/compose-commands.json');

const host = createHost(process.env.PATH ?? '');
const hasProgram = (name) => host.findProgram(name) !== undefined;
// Not only there: Ubuntu 24.04's docker-compose of Python does not run with its Python.
const hasCompose = composeCommands.some(
  ([program, ...args]) => spawnSync(program, [...args, 'version'], { stdio: 'ignore' }).status === 0,
);

const missing = Object.entries({
  procps: hasProgram('ps'),
  'openssh-client': hasProgram('ssh-keygen'),
  sudo: hasProgram('visudo'),
  // Large, and of Debian only: Ubuntu's is a snap, which nothing here can install.
  ...(process.env.HADB_TEST_ALL === '1' && !host.systems.includes('ubuntu') && { chromium: hasProgram('chromium') }),
  [host.systems.includes('ubuntu') ? 'docker-compose-v2' : 'docker-compose']: hasCompose,
}).flatMap(([name, isThere]) => (isThere ? [] : [name]));

installHostPackages(host, missing, (_code, text) => process.stderr.write(`${text}\n`)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
