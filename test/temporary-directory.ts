import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Each test of this file or block gets a directory of its own, told to `prepare` before the test and removed after it. For tests
 * whose processes have to end first, a hook that ends and removes is clearer.
 */
export function useTemporaryDirectory(prepare: (directory: string) => void): void {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-test-'));
    prepare(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
}
