const { availableParallelism } = require('node:os');

const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' }, sourceMaps: 'inline' },
  ],
};
const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  testEnvironment: 'node',
  transform,
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  ...extra,
});

// `npm run test:all`: what takes long runs, too.
const everything = process.env.HADB_TEST_ALL === '1';

const END_TO_END = '<rootDir>/test/end-to-end/';
// One machine each, and no cluster on it.
const DRIVERS = ['machines', 'links', 'process-keeper'].map((name) => `${END_TO_END}${name}.test.ts`);

// unit: milliseconds each, no process of their own. integration: a Temporal development server, an ARM endpoint, real
// tools of the host. drivers: single machines. lab: whole clusters; alone on the host, because parallel workers starve a 3 s
// Corosync token.
module.exports = {
  projects: [
    project('unit', ['<rootDir>/test/**/*.test.ts'], {
      testPathIgnorePatterns: ['/node_modules/', '\\.integration\\.test\\.ts$', '<rootDir>/test/end-to-end/'],
    }),
    project('integration', ['<rootDir>/test/**/*.integration.test.ts']),
    project('drivers', DRIVERS),
    project('lab', [`${END_TO_END}**/*.test.ts`], {
      testPathIgnorePatterns: ['/node_modules/', ...DRIVERS, ...(everything ? [] : [`${END_TO_END}long/`])],
    }),
  ],
  // Most of what a test file does is waiting: three to a processor. (Jest would take "300%" for three hundred.)
  maxWorkers: 3 * availableParallelism(),
  // Ends a test that hangs; a busy host is no reason to fail.
  testTimeout: 240000,
  reporters: ['default', ['<rootDir>/test/reporting/closing-line-reporter.js', { word: 'tests' }]],
};
