'use strict';

/**
 * Prints one closing line a run, `word: N passed, N failed, N skipped`, and fails a run in which a test was skipped:
 * what cannot run on a machine must say so by failing, or print its reason and not be collected at all.
 */
class ClosingLineReporter {
  constructor(_globalConfig, options) {
    this.word = options.word ?? 'tests';
    this.skipped = 0;
  }

  onRunComplete(_contexts, results) {
    this.skipped = results.numPendingTests + results.numTodoTests + results.numPendingTestSuites;
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    process.stdout.write(
      `\n${this.word}: ${results.numPassedTests} passed, ${failed} failed, ${this.skipped} skipped\n`,
    );
  }

  getLastError() {
    return this.skipped > 0 ? new Error(`${this.skipped} tests were skipped; none may be`) : undefined;
  }
}

module.exports = ClosingLineReporter;
