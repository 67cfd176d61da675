import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeOldTrees } from './real-tools';

it("a new tree of the nodes' programs takes the place of those that were not used for a week", () => {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-trees-'));
  const old = new Date(Date.now() - 9 * 86_400_000);
  const names = {
    made: `bookworm-${'a'.repeat(16)}`,
    unused: `bookworm-${'b'.repeat(16)}`,
    recent: `bookworm-${'c'.repeat(16)}`,
    otherSuite: `sid-${'d'.repeat(16)}`,
    strange: 'bookworm-of-somebody',
  };
  try {
    for (const name of Object.values(names)) {
      mkdirSync(join(directory, name, 'etc'), { recursive: true });
      writeFileSync(join(directory, name, 'etc', 'passwd'), '');
      utimesSync(join(directory, name), old, old);
    }
    utimesSync(join(directory, names.recent), new Date(), new Date());

    execFileSync('sh', ['-euc', removeOldTrees('"$1"', '"$2"'), 'sh', join(directory, names.made), 'bookworm']);

    const { unused: _, ...kept } = names;
    expect(readdirSync(directory).sort()).toEqual(Object.values(kept).sort());
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
